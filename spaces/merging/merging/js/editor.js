// The recipe as a form: method, models, parameters, and curves over the layers drawn by hand.

import { h } from "../../../../shared/js/dom.js";
import { NO_HOST, drawState, openShell } from "../../../../shared/js/shell.js";
import { expertFields } from "./expertform.js";
import { modelMenu } from "./fields.js";
import { parameterField } from "./parameterfield.js";
import { entriesOf, fitTo, slicesOf } from "./recipe.js";

/** @import { Failed } from "../../../../shared/js/data.js" */
/** @import { Editor, EditorFailed, Method } from "./data.js" */
/** @import { Entry, Recipe } from "./recipe.js" */

/**
 * The form's data, with the parts of the recipe that it reads.
 * @typedef {Editor & {recipe: Recipe}} Form
 */

/** @typedef {(redraw?: boolean) => void} Changed sends the recipe to the text */

/** Open the form. */
export function openEditor() {
  const shell = openShell("merging", "The recipe as a form");
  const form = h("div", { class: "form" });
  shell.parts.frame.classList.add("editor");
  shell.parts.panels.append(form);
  const figure = { ...shell, host: NO_HOST, show };
  /** @type {Form | null} */
  let data = null;
  // Recipes on their way to the text: they come back as data and must not disturb what is typed meanwhile.
  /** @type {string[]} */
  let sent = [];
  /** @param {Form} next */
  const draw = (next) => {
    /** @type {Changed} */
    const changed = (redraw = true) => {
      sent.push(canonical(next.recipe));
      figure.host.emit("recipe", { recipe: next.recipe });
      if (redraw) draw(next);
    };
    form.replaceChildren(...formParts(next, changed));
  };
  /** @param {Editor | EditorFailed | Failed} next */
  function show(next) {
    if ("error" in next) {
      drawState(figure, { error: next.error });
      return;
    }
    drawState(figure, {});
    const echo = sent.lastIndexOf(canonical(next.recipe));
    sent = echo < 0 ? [] : sent.slice(echo + 1);
    if (echo >= 0 && data) return;
    data = next;
    draw(next);
  }
  return figure;
}

/**
 * A recipe's text, whatever the order of its keys.
 * @param {Recipe} recipe
 */
function canonical(recipe) {
  return JSON.stringify(recipe, (_, value) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/**
 * @param {Form} data
 * @param {Changed} changed
 */
function formParts(data, changed) {
  const { recipe, methods } = data;
  if (data.moe) return expertFields(data, changed);
  const method = methods.find(({ name }) => name === recipe.merge_method);
  /** @type {HTMLElement[]} */
  const parts = [methodField(data, method, changed)];
  if (method) parts.push(methodNote(method));
  if (method && method.base !== "ignored" && method.base !== "forbidden")
    parts.push(baseField(data, method, changed));
  if (recipe.slices || recipe.modules) parts.push(sliceFields(data, changed));
  else parts.push(modelFields(data, method, changed));
  const parameters = (method?.parameters ?? []).filter(({ each }) => !each);
  if (parameters.length)
    parts.push(
      h(
        "fieldset",
        {},
        h("legend", {}, "Parameters of the merge"),
        parameters.map((parameter) => parameterField(recipe, parameter, changed)),
      ),
    );
  return parts;
}

/** @param {Method} method */
function methodNote({ about, url }) {
  return h(
    "p",
    { class: "said" },
    about,
    " ",
    url ? h("a", { href: url, target: "_blank", rel: "noopener" }, "Source") : null,
  );
}

/**
 * @param {Form} data
 * @param {Method | undefined} method
 * @param {Changed} changed
 */
function methodField({ recipe, methods }, method, changed) {
  const select = h(
    "select",
    {
      "aria-label": "Method",
      onchange: () => {
        recipe.merge_method = select.value;
        const next = methods.find(({ name }) => name === select.value);
        if (next) fitTo(recipe, next);
        changed();
      },
    },
    method
      ? null
      : h("option", { value: "", selected: true }, String(recipe.merge_method ?? "choose")),
    methods.map(({ name }) => h("option", { value: name, selected: name === method?.name }, name)),
  );
  return h("label", { class: "field" }, h("span", {}, "Method"), select);
}

/**
 * @param {Form} data
 * @param {Method} method
 * @param {Changed} changed
 */
function baseField({ recipe, models }, method, changed) {
  return h(
    "label",
    { class: "field" },
    h("span", {}, `Base model${method.base === "optional" ? " (optional)" : ""}`),
    modelMenu(models, recipe.base_model, "Base model", (name) => {
      recipe.base_model = name;
      changed();
    }),
  );
}

/**
 * @param {Form} data
 * @param {Method | undefined} method
 * @param {Changed} changed
 */
function modelFields(data, method, changed) {
  const { recipe, models } = data;
  const entries = entriesOf(recipe.models);
  const add = h(
    "button",
    {
      type: "button",
      onclick: () => {
        const free = models
          .toReversed()
          .find(
            (name) => name !== recipe.base_model && !entries.some(({ model }) => model === name),
          );
        recipe.models = [...entries, { model: free ?? models[0] }];
        if (method) fitTo(recipe, method);
        changed();
      },
    },
    "Add a model",
  );
  return h(
    "div",
    { class: "models-form" },
    entries.map((entry) => entryField(data, method, entry, changed)),
    add,
  );
}

/**
 * @param {Form} data
 * @param {Method | undefined} method
 * @param {Entry} entry
 * @param {Changed} changed
 */
function entryField({ recipe, models }, method, entry, changed) {
  const isBase = entry.model === recipe.base_model;
  const parameters = (method?.parameters ?? []).filter(
    ({ each, on_base: onBase }) => each && (onBase || !isBase),
  );
  return h(
    "fieldset",
    { class: "model" },
    h(
      "legend",
      {},
      modelMenu(models, entry.model, "Model", (name) => {
        entry.model = name;
        changed();
      }),
      isBase ? h("span", { class: "tag" }, "base") : null,
      h(
        "button",
        {
          type: "button",
          "aria-label": `Remove ${entry.model}`,
          onclick: () => {
            recipe.models = entriesOf(recipe.models).filter((other) => other !== entry);
            changed();
          },
        },
        "×",
      ),
    ),
    parameters.map((parameter) => parameterField(entry, parameter, changed)),
  );
}

/**
 * @param {Form} data
 * @param {Changed} changed
 */
function sliceFields({ recipe, models }, changed) {
  const rows = slicesOf(recipe).map(({ source, place }) => {
    const name = `Slice ${place + 1}`;
    const range = Array.isArray(source.layer_range) ? source.layer_range : [0, 0];
    /** @param {0 | 1} end */
    const field = (end) => {
      const input = h("input", {
        type: "number",
        min: 0,
        step: 1,
        value: String(range[end] ?? 0),
        "aria-label": `${name}, ${end ? "to layer" : "from layer"}`,
        onchange: () => {
          range[end] = Number(input.value);
          source.layer_range = [...range];
          changed(false);
        },
      });
      return input;
    };
    return h(
      "div",
      { class: "slice" },
      h("span", { class: "said" }, name),
      modelMenu(models, source.model, `${name}, model`, (model) => {
        source.model = model;
        changed();
      }),
      "layers ",
      field(0),
      " to ",
      field(1),
    );
  });
  return h(
    "fieldset",
    {},
    h("legend", {}, "Slices, stacked in this order"),
    rows.length ? rows : h("p", { class: "said" }, "Modules are edited on the right."),
  );
}
