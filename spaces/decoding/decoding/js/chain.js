// The sampler chain: transformers' warpers in any order, on one next-token distribution. No DOM here.
//
// A distribution lists its likeliest tokens; the rest of the vocabulary, the tail, is a histogram of log-probabilities
// (count, mean and variance of each bin). Sums over the tail follow from a bin's moments. A filter either keeps the tail
// whole or drops it whole; where it would cut through the tail the result says `exact: false`, and the caller must bring
// the whole vocabulary and run the same function again.

/** The stages that `generate` applies when sampling, in its order, and what each one's slider spans. */
export const SAMPLER_STAGES = [
  { name: "temperature", low: 0.1, high: 2, step: 0.01, off: 1, integer: false },
  { name: "top_h", low: 0.01, high: 1, step: 0.01, off: null, integer: false },
  { name: "top_k", low: 1, high: 200, step: 1, off: 0, integer: true },
  { name: "top_p", low: 0.01, high: 1, step: 0.01, off: 1, integer: false },
  { name: "min_p", low: 0, high: 0.5, step: 0.005, off: 0, integer: false },
  { name: "typical_p", low: 0.01, high: 1, step: 0.01, off: 1, integer: false },
  { name: "epsilon_cutoff", low: 0, high: 0.05, step: 0.0005, off: 0, integer: false },
  { name: "eta_cutoff", low: 0, high: 0.05, step: 0.0005, off: 0, integer: false },
];

const TOP_H_TOKENS = 100; // transformers computes top_h on the 100 likeliest tokens only
const ENTROPY_TOLERANCE = 2e-3; // nats by which an entropy taken from the histogram may be off

/** Whether a stage with this value changes nothing, as transformers' `_get_logits_processor` decides. */
export function isOff(name, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return true;
  if (name === "temperature" || name === "top_p" || name === "typical_p") return value === 1;
  return name === "top_k" || name === "min_p" || name === "epsilon_cutoff" || name === "eta_cutoff"
    ? value === 0
    : false;
}

/** Typed arrays of a distribution, made once. */
const readyDistributions = new WeakMap();
function ready(distribution) {
  let arrays = readyDistributions.get(distribution);
  if (!arrays) {
    const base = Float64Array.from(distribution.base ?? distribution.raw, (value) =>
      value === null ? -Infinity : value,
    );
    const tail = distribution.tail;
    arrays = {
      base,
      count: tail ? Float64Array.from(tail.count) : new Float64Array(0),
      mean: tail ? Float64Array.from(tail.mean) : new Float64Array(0),
      variance: tail ? Float64Array.from(tail.variance) : new Float64Array(0),
      start: tail ? tail.start : -Infinity,
    };
    readyDistributions.set(distribution, arrays);
  }
  return arrays;
}

/**
 * The state between two stages: log-weights of the listed tokens (−∞ once removed, in falling order of the others) and
 * whether the tail is still in, with the temperature that was applied to it.
 */
function begin(distribution) {
  const arrays = ready(distribution);
  return { arrays, weights: arrays.base.slice(), tail: arrays.count.length > 0, heat: 1 };
}

/** Normalise: log Σ, the listed tokens' probabilities and the tail's mass. */
function normalise(state) {
  const { weights, arrays, heat } = state;
  let top = -Infinity;
  for (let i = 0; i < weights.length; i++) if (weights[i] > top) top = weights[i];
  let sum = 0;
  const probabilities = new Float64Array(weights.length);
  for (let i = 0; i < weights.length; i++) sum += probabilities[i] = Math.exp(weights[i] - top);
  let rest = 0;
  if (state.tail) {
    for (let i = 0; i < arrays.count.length; i++) {
      rest +=
        arrays.count[i] *
        Math.exp(arrays.mean[i] / heat + arrays.variance[i] / (2 * heat * heat) - top);
    }
  }
  const total = sum + rest;
  for (let i = 0; i < probabilities.length; i++) probabilities[i] /= total;
  return { probabilities, tailMass: rest / total, logSum: top + Math.log(total) };
}

/** Entropy in nats of a normalised state. */
function entropyOf(state, normal) {
  const { weights, arrays, heat } = state;
  let entropy = 0;
  for (let i = 0; i < weights.length; i++) {
    if (normal.probabilities[i] > 0)
      entropy -= normal.probabilities[i] * (weights[i] - normal.logSum);
  }
  if (state.tail) {
    for (let i = 0; i < arrays.count.length; i++) {
      const spread = arrays.variance[i] / (heat * heat);
      const mass = arrays.count[i] * Math.exp(arrays.mean[i] / heat + spread / 2 - normal.logSum);
      entropy -= mass * (arrays.mean[i] / heat + spread - normal.logSum); // E[p·log p] of a bin, to second order
    }
  }
  return entropy;
}

