// The way to the branch that fills the probability area, and the ways on from it.

import { h } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";
import { isLabelled } from "./area.js";
import { lineSample } from "./lines.js";
import { ancestry, fromLog } from "./paths.js";
import { tailOf, tokenElement } from "./pill.js";
import { forksOf } from "./treefold.js";

/**
 * @import {Session} from "./figure.js"
 * @import {Place} from "./paths.js"
 */

const NEAREST = 5; // crumbs at the end of a long way
const LONGEST = 9;
const FORKS = 3;

/**
 * The way from the prompt to the place that takes the whole height, with each token's probability;
 * the middle of a long one folds.
 * @param {HTMLElement} crumbs
 * @param {Place} focus
 * @param {Session} session
 * @param {(key: string) => void} go
 */
export function drawCrumbs(crumbs, focus, session, go) {
  const path = ancestry(focus);
  const crumbOf = (/** @type {Place} */ place) =>
    h(
      "button",
      {
        type: "button",
        class: "plain",
        "aria-current": place === focus ? "location" : null,
        onclick: () => go(place.key),
      },
      place.parent
        ? [tokenElement(place), h("small", {}, percent(fromLog(place.logprob)))]
        : h("bdi", {}, tailOf(session.trace.prompt.text, 24)),
    );
  const joined = (/** @type {HTMLElement[]} */ parts) =>
    parts.flatMap((part, index) =>
      index ? [h("span", { "aria-hidden": "true" }, "›"), part] : [part],
    );
  if (path.length <= LONGEST) crumbs.replaceChildren(...joined(path.map(crumbOf)));
  else {
    const middle = path.slice(1, -NEAREST);
    const all = () => crumbs.replaceChildren(...joined(path.map(crumbOf)));
    const fold = h(
      "button",
      { type: "button", class: "small", "aria-expanded": "false", onclick: all },
      `⋯ ${plural(middle.length, "token")}`,
    );
    const ends = path.slice(-NEAREST).map(crumbOf);
    crumbs.replaceChildren(...joined([crumbOf(path[0]), fold, ...ends]));
  }
}

/**
 * Where one can go from here: on with each run's text, as far as it can be read now, and to the next
 * forks.
 * @param {HTMLElement} ways
 * @param {Place} focus
 * @param {Session} session
 * @param {number} zoom
 * @param {(key: string) => void} go
 */
export function drawWays(ways, focus, { trace, forest }, zoom, go) {
  const onward = trace.runs.flatMap((run, index) => {
    const lane = forest.lanes.find(
      (one) => one.run === index && one.path.includes(focus) && one.path.length > focus.depth + 2,
    );
    if (!lane) return [];
    const ahead = lane.path.slice(focus.depth + 1, -1);
    const next = ahead.findLast((place) => isLabelled(place, focus, zoom)) ?? ahead[0];
    const label = `${run.name}: on to step ${next.depth} of ${lane.path.length - 1}`;
    return [{ next, button: wayButton(label, () => go(next.key), lineSample(run)) }];
  });
  const taken = new Set(onward.map(({ next }) => next));
  const forks = forksOf(forest)
    .filter((place) => place !== focus && ancestry(place).includes(focus) && !taken.has(place))
    .slice(0, FORKS)
    .map((place) => wayButton("where lines part: ", () => go(place.key), null, place));
  const said = focus.parent
    ? []
    : [h("span", { class: "said" }, "Select a token to give it the whole height.")];
  ways.replaceChildren(...said, ...onward.map(({ button }) => button), ...forks);
}

/**
 * @param {string} label
 * @param {() => void} press
 * @param {Element | null} sample
 * @param {Place} [place]
 */
function wayButton(label, press, sample, place) {
  const token = place ? tokenElement(place) : null;
  return h("button", { type: "button", class: "small", onclick: press }, sample, label, token);
}
