// The filters that `generate` applies when sampling, as transformers writes them. No DOM here.
//
// A filter either keeps the tail whole or drops it whole; where it would cut through the tail it
// says `exact: false`.

import { entropyOf, sieve, countKept, tailCeiling } from "./chainstate.js";

/**
 * @import {Normal, State} from "./chainstate.js"
 *
 * @typedef {{exact: boolean, text: string}} Effect of a stage, in words
 *
 * @typedef {(state: State, normal: Normal, value: number, least: number) => Effect} Filter changes
 *   the state; it leaves at least so many tokens
 *
 * @typedef {"top_h" | "top_k" | "top_p" | "min_p" | "typical_p" | "epsilon_cutoff" | "eta_cutoff"}
 *   FilterName
 */

const TOP_H_TOKENS = 100; // transformers computes top_h on the 100 likeliest tokens only
const ENTROPY_TOLERANCE = 2e-3; // nats by which an entropy taken from the histogram may be off

const share = (/** @type {number} */ value) =>
  value >= 0.001
    ? `${(100 * value).toPrecision(3)} %`
    : value > 0
      ? `${(100 * value).toPrecision(2)} %`
      : "0 %";

/** @type {Record<FilterName, Filter>} */
export const FILTERS = {
  top_k(state, normal, k, least) {
    const wanted = Math.max(k, least);
    if (wanted >= countKept(state)) return { exact: true, text: "keeps every token" };
    let seen = 0;
    let floor = -Infinity;
    for (let i = 0; i < state.weights.length && seen < wanted; i++) {
      if (state.weights[i] === -Infinity) continue;
      floor = state.weights[i];
      seen++;
    }
    if (seen < wanted)
      return { exact: false, text: `the cut lies past the ${state.weights.length} tokens at hand` };
    sieve(state, 0, (i) => state.weights[i] >= floor); // ties with the k-th stay
    state.tail = false;
    return { exact: true, text: `keeps the ${wanted} likeliest` };
  },
  top_p(state, normal, p, least) {
    let above = 0;
    let last = -1;
    const keep = new Uint8Array(state.weights.length);
    for (let i = 0; i < state.weights.length; i++) {
      if (state.weights[i] === -Infinity) continue;
      if (above >= p) break;
      keep[i] = 1;
      above += normal.probabilities[i];
      last = i;
    }
    const reached = above >= p;
    if (!reached && state.tail)
      return { exact: false, text: `the tokens at hand hold ${share(above)} only` };
    sieve(state, least, (i) => keep[i] === 1);
    state.tail = false;
    return {
      exact: true,
      text:
        last < 0
          ? "keeps one token"
          : `the kept tokens hold ${share(above)}, the first sum of at least ${share(p)}`,
    };
  },
  min_p(state, normal, p, least) {
    let top = 0;
    for (const value of normal.probabilities) if (value > top) top = value;
    return threshold(
      state,
      normal,
      p * top,
      least,
      `keeps what has at least ${share(p * top)}, that is ${p} × ${share(top)}`,
    );
  },
  epsilon_cutoff(state, normal, epsilon, least) {
    return threshold(state, normal, epsilon, least, `keeps what has at least ${share(epsilon)}`);
  },
  eta_cutoff(state, normal, epsilon, least) {
    const entropy = entropyOf(state, normal);
    const at = (/** @type {number} */ value) =>
      Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-value));
    const eta = at(entropy);
    if (
      state.tail &&
      !settled(normal, state, at(entropy + ENTROPY_TOLERANCE), at(entropy - ENTROPY_TOLERANCE))
    ) {
      return { exact: false, text: "the entropy must be exact here" };
    }
    return threshold(
      state,
      normal,
      eta,
      least,
      `keeps what has at least ${share(eta)}, at an entropy of ${entropy.toFixed(2)} nats`,
    );
  },
  typical_p(state, normal, mass, least) {
    const entropy = entropyOf(state, normal);
    const first = typicalSet(state, normal, entropy, mass);
    if (state.tail) {
      // The distance of the tail's likeliest token.
      const nearest = -Math.log(tailCeiling(state, normal)) - entropy;
      const low = typicalSet(state, normal, entropy - ENTROPY_TOLERANCE, mass);
      const high = typicalSet(state, normal, entropy + ENTROPY_TOLERANCE, mass);
      if (
        !first.full ||
        nearest <= first.distance + ENTROPY_TOLERANCE ||
        low.size !== first.size ||
        high.size !== first.size
      ) {
        return { exact: false, text: "the typical set reaches past the tokens at hand" };
      }
    }
    // transformers spares the `least` most typical tokens here, not the likeliest
    const order = first.order;
    for (let place = 0; place < order.length; place++) {
      const i = order[place];
      if (place >= least && Math.abs(normal.logSum - state.weights[i] - entropy) > first.distance)
        state.weights[i] = -Infinity;
    }
    state.tail = false;
    return {
      exact: true,
      text:
        `keeps what is within ${first.distance.toFixed(2)} nats of the expected surprise, ` +
        `${entropy.toFixed(2)} nats`,
    };
  },
  top_h(state, normal, h) {
    /** @type {number[]} */
    const alive = [];
    for (let i = 0; i < state.weights.length && alive.length < TOP_H_TOKENS; i++)
      if (state.weights[i] > -Infinity) alive.push(i);
    if (alive.length < TOP_H_TOKENS && state.tail)
      return { exact: false, text: "needs the 100 likeliest tokens" };
    let sum = 0;
    for (const i of alive) sum += normal.probabilities[i];
    const terms = alive.map((i) => {
      const p = normal.probabilities[i] / sum;
      return p > 0 ? -p * Math.log(p) : 0;
    });
    const entropy = terms.reduce((a, b) => a + b, 0);
    const allowed = entropy * h;
    const kept = new Set();
    let used = 0;
    alive.forEach((i, place) => {
      used += terms[place];
      if (place === 0 || used <= allowed) kept.add(i);
    });
    for (let i = 0; i < state.weights.length; i++) if (!kept.has(i)) state.weights[i] = -Infinity;
    state.tail = false;
    return {
      exact: true,
      text:
        `keeps tokens until their entropy passes ${allowed.toFixed(2)} ` +
        `of ${entropy.toFixed(2)} nats`,
    };
  },
};

