// Every candidate direction: what is left without it, what adding it induces, and what it costs.

import { h, visible } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { block, columnWidth, drawInBox, layerChart } from "./charts.js";

/** @import { Candidate, Find } from "./data.js" */
/** @import { LayerChart } from "./charts.js" */

/** @typedef {"bypass" | "induce" | "kl" | "cosmic"} Criterion */

const NOTHING = [NaN, NaN, NaN]; // where no candidate was tried

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
    box.replaceChildren(
      h("p", { class: "said" }, scoreWords(data.refusal)),
      h(
        "p",
        { class: "said" },
        `${editWords(data.request)} is made with each direction. ${ribbonWords(data)}`,
      ),
      h("div", { class: "two" }, criteria(data, columnWidth(width))),
      candidateTable(data),
    );
  });
}

/**
 * What the score is, and what the untouched model has.
 * @param {Find["refusal"]} refusal
 */
function scoreWords({ tokens, from, opening, positive, negative, words }) {
  const untouched =
    `The untouched model: ${brief(positive)} on positive prompts, ` +
    `${brief(negative)} on negative ones.`;
  const what = words ? `the answer ${words}` : "a refusal";
  if (!tokens.length)
    return words?.includes("is likelier")
      ? `Score: ln p of the first answer less that of the other, nats a token each (${words}). ${untouched}`
      : `Score: 1 where ${what}, else 0. ${untouched}`;
  const after = opening ? ` after “${visible(opening)}”, which opens every answer,` : "";
  const name = words ? `Score of “${what}”` : "Refusal score";
  return (
    `${name}: log-odds that the next token${after} is ` +
    `${tokens.map((token) => `“${token}”`).join(" or ")} (${from}). ${untouched}`
  );
}

/**
 * What the grey bands are.
 * @param {Find} data
 */
function ribbonWords({ layers, chance_draws: draws, request }) {
  if (!draws) return "Grey line: the same with a random direction.";
  if (!layers.some(({ candidate }) => candidate?.ribbons))
    return "Random directions follow, a band behind each curve.";
  const edits = request.method === "add" ? draws.steps : draws.edits;
  return (
    `Grey bands: 5 to 95 % of random directions, ${edits} in the edit and ${draws.steps} steps ` +
    `at each layer, what each changes measured on ${draws.prompts} prompts of a side. ` +
    "Dashed: the untouched model."
  );
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
        ...(key === "bypass" || key === "induce"
          ? [
              {
                values: layers.map(() => (key === "bypass" ? refusal.positive : refusal.negative)),
                colour: "chance",
                label: "untouched model",
                dashed: true,
              },
            ]
          : []),
        { values: layers.map(({ candidate }) => candidate?.[key] ?? NaN), colour, label },
      ],
      ...(key !== "cosmic" && layers.some(({ candidate }) => candidate?.ribbons)
        ? { ribbon: layers.map(({ candidate }) => candidate?.ribbons?.[key] ?? NOTHING) }
        : {}),
      label,
      ...extra,
    });
  return [
    block(
      "Direction removed: score of positive prompts",
      "Low is good: the behaviour is gone.",
      chart("bypass", "b", "bypass"),
    ),
    block(
      "Direction added: score of negative prompts",
      "High is good: the direction causes the behaviour.",
      chart("induce", "c", "induce"),
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
      "still shown",
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
