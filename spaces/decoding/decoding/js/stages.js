// The sampler panel's right half: the stages of the chain, to set and to put in another order.

import { h } from "../../../../shared/js/dom.js";
import { percent, whole } from "../../../../shared/js/numbers.js";
import { SAMPLER_STAGES, isOff, refusal } from "./chain.js";

/**
 * @import {Child} from "../../../../shared/js/dom.js"
 * @import {ChainOdds, StageName, StageOdds} from "./chain.js"
 * @import {Config, Run} from "./data.js"
 * @import {OwnStage, SamplerPanel} from "./sampler.js"
 *
 * @typedef {Object} Card a stage in the list
 * @property {HTMLElement} element
 * @property {(outcome: StageOdds | undefined) => void} paint
 *
 * @typedef {(stage: OwnStage, other: OwnStage) => void} Move puts a stage where another one stands
 */

/** @type {Record<StageName, number>} */
const SUGGESTED = {
  temperature: 1,
  top_h: 0.4,
  top_k: 50,
  top_p: 0.9,
  min_p: 0.1,
  typical_p: 0.9,
  epsilon_cutoff: 0.001,
  eta_cutoff: 0.001,
};
/** @type {Record<StageName, number>} the values that switch them off */
const NEUTRAL = {
  temperature: 1,
  top_h: 1,
  top_k: 0,
  top_p: 1,
  min_p: 0,
  typical_p: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
};
const ORIGINS = {
  strategy: "",
  model: "the model's own setting",
  default: "transformers' default",
};
const COMMON_STAGES = ["temperature", "top_k", "top_p", "min_p"];
const OWN_ORDER = SAMPLER_STAGES.map(({ name }) => name);

/**
 * The stages of a run: the values that count, switched on where `generate` applies them.
 * @param {Run} run
 * @returns {OwnStage[]}
 */
export function stagesOf(run) {
  const active = run.processors.slice(run.warpers);
  return SAMPLER_STAGES.map(({ name }) => {
    const set = /** @type {number | undefined} */ (run.settings[name]?.value);
    const value = set === undefined || isOff(name, set) ? SUGGESTED[name] : set;
    return { name, value, on: active.includes(name) };
  });
}

/**
 * What stands around a chain's stages: a heading, what can be done, the buttons and a note.
 * @param {SamplerPanel} panel
 * @param {{title: string, words: string, before?: Child, label: string, decode: () => void,
 *   reset: () => void}} about
 */
export function openChainFrame(panel, { title, words, before, label, decode, reset }) {
  const list = h("ol", { class: "stages" });
  const applied = h("button", { type: "button", class: "action", onclick: decode }, label);
  const note = h("p", { class: "said" });
  const again = () => {
    reset();
    panel.repaint();
  };
  const buttons = [
    panel.live ? applied : null,
    h("button", { type: "button", onclick: again }, "Reset"),
  ];
  const parts = [
    h("h2", {}, title),
    h("p", { class: "said" }, words),
    ...(before ? [before] : []),
    list,
    h("p", { class: "actions" }, buttons),
    note,
  ];
  return { parts, list, applied, note };
}

/**
 * The last item of a chain that does not show all its stages.
 * @param {SamplerPanel} panel
 * @param {string} words
 * @param {() => void} lay lays the stages again
 */
export function moreItem(panel, words, lay) {
  const show = () => {
    panel.state.more = true;
    lay();
    panel.repaint();
  };
  const button = h("button", { type: "button", class: "small", onclick: show }, words);
  return h("li", { class: "more-stages" }, button);
}

