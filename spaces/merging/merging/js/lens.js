// One tensor's task vectors under the microscope, trimmed live as TIES does.

import { axisLabel, scaleOf } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { shortName } from "./models.js";
import { tiesOf } from "./ties.js";

/** @import { TensorSample } from "./data.js" */

/**
 * The tensor under the microscope: its entries once they are there, or why they are not.
 * @typedef {{name: string, sample: TensorSample | null, problem: string}} Lens
 */

const BINS = 61;
const HISTOGRAM_HEIGHT = 74;

/**
 * Draw the microscope.
 * @param {HTMLElement} box
 * @param {Lens | null} lens
 * @param {{density: number}} state
 * @param {number} width
 */
export function drawLens(box, lens, state, width) {
  if (!lens) box.replaceChildren();
  else if (lens.sample) drawSample(box, lens.sample, state, width);
  else
    box.replaceChildren(
      h("h2", {}, lens.name),
      lens.problem
        ? h("p", { role: "alert" }, lens.problem)
        : h("p", { class: "said", role: "status" }, "Reading the tensor …"),
    );
}

/**
 * @param {HTMLElement} box
 * @param {TensorSample} sample
 * @param {{density: number}} state
 * @param {number} width
 */
function drawSample(box, { name, values, sampled, entries }, state, width) {
  const vectors = Object.values(values);
  const ones = vectors.map(() => 1);
  const result = h("div", { class: "lens-result" });
  const slider = h("input", {
    type: "range",
    min: "0.02",
    max: "1",
    step: "0.02",
    value: state.density,
    "aria-label": "Density",
    oninput: () => {
      state.density = Number(slider.value);
      draw();
    },
  });
  const draw = () => {
    const merge = tiesOf(vectors, ones, state.density);
    result.replaceChildren(
      h(
        "p",
        { role: "status" },
        `density ${state.density.toFixed(2)}: `,
        trimSentence(vectors, merge),
      ),
      histograms(Object.keys(values), vectors, merge.kept, Math.min(width, 760)),
    );
  };
  box.replaceChildren(
    h("h2", {}, name),
    h(
      "p",
      { class: "said" },
      `${sampled.toLocaleString("en-GB")} of ${entries.toLocaleString("en-GB")} entries, drawn evenly. `,
      "TIES trims each task vector to its largest entries and elects signs; here with weight 1 each, ",
      "on the sample, so the cut is an estimate of the tensor's.",
    ),
    h("label", { class: "filters" }, "density ", slider),
    result,
  );
  draw();
}

/**
 * How many entries are kept and elected, in words.
 * @param {number[][]} vectors
 * @param {{kept: boolean[][], sign: number[], merged: number[]}} merge
 */
function trimSentence(vectors, { kept, sign, merged }) {
  /** @param {(entry: number) => boolean} test */
  const share = (test) => {
    const count = merged.filter((_, entry) => test(entry)).length;
    return `${brief((100 * count) / merged.length, 3)} %`;
  };
  if (vectors.length === 1) return `${share((entry) => kept[0][entry])} of the entries are kept.`;
  /** @param {number} entry */
  const keepers = (entry) => kept.filter((mask) => mask[entry]).length;
  /** @param {number} entry */
  const signs = (entry) =>
    new Set(
      vectors
        .filter((vector, index) => kept[index][entry] && vector[entry] !== 0)
        .map((vector) => Math.sign(vector[entry])),
    ).size;
  return (
    `${share((entry) => keepers(entry) === vectors.length)} of the entries are kept by all, ` +
    `${share((entry) => keepers(entry) > 0 && keepers(entry) < vectors.length)} by some, ` +
    `${share((entry) => keepers(entry) === 0)} by none; ` +
    `${share((entry) => signs(entry) > 1)} needed an election, ` +
    `${share((entry) => sign[entry] > 0 && merged[entry] !== 0)} were raised.`
  );
}

/**
 * Histograms of task vectors, one below the other: what is kept stands out from what is trimmed.
 * @param {string[]} names
 * @param {number[][]} vectors
 * @param {boolean[][]} kept
 * @param {number} width
 */
function histograms(names, vectors, kept, width) {
  const most = Math.max(1e-12, ...vectors.flat().map(Math.abs));
  const x = scaleOf(-most, most, 8, width - 8);
  const high = names.length * HISTOGRAM_HEIGHT + 22;
  const svg = s(
    "svg",
    {
      class: "lens-chart",
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      role: "img",
      "aria-label": `Histograms of the task vectors of ${names.join(", ")}`,
    },
    vectors.map((vector, row) => {
      const floor = (row + 1) * HISTOGRAM_HEIGHT - 6;
      return [
        axisLabel(8, floor - HISTOGRAM_HEIGHT + 18, "start", shortName(names[row])),
        histogramBars(vector, kept[row], most, floor, width, "abcd"[row % 4]),
      ];
    }),
    axisLabel(x(-most), high - 4, "start", brief(-most, 2)),
    axisLabel(x(0), high - 4, "middle", "0"),
    axisLabel(x(most), high - 4, "end", brief(most, 2)),
  );
  return h(
    "div",
    {},
    svg,
    h("p", { class: "said" }, "Solid: kept. Pale: trimmed. Heights are square roots of counts."),
  );
}

/**
 * @param {number[]} vector
 * @param {boolean[]} kept
 * @param {number} most
 * @param {number} floor
 * @param {number} width
 * @param {string} colour
 */
function histogramBars(vector, kept, most, floor, width, colour) {
  const counts = Array.from({ length: BINS }, () => ({ all: 0, kept: 0 }));
  vector.forEach((value, entry) => {
    const bin = Math.floor(((value + most) / (2 * most)) * BINS);
    const count = counts[Math.min(BINS - 1, bin)];
    count.all += 1;
    count.kept += kept[entry] ? 1 : 0;
  });
  const top = Math.sqrt(Math.max(...counts.map(({ all }) => all)));
  const wide = (width - 16) / BINS - 1;
  return counts.map((count, bin) => {
    const x = 8 + (bin / BINS) * (width - 16);
    const all = ((HISTOGRAM_HEIGHT - 22) * Math.sqrt(count.all)) / top;
    const part = count.all ? (all * count.kept) / count.all : 0;
    return [
      s("rect", {
        class: "trimmed",
        x,
        y: floor - all,
        width: wide,
        height: Math.max(0, all - part),
      }),
      s("rect", { class: `kept series-${colour}`, x, y: floor - part, width: wide, height: part }),
    ];
  });
}
