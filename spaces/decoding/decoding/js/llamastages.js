// The sampler panel's right half for llama.cpp: its samplers, each with its settings, in any order.

import { h } from "../../../../shared/js/dom.js";
import { percent, whole } from "../../../../shared/js/numbers.js";
import { LLAMA_DEFAULTS, LLAMA_ORDER, isLlamaOn } from "./llamachain.js";
import { dragStage } from "./stages.js";

/**
 * @import {ChainOdds, StageOdds} from "./chain.js"
 * @import {Config, Run} from "./data.js"
 * @import {LlamaMemory, LlamaNumbers, LlamaSettings, LlamaStage} from "./llamachain.js"
 * @import {SamplerPanel} from "./sampler.js"
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
const LLAMA_KNOBS = {
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
const LLAMA_CHOOSERS = ["adaptive_p", "mirostat"];

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

/** @param {SamplerPanel} panel */
export function openLlamaStages(panel) {
  const { state, view } = panel;
  const own = () => /** @type {OwnLlama} */ (state.llama);
  const list = h("ol", { class: "stages" });
  const applied = h(
    "button",
    {
      type: "button",
      class: "action",
      onclick: () => panel.emit("apply", { run: view.index, config: llamaConfig(own(), view.run) }),
    },
    "Decode with these settings",
  );
  const note = h("p", { class: "said" });
  const reset = h(
    "button",
    {
      type: "button",
      onclick: () => {
        state.llama = ownLlama(view.run);
        lay();
        panel.repaint();
      },
    },
    "Reset",
  );
  const parts = [
    h("h2", {}, "llama.cpp's chain"),
    h(
      "p",
      { class: "said" },
      "Samplers work from top to bottom; this order, too, is decoded. Drag one by its handle, or use " +
        "the arrows.",
    ),
    list,
    h("p", { class: "actions" }, panel.live ? applied : null, reset),
    note,
  ];
  /** @type {Map<LlamaStage, (outcome: StageOdds | undefined) => void>} */
  const painters = new Map();
  const move = (/** @type {LlamaStage} */ stage, /** @type {LlamaStage | undefined} */ other) => {
    if (!other || other === stage || LLAMA_CHOOSERS.includes(other)) return;
    const { order } = own();
    const to = order.indexOf(other);
    order.splice(order.indexOf(stage), 1);
    order.splice(to, 0, stage);
    lay();
    panel.repaint();
  };
  const lay = () => {
    const { on, order } = own();
    const common = ["penalties", "dry", "top_k", "top_p", "min_p", "temperature"];
    const shown = order.filter((name) => state.more || on.has(name) || common.includes(name));
    painters.clear();
    const cards = shown.map((name) => {
      const { element, paint } = openLlamaCard(panel, list, name, shown, move);
      painters.set(name, paint);
      return element;
    });
    list.replaceChildren(...cards);
    const rest = order.length - shown.length;
    const show = () => {
      state.more = true;
      lay();
      panel.repaint();
    };
    const more = { type: /** @type {const} */ ("button"), class: "small", onclick: show };
    if (rest)
      list.append(h("li", { class: "more-stages" }, h("button", more, `${rest} more samplers`)));
  };
  lay();
  return {
    parts,
    /** @param {ChainOdds} result */
    paint(result) {
      for (const [name, paint] of painters)
        paint(result.stages.find((stage) => stage.name === name));
      const settings = llamaSettingsOf(own());
      const at = (/** @type {LlamaStage} */ name) => settings.samplers.indexOf(name);
      const { on } = own();
      const undefinedHere =
        !settings.mirostat &&
        on.has("typ_p") &&
        on.has("top_n_sigma") &&
        at("top_n_sigma") < at("typ_p");
      const branch = view.run.prefix.length > 0;
      applied.disabled = branch || undefinedHere;
      note.textContent = branch
        ? "Settings of a branch follow the strategy that it grew from."
        : undefinedHere
          ? "llama.cpp's typ_p takes the logarithm of the zeros that top_n_sigma leaves: what it " +
            "keeps then is undefined. Put typ_p first."
          : "";
    },
  };
}

/**
 * @param {SamplerPanel} panel
 * @param {HTMLElement} list
 * @param {LlamaStage} stage
 * @param {LlamaStage[]} shown
 * @param {(stage: LlamaStage, other: LlamaStage | undefined) => void} move
 */
