// The rounds of a speculative run as rows: every proposed token with its chance, the number that
// decided, and what was written.

import { h, keepFocus, visible } from "../../../../shared/js/dom.js";
import { brief, number, percent, plural, whole } from "../../../../shared/js/numbers.js";

/**
 * @import {Speculative, SpeculativePlace, WrittenToken} from "./data.js"
 * @import {Guesses} from "./speculative.js"
 */

/**
 * @param {HTMLElement} panel
 * @param {Guesses} guesses
 * @returns {(data: Speculative) => void}
 */
export function openRoundsView(panel, guesses) {
  const facts = h("div", { class: "spec-facts" });
  const list = h("ol", { class: "spec-rounds", "aria-label": "Rounds" });
  panel.append(facts, list);
  return (data) => {
    facts.replaceChildren(...drawSpecFacts(data));
    const rows = rowsOf(data).map((stretch) => drawStretch(data, guesses, stretch));
    keepFocus(list, () => list.replaceChildren(...rows));
  };
}

/**
 * The figures of a run: what was saved, how often the draft was kept, the time, and the proof.
 * @param {Speculative} data
 */
function drawSpecFacts(data) {
  return [savedFact(data), keptFact(data), timeFact(data), proofFact(data)].map(([head, words]) =>
    h("p", { class: "spec-fact" }, h("b", {}, head), " ", words),
  );
}

/**
 * @param {Speculative} data
 * @returns {[string, string]}
 */
function savedFact({ tokens, rounds, target }) {
  const saved = tokens.length - target.passes;
  return [
    `${number(tokens.length / Math.max(1, rounds.length), 2)} tokens a pass`,
    `${plural(tokens.length, "token")} in ${plural(target.passes, "pass", "passes")} of the model: ` +
      `${whole(saved)} fewer than alone.`,
  ];
}

/**
 * @param {Speculative} data
 * @returns {[string, string]}
 */
function keptFact({ tested, accepted, expected, sigma, request }) {
  if (!tested) return ["Nothing tested", "The draft proposed nothing so far."];
  const mean =
    request.temperature > 0
      ? ` By 1 − TV, ${number(expected, 1)} ± ${number(sigma, 1)} are to be expected.`
      : "";
  return [
    `${percent(accepted / tested)} kept`,
    `${whole(accepted)} of ${whole(tested)} tested proposals.${mean}`,
  ];
}

/**
 * @param {Speculative} data
 * @returns {[string, string]}
 */
function timeFact({ done, target, draft, alone, tokens }) {
  const spent = target.seconds + (draft?.seconds ?? 0);
  const parts = draft
    ? `model ${number(target.seconds, 1)} s and draft ${number(draft.seconds, 1)} s`
    : `model ${number(target.seconds, 1)} s`;
  if (!done || !alone) return [`${number(spent, 1)} s so far`, `In passes: ${parts}.`];
  const ratio = alone.seconds / spent;
  const cost =
    draft?.middle && alone.middle
      ? ` A pass of the draft costs ${number(draft.middle / alone.middle, 2)} of the model’s.`
      : "";
  return [
    `${number(ratio, 2)}× as fast`,
    `Measured here: ${parts}; alone ${number(alone.seconds, 1)} s for ${plural(tokens.length, "token")}.` +
      cost,
  ];
}

/**
 * @param {Speculative} data
 * @returns {[string, string]}
 */
function proofFact({ request, exactness, vocabulary, tested, tokens }) {
  const { error, same, first_difference: first, difference, tokens: compared } = exactness;
  if (request.temperature > 0) {
    const again =
      difference === null
        ? ""
        : ` Read one token a pass, the probabilities differ by ${brief(difference, 1)} at most.`;
    if (error === null) return ["Same distribution", "No proposal was tested yet."];
    return [
      "Same distribution",
      `Kept and replaced add up to p within ${brief(error, 1)}, over ${whole(vocabulary)} tokens at ` +
        `${plural(tested, "place")}.${again}`,
    ];
  }
  if (same === null)
    return [
      "Same text?",
      compared
        ? `${compared} of ${plural(tokens.length, "token")} of the model alone are the same.`
        : "Compared with the model alone at the end.",
    ];
  if (same) return ["Same text", `The model alone writes the same ${plural(compared, "token")}.`];
  return [
    "Not the same text",
    `Token ${(first ?? 0) + 1} differs: two tokens are nearly tied, and a pass of many tokens rounds ` +
      "otherwise than a pass of one.",
  ];
}

/**
 * The rounds as rows: a row each, but rounds that follow each other with nothing proposed share one.
 * @param {Speculative} data
 * @returns {[first: number, last: number][]}
 */
export function rowsOf({ rounds }) {
  const bare = (/** @type {number} */ at) =>
    rounds[at].places.every((one) => one.proposed === null);
  /** @type {[number, number][]} */
  const stretches = [];
  for (const at of rounds.keys()) {
    const before = stretches.at(-1);
    if (before && bare(at) && bare(before[1])) before[1] = at;
    else stretches.push([at, at]);
  }
  return stretches;
}

