// The recipe of a mixture of experts as a form: the base, the experts with their prompts, and the gates.

import { h } from "../../../../shared/js/dom.js";
import { areaField, labelled, menu, modelMenu } from "./fields.js";
import { entriesOf } from "./recipe.js";

/** @import { Changed, Form } from "./editor.js" */
/** @import { Entry } from "./recipe.js" */

const GATE_MODES = ["hidden", "cheap_embed", "random", "uniform_random"];
/** @type {Record<string, string>} */
const MODE_WORDS = {
  hidden:
    "The base reads the prompts; a layer's gate is the state that enters it at their last token.",
  cheap_embed: "The sum of the embeddings of the prompts' tokens, the same gate in every layer.",
  random: "Drawn at random: prompts count for nothing. A start for training.",
  uniform_random: "Drawn as a new linear layer is: prompts count for nothing.",
};
const MOE_DTYPES = ["float32", "bfloat16", "float16"];

/**
 * The fields of a mixture.
 * @param {Form} data
 * @param {Changed} changed
 */
export function expertFields({ recipe, models }, changed) {
  const experts = entriesOf(recipe.experts);
  const shared = entriesOf(recipe.shared_experts);
  const mode = String(recipe.gate_mode ?? GATE_MODES[0]);
  const count = h("input", {
    type: "number",
    min: 1,
    step: 1,
    value: String(recipe.experts_per_token ?? 2),
    "aria-label": "Experts a token",
    onchange: () => {
      recipe.experts_per_token = Number(count.value);
      changed(false);
    },
  });
  return [
    labelled(
      "Base model",
      modelMenu(models, recipe.base_model, "Base model", (name) => {
        recipe.base_model = name;
        changed();
      }),
    ),
    h(
      "div",
      { class: "field" },
      labelled(
        "Gates",
        menu("Gates", withValue(GATE_MODES, mode), mode, (next) => {
          recipe.gate_mode = next;
          changed();
        }),
      ),
      labelled("Experts a token", count),
      labelled(
        "dtype",
        menu(
          "dtype",
          withValue(MOE_DTYPES, String(recipe.dtype ?? "")),
          String(recipe.dtype ?? ""),
          (next) => {
            recipe.dtype = next;
            changed(false);
          },
        ),
      ),
    ),
    h("p", { class: "said" }, MODE_WORDS[mode] ?? ""),
    h(
      "div",
      { class: "models-form" },
      experts.map((expert, place) =>
        expertField(models, expert, `Expert ${place + 1}`, changed, () => {
          recipe.experts = experts.filter((other) => other !== expert);
          changed();
        }),
      ),
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            const used = experts.map(({ source_model: model }) => model);
            const free = models
              .toReversed()
              .find((name) => name !== recipe.base_model && !used.includes(name));
            recipe.experts = [
              ...experts,
              { source_model: free ?? models[0], positive_prompts: ["What is a star?"] },
            ];
            changed();
          },
        },
        "Add an expert",
      ),
      shared.map((expert, place) =>
        expertField(models, expert, `Shared expert ${place + 1}`, changed, () => {
          recipe.shared_experts = shared.filter((other) => other !== expert);
          if (shared.length === 1) delete recipe.shared_experts;
          changed();
        }),
      ),
    ),
  ];
}

/**
 * Choices with a value that may be none of them.
 * @param {string[]} choices
 * @param {string} value
 */
function withValue(choices, value) {
  return choices.includes(value) ? choices : [value, ...choices];
}

/**
 * One expert: its model, and what it should and should not answer.
 * @param {string[]} models
 * @param {Entry} expert
 * @param {string} label
 * @param {Changed} changed
 * @param {() => void} remove
 */
function expertField(models, expert, label, changed, remove) {
  return h(
    "fieldset",
    { class: "model" },
    h(
      "legend",
      {},
      modelMenu(models, expert.source_model, `${label}, model`, (name) => {
        expert.source_model = name;
        changed();
      }),
      h(
        "button",
        {
          type: "button",
          "aria-label": `Remove ${String(expert.source_model)}`,
          onclick: remove,
        },
        "×",
      ),
    ),
    h(
      "div",
      { class: "prompts" },
      promptField(expert, "positive_prompts", label, "prompts for it, one a line", changed),
      promptField(expert, "negative_prompts", label, "negative prompts, one a line", changed),
    ),
  );
}

/**
 * @param {Entry} expert
 * @param {"positive_prompts" | "negative_prompts"} key
 * @param {string} label
 * @param {string} words
 * @param {Changed} changed
 */
function promptField(expert, key, label, words, changed) {
  const prompts = expert[key];
  const text = Array.isArray(prompts) ? prompts.map(String).join("\n") : "";
  const area = areaField(`${label}, ${words}`, text, (next) => {
    const lines = next.split("\n").filter((line) => line.trim());
    if (lines.length) expert[key] = lines;
    else delete expert[key];
    changed(false);
  });
  return h("label", {}, h("span", {}, words), area);
}
