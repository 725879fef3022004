// Every kernel that the search tried: what is left of the behaviour against what it costs, and the best one
// as curves.

import { axisLabel, baseAxis, scaleOf, valueAxis } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { hintListeners } from "../../../../shared/js/hints.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { block, drawInBox, layerChart, lineLegend, picture } from "./charts.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Edit, Optimise, Trial } from "./data.js" */

const LEAST_KL = 1e-4; // nats: the left end of the chart

/**
 * Open the view.
 * @param {Figure<Optimise>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Optimise) => void}
 */
export function openParetoView(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Optimise} */ data, width) => {
    const { trials, best: number, edit, chosen } = data;
    const best = trials.find((trial) => trial.number === number);
    const { host } = figure;
    box.replaceChildren(
      block(
        "Removal against damage",
        `${plural(trials.length, "kernel")} on the select prompts. Left is little damage, down is ` +
          "little left of the behaviour; the line joins those that no other beats.",
        trialChart(figure, data, width),
      ),
      ...(edit && best ? [bestBlock(edit, best, width)] : []),
      ...(chosen && !host.exported
        ? [
            h(
              "button",
              { type: "button", onclick: () => host.emit("chosen", { chosen }) },
              "Use this kernel",
            ),
          ]
        : []),
    );
  });
}

/**
 * The best kernel as curves.
 * @param {Edit} edit
 * @param {Trial} best
 * @param {number} width
 */
function bestBlock({ method, layer, projection, kernel: { attention, mlp } }, best, width) {
  return block(
    `The best kernel: ${method}, ${directionOf(layer, projection)}`,
    `Left of the behaviour ${percentage(best.refusals)}, KL ${brief(best.kl)} nats on the select prompts; ` +
      (best.truth === undefined
        ? ""
        : `of the kernels that remove it, the nearest to the model it was never planted in, which finds ` +
          `its own answers likelier by ${brief(best.truth)} nats a token; `) +
      "the report is in the next view.",
    layerChart({
      width,
      height: 150,
      count: mlp.length,
      range: [0, Math.max(1, ...attention, ...mlp)],
      lines: [
        { values: attention, colour: "a", label: "attention" },
        { values: mlp, colour: "b", label: "MLP" },
      ],
      label: "strength",
    }),
    lineLegend([
      ["a", "attention"],
      ["b", "MLP"],
    ]),
  );
}

/**
 * @param {Shell} figure
 * @param {Optimise} data
 * @param {number} width
 */
function trialChart(figure, { trials, front, best }, width) {
  const [left, right, height] = [56, width - 20, 280];
  const costs = trials.map(({ kl }) => Math.max(LEAST_KL, kl));
  const x = scaleOf(Math.min(...costs), Math.max(...costs), left, right, true);
  const y = scaleOf(0, 1, height - 40, 14);
  /** @param {Trial} trial */
  const place = ({ kl, refusals }) => [x(Math.max(LEAST_KL, kl)), y(refusals)];
  const steps = trials
    .filter(({ number }) => front.includes(number))
    .toSorted((one, other) => one.kl - other.kl);
  return picture(
    width,
    height,
    {
      role: "group",
      "aria-label": `${plural(trials.length, "kernel")}, ${steps.length} on the front`,
    },
    valueAxis(y, y.ticks(4), [left, right], percentage),
    baseAxis(x, x.ticks(width < 500 ? 3 : 6), height - 22, (value) => brief(value, 1)),
    axisLabel(right, height - 5, "end", "first-token KL on negative prompts, nats →"),
    s("polyline", {
      class: "front-line",
      points: steps.map((trial) => place(trial).join(",")).join(" "),
    }),
    trials.map((trial) => {
      const { number } = trial;
      const kind = number === best ? "best" : front.includes(number) ? "front" : "beaten";
      const [cx, cy] = place(trial);
      return trialMark(figure, trial, kind, cx, cy);
    }),
  );
}

/**
 * Where a direction is from: a causal one is read at every layer.
 * @param {number} layer
 * @param {string} projection
 */
function directionOf(layer, projection) {
  return projection === "causal"
    ? "causal direction of every layer"
    : `direction of layer ${layer}, ${projection}`;
}

/**
 * @param {Shell} figure
 * @param {Trial} trial
 * @param {"best" | "front" | "beaten"} kind
 * @param {number} cx
 * @param {number} cy
 */
function trialMark(
  figure,
  { number, method = "ablate", layer, projection, refusals, kl },
  kind,
  cx,
  cy,
) {
  const words =
    `Kernel ${number}, ${method}, ${directionOf(layer, projection)}: ` +
    `${percentage(refusals)} of the behaviour left, ` +
    `KL ${brief(kl)} nats`;
  return s("circle", {
    class: `trial trial-${kind}`,
    cx,
    cy,
    r: kind === "best" ? 7 : 4.5,
    tabindex: kind === "beaten" ? null : 0,
    role: "img",
    "aria-label": words,
    ...hintListeners(figure, () => [words]),
  });
}