function openLlamaCard(panel, list, stage, shown, move) {
  const own = () => /** @type {OwnLlama} */ (panel.state.llama);
  const chooses = LLAMA_CHOOSERS.includes(stage);
  const box = h("input", {
    type: "checkbox",
    "aria-label": `${stage} on`,
    checked: own().on.has(stage),
    onchange: () => {
      if (box.checked) own().on.add(stage);
      else own().on.delete(stage);
      panel.repaint();
    },
  });
  const told = h("p", { class: "said told" });
  const level = h("i", {});
  const knobs = LLAMA_KNOBS[stage].map((knob) =>
    llamaKnob(panel, knob, told, () => {
      own().on.add(stage);
      box.checked = true;
      panel.repaint();
    }),
  );
  const fires = h("input", {
    type: "checkbox",
    onchange: () => {
      own().fires = fires.checked;
      panel.repaint();
    },
  });
  const place = shown.indexOf(stage);
  const arrow = (/** @type {number} */ by) => {
    const other = shown[place + by];
    return h(
      "button",
      {
        type: "button",
        class: "small",
        disabled: !other || LLAMA_CHOOSERS.includes(other),
        "aria-label": `Move ${stage} ${by < 0 ? "up" : "down"}`,
        onclick: () => {
          move(stage, other);
          const button = list.querySelector(
            `[data-stage="${stage}"] [aria-label^="Move"]:not(:disabled)`,
          );
          if (button instanceof HTMLElement) button.focus();
        },
      },
      by < 0 ? "↑" : "↓",
    );
  };
  const handle = h(
    "span",
    {
      class: "handle",
      title: "drag to another place",
      "aria-hidden": "true",
      onpointerdown: (event) =>
        dragStage(list, element, handle, event, (name) =>
          move(
            stage,
            shown.find((other) => other === name),
          ),
        ),
    },
    "⠿",
  );
  const element = h(
    "li",
    { class: "stage", "data-stage": stage },
    h(
      "div",
      { class: "stage-head" },
      chooses ? null : handle,
      h("label", {}, box, h("code", {}, stage)),
      chooses ? h("span", { class: "said" }, "chooses at the end") : [arrow(-1), arrow(1)],
    ),
    h("div", { class: "knobs" }, knobs),
    stage === "xtc" ? h("label", { class: "said" }, fires, " fires at this token") : null,
    h("span", { class: "meter", "aria-hidden": "true" }, level),
    told,
  );
  return {
    element,
    /** @param {StageOdds | undefined} outcome */
    paint(outcome) {
      const { on, values } = own();
      const alone = on.has("mirostat") && stage !== "mirostat" && stage !== "temperature";
      const works = on.has(stage) && !alone;
      element.classList.toggle("off", !works);
      level.style.width = outcome ? `${100 * outcome.keptMass}%` : "100%";
      const { chance } = panel.view.memory;
      fires.checked = own().fires ?? chance <= values.xtc_probability;
      const drawn = stage === "xtc" && panel.view.drew ? `. It drew ${chance.toFixed(3)} here` : "";
      told.textContent =
        (works ? llamaWords(outcome, stage) : alone ? "mirostat works without it" : "off") + drawn;
    },
  };
}

/**
 * @param {StageOdds | undefined} outcome
 * @param {LlamaStage} stage
 */
function llamaWords(outcome, stage) {
  if (!outcome) return "changes nothing here";
  if (["temperature", "penalties", "dry", "adaptive_p"].includes(stage)) return outcome.text;
  return `${outcome.text}: ${whole(outcome.kept)} left, ${percent(outcome.keptMass)} of the mass`;
}

/**
 * @param {SamplerPanel} panel
 * @param {LlamaKnob} knob
 * @param {HTMLElement} told where a refusal stands
 * @param {() => void} changed
 */
function llamaKnob(panel, { name, most, step, bounds: [low, high] }, told, changed) {
  const values = /** @type {OwnLlama} */ (panel.state.llama).values;
  const set = (/** @type {number} */ value) => {
    const good = value >= low && value <= high && (step < 1 || Number.isInteger(value));
    input.setAttribute("aria-invalid", String(!good));
    if (!good) {
      told.textContent = `${name} must be from ${low} to ${high}; ${values[name]} stays.`;
      return;
    }
    values[name] = value;
    slider.value = String(value);
    if (document.activeElement !== input) input.value = String(value);
    changed();
  };
  const slider = h("input", {
    type: "range",
    min: Math.max(0, low),
    max: most,
    step,
    value: values[name],
    "aria-label": name,
    oninput: () => set(Number(slider.value)),
  });
  const input = h("input", {
    type: "number",
    min: low,
    step,
    value: values[name],
    "aria-label": `${name} value`,
    oninput: () => set(input.value === "" ? NaN : Number(input.value)),
    onblur: () => {
      input.value = String(values[name]);
      input.setAttribute("aria-invalid", "false");
    },
  });
  return h("div", { class: "knob" }, h("span", { class: "said" }, name), slider, input);
}
