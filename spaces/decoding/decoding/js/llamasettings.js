// llama.cpp's chain as a visitor sets it: the samplers' settings, and what they amount to. No DOM here.

import { LLAMA_DEFAULTS, LLAMA_ORDER, isLlamaOn } from "./llamachain.js";

/**
 * @import {Config, Run} from "./data.js"
 * @import {LlamaMemory, LlamaNumbers, LlamaSettings, LlamaStage} from "./llamachain.js"
 *
 * @typedef {keyof LlamaNumbers} LlamaField
 *
 * @typedef {Object} LlamaKnob one setting of a sampler
 * @property {LlamaField} name
 * @property {number} most of its slider
 * @property {number} step
 * @property {[low: number, high: number]} bounds what the server takes
 *
 * @typedef {Object} OwnLlama the chain as the visitor set it
 * @property {LlamaStage[]} order
 * @property {Set<LlamaStage>} on
 * @property {LlamaNumbers} values those of samplers that are off are what they would be switched on
 *   with
 * @property {boolean | null} fires whether XTC fires here; null as its draw says
 */

/** @type {Record<LlamaStage, LlamaKnob[]>} */
export const LLAMA_KNOBS = {
  penalties: [
    { name: "repeat_penalty", most: 2, step: 0.01, bounds: [0.01, 100] },
    { name: "presence_penalty", most: 2, step: 0.05, bounds: [-100, 100] },
    { name: "frequency_penalty", most: 2, step: 0.05, bounds: [-100, 100] },
    { name: "repeat_last_n", most: 256, step: 1, bounds: [0, 4096] },
  ],
  dry: [
    { name: "dry_multiplier", most: 3, step: 0.05, bounds: [0, 100] },
    { name: "dry_base", most: 4, step: 0.05, bounds: [1, 100] },
    { name: "dry_allowed_length", most: 10, step: 1, bounds: [0, 64] },
    { name: "dry_penalty_last_n", most: 512, step: 1, bounds: [0, 4096] },
  ],
  top_n_sigma: [{ name: "top_n_sigma", most: 5, step: 0.05, bounds: [0, 100] }],
  top_k: [{ name: "top_k", most: 200, step: 1, bounds: [0, 1e6] }],
  typ_p: [{ name: "typical_p", most: 1, step: 0.01, bounds: [0.01, 1] }],
  top_p: [{ name: "top_p", most: 1, step: 0.01, bounds: [0, 1] }],
  min_p: [{ name: "min_p", most: 0.5, step: 0.005, bounds: [0, 1] }],
  xtc: [
    { name: "xtc_probability", most: 1, step: 0.01, bounds: [0, 1] },
    { name: "xtc_threshold", most: 0.5, step: 0.01, bounds: [0, 1] },
  ],
  temperature: [
    { name: "temperature", most: 2, step: 0.01, bounds: [0, 100] },
    { name: "dynatemp_range", most: 2, step: 0.05, bounds: [0, 100] },
    { name: "dynatemp_exponent", most: 4, step: 0.05, bounds: [0.01, 100] },
  ],
  adaptive_p: [
    { name: "adaptive_target", most: 1, step: 0.01, bounds: [0, 1] },
    { name: "adaptive_decay", most: 0.99, step: 0.01, bounds: [0, 0.99] },
  ],
  mirostat: [
    { name: "mirostat", most: 2, step: 1, bounds: [1, 2] },
    { name: "mirostat_tau", most: 10, step: 0.1, bounds: [0, 100] },
    { name: "mirostat_eta", most: 1, step: 0.01, bounds: [0, 1] },
  ],
};

/** @type {Record<LlamaStage, Partial<LlamaNumbers>>} the values that switch each sampler off */
const LLAMA_NEUTRAL = {
  penalties: { repeat_penalty: 1, presence_penalty: 0, frequency_penalty: 0 },
  dry: { dry_multiplier: 0 },
  top_n_sigma: { top_n_sigma: -1 },
  top_k: { top_k: 0 },
  typ_p: { typical_p: 1 },
  top_p: { top_p: 1 },
  min_p: { min_p: 0 },
  xtc: { xtc_probability: 0 },
  temperature: { temperature: 1, dynatemp_range: 0 },
  adaptive_p: { adaptive_target: -1 },
  mirostat: { mirostat: 0 },
};

