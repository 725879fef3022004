// The texts of two models as one tree: whose odds stand at a place, and which step of which text it
// is. No drawing here.

import { mergeRuns, splitChildren } from "./paths.js";

/**
 * @import {Pair, PairStep, Trace} from "./data.js"
 * @import {Forest, Place} from "./paths.js"
 *
 * @typedef {{text: number, step: number}} StepPlace a step of one of the texts, both from 0
 */

/**
 * The tree of two models. A place has the odds of the model in whose lane it lies: of the first
 * where both go, so that the sum at the end of a lane is that model's own.
 * @param {Trace} trace
 * @param {Pair} pair
 * @returns {Forest}
 */
export function pairForest(trace, pair) {
  const forest = mergeRuns(trace);
  for (const { run, path } of forest.lanes) {
    let joint = 0;
    for (const place of path.slice(1)) {
      const logprob = place.entries.find((entry) => entry.run === run)?.node.logprob_raw ?? null;
      joint += logprob ?? -Infinity;
      if (place.users[0] === run) Object.assign(place, { logprob, joint });
    }
  }
  for (const place of forest.places.values()) {
    if (!place.parent || place.lane !== null) continue;
    const own = pairOdds(pair, place)?.[ownerOf(place)];
    if (own !== undefined) place.logprob = own;
  }
  return forest;
}

/**
 * The model, 0 or 1, in whose lane a place lies or hangs.
 * @param {Place} place
 */
export function ownerOf(place) {
  if (place.users.length || !place.parent) return place.users[0] ?? 0;
  return splitChildren(place.parent).taken[0]?.users[0] ?? place.parent.users[0] ?? 0;
}

/**
 * The step of a text that a place was considered at; null while there is none.
 * @param {Pair} pair
 * @param {Place} place
 * @returns {StepPlace | null}
 */
export function stepAt({ texts }, place) {
  if (!place.parent) return null;
  const step = place.depth - 1;
  const before = place.parent.key;
  const owner = ownerOf(place);
  const fits = (/** @type {number} */ text) =>
    text < texts.length &&
    step < texts[text].steps.length &&
    texts[text].token_ids.slice(0, step).join("-") === before;
  const text = [owner, 0, 1].find(fits);
  return text === undefined ? null : { text, step };
}

/**
 * The key of the place that a step leads to.
 * @param {Pair} pair
 * @param {StepPlace} at
 */
export function keyAt({ texts }, { text, step }) {
  return texts[text].token_ids.slice(0, step + 1).join("-");
}

/**
 * The log-probabilities of a place's token in the first model and in the second; null where they
 * are not known.
 * @param {Pair} pair
 * @param {Place} place
 * @returns {(number | null)[] | null}
 */
export function pairOdds(pair, place) {
  const at = stepAt(pair, place);
  if (at) {
    const { ids, logprobs } = pair.texts[at.text].steps[at.step];
    const index = place.tokenId === null ? -1 : ids.indexOf(place.tokenId);
    if (index >= 0) return logprobs.map((side) => side[index]);
  }
  const both = [0, 1].map((run) => place.entries.find((entry) => entry.run === run));
  const [one, two] = both;
  return one && two ? [one.node.logprob_raw, two.node.logprob_raw] : null;
}

/**
 * The step that tells most: where the texts part, else where the models are furthest apart.
 * @param {Pair} pair
 * @returns {StepPlace | null}
 */
export function tellingStep({ texts, parting }) {
  if (!texts.length) return null;
  const first = texts[0].steps;
  if (parting && first[parting.step - 1]) return { text: 0, step: parting.step - 1 };
  const distance = (/** @type {PairStep} */ step) =>
    Math.max(step.forward ?? Infinity, step.backward ?? Infinity);
  const far = first.reduce(
    (best, step, index) => (distance(step) > distance(first[best]) ? index : best),
    0,
  );
  return first.length ? { text: 0, step: far } : null;
}
