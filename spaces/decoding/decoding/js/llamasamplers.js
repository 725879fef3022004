// What each of llama.cpp's samplers does to a distribution, see llamachain.js. No DOM here.

import { dryPenalty, dryRepeats } from "./dry.js";

/**
 * @import {LlamaSampler, LlamaSettings, LlamaStage, LlamaState} from "./llamachain.js"
 */

const PAST = "the cut lies past the tokens at hand";

const asShare = (/** @type {number} */ value) => `${Number((100 * value).toPrecision(3))} %`;

/**
 * How many of the listed tokens are surely likelier than all of the histogram.
 * @param {LlamaState} state
 */
function certain(state) {
  if (!state.tail) return state.order.length;
  const ceiling = (state.arrays.start + state.logSum) / state.heat;
  let count = 0;
  while (count < state.order.length && state.weights[state.order[count]] >= ceiling) count++;
  return count;
}

/**
 * Tokens that are left, over the whole vocabulary.
 * @param {LlamaState} state
 */
export function left(state) {
  let count = state.order.length;
  if (state.tail) for (const some of state.arrays.count) count += some;
  return count;
}

/**
 * The listed tokens' probabilities and the histogram's mass.
 * @param {LlamaState} state
 * @returns {{probabilities: Float64Array, tailMass: number, entropy: number}}
 */
export function llamaOdds({ weights, order, arrays, tail, heat, logSum }) {
  const probabilities = new Float64Array(weights.length);
  const top = order.length ? weights[order[0]] : 0;
  let sum = 0;
  for (const place of order) sum += probabilities[place] = Math.exp(weights[place] - top);
  let rest = 0;
  let restLog = 0; // Σ p log p of the histogram, to second order
  if (tail) {
    for (let i = 0; i < arrays.count.length; i++) {
      const spread = arrays.variance[i] / (heat * heat);
      const middle = (arrays.mean[i] + logSum) / heat - top;
      const mass = arrays.count[i] * Math.exp(middle + spread / 2);
      rest += mass;
      restLog += mass * (middle + spread);
    }
  }
  const total = sum + rest;
  let entropy = -(restLog - rest * Math.log(total)) / total;
  for (const place of order) {
    const p = (probabilities[place] /= total);
    if (p > 0) entropy -= p * Math.log(p);
  }
  return { probabilities, tailMass: rest / total, entropy };
}

/**
 * Keep the first tokens of an order.
 * @param {LlamaState} state
 * @param {number} count
 * @param {Uint32Array} [order]
 */
function keepFirst(state, count, order = state.order) {
  for (const place of order.slice(count)) state.weights[place] = -Infinity;
  state.order = state.order.filter((place) => state.weights[place] > -Infinity);
  state.size = Math.min(count, state.size);
  state.tail = false;
}

/** @param {LlamaState} state */
export function rankAgain(state) {
  state.order.sort((one, other) => state.weights[other] - state.weights[one] || one - other);
}

/**
 * Mirostat's μ: how many bits of surprise it allows.
 * @param {LlamaSettings} of
 * @param {number[]} taken
 */
export function mirostatMu(of, taken) {
  const over = taken.reduce((sum, surprise) => sum + surprise - of.mirostat_tau, 0);
  return 2 * of.mirostat_tau - of.mirostat_eta * over;
}

/**
 * The probability that adaptive-p aims at.
 * @param {LlamaSettings} of
 * @param {number[]} taken
 */
export function adaptiveAim(of, taken) {
  const decay = Math.min(Math.max(of.adaptive_decay, 0), 0.99);
  let weight = 1 / (1 - decay);
  let total = of.adaptive_target * weight;
  for (const probability of taken) {
    total = probability + decay * total;
    weight = 1 + decay * weight;
  }
  return Math.min(Math.max(2 * Math.min(of.adaptive_target, 1) - total / weight, 0), 1);
}

/**
 * How many tokens mirostat 1 keeps.
 * @param {LlamaState} state
 * @param {LlamaSettings} of
 * @param {number[]} taken
 */
function mirostatCount(state, of, taken) {
  let squares = 0;
  let products = 0;
  const some = Math.min(100, state.size) - 1;
  for (let i = 0; i < some; i++) {
    const step = Math.log((i + 2) / (i + 1));
    const next = i + 1 < state.order.length ? state.weights[state.order[i + 1]] : -Infinity;
    products +=
      step * ((i < state.order.length ? state.weights[state.order[i]] : -Infinity) - next);
    squares += step * step;
  }
  const slope = products / squares;
  const over = slope - 1;
  const share = (over * 2 ** mirostatMu(of, taken)) / (1 - state.vocabulary ** -over);
  const count = Math.trunc(share ** (1 / slope));
  return count >= 1 && count < 2 ** 31 ? count : 1;
}

