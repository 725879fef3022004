// The same settings in two runtimes: what transformers' chain makes of them, and what llama.cpp's
// does. No DOM here.

import { isOff, runChain } from "./chain.js";
import { LLAMA_DEFAULTS, LLAMA_ORDER, llamaStages, runLlamaChain } from "./llamachain.js";

/**
 * @import {ChainOdds, Stage} from "./chain.js"
 * @import {Distribution} from "./data.js"
 * @import {LlamaMemory, LlamaSettings, LlamaStage} from "./llamachain.js"
 *
 * @typedef {Object} Common settings that both runtimes have
 * @property {number} temperature
 * @property {number} top_k 0 is off
 * @property {number} top_p
 * @property {number} min_p
 * @property {number} typical_p
 * @property {number} repeat_penalty
 *
 * @typedef {Object} Compared
 * @property {boolean} exact whether the tokens at hand suffice
 * @property {ChainOdds} transformers
 * @property {ChainOdds} llama
 * @property {number} distance total variation: half the sum of the differences
 * @property {number} place of the token that differs most, among those listed
 * @property {number[]} odds of that token: of the model, in transformers, in llama.cpp
 * @property {string[]} why what makes the difference, a clause each; empty where nothing does
 * @property {string[]} orders the stages of each, in its order
 */

/**
 * @param {Common} common
 * @returns {Stage[]}
 */
function transformersStages({ temperature, top_k, top_p, min_p, typical_p }) {
  return [
    { name: "temperature", value: temperature },
    { name: "top_k", value: top_k },
    { name: "top_p", value: top_p },
    { name: "min_p", value: min_p },
    { name: "typical_p", value: typical_p },
  ];
}

/**
 * llama.cpp's settings of what both have, everything else of it off.
 * @param {Common} common
 * @param {LlamaStage[]} [samplers]
 * @returns {LlamaSettings}
 */
function llamaOfCommon(common, samplers = LLAMA_ORDER) {
  return { ...LLAMA_DEFAULTS, ...common, samplers };
}

/**
 * A distribution with transformers' repetition penalty, which looks at the whole text.
 * @param {Distribution} distribution
 * @param {number} penalty
 * @param {number[]} tokens
 * @returns {{distribution: Distribution, exact: boolean}}
 */
function penalised(distribution, penalty, tokens) {
  if (penalty === 1) return { distribution, exact: true };
  const logSum = distribution.log_sum ?? 0;
  const seen = new Set(tokens);
  const base = distribution.raw.map((logprob, place) => {
    if (!seen.has(distribution.ids[place])) return logprob;
    const logit = logprob + logSum;
    return (logit < 0 ? logit * penalty : logit / penalty) - logSum;
  });
  const order = [...base.keys()].sort((one, other) => base[other] - base[one]);
  const listed = new Set(distribution.ids);
  const exact = !distribution.tail || [...seen].every((token) => listed.has(token));
  return {
    exact: exact && distribution.log_sum !== undefined,
    distribution: {
      ...distribution,
      ids: order.map((place) => distribution.ids[place]),
      texts: order.map((place) => distribution.texts[place]),
      raw: order.map((place) => distribution.raw[place]),
      base: order.map((place) => base[place]),
    },
  };
}

/**
 * Half the sum of the differences, and the token that differs most.
 * @param {Map<number, number>} one probabilities by token id
 * @param {Map<number, number>} other
 */
function apart(one, other) {
  let sum = 0;
  let most = 0;
  let token = -1;
  for (const id of new Set([...one.keys(), ...other.keys()])) {
    const difference = Math.abs((one.get(id) ?? 0) - (other.get(id) ?? 0));
    sum += difference;
    if (difference > most) {
      most = difference;
      token = id;
    }
  }
  return { distance: sum / 2, token };
}

/**
 * @param {Distribution} distribution
 * @param {ChainOdds} result
 */
function byToken({ ids }, { last }) {
  return new Map(ids.map((id, place) => [id, last.probabilities[place]]));
}

/**
 * @param {Distribution} distribution of the model, no setting applied
 * @param {Common} common
 * @param {LlamaMemory} memory
 * @param {LlamaSettings} [own] of llama.cpp, where more than the common ones are set
 * @param {Stage[]} [theirs] the stages of transformers, where more are on or in another order
 * @returns {Compared}
 */