/**
 * Whether no listed token's probability lies between two floors.
 * @param {Normal} normal
 * @param {State} state
 * @param {number} low
 * @param {number} high
 */
function settled(normal, state, low, high) {
  for (let i = 0; i < state.weights.length; i++) {
    const p = normal.probabilities[i];
    if (state.weights[i] > -Infinity && p >= low && p < high) return false;
  }
  return true;
}

/**
 * Keep what has at least a probability.
 * @param {State} state
 * @param {Normal} normal
 * @param {number} floor
 * @param {number} least
 * @param {string} text
 * @returns {Effect}
 */
function threshold(state, normal, floor, least, text) {
  if (state.tail && floor > 0 && tailCeiling(state, normal) >= floor)
    return { exact: false, text: "the cut lies past the tokens at hand" };
  sieve(state, least, (i) => normal.probabilities[i] >= floor);
  if (floor > 0) state.tail = false;
  return { exact: true, text };
}

/**
 * The listed tokens by |surprise − entropy|, and the distance at which their mass reaches `mass`.
 * @param {State} state
 * @param {Normal} normal
 * @param {number} entropy
 * @param {number} mass
 */
function typicalSet(state, normal, entropy, mass) {
  /** @type {number[]} */
  const order = [];
  for (let i = 0; i < state.weights.length; i++) if (state.weights[i] > -Infinity) order.push(i);
  const distance = (/** @type {number} */ i) =>
    Math.abs(normal.logSum - state.weights[i] - entropy);
  order.sort((a, b) => distance(a) - distance(b));
  let sum = 0;
  let size = 0;
  let reach = 0;
  for (const i of order) {
    if (sum >= mass) break;
    sum += normal.probabilities[i];
    reach = distance(i);
    size++;
  }
  return { order, distance: reach, size, full: sum >= mass };
}