/** @type {Record<LlamaStage, LlamaSampler>} */
export const LLAMA_SAMPLERS = {
  penalties(state, of, { tokens }) {
    /** @type {Map<number, number>} */
    const times = new Map();
    for (const token of tokens.slice(-of.repeat_last_n))
      times.set(token, (times.get(token) ?? 0) + 1);
    let lost = 0;
    let lowered = 0;
    for (const [token, count] of times) {
      const place = state.placeOf.get(token);
      if (place === undefined) lost++;
      else if (state.weights[place] > -Infinity) {
        const logit = state.weights[place];
        const scaled = logit <= 0 ? logit * of.repeat_penalty : logit / of.repeat_penalty;
        state.weights[place] = scaled - count * of.frequency_penalty - of.presence_penalty;
        lowered++;
      }
    }
    rankAgain(state);
    const seen = Math.min(of.repeat_last_n, tokens.length);
    return {
      exact: !lost || !state.tail,
      text: `changes ${lowered} different tokens of the last ${seen}`,
    };
  },
  dry(state, of, { tokens, breakers }) {
    const found = dryRepeats(of, tokens, breakers);
    let lost = 0;
    let longest = 0;
    for (const [token, { length }] of found) {
      const place = state.placeOf.get(token);
      if (place === undefined) lost++;
      else state.weights[place] -= dryPenalty(of, length);
      longest = Math.max(longest, length);
    }
    rankAgain(state);
    const what = found.size === 1 ? "one token" : `${found.size} tokens`;
    const taken = dryPenalty(of, longest).toPrecision(3);
    return {
      exact: !lost || !state.tail,
      text: found.size
        ? `${what} would go on with a repetition, the longest of ${longest} tokens: −${taken} nats`
        : "no repetition to go on with",
    };
  },
  top_n_sigma(state, of) {
    if (state.size <= 1) return { exact: true, text: "one token is left already" };
    const { arrays, heat, logSum } = state;
    let count = 0;
    let sum = 0;
    let squares = 0;
    for (const place of state.order) {
      count++;
      sum += state.weights[place];
      squares += state.weights[place] ** 2;
    }
    if (state.tail) {
      for (let i = 0; i < arrays.count.length; i++) {
        const middle = (arrays.mean[i] + logSum) / heat;
        count += arrays.count[i];
        sum += arrays.count[i] * middle;
        squares += arrays.count[i] * (middle ** 2 + arrays.variance[i] / (heat * heat));
      }
    }
    const deviation = Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
    const floor = state.weights[state.order[0]] - of.top_n_sigma * deviation;
    if (state.tail) {
      const near = 2e-3; // what the histogram's moments may be off
      const close = state.order.some((place) => Math.abs(state.weights[place] - floor) < near);
      if (close || (arrays.start + logSum) / heat >= floor - near)
        return { exact: false, text: PAST };
    }
    const { size } = state;
    keepFirst(state, state.order.filter((place) => state.weights[place] >= floor).length);
    state.size = size; // llama.cpp masks them and keeps them in its list
    const nats = (of.top_n_sigma * deviation).toFixed(2);
    return {
      exact: true,
      text: `keeps logits within ${nats} of the largest, ${of.top_n_sigma} × σ ${deviation.toFixed(2)}`,
    };
  },
  top_k(state, of) {
    const count = Math.min(of.top_k, state.size);
    if (count >= left(state)) {
      state.size = count;
      return { exact: true, text: "keeps every token" };
    }
    if (count > certain(state)) return { exact: false, text: PAST };
    keepFirst(state, count);
    return { exact: true, text: `keeps the ${count} likeliest` };
  },
  typ_p(state, of) {
    if (state.tail) return { exact: false, text: "needs the whole vocabulary here" };
    const { probabilities, entropy } = llamaOdds(state);
    const far = new Float64Array(probabilities.length);
    for (const place of state.order)
      far[place] = Math.abs(-Math.log(probabilities[place] || 1e-300) - entropy);
    const order = state.order.slice().sort((one, other) => far[one] - far[other]);
    let sum = 0;
    let count = 0;
    const mass = Math.fround(of.typical_p);
    for (const place of order) {
      sum += probabilities[place];
      count++;
      if (sum > mass && count >= of.min_keep) break;
    }
    if (!(sum > mass) || count < of.min_keep) count = state.size;
    const reach = far[order[Math.min(count, order.length) - 1]];
    keepFirst(state, count, order);
    return {
      exact: true,
      text: `keeps what is within ${reach.toFixed(2)} nats of the entropy, ${entropy.toFixed(2)} nats`,
    };
  },
  top_p(state, of) {
    const { probabilities } = llamaOdds(state);
    const mass = Math.fround(of.top_p);
    let sum = 0;
    let count = 0;
    let reached = false;
    for (const place of state.order) {
      sum += probabilities[place];
      count++;
      if ((reached = sum >= mass && count >= of.min_keep)) break;
    }
    if (state.tail && (!reached || count > certain(state))) return { exact: false, text: PAST };
    keepFirst(state, reached ? count : state.size);
    return {
      exact: true,
      text: `the kept tokens hold ${asShare(sum)}, the first sum of at least ${asShare(of.top_p)}`,
    };
  },
  min_p(state, of) {
    const floor = state.weights[state.order[0]] + Math.log(of.min_p);
    const above = state.order.filter((place) => state.weights[place] >= floor).length;
    const count = Math.max(above, Math.min(of.min_keep, state.size));
    const ceiling = (state.arrays.start + state.logSum) / state.heat;
    if (state.tail && (ceiling >= floor || count > certain(state)))
      return { exact: false, text: PAST };
    keepFirst(state, count);
    return { exact: true, text: `keeps what has ${of.min_p} of the likeliest token's probability` };
  },
  xtc(state, of, { chance }) {
    if (state.size < 2) return { exact: true, text: "one token is left already" };
    if (chance > of.xtc_probability) return { exact: true, text: "does not fire at this token" };
    const { probabilities } = llamaOdds(state);
    const floor = Math.fround(of.xtc_threshold);
    const reach = state.order.filter((place) => probabilities[place] >= floor).length;
    if (state.tail && reach > certain(state)) return { exact: false, text: PAST };
    const extra = reach - 1;
    if (extra <= 0) return { exact: true, text: "fires, and fewer than two tokens reach it" };
    if (state.size - extra < of.min_keep)
      return { exact: true, text: "fires, and min_keep stops it" };
    for (const place of state.order.slice(0, extra)) state.weights[place] = -Infinity;
    state.order = state.order.slice(extra);
    state.size -= extra;
    return {
      exact: true,
      text: `fires: of ${reach} tokens with at least ${asShare(of.xtc_threshold)} the last stays`,
    };
  },
  temperature(state, of) {
    const width = of.mirostat ? 0 : of.dynatemp_range;
    let value = of.temperature;
    if (width > 0) {
      if (state.size <= 1) return { exact: true, text: "one token is left already" };
      const low = Math.max(0, value - width);
      const share = llamaOdds(state).entropy / Math.log(state.size);
      value = low + (of.temperature + width - low) * share ** of.dynatemp_exponent;
    }
    if (value <= 0) {
      if (certain(state) < 1) return { exact: false, text: PAST };
      const { size } = state;
      keepFirst(state, 1);
      state.size = size;
      return { exact: true, text: "keeps the likeliest token" };
    }
    for (const place of state.order) state.weights[place] /= value;
    state.heat *= value;
    const what = value < 1 ? "sharpens the odds" : "flattens the odds";
    return { exact: true, text: width > 0 ? `${value.toFixed(3)} at this entropy: ${what}` : what };
  },
  mirostat(state, of, { taken }) {
    const mu = mirostatMu(of, taken);
    if (of.mirostat === 1) {
      if (state.tail && certain(state) < 100) return { exact: false, text: PAST };
      const count = Math.min(mirostatCount(state, of, taken), state.size);
      if (count > certain(state) && state.tail) return { exact: false, text: PAST };
      keepFirst(state, count);
      return { exact: true, text: `allows ${mu.toFixed(2)} bits: an estimated ${count} tokens` };
    }
    const { probabilities } = llamaOdds(state);
    const within = state.order.filter((place) => -Math.log2(probabilities[place]) <= mu).length;
    if (state.tail && within >= certain(state)) return { exact: false, text: PAST };
    keepFirst(state, Math.max(1, within));
    return { exact: true, text: `keeps what surprises by at most ${mu.toFixed(2)} bits` };
  },
  adaptive_p(state, of, { taken }) {
    if (state.tail) return { exact: false, text: "needs the whole vocabulary here" };
    const { probabilities } = llamaOdds(state);
    const aim = adaptiveAim(of, taken);
    for (const place of state.order) {
      const far = Math.abs(probabilities[place] - aim) / 0.3;
      state.weights[place] = 5 - (10 * far * far) / (1 + far);
    }
    rankAgain(state);
    return { exact: true, text: `prefers tokens near ${asShare(aim)}` };
  },
};
