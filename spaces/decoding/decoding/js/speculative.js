// The figure of a speculative run: its rounds, its text, what other numbers of draft tokens would
// have cost, and every decision as a table.

import { plural } from "../../../../shared/js/numbers.js";
import { h } from "../../../../shared/js/dom.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openGuessTable } from "./speculativetable.js";
import { drawMeetingDetails } from "./speculativemeeting.js";
import { openRoundsView } from "./speculativerounds.js";
import { openSpeculativeText } from "./speculativetext.js";
import { openLengthsView } from "./speculativelengths.js";

/**
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 * @import {Speculative, SpeculativePlace} from "./data.js"
 *
 * @typedef {Object} Guesses what the views share, and what they may do
 * @property {{round: number, place: number} | null} selected
 * @property {(round: number, place: number) => void} select
 *
 * @typedef {(panel: HTMLElement, guesses: Guesses) => (data: Speculative) => void} OpenGuesses
 */

/** @type {[name: string, label: string, open: OpenGuesses][]} */
const GUESS_VIEWS = [
  ["rounds", "Rounds", openRoundsView],
  ["text", "Text", openSpeculativeText],
  ["lengths", "Other draft lengths", openLengthsView],
  ["table", "Table", openGuessTable],
];

/** Open the figure of a speculative run. */
export function openSpeculative() {
  /** @type {string | null} */
  let shown = null;
  /** @type {Guesses} */
  const guesses = {
    selected: null,
    select(round, place) {
      guesses.selected = { round, place };
      figure.refresh();
      drawMeetingDetails(figure.parts.details, figure.data, guesses);
    },
  };
  /** @type {Figure<Speculative>} */
  const figure = openTabbed(
    "decoding",
    "Speculative decoding, round by round",
    "Write a prompt and press Speculate: each round of draft and model appears here.",
    GUESS_VIEWS.map(([name, label, open]) => ({
      name,
      label,
      picture: name === "lengths",
      hidden: (/** @type {Speculative} */ data) => name === "lengths" && !data.forecast.length,
      open: (/** @type {object} */ _figure, /** @type {HTMLElement} */ panel) =>
        open(panel, guesses),
    })),
    (data) => ({
      title: h("bdi", { title: data.prompt.text }, `“${data.prompt.text.trim().slice(-300)} …”`),
      key: guessKey(data),
      provenance: guessOrigin(data),
      tags: [
        ...(data.done || data.cancelled ? [] : [data.progress.label].filter(Boolean)),
        ...(data.example ? ["stored example"] : []),
        ...(data.cancelled && !data.done ? ["stopped early"] : []),
      ],
      warnings: [...data.prompt.notes, ...data.notes],
    }),
    {
      take(data) {
        const run = JSON.stringify([data.request, data.prompt.token_ids]);
        const { selected } = guesses;
        if (run !== shown || !selected || !placeAt(data, selected)) guesses.selected = null;
        shown = run;
        guesses.selected ??= firstOfInterest(data);
        drawMeetingDetails(figure.parts.details, data, guesses);
      },
      forget() {
        shown = null;
        figure.parts.details.replaceChildren();
      },
    },
  );
  return figure;
}

/**
 * The place that is selected.
 * @param {Speculative} data
 * @param {{round: number, place: number}} selected
 * @returns {SpeculativePlace | undefined}
 */
export function placeAt(data, { round, place }) {
  return data.rounds[round]?.places[place];
}

/**
 * The first refused token, where the rule shows best; else the first proposed one.
 * @param {Speculative} data
 */
function firstOfInterest({ rounds }) {
  /** @param {(place: SpeculativePlace) => boolean} wanted */
  const find = (wanted) => {
    for (const [round, { places }] of rounds.entries()) {
      const place = places.findIndex(wanted);
      if (place >= 0) return { round, place };
    }
    return null;
  };
  const refused = find(
    ({ tested, proposed, accepted }) => tested && proposed !== null && !accepted,
  );
  return refused ?? find(({ proposed }) => proposed !== null) ?? find(() => true);
}

/**
 * What the marks of the rounds mean.
 * @param {Speculative} data
 */
function guessKey({ request, tokens }) {
  const sample = (/** @type {string} */ kind, /** @type {string} */ words) =>
    h(
      "span",
      { class: "guess-key" },
      h("span", { class: `guess-sample ${kind}`, "aria-hidden": "true" }),
      words,
    );
  const drawn = request.temperature > 0;
  return [
    sample("draft", drawn ? "proposed; filled: chance to be kept; line: the number drawn" : "kept"),
    sample("refused", "refused"),
    sample("replaced", "its replacement"),
    sample("bonus", "the model’s own next"),
    ...(tokens.some(({ by }) => by === "model") ? [sample("model", "nothing proposed")] : []),
    ...(drawn ? [sample("overlap", "1 − TV(p, q)")] : []),
  ];
}

/** @param {Speculative} data */
function guessOrigin({ request, provenance, draft_source, settings, tokens, rounds }) {
  const counts = Object.entries(settings)
    .filter(([name, { origin }]) => name !== "do_sample" && origin === "model")
    .map(([name, { value }]) => `${name} ${value} of the model’s own`);
  return [
    provenance.model.split("/").at(-1),
    provenance.source,
    provenance.dtype,
    `draft: ${request.draft === "model" ? draft_source : draftWords(request)}`,
    request.temperature > 0 ? `temperature ${request.temperature}, seed ${request.seed}` : "greedy",
    ...counts,
    `n = ${plural(tokens.length, "token")} in ${plural(rounds.length, "round")}`,
  ].join(", ");
}

/** @param {Speculative["request"]} request */
function draftWords({ draft, rounding, layers, ngram }) {
  if (draft === "rounded") return `the same in ${rounding}`;
  if (draft === "layers") return `its first ${layers} layers`;
  return `prompt lookup by up to ${ngram} tokens`;
}