function countKept(state) {
  let kept = 0;
  for (let i = 0; i < state.weights.length; i++) if (state.weights[i] > -Infinity) kept++;
  if (state.tail) for (const count of state.arrays.count) kept += count;
  return kept;
}

/** The likeliest a token of the tail can be. */
function tailCeiling(state, normal) {
  return Math.exp(state.arrays.start / state.heat - normal.logSum);
}

/** Remove listed tokens for which `keep` is false, but never the `least` likeliest ones that are still in. */
function sieve(state, least, keep) {
  let place = 0;
  for (let i = 0; i < state.weights.length; i++) {
    if (state.weights[i] === -Infinity) continue;
    if (place++ >= least && !keep(i)) state.weights[i] = -Infinity;
  }
}

const share = (value) =>
  value >= 0.001
    ? `${(100 * value).toPrecision(3)} %`
    : value > 0
      ? `${(100 * value).toPrecision(2)} %`
      : "0 %";

// Each filter changes the state and returns { exact, text }.
const FILTERS = {
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
    const at = (value) => Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-value));
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
      const nearest = -Math.log(tailCeiling(state, normal)) - entropy; // distance of the tail's likeliest token
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
      text: `keeps what is within ${first.distance.toFixed(2)} nats of the expected surprise, ${entropy.toFixed(2)} nats`,
    };
  },
  top_h(state, normal, h) {
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
      text: `keeps tokens until their entropy passes ${allowed.toFixed(2)} of ${entropy.toFixed(2)} nats`,
    };
  },
};

/** Whether no listed token's probability lies between two floors. */
function settled(normal, state, low, high) {
  for (let i = 0; i < state.weights.length; i++) {
    const p = normal.probabilities[i];
    if (state.weights[i] > -Infinity && p >= low && p < high) return false;
  }
  return true;
}

function threshold(state, normal, floor, least, text) {
  if (state.tail && floor > 0 && tailCeiling(state, normal) >= floor)
    return { exact: false, text: "the cut lies past the tokens at hand" };
  sieve(state, least, (i) => normal.probabilities[i] >= floor);
  if (floor > 0) state.tail = false;
  return { exact: true, text };
}

