// Every candidate direction: what is left without it, what adding it induces, and what it costs.

import { h, visible } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { block, columnWidth, drawInBox, layerChart } from "./charts.js";

/** @import { Candidate, Find } from "./data.js" */
/** @import { LayerChart } from "./charts.js" */

/** @typedef {"bypass" | "induce" | "kl" | "cosmic"} Criterion */

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Find) => void}
 */
export function openCandidates(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Find} */ data, width) => {
    const { refusal } = data;
    const after = refusal.opening
      ? ` after “${visible(refusal.opening)}”, which opens every answer,`
      : "";
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `Refusal score: log-odds that the next token${after} is `,
        `${refusal.tokens.map((token) => `“${token}”`).join(" or ")} (${refusal.from}). `,
        `The untouched model: ${brief(refusal.positive)} on positive prompts, `,
        `${brief(refusal.negative)} on negative ones.`,
      ),
      h(
        "p",
        { class: "said" },
        `${editWords(data.request)} is made with each direction. `,
        "Grey line: the same with a random direction.",
      ),
      h("div", { class: "two" }, criteria(data, columnWidth(width))),
      candidateTable(data),
    );
  });
}

/**
 * The edit that is tried, in words.
 * @param {Find["request"]} request
 */
function editWords({ method, projection, strength, kernel }) {
  const parts = Object.keys(kernel).filter((part) => kernel[part] !== 0);
  const names = parts.map((part) => (part === "mlp" ? "MLP" : part)).join(", ") || "nothing";
  return method === "add"
    ? `The edit that is set (add ${brief(strength)} times the difference)`
    : `The edit that is set (${method}, ${projection} direction, strength ${brief(strength)} on ${names})`;
}

/**
 * One chart for each criterion.
 * @param {Find} data
 * @param {number} width
 */
function criteria({ layers, choice, refusal }, width) {
  /**
   * @param {Criterion} key
   * @param {string} colour
   * @param {string} label
   * @param {Partial<LayerChart>} [extra]
   */
  const chart = (key, colour, label, extra) =>
    layerChart({
      width,
      count: layers.length,
      chosen: choice?.layer ?? null,
      lines: [
        ...(key !== "cosmic" && layers.some(({ candidate }) => candidate?.chance)
          ? [
              {
                values: layers.map(({ candidate }) => candidate?.chance?.[key] ?? NaN),
                colour: "chance",
                label: "random direction",
              },
            ]
          : []),
        { values: layers.map(({ candidate }) => candidate?.[key] ?? NaN), colour, label },
      ],
      label,
      ...extra,
    });
  /** @param {number} level */
  const flat = (level) => layers.map(() => [level, level, level]);
  return [
    block(
      "Direction removed: score of positive prompts",
      "Low is good: the behaviour is gone.",
      chart("bypass", "b", "bypass", { ribbon: flat(refusal.positive) }),
    ),
    block(
      "Direction added: score of negative prompts",
      "High is good: the direction causes the behaviour.",
      chart("induce", "c", "induce", { ribbon: flat(refusal.negative) }),
    ),
    block(
      "Direction removed: KL on negative prompts",
      "Low is good: little else changed. Nats at the first token.",
      chart("kl", "a", "KL"),
    ),
    block(
      "COSMIC: cosine with where the stream should be",
      "High is good, and no refusal word is needed.",
      chart("cosmic", "d", "COSMIC", { range: [0, 2] }),
    ),
  ];
}

/** @param {Find} data */
function candidateTable({ layers, choice, split }) {
  const prompts = split.select.positive.length;
  const candidates = layers.flatMap(({ candidate }) => candidate ?? []);
  return scrollTable(
    "Candidates",
    [
      "layer",
      "bypass",
      "still refused",
      "induce",
      "KL, nats",
      "COSMIC",
      h("th", { scope: "col", class: "words" }, "ruled out because"),
    ],
    candidates.map((candidate) =>
      candidateRow(candidate, candidate.layer === choice?.layer, prompts),
    ),
  );
}

/**
 * @param {Candidate} candidate
 * @param {boolean} isChosen
 * @param {number} prompts
 */
function candidateRow(candidate, isChosen, prompts) {
  const { layer, bypass, refused, induce, kl, cosmic, ruled_out: reason } = candidate;
  return h(
    "tr",
    { class: isChosen ? "picked" : "" },
    h("th", { scope: "row" }, isChosen ? `${layer} ← chosen` : layer),
    h("td", {}, brief(bypass)),
    h("td", {}, `${refused} of ${prompts}`),
    h("td", {}, brief(induce)),
    h("td", {}, brief(kl)),
    h("td", {}, brief(cosmic)),
    h("td", { class: "words" }, reason || "–"),
  );
}
