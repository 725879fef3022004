// Two answers without names, and the buttons to vote; the list of all pairs.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { number, plural } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { VOTES, nameOf } from "./booth.js";
import { shortened } from "./words.js";

/**
 * @import {Arena} from "./data.js"
 * @import {Booth, Vote} from "./booth.js"
 */

/** @type {Vote[]} */
const KEYS = ["left", "right", "tie", "bad"];

/**
 * @param {HTMLElement} panel
 * @param {Booth} booth
 * @returns {(data: Arena) => void}
 */
export function openVote(panel, booth) {
  /** @type {Arena | null} */
  let shown = null;
  const body = h("div", {
    class: "arena-vote",
    tabindex: 0,
    role: "group",
    "aria-label": "Vote: 1 left, 2 right, 3 tie, 4 both bad",
    onkeydown: (event) => {
      const vote = KEYS[Number(event.key) - 1];
      if (!vote || event.ctrlKey || event.altKey || event.metaKey || !shown) return;
      event.preventDefault();
      cast(shown, booth, vote);
    },
  });
  panel.append(body);
  return (data) => {
    shown = data;
    keepFocus(body, () => body.replaceChildren(...votePanel(data, booth)));
  };
}

/**
 * The pairs that may be voted on, by their places.
 * @param {Arena} data
 */
function openPlaces(data) {
  return data.pairs.flatMap(({ same }, at) => (same ? [] : [at]));
}

/**
 * @param {Arena} data
 * @param {Booth} booth
 * @param {Vote} vote
 */
function cast(data, booth, vote) {
  const at = openPlaces(data).find((place) => !booth.votes.has(place));
  if (at === undefined) return;
  booth.votes.set(at, vote);
  booth.order.push(at);
  booth.changed();
}

/**
 * @param {Arena} data
 * @param {Booth} booth
 */
function votePanel(data, booth) {
  const places = openPlaces(data);
  if (!data.pairs.length)
    return [h("p", { class: "said" }, "The pairs come when all have answered.")];
  const at = places.find((place) => !booth.votes.has(place));
  const done = places.filter((place) => booth.votes.has(place)).length;
  const head = h(
    "div",
    { class: "filters" },
    h(
      "span",
      { class: "said" },
      at === undefined
        ? places.length === 1
          ? "The pair has a vote."
          : `All ${plural(places.length, "pair")} have a vote.`
        : `Pair ${done + 1} of ${places.length}`,
    ),
    h(
      "button",
      {
        type: "button",
        "data-key": "undo",
        disabled: !booth.order.length,
        onclick: () => {
          booth.votes.delete(Number(booth.order.pop()));
          booth.changed();
        },
      },
      "Take back",
    ),
  );
  const last = h("p", { class: "arena-last", role: "status" }, lastWords(data, booth));
  if (at === undefined) return [head, last];
  const { prompt, left, right } = data.pairs[at];
  const { prompt: asked, answers } = data.prompts[prompt];
  const side = (/** @type {"left" | "right"} */ name, /** @type {number} */ model) =>
    h(
      "section",
      { class: "arena-answer", "data-side": name },
      h("b", {}, VOTES[name]),
      h("div", { dir: "auto" }, answers[model].text || "(no words)"),
    );
  return [
    head,
    h("p", { class: "arena-prompt", dir: "auto" }, asked),
    h("div", { class: "arena-sides" }, side("left", left), side("right", right)),
    h(
      "div",
      { class: "arena-buttons", role: "group", "aria-label": "Which answer is better?" },
      KEYS.map((vote, place) =>
        h(
          "button",
          {
            type: "button",
            "data-key": `vote-${vote}`,
            "aria-keyshortcuts": String(place + 1),
            onclick: () => cast(data, booth, vote),
          },
          h("kbd", {}, place + 1),
          ` ${VOTES[vote]}`,
        ),
      ),
    ),
    last,
  ];
}

/**
 * Whose answers the last vote was on, and what the judge makes of them.
 * @param {Arena} data
 * @param {Booth} booth
 */
function lastWords(data, booth) {
  const at = booth.order.at(-1);
  const vote = at === undefined ? undefined : booth.votes.get(at);
  if (at === undefined || !vote) return "Names are shown once you have voted.";
  const { left, right, judge } = data.pairs[at];
  const names = `Left was ${data.models[left].name}, right ${data.models[right].name}`;
  const verdict = judge
    ? `; the judge says ${judge.winner < 0 ? "neither in both orders" : data.models[judge.winner].name}`
    : "";
  return `${names}. You said ${VOTES[vote].toLowerCase()}${verdict}.`;
}

/**
 * @param {HTMLElement} panel
 * @param {Booth} booth
 * @returns {(data: Arena) => void}
 */
export function openPairs(panel, booth) {
  const body = h("div", { class: "eval-words" });
  panel.append(body);
  return (data) => keepFocus(body, () => body.replaceChildren(...pairList(data, booth)));
}

/**
 * @param {Arena} data
 * @param {Booth} booth
 */
function pairList(data, booth) {
  const rows = data.pairs.map((pair, at) => {
    const { prompt, answers, expected } = data.prompts[pair.prompt];
    const vote = booth.votes.get(at);
    const cell = (/** @type {"left" | "right"} */ side) => [
      h("b", {}, nameOf(data, booth, at, side)),
      " ",
      h("bdi", {}, answers[pair[side]].text),
    ];
    return headedRow(h("bdi", {}, prompt), [
      judgeCell(data, at),
      vote ? VOTES[vote] : pair.same ? "same text" : "–",
      cell("left"),
      cell("right"),
      expected.length ? h("bdi", {}, shortened(expected.join(", "), 30)) : "–",
    ]);
  });
  return [
    h(
      "div",
      { class: "filters" },
      h(
        "button",
        {
          type: "button",
          "data-key": "names",
          "aria-pressed": String(booth.names),
          onclick: () => {
            booth.names = !booth.names;
            booth.changed();
          },
        },
        booth.names ? "Hide names" : "Show all names",
      ),
    ),
    scrollTable(
      "Every pair",
      ["prompt", "judge: left less right, both orders", "your vote", "left", "right", "expected"],
      rows,
      "numbers eval-table arena-pairs",
    ),
  ];
}

/**
 * @param {Arena} data
 * @param {number} at
 */
function judgeCell(data, at) {
  const { judge, left } = data.pairs[at];
  if (!judge) return "–";
  const { shown, turned, winner } = judge;
  const side = winner < 0 ? "changes" : winner === left ? "left" : "right";
  return `${side} (${number(shown)}, ${number(-turned)})`;
}