/** @param {SamplerPanel} panel */
export function openStages(panel) {
  const { state, view } = panel;
  const { parts, list, applied, note } = openChainFrame(panel, {
    title: "Sampler chain",
    words:
      "Stages work from top to bottom. Drag one by its handle, or use the arrows, to change the order.",
    before: beforeChain(view.run),
    label: isDrawn(view.run) ? "Decode with these settings" : "Sample with these settings",
    decode: () => apply(panel),
    reset: () => {
      state.stages = stagesOf(view.run);
      lay();
    },
  });
  /** @type {Map<StageName, Card>} */
  const cards = new Map();
  const lay = () => {
    const shown = state.stages.filter(
      (stage) => state.more || stage.on || COMMON_STAGES.includes(stage.name),
    );
    cards.clear();
    for (const stage of shown) cards.set(stage.name, openCard(panel, list, stage, shown, move));
    list.replaceChildren(...[...cards.values()].map(({ element }) => element));
    const rest = state.stages.length - shown.length;
    if (rest) list.append(moreItem(panel, `${rest} more stages`, lay));
  };
  /** @type {Move} */
  const move = (stage, other) => {
    const to = state.stages.indexOf(other);
    state.stages.splice(state.stages.indexOf(stage), 1);
    state.stages.splice(to, 0, stage);
    lay();
    panel.repaint();
  };
  lay();
  return {
    parts,
    /** @param {ChainOdds} result */
    paint(result) {
      for (const [name, card] of cards)
        card.paint(result.stages.find((stage) => stage.name === name));
      const active = panel.active().map(({ name }) => OWN_ORDER.indexOf(name));
      const own = active.every((place, index) => index === 0 || active[index - 1] < place);
      const branch = view.run.prefix.length > 0;
      applied.disabled = !own || branch;
      note.textContent = branch
        ? "Settings of a branch follow the strategy that it grew from."
        : own
          ? ""
          : "generate() applies the stages in its own order, so this order can be looked at but " +
            "not decoded.";
    },
  };
}

/** @param {Run} run */
const isDrawn = ({ kind }) => kind === "sample" || kind === "beam_sample";

/**
 * A setting that counts in a run; of a list only the name.
 * @param {Run} run
 * @param {string} name
 */
export function settingValue(run, name) {
  const value = run.settings[name]?.value;
  return ["number", "boolean", "string"].includes(typeof value) ? `${name} ${value}` : name;
}

/**
 * The same with who says it.
 * @param {Run} run
 * @param {string} name
 */
export function settingWords(run, name) {
  const origin = run.settings[name]?.origin ?? "strategy";
  const llama = run.kind === "llama_cpp" && origin === "default";
  const whose = llama ? "llama.cpp's default" : ORIGINS[origin];
  return settingValue(run, name) + (whose && ` (${whose})`);
}

/**
 * The penalties and constraints, which the chain does not show.
 * @param {Run} run
 */
function beforeChain(run) {
  const names = run.processors.slice(0, run.warpers);
  if (!names.length) return null;
  const words = names.map((name) => settingWords(run, name)).join(", ");
  return h("p", { class: "said before-chain" }, `Before the chain: ${words}.`);
}

/**
 * @param {SamplerPanel} panel
 * @param {HTMLElement} list
 * @param {OwnStage} stage
 * @param {OwnStage[]} shown
 * @param {Move} move
 * @returns {Card}
 */
