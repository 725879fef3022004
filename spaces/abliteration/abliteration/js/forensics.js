// What was done to a published model: how strongly in which layer, and what went with it.

import { axisLabel, baseAxis, layerTicks, scaleOf, valueAxis } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief, number, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { factList } from "../../../../shared/js/tables.js";
import { block, columnWidth, drawInBox, layerChart, lineLegend, picture } from "./charts.js";
import { shareChart, sharePairs } from "./damage.js";
import { openDifferences, openRecord } from "./forensictables.js";
import { openSpectrum } from "./spectrum.js";
import { meanWords } from "./truth.js";

/** @import { Facts, Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Claims, CurveShape, Difference, Forensics, StrengthCurve } from "./data.js" */

/** @type {Record<string, string>} */
const PART_NAMES = { attention: "Attention", mlp: "MLP" };

/** @returns {Figure<Forensics>} */
export function openForensicsRoom() {
  return openTabbed(
    "abliteration",
    "What was done to a published model",
    "Name two models and press What was done?",
    [
      { name: "done", label: "What was done", picture: true, open: openDone },
      {
        name: "spectrum",
        label: "Rank",
        picture: true,
        hidden: ({ rows }) => !rows.some(({ values }) => values),
        open: openSpectrum,
      },
      { name: "matrices", label: "Tensors", open: openDifferences },
      {
        name: "bench",
        label: "Removed and damaged",
        picture: true,
        hidden: ({ measures }) => !measures?.behaviour.positive?.edited,
        open: openBench,
      },
      { name: "record", label: "Its record", hidden: ({ claims }) => !claims, open: openRecord },
    ],
    forensicsFacts,
  );
}

/**
 * What stands above the views.
 * @param {Forensics} data
 * @returns {Facts}
 */
function forensicsFacts({ title, verdict, base, edited, provenance, example, seconds, ...data }) {
  const model = (/** @type {Forensics["base"]} */ { id, revision, dtype, source }) =>
    `${id} (${revision.slice(0, 40)}), ${source}, ${dtype}`;
  return {
    title,
    key: [verdict.words],
    provenance: [
      `base ${model(base)}`,
      `edited ${model(edited)}`,
      `${plural(data.looked, "tensor")} compared in float64, ` +
        `${whole(provenance.draws)} random directions behind each match`,
      `torch ${provenance.torch}, safetensors ${provenance.safetensors}`,
      ...(seconds ? [`${brief(seconds)} s`] : []),
    ].join(" · "),
    tags: example ? ["stored example"] : [],
    warnings: data.left_out
      ? [`${whole(data.left_out)} tensors that differ are not listed here.`]
      : [],
  };
}

/**
 * Open the view of the strengths over the layers, or of where the two differ.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Forensics) => void}
 */
function openDone(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Forensics} */ data, width) => {
    const { verdict, curves, claims } = data;
    const isTaken = verdict.kind === "projection" || verdict.kind === "mixed";
    const facts = h(
      "ul",
      { class: "verdict-facts" },
      [...verdict.facts, ...agreementWords(data)].map((fact) => h("li", {}, fact)),
    );
    const column = columnWidth(width);
    const charts = isTaken
      ? [
          h(
            "div",
            { class: "two" },
            curves.map((curve) =>
              block(
                `${PART_NAMES[curve.part]}: strength by layer`,
                shapeWords(curve.shape, data.layers),
                strengthChart(curve, statedOf(claims, curve.part), column),
              ),
            ),
          ),
          lineLegend([
            ["a", "in the weights"],
            ["ink", "the kernel that fits", true],
            ...(claims ? [/** @type {const} */ (["b", `stated by ${claims.by}`])] : []),
          ]),
        ]
      : differenceCharts(data, width);
    box.replaceChildren(facts, ...charts);
  });
}

/**
 * How alike the directions of the matrices are.
 * @param {Forensics} data
 */
function agreementWords({ agreement, rows }) {
  const taken = rows.filter(({ taken: one }) => one?.side === "writes");
  if (!taken.length) return [];
  const least = Math.min(...taken.map(({ taken: one }) => one?.agreement ?? 0));
  return [
    `One direction has ${percent(agreement)} of what the matrices lost; the least |cosine| of any ` +
      `with it is ${number(least, 4)}.`,
  ];
}

/**
 * @param {Claims | undefined} claims
 * @param {string} part
 */
function statedOf(claims, part) {
  return claims?.curves.find((curve) => curve.part === part)?.strengths ?? null;
}

/**
 * A kernel's shape in words.
 * @param {CurveShape} shape
 * @param {number} layers
 */
function shapeWords({ kind, first, last, height, position, slope, distance, gap }, layers) {
  const where = first === 0 && last === layers - 1 ? "every layer" : `layers ${first} to ${last}`;
  if (kind === "none") return "Nothing was taken out.";
  if (kind === "free") return `No simple kernel: ${where}.`;
  const near = `to ${brief(Math.max(gap, 1e-4), 2)}`;
  if (kind === "constant") return `Constant ${number(height, 3)} on ${where}, ${near}.`;
  const [low, high] = distance;
  const end =
    high === null
      ? `${brief(low)} layers away or more`
      : `${brief(low)} to ${brief(high)} layers away`;
  return (
    `A falloff on ${where}, ${near}: ${number(height, 3)} at layer ${brief(position)}, ` +
    `${number(slope, 3)} with every layer from there; it ends ${end}.`
  );
}

