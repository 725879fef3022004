// The sampler panel's right half for llama.cpp: its samplers, each with its settings, in any order.

import { h } from "../../../../shared/js/dom.js";
import { percent, whole } from "../../../../shared/js/numbers.js";
import {
  LLAMA_CHOOSERS,
  LLAMA_KNOBS,
  llamaConfig,
  llamaSettingsOf,
  ownLlama,
} from "./llamasettings.js";
import { moreItem, openChainFrame, stageHandle } from "./stages.js";

/**
 * @import {ChainOdds, StageOdds} from "./chain.js"
 * @import {LlamaStage} from "./llamachain.js"
 * @import {LlamaField, LlamaKnob, OwnLlama} from "./llamasettings.js"
 * @import {SamplerPanel} from "./sampler.js"
 */

/** @param {SamplerPanel} panel */
export function openLlamaStages(panel) {
  const { state, view } = panel;
  const own = () => /** @type {OwnLlama} */ (state.llama);
  const { parts, list, applied, note } = openChainFrame(panel, {
    title: "llama.cpp's chain",
    words:
      "Samplers work from top to bottom; this order, too, is decoded. Drag one by its handle, or use " +
      "the arrows.",
    label: "Decode with these settings",
    decode: () => panel.emit("apply", { run: view.index, config: llamaConfig(own(), view.run) }),
    reset: () => {
      state.llama = ownLlama(view.run);
      lay();
    },
  });
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
    if (rest) list.append(moreItem(panel, `${rest} more samplers`, lay));
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
  const handle = stageHandle(list, (name) =>
    move(
      stage,
      shown.find((other) => other === name),
    ),
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