/** @type {Partial<Record<LlamaStage, Partial<LlamaNumbers>>>} what switches a sampler on */
const LLAMA_SUGGESTED = {
  penalties: { repeat_penalty: 1.1 },
  dry: { dry_multiplier: 0.8 },
  top_n_sigma: { top_n_sigma: 1 },
  top_k: { top_k: 40 },
  typ_p: { typical_p: 0.9 },
  top_p: { top_p: 0.95 },
  min_p: { min_p: 0.05 },
  xtc: { xtc_probability: 0.5 },
  adaptive_p: { adaptive_target: 0.3 },
  mirostat: { mirostat: 2 },
};

/** @type {LlamaStage[]} what chooses, and so stands at the end */
export const LLAMA_CHOOSERS = ["adaptive_p", "mirostat"];

/**
 * The chain of a run.
 * @param {Run} run
 * @returns {OwnLlama}
 */
export function ownLlama(run) {
  /** @type {LlamaNumbers} */
  const values = { ...LLAMA_DEFAULTS };
  for (const name of /** @type {LlamaField[]} */ (Object.keys(values))) {
    const set = run.config[name];
    if (typeof set === "number") values[name] = set;
  }
  const on = new Set(/** @type {LlamaStage[]} */ (run.processors));
  for (const name of LLAMA_ORDER.concat(LLAMA_CHOOSERS))
    if (!on.has(name) && !isLlamaOn(name, { ...values, samplers: [] }))
      Object.assign(values, LLAMA_SUGGESTED[name]);
  const named = /** @type {LlamaStage[]} */ (run.config.samplers ?? LLAMA_ORDER);
  /** @type {LlamaStage[]} */
  const order = named.filter((name) => name !== "adaptive_p");
  const rest = LLAMA_ORDER.filter((name) => !order.includes(name));
  return { order: [...order, ...rest, ...LLAMA_CHOOSERS], on, values, fires: null };
}

/**
 * The settings that a chain amounts to.
 * @param {OwnLlama} own
 * @returns {LlamaSettings}
 */
export function llamaSettingsOf({ order, on, values }) {
  /** @type {LlamaNumbers} */
  const numbers = { ...values };
  for (const name of order) if (!on.has(name)) Object.assign(numbers, LLAMA_NEUTRAL[name]);
  return { ...numbers, samplers: order.filter((name) => name !== "mirostat") };
}

/**
 * What the samplers remember, with the visitor's word on XTC.
 * @param {OwnLlama} own
 * @param {LlamaMemory} memory
 * @returns {LlamaMemory}
 */
export function llamaMemoryOf({ fires }, memory) {
  return fires === null ? memory : { ...memory, chance: fires ? 0 : 2 };
}

/**
 * The chain as a strategy's configuration: what differs from llama.cpp's defaults, and matters.
 * @param {OwnLlama} own
 * @param {Run} run
 * @returns {Config}
 */
export function llamaConfig(own, run) {
  const settings = llamaSettingsOf(own);
  const stays = settings.mirostat ? ["temperature", "mirostat"] : own.order;
  /** @type {Config} */
  const config = { runtime: "llama.cpp" };
  for (const stage of /** @type {LlamaStage[]} */ (stays)) {
    const switches = Object.keys(LLAMA_NEUTRAL[stage]);
    for (const { name } of LLAMA_KNOBS[stage]) {
      if (!own.on.has(stage) && !switches.includes(name)) continue;
      if (name === "dynatemp_range" && settings.mirostat) continue;
      if (name === "dynatemp_exponent" && (settings.mirostat || !settings.dynatemp_range)) continue;
      if (settings[name] !== LLAMA_DEFAULTS[name]) config[name] = settings[name];
    }
  }
  if (settings.mirostat) return config;
  const order = settings.samplers.filter((name) => name !== "adaptive_p" || own.on.has(name));
  if (order.join() !== LLAMA_ORDER.join()) config.samplers = order;
  if (run.config.min_keep) config.min_keep = run.config.min_keep;
  if (own.on.has("dry") && run.config.dry_sequence_breakers)
    config.dry_sequence_breakers = run.config.dry_sequence_breakers;
  return config;
}