export function compareRuntimes(
  distribution,
  common,
  memory,
  own = llamaOfCommon(common),
  theirs = transformersStages(common),
) {
  const first = penalised(distribution, common.repeat_penalty, memory.tokens);
  const transformers = runChain(first.distribution, theirs);
  const llama = runLlamaChain(distribution, own, memory);
  const left = byToken(first.distribution, transformers);
  const right = byToken(distribution, llama);
  const { distance, token } = apart(left, right);
  const place = Math.max(0, distribution.ids.indexOf(token));
  const on = transformers.stages.filter((stage) => !stage.off).map((stage) => stage.name);
  const penalty = common.repeat_penalty === 1 ? [] : ["repetition_penalty"];
  return {
    exact: first.exact && transformers.exact && llama.exact,
    transformers,
    llama,
    distance,
    place,
    odds: [Math.exp(distribution.raw[place]), left.get(token) ?? 0, right.get(token) ?? 0],
    why:
      distance < 1e-4
        ? []
        : [
            ...missing(theirs),
            ...reasonsOf(distribution, common, memory, own, left, right, distance),
          ],
    orders: [
      [...penalty, ...on].join(" → ") || "nothing",
      llama.stages.map(({ name }) => name).join(" → ") || "nothing",
    ],
  };
}

/**
 * Stages that llama.cpp does not have.
 * @param {Stage[]} theirs
 */
function missing(theirs) {
  const names = theirs
    .filter(({ name, value }) => !isOff(name, value))
    .map(({ name }) => name)
    .filter((name) => ["top_h", "epsilon_cutoff", "eta_cutoff"].includes(name));
  return names.length ? [`llama.cpp has no ${names.join(", no ")}`] : [];
}

/**
 * What makes the difference: each habit of llama.cpp that, given up, brings it nearer.
 * @param {Distribution} distribution
 * @param {Common} common
 * @param {LlamaMemory} memory
 * @param {LlamaSettings} own
 * @param {Map<number, number>} left transformers' probabilities
 * @param {Map<number, number>} right llama.cpp's
 * @param {number} distance between the two
 */
function reasonsOf(distribution, common, memory, own, left, right, distance) {
  const without = (/** @type {Partial<LlamaSettings>} */ change) => {
    const result = runLlamaChain(distribution, { ...own, ...change }, memory);
    if (!result.exact) return false;
    const now = byToken(distribution, result);
    return (
      apart(left, now).distance < 0.9 * distance || apart(right, now).distance > 0.1 * distance
    );
  };
  const why = [];
  const on = llamaStages(own);
  const filters = on.filter((name) => ["typ_p", "top_p", "min_p", "top_k"].includes(name));
  /** @type {LlamaStage[]} */
  const warm = ["temperature", ...own.samplers.filter((name) => name !== "temperature")];
  const at = own.samplers.indexOf("temperature");
  const later = at > 0 && filters.some((name) => own.samplers.indexOf(name) < at);
  if (on.includes("temperature") && later && without({ samplers: warm }))
    why.push(
      `temperature ${common.temperature} comes first in transformers, so that the filters cut odds it ` +
        "has changed, and last in llama.cpp",
    );
  /** @type {LlamaStage[]} */
  const order = own.samplers.filter((name) => name !== "typ_p");
  order.splice(order.indexOf("min_p") + 1, 0, "typ_p");
  if (on.includes("typ_p") && without({ samplers: order }))
    why.push(
      "typical_p comes after the other filters in transformers and before top_p in llama.cpp",
    );
  if (
    common.repeat_penalty !== 1 &&
    memory.tokens.length > own.repeat_last_n &&
    without({ repeat_last_n: memory.tokens.length })
  )
    why.push(
      `repetition_penalty looks at all ${memory.tokens.length} tokens in transformers, at the last ` +
        `${own.repeat_last_n} in llama.cpp`,
    );
  /** @type {[name: LlamaStage, off: Partial<LlamaSettings>, words: string][]} */
  const only = [
    ["dry", { dry_multiplier: 0 }, "DRY"],
    ["top_n_sigma", { top_n_sigma: -1 }, "top_n_sigma"],
    ["xtc", { xtc_probability: 0 }, "XTC"],
    ["adaptive_p", { adaptive_target: -1 }, "adaptive_p"],
    ["mirostat", { mirostat: 0 }, "mirostat"],
    [
      "penalties",
      { presence_penalty: 0, frequency_penalty: 0 },
      "presence and frequency penalties",
    ],
    ["temperature", { dynatemp_range: 0 }, "a dynamic temperature"],
  ];
  const names = only
    .filter(([name, off]) => on.includes(name) && without(off))
    .map((one) => one[2]);
  if (names.length) why.push(`transformers has no ${names.join(", no ")}`);
  if (!why.length && distance > 1e-3 && filters.includes("top_k"))
    why.push(
      "of tokens tied at the cut transformers keeps all, llama.cpp only as many as asked for",
    );
  return why;
}