function openCard(panel, list, stage, shown, move) {
  const { low, high, step } = SAMPLER_STAGES[OWN_ORDER.indexOf(stage.name)];
  const set = (/** @type {number} */ value) => {
    const refused = Number.isFinite(value) ? refusal(stage.name, value) : "";
    input.setAttribute("aria-invalid", String(Boolean(refused)));
    if (refused) told.textContent = `${refused}; ${stage.value} stays.`;
    if (refused || !Number.isFinite(value)) return;
    stage.value = value;
    stage.on = true;
    box.checked = true;
    slider.value = String(stage.value);
    if (document.activeElement !== input) input.value = String(stage.value);
    panel.repaint();
  };
  const box = h("input", {
    type: "checkbox",
    "aria-label": `${stage.name} on`,
    checked: stage.on,
    onchange: () => {
      stage.on = box.checked;
      panel.repaint();
    },
  });
  const slider = h("input", {
    type: "range",
    min: low,
    max: high,
    step,
    value: stage.value,
    "aria-label": stage.name,
    oninput: () => set(Number(slider.value)),
  });
  const input = h("input", {
    type: "number",
    min: low,
    step,
    value: stage.value,
    "aria-label": `${stage.name} value`,
    oninput: () => set(input.value === "" ? NaN : Number(input.value)),
    onblur: () => {
      input.value = String(stage.value);
      input.setAttribute("aria-invalid", "false");
    },
  });
  const place = shown.indexOf(stage);
  const kept = (/** @type {string} */ selector) => {
    const control = list.querySelector(`[data-stage="${stage.name}"] ${selector}`);
    if (control instanceof HTMLElement) control.focus();
  };
  const arrow = (/** @type {number} */ by) =>
    h(
      "button",
      {
        type: "button",
        class: "small",
        disabled: !shown[place + by],
        "aria-label": `Move ${stage.name} ${by < 0 ? "up" : "down"}`,
        onclick: () => {
          move(stage, shown[place + by]);
          kept(`[aria-label^="Move"]:not(:disabled)`);
        },
      },
      by < 0 ? "↑" : "↓",
    );
  const told = h("p", { class: "said told" });
  const level = h("i", {});
  const handle = stageHandle(list, (name) => {
    const other = shown.find((entry) => entry.name === name);
    if (other && other !== stage) move(stage, other);
  });
  const element = h(
    "li",
    {
      class: "stage",
      "data-stage": stage.name,
      onkeydown: (event) => {
        if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
        const other = shown[place + (event.key === "ArrowUp" ? -1 : 1)];
        if (!other) return;
        event.preventDefault();
        move(stage, other);
        kept("[type=range]");
      },
    },
    h(
      "div",
      { class: "stage-head" },
      handle,
      h("label", {}, box, h("code", {}, stage.name)),
      input,
      arrow(-1),
      arrow(1),
    ),
    slider,
    h("span", { class: "meter", "aria-hidden": "true" }, level),
    told,
  );
  return {
    element,
    paint(outcome) {
      element.classList.toggle("off", !stage.on);
      level.style.width = outcome ? `${100 * outcome.keptMass}%` : "100%";
      const { value, origin } = panel.view.run.settings[stage.name] ?? {};
      const whose = origin && value === stage.value ? ORIGINS[origin] : "";
      told.textContent = (stage.on ? effectWords(outcome) : "off") + (whose && ` · ${whose}`);
    },
  };
}

/** @param {StageOdds | undefined} outcome */
function effectWords(outcome) {
  if (!outcome) return "waits for the stage above";
  if (outcome.off) return "changes nothing at this value";
  if (outcome.name === "temperature") return `${outcome.text} the odds`;
  return `${outcome.text}: ${whole(outcome.kept)} left, ${percent(outcome.keptMass)} of the mass`;
}

/**
 * A handle by which a stage is dragged.
 * @param {HTMLElement} list of all stages
 * @param {(name: string) => void} drop told the stage that it was dropped on
 */
export function stageHandle(list, drop) {
  const handle = h(
    "span",
    {
      class: "handle",
      title: "drag to another place",
      "aria-hidden": "true",
      onpointerdown: (event) => dragStage(list, handle, event, drop),
    },
    "⠿",
  );
  return handle;
}

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} handle
 * @param {PointerEvent} start
 * @param {(name: string) => void} drop
 */
function dragStage(list, handle, start, drop) {
  const card = handle.closest(".stage");
  if (!card) return;
  start.preventDefault();
  handle.setPointerCapture(start.pointerId);
  card.classList.add("dragged");
  const over = (/** @type {PointerEvent} */ { clientY }) =>
    [...list.querySelectorAll(".stage")].find((item) => {
      const { top, bottom } = item.getBoundingClientRect();
      return clientY >= top && clientY < bottom;
    });
  const onMove = (/** @type {PointerEvent} */ event) => {
    const target = over(event);
    for (const item of list.children)
      item.classList.toggle("target", item === target && item !== card);
  };
  const onEnd = (/** @type {PointerEvent} */ event) => {
    handle.removeEventListener("pointermove", onMove);
    card.classList.remove("dragged");
    for (const item of list.children) item.classList.remove("target");
    const name = event.type === "pointerup" && over(event)?.getAttribute("data-stage");
    if (name) drop(name);
  };
  handle.addEventListener("pointermove", onMove);
  handle.addEventListener("pointerup", onEnd, { once: true });
  handle.addEventListener("pointercancel", onEnd, { once: true });
}

/**
 * Send the chain's settings to the page; a stage that is off, and would be on where nobody speaks of
 * it, gets the value that switches it off.
 * @param {SamplerPanel} panel
 */
function apply({ state, view, emit }) {
  /** @type {Config} */
  const config = {};
  for (const { name, value, on } of state.stages) {
    if (on) config[name] = value;
    else if (name === "top_k" || name in view.own) config[name] = NEUTRAL[name];
  }
  emit("apply", { run: view.index, config });
}