/**
 * Strengths by layer as stems with whiskers, the kernel that fits, and what a record states.
 * @param {StrengthCurve} curve
 * @param {number[] | null} stated
 * @param {number} width
 */
function strengthChart({ part, strengths, sigmas, shape, fitted }, stated, width) {
  const [left, right, height] = [46, width - 14, 190];
  const all = [...strengths, ...fitted, ...(stated ?? [])];
  const x = scaleOf(0, Math.max(1, strengths.length - 1), left + 8, right);
  const y = scaleOf(Math.min(0, ...all), Math.max(1, ...all) * 1.06, height - 36, 10);
  const words = strengths.map((value, layer) => `layer ${layer} ${brief(value)}`).join(", ");
  const side = Math.min(11, (right - left) / strengths.length - 2); // squares that stay apart
  const isFitted = shape.kind === "constant" || shape.kind === "falloff";
  return picture(
    width,
    height,
    { "aria-label": `${PART_NAMES[part]}, strength by layer: ${words}` },
    valueAxis(y, y.ticks(4), [left, right], (value) => brief(value, 2)),
    strengths.map((value, layer) => [
      value
        ? s("line", { class: "stem", x1: x(layer), x2: x(layer), y1: y(0), y2: y(value) })
        : null,
      stated?.[layer]
        ? s("rect", {
            class: "stated",
            x: x(layer) - side / 2,
            y: y(stated[layer]) - side / 2,
            width: side,
            height: side,
          })
        : null,
      s(
        "circle",
        { class: value ? "dot-a" : "untouched", cx: x(layer), cy: y(value), r: value ? 3.8 : 2 },
        s("title", {}, strengthWords(layer, value, sigmas[layer], stated?.[layer])),
      ),
    ]),
    isFitted
      ? s("polyline", {
          class: "line line-ink line-dashed",
          points: fitted
            .flatMap((value, layer) =>
              layer >= shape.first && layer <= shape.last ? `${x(layer)},${y(value)}` : [],
            )
            .join(" "),
        })
      : null,
    baseAxis(x, layerTicks(strengths.length), height - 20, String),
    axisLabel(right, height - 4, "end", "layer →"),
  );
}

/**
 * @param {number} layer
 * @param {number} value
 * @param {number} sigma
 * @param {number | undefined} stated
 */
function strengthWords(layer, value, sigma, stated) {
  const said = stated === undefined ? "" : `; stated ${brief(stated)}`;
  return value
    ? `layer ${layer}: ${number(value, 4)} ± ${brief(sigma, 2)}${said}`
    : `layer ${layer}: untouched${said}`;
}

/**
 * Where two models differ that no projection explains: how much, and by which rank.
 * @param {Forensics} data
 * @param {number} width
 */
function differenceCharts({ rows, layers }, width) {
  const groups = [
    { colour: "a", label: "attention’s output", parts: ["attention"] },
    { colour: "b", label: "MLP’s output", parts: ["mlp"] },
    { colour: "c", label: "all that reads the stream", parts: ["reads"] },
  ];
  /** @param {(row: Difference) => number} of */
  const lines = (of) =>
    groups
      .map(({ parts, ...look }) => ({ ...look, values: largestByLayer(rows, layers, parts, of) }))
      .filter(({ values }) => values.some(Number.isFinite));
  const drawn = lines(({ relative }) => relative);
  if (!drawn.length) return [];
  const column = columnWidth(width);
  const chart = (/** @type {ReturnType<typeof lines>} */ curves, /** @type {string} */ label) =>
    layerChart({ width: column, count: layers, lines: curves, label });
  return [
    h(
      "div",
      { class: "two" },
      block(
        "How much differs",
        "‖W′ − W‖ / ‖W‖, the largest of a layer.",
        chart(drawn, "Relative difference"),
      ),
      block(
        "By which rank",
        "Singular values of W′ − W above what rounding can make, the most of a layer.",
        chart(
          lines(({ rank }) => rank ?? Number.NaN),
          "Rank of the difference",
        ),
      ),
    ),
    lineLegend(groups.map(({ colour, label }) => [colour, label])),
  ];
}

/**
 * @param {Difference[]} rows
 * @param {number} layers
 * @param {string[]} parts
 * @param {(row: Difference) => number} of
 */
function largestByLayer(rows, layers, parts, of) {
  return Array.from({ length: layers }, (_, layer) =>
    Math.max(
      ...rows.filter((row) => row.layer === layer && parts.includes(row.part)).map(of),
      Number.NEGATIVE_INFINITY,
    ),
  );
}

/**
 * Open the view of what went and what else moved.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Forensics) => void}
 */
function openBench(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Forensics} */ { measures }, width) => {
    if (!measures) return;
    box.replaceChildren(
      block(
        "Removed",
        `Report prompts of the pair “${measures.contrast}”. Whiskers: 95 % Wilson intervals.`,
        shareChart(sharePairs(measures), width),
        lineLegend([
          ["a", "base"],
          ["b", "edited"],
        ]),
      ),
      block(
        "Damaged",
        "± is the standard error.",
        factList([
          ["first-token KL on other prompts, nats", meanWords(measures.first_token.negative)],
          ["the same on the positive prompts", meanWords(measures.first_token.positive)],
          [
            "change of the loss of a text, nats a token",
            meanWords(measures.text?.delta, "windows"),
          ],
        ]),
      ),
    );
  });
}