/** The listed tokens by |surprise − entropy|, and the distance at which their mass reaches `mass`. */
function typicalSet(state, normal, entropy, mass) {
  const order = [];
  for (let i = 0; i < state.weights.length; i++) if (state.weights[i] > -Infinity) order.push(i);
  const distance = (i) => Math.abs(normal.logSum - state.weights[i] - entropy);
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

/**
 * Run a chain.
 * @param {object} distribution wire distribution: ids, raw, base, tail
 * @param {{name: string, value: number}[]} stages in the order to apply; stages that are off are skipped
 * @param {{minTokensToKeep?: number}} [options]
 * @returns {{stages: {name, value, off, probabilities: Float64Array, kept: number, keptMass: number, tailMass: number,
 *   exact: boolean, text: string}[], first: {probabilities, tailMass, kept}, last, exact: boolean}}
 *   `probabilities` are of the listed tokens after the stage, `kept` counts over the whole vocabulary, `keptMass` is the
 *   share of the stage's input that it kept.
 */
export function runChain(distribution, stages, options = {}) {
  const least = options.minTokensToKeep ?? 1;
  const state = begin(distribution);
  let normal = normalise(state);
  const first = {
    probabilities: normal.probabilities,
    tailMass: normal.tailMass,
    kept: countKept(state),
  };
  const results = [];
  let exact = true;
  for (const { name, value } of stages) {
    const off = isOff(name, value);
    const before = normal;
    let outcome = { exact: true, text: "off" };
    if (!off && name === "temperature") {
      for (let i = 0; i < state.weights.length; i++) state.weights[i] /= value;
      state.heat *= value;
      outcome.text = value < 1 ? "sharpens" : "flattens";
    } else if (!off) {
      outcome = FILTERS[name](state, normal, value, least);
    }
    exact = exact && outcome.exact;
    if (!off) normal = normalise(state);
    let keptMass = 0;
    for (let i = 0; i < state.weights.length; i++)
      if (state.weights[i] > -Infinity) keptMass += before.probabilities[i];
    if (state.tail) keptMass += before.tailMass;
    results.push({
      name,
      value,
      off,
      probabilities: normal.probabilities,
      kept: countKept(state),
      keptMass,
      tailMass: normal.tailMass,
      exact,
      text: outcome.text,
    });
    if (!exact) break;
  }
  const last = results.length
    ? results[results.length - 1]
    : { ...first, keptMass: 1, exact: true };
  return { stages: results, first, last, exact };
}

/**
 * The same distribution with fewer tokens listed and the others in a histogram, for work that runs the chain many times.
 * @param {object} distribution a wire distribution that lists the whole vocabulary
 * @param {number} limit tokens to list
 */
export function condense(distribution, limit) {
  const { base } = ready(distribution);
  if (distribution.tail || base.length <= limit) return distribution;
  const count = [];
  const mean = [];
  const variance = [];
  for (let from = limit, width = 0.05; from < base.length; width *= 1.3) {
    let to = from;
    while (to < base.length && (base[to] > base[from] - width || count.length >= 24)) to++;
    let sum = 0;
    for (let i = from; i < to; i++) sum += base[i];
    const middle = sum / (to - from);
    let squares = 0;
    for (let i = from; i < to; i++) squares += (base[i] - middle) ** 2;
    count.push(to - from);
    mean.push(middle);
    variance.push(squares / (to - from));
    from = to;
  }
  return {
    ...distribution,
    ids: distribution.ids.slice(0, limit),
    texts: distribution.texts.slice(0, limit),
    raw: distribution.raw.slice(0, limit),
    base: distribution.base ? distribution.base.slice(0, limit) : null,
    tail: { start: base[limit], count, mean, variance },
  };
}

/** Whether a chain keeps one listed token: true, false, or null where that is not known from the tokens at hand. */
function keeps(distribution, stages, place, options) {
  const active = stages.filter((stage) => !isOff(stage.name, stage.value));
  const result = runChain(distribution, active, options);
  for (let i = 0; i < result.stages.length; i++) {
    const stage = result.stages[i];
    // A cut past the listed tokens keeps all of them; what later stages make of that is not known.
    const cutsLower = ["top_k", "top_p", "min_p", "epsilon_cutoff"].includes(stage.name);
    if (!stage.exact) return cutsLower && i === active.length - 1 ? true : null;
    if (!(stage.probabilities[place] > 0)) return false;
  }
  return true;
}

/** The chain with one stage set to a value; a stage that is missing comes at transformers' place among the others. */
function withValue(stages, name, value) {
  if (stages.some((stage) => stage.name === name))
    return stages.map((stage) => (stage.name === name ? { name, value } : stage));
  const order = SAMPLER_STAGES.map((stage) => stage.name);
  const at = stages.findIndex((stage) => order.indexOf(stage.name) > order.indexOf(name));
  const grown = stages.slice();
  grown.splice(at < 0 ? grown.length : at, 0, { name, value });
  return grown;
}

/**
 * For a token, the values of temperature, top_k, top_p and min_p that keep it while the other stages stay as they are.
 * Boundaries are found by bisection to 1e-4 between neighbours of a grid.
 * @returns {Object<string, {from: number, to: number}[] | null>} null where the tokens at hand cannot tell
 */
export function keepingRanges(distribution, stages, tokenId, options = {}) {
  const place = distribution.ids.indexOf(tokenId);
  if (place < 0) return { temperature: null, top_k: null, top_p: null, min_p: null };
  const grids = {
    temperature: Array.from({ length: 39 }, (_, i) => 0.1 + 0.05 * i),
    top_k: Array.from({ length: distribution.ids.length }, (_, i) => i + 1),
    top_p: Array.from({ length: 50 }, (_, i) => 0.02 * (i + 1)),
    min_p: Array.from({ length: 51 }, (_, i) => 0.02 * i),
  };
  const ranges = {};
  for (const [name, grid] of Object.entries(grids)) {
    const test = (value) => keeps(distribution, withValue(stages, name, value), place, options);
    const answers = grid.map(test);
    if (answers.includes(null)) {
      ranges[name] = null;
      continue;
    }
    const border = (a, b) => {
      if (name === "top_k") return b;
      let [yes, no] = test(a) ? [a, b] : [b, a];
      while (Math.abs(yes - no) > 1e-4) {
        const middle = (yes + no) / 2;
        if (test(middle)) yes = middle;
        else no = middle;
      }
      return yes;
    };
    const list = [];
    for (let i = 0; i < grid.length; i++) {
      if (!answers[i]) continue;
      const from = i > 0 ? border(grid[i - 1], grid[i]) : grid[0];
      let end = i;
      while (end + 1 < grid.length && answers[end + 1]) end++;
      const to =
        end + 1 < grid.length
          ? name === "top_k"
            ? grid[end]
            : border(grid[end], grid[end + 1])
          : Infinity;
      list.push({ from: i > 0 ? from : -Infinity, to });
      i = end;
    }
    ranges[name] = list;
  }
  return ranges;
}