/**
 * @param {Speculative} data
 * @param {Guesses} guesses
 * @param {[first: number, last: number]} stretch
 */
function drawStretch(data, guesses, [first, last]) {
  const rounds = data.rounds.slice(first, last + 1);
  const gained = rounds.flatMap(({ places }) => places).filter(({ written }) => written).length;
  const [from, to] = [first + 1, last + 1];
  return h(
    "li",
    {},
    h(
      "span",
      { class: "spec-round", title: from === to ? `Round ${from}` : `Rounds ${from} to ${to}` },
      from === to ? String(from) : `${from}–${to}`,
    ),
    h(
      "div",
      { class: "spec-places" },
      rounds.flatMap(({ places }, beyond) =>
        places.map((place, at) => drawPlace(data, guesses, place, first + beyond, at)),
      ),
    ),
    h("span", { class: "spec-gain", title: `${plural(gained, "token")} of text` }, `+${gained}`),
  );
}

/**
 * A proposed token with what became of it, or the model's own token.
 * @param {Speculative} data
 * @param {Guesses} guesses
 * @param {SpeculativePlace} place
 * @param {number} round
 * @param {number} at
 */
function drawPlace(data, guesses, place, round, at) {
  const { selected } = guesses;
  const pressed = selected?.round === round && selected.place === at;
  const { proposed, written, accepted, tested } = place;
  const pills =
    proposed === null
      ? written && [ownPill(written)]
      : [
          guessPill(place),
          !accepted && written && [h("span", { class: "spec-arrow" }, "→"), ownPill(written)],
        ];
  const state = proposed === null ? "own" : !tested ? "idle" : accepted ? "kept" : "refused";
  return h(
    "button",
    {
      type: "button",
      class: `spec-place ${state}`,
      "aria-pressed": String(pressed),
      "data-key": `${round}/${at}`,
      "aria-label": guessWords(place, data.request.temperature > 0),
      onclick: () => guesses.select(round, at),
    },
    h("span", { class: "spec-pills" }, pills || []),
    proposed !== null && tested && place.overlap !== null
      ? h(
          "span",
          { class: "spec-overlap", title: `1 − TV(p, q) = ${percent(place.overlap)}` },
          h("i", { style: { width: `${(100 * place.overlap).toFixed(1)}%` } }),
        )
      : h("span", { class: "spec-overlap none" }),
    h("small", {}, guessNumbers(place)),
  );
}

/** @param {SpeculativePlace} place */
function guessPill({ text, chance, number: drawn, tested, accepted }) {
  return h(
    "span",
    { class: `guess ${!tested ? "idle" : accepted ? "kept" : "refused"}` },
    h("span", { class: "guess-fill", style: { width: `${(100 * (chance ?? 0)).toFixed(1)}%` } }),
    drawn === null
      ? null
      : h("span", { class: "guess-number", style: { left: `${(100 * drawn).toFixed(1)}%` } }),
    h("bdi", { class: "token" }, shortGuess(text)),
  );
}

/** @param {WrittenToken} written */
function ownPill({ text, by, share }) {
  return h(
    "span",
    { class: `guess ${by}` },
    h("span", { class: "guess-fill", style: { width: `${(100 * (share ?? 0)).toFixed(1)}%` } }),
    h("bdi", { class: "token" }, shortGuess(text)),
  );
}

/** @param {string} text */
function shortGuess(text) {
  const shown = Array.from(visible(text));
  return shown.length > 18 ? `${shown.slice(0, 17).join("")}…` : shown.join("");
}

/** @param {SpeculativePlace} place */
function guessNumbers({ proposed, p, q, written, tested }) {
  if (proposed === null) return written ? `p ${percent(written.p)}` : "";
  return tested ? `q ${percent(q)}, p ${percent(p)}` : "not reached";
}

/**
 * A place in one sentence.
 * @param {SpeculativePlace} place
 * @param {boolean} drawn
 */
export function guessWords(
  { proposed, text, tested, accepted, chance, number: by, written },
  drawn,
) {
  const name = `“${visible(text)}”`;
  if (proposed === null)
    return written
      ? `“${visible(written.text)}” is the model’s own, ${percent(written.share)} of its odds.`
      : "";
  if (!tested) return `${name} was proposed after a refused token, and not looked at.`;
  const why = drawn
    ? `${number(by, 3)} ${accepted ? "is below" : "is not below"} its chance of ${number(chance, 3)}`
    : `it is ${accepted ? "" : "not "}the model’s likeliest`;
  if (accepted) return `${name} was kept: ${why}.`;
  const instead = written ? ` “${visible(written.text)}” was written in its place.` : "";
  return `${name} was refused: ${why}.${instead}`;
}
