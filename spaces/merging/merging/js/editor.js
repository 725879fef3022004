// The recipe as a form: method, models, parameters, and curves over the layers drawn by hand.

import { h } from "../../../../shared/js/dom.js";
import { drawState, openShell } from "../../../../shared/js/shell.js";
import { curveOf, drawCurve, isCurve } from "./curve.js";

/** Open the form. */
export function openEditor() {
  const shell = openShell("merging", "The recipe as a form");
  const form = h("div", { class: "form" });
  shell.parts.frame.classList.add("editor");
  shell.parts.panels.append(form);
  const figure = { ...shell, host: {}, data: null };
  let sent = []; // recipes on their way to the text; they come back as data and must not disturb what is typed meanwhile
  const changed = (redraw = true) => {
    sent.push(canonical(figure.data.recipe));
    figure.host.emit?.("recipe", { recipe: figure.data.recipe });
    if (redraw) draw();
  };
  const draw = () => form.replaceChildren(...formParts(figure.data, changed));
  figure.show = (data) => {
    if (data?.error) {
      drawState(figure, { error: data.error });
      return;
    }
    drawState(figure, {});
    const echo = sent.lastIndexOf(canonical(data.recipe));
    sent = echo < 0 ? [] : sent.slice(echo + 1);
    if (echo >= 0 && figure.data) return;
    figure.data = data;
    draw();
  };
  return figure;
}

/** A value's text, whatever the order of its keys. */
function canonical(value) {
  const ordered = (_, held) =>
    held && typeof held === "object" && !Array.isArray(held)
      ? Object.fromEntries(Object.entries(held).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : held;
  return JSON.stringify(value ?? null, ordered);
}

function formParts(data, changed) {
  const { recipe, methods } = data;
  if (data.moe)
    return [
      h(
        "p",
        { class: "said" },
        "A mixture of experts: gates and prompts are written on the right.",
      ),
      ...(recipe.experts ?? []).map((expert, index) =>
        h(
          "p",
          {},
          `Expert ${index + 1}: `,
          h("b", {}, h("bdi", {}, String(expert.source_model))),
          `, ${(expert.positive_prompts ?? []).length} prompts`,
        ),
      ),
    ];
  const method = methods.find(({ name }) => name === recipe.merge_method);
  const parts = [methodField(data, method, changed)];
  if (method)
    parts.push(
      h(
        "p",
        { class: "said" },
        method.about,
        " ",
        method.url
          ? h("a", { href: method.url, target: "_blank", rel: "noopener" }, "Source")
          : null,
      ),
    );
  if (method && method.base !== "ignored" && method.base !== "forbidden")
    parts.push(baseField(data, method, changed));
  if (recipe.slices || recipe.modules) parts.push(sliceParts(data, changed));
  else parts.push(modelParts(data, method, changed));
  const shared = (method?.parameters ?? []).filter(({ each }) => !each);
  if (shared.length)
    parts.push(
      h(
        "fieldset",
        {},
        h("legend", {}, "Parameters of the merge"),
        shared.map((parameter) => parameterField(recipe, parameter, changed)),
      ),
    );
  return parts;
}

function methodField(data, method, changed) {
  const select = h(
    "select",
    {
      "aria-label": "Method",
      onchange: () => {
        data.recipe.merge_method = select.value;
        const next = data.methods.find(({ name }) => name === select.value);
        fitTo(data.recipe, next);
        changed();
      },
    },
    method
      ? null
      : h("option", { value: "", selected: true }, String(data.recipe.merge_method ?? "choose")),
    data.methods.map(({ name }) =>
      h("option", { value: name, selected: name === method?.name }, name),
    ),
  );
  return h("label", { class: "field" }, h("span", {}, "Method"), select);
}

/** Give a recipe what another method needs, and take away what it does not know. */
export function fitTo(recipe, method) {
  const known = new Map(method.parameters.map((parameter) => [parameter.name, parameter]));
  const holders = [[recipe, false], ...(recipe.models ?? []).map((model) => [model, true])];
  for (const [holder, isModel] of holders) {
    const given =
      holder.parameters && typeof holder.parameters === "object" ? holder.parameters : {};
    for (const name of Object.keys(given))
      if (!known.has(name) || (isModel && !known.get(name).each)) delete given[name];
    const isBase = isModel && holder.model === recipe.base_model;
    for (const parameter of known.values()) {
      if (
        parameter.required &&
        parameter.each === isModel &&
        !(isBase && !parameter.on_base) &&
        given[parameter.name] === undefined &&
        recipe.parameters?.[parameter.name] === undefined
      )
        given[parameter.name] = parameter.name === "t" ? 0.5 : 1;
    }
    if (Object.keys(given).length) holder.parameters = given;
    else delete holder.parameters;
  }
}

function modelSelect(data, value, label, onChange) {
  const names = [...new Set([...data.models, value].filter(Boolean))];
  const select = h(
    "select",
    {
      "aria-label": label,
      onchange: () => {
        if (select.value !== "…") {
          onChange(select.value);
          return;
        }
        const typed = h("input", {
          type: "text",
          "aria-label": `${label}: Hub id`,
          placeholder: "owner/name",
          onchange: () => typed.value.trim() && onChange(typed.value.trim()),
        });
        select.replaceWith(typed);
        typed.focus();
      },
    },
    value ? null : h("option", { value: "", selected: true }, "none"),
    names.map((name) => h("option", { value: name, selected: name === value }, name)),
    h("option", { value: "…" }, "another model of the Hub …"),
  );
  return select;
}

function baseField(data, method, changed) {
  const { recipe } = data;
  const select = modelSelect(data, recipe.base_model, "Base model", (name) => {
    recipe.base_model = name;
    changed();
  });
  return h(
    "label",
    { class: "field" },
    h("span", {}, `Base model${method.base === "optional" ? " (optional)" : ""}`),
    select,
  );
}

function modelParts(data, method, changed) {
  const { recipe } = data;
  const entries = Array.isArray(recipe.models) ? recipe.models : [];
  const rows = entries
    .filter((entry) => entry && typeof entry === "object")
    .map((entry) => {
      const isBase = entry.model === recipe.base_model;
      const own = (method?.parameters ?? []).filter(
        ({ each, on_base: onBase }) => each && (onBase || !isBase),
      );
      return h(
        "fieldset",
        { class: "model" },
        h(
          "legend",
          {},
          modelSelect(data, entry.model, "Model", (name) => {
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
                entries.splice(entries.indexOf(entry), 1);
                changed();
              },
            },
            "×",
          ),
        ),
        own.map((parameter) => parameterField(entry, parameter, changed)),
      );
    });
  const add = h(
    "button",
    {
      type: "button",
      onclick: () => {
        const free =
          data.models
            .toReversed()
            .find(
              (name) => name !== recipe.base_model && !entries.some(({ model }) => model === name),
            ) ?? data.models[0];
        recipe.models = [...entries, { model: free }];
        if (method) fitTo(recipe, method);
        changed();
      },
    },
    "Add a model",
  );
  return h("div", { class: "models-form" }, rows, add);
}

function sliceParts(data, changed) {
  const rows = (Array.isArray(data.recipe.slices) ? data.recipe.slices : []).flatMap(
    (slice, index) =>
      (slice?.sources ?? []).map((source) => {
        const end = (place) => {
          const input = h("input", {
            type: "number",
            min: 0,
            step: 1,
            value: source.layer_range?.[place] ?? 0,
            "aria-label": `Slice ${index + 1}, ${place ? "to layer" : "from layer"}`,
            onchange: () => {
              source.layer_range = [...(source.layer_range ?? [0, 0])];
              source.layer_range[place] = Number(input.value);
              changed(false);
            },
          });
          return input;
        };
        return h(
          "div",
          { class: "slice" },
          h("span", { class: "said" }, `Slice ${index + 1}`),
          modelSelect(data, source.model, `Slice ${index + 1}, model`, (name) => {
            source.model = name;
            changed();
          }),
          "layers ",
          end(0),
          " to ",
          end(1),
        );
      }),
  );
  return h(
    "fieldset",
    {},
    h("legend", {}, "Slices, stacked in this order"),
    rows.length ? rows : h("p", { class: "said" }, "Modules are edited on the right."),
  );
}

function parameterField(holder, parameter, changed) {
  const given = holder.parameters ?? {};
  const value = given[parameter.name];
  const set = (next, redraw = true) => {
    holder.parameters = { ...(holder.parameters ?? {}) };
    if (next === undefined) delete holder.parameters[parameter.name];
    else holder.parameters[parameter.name] = next;
    if (!Object.keys(holder.parameters).length) delete holder.parameters;
    changed(redraw);
  };
  const label = h(
    "span",
    { title: parameter.about },
    parameter.name,
    parameter.required ? " *" : "",
  );
  if (parameter.kind === "bool") {
    const box = h("input", {
      type: "checkbox",
      checked: Boolean(value ?? parameter.default),
      "aria-label": parameter.name,
      onchange: () => set(box.checked === parameter.default ? undefined : box.checked, false),
    });
    return h("label", { class: "field short" }, box, " ", label);
  }
  if (value !== null && typeof value === "object") {
    const single = h(
      "button",
      { type: "button", onclick: () => set(parameter.required ? 1 : undefined) },
      "one value",
    );
    if (!isCurve(value))
      return h(
        "div",
        { class: "field" },
        label,
        h("span", { class: "said" }, "set on the right "),
        single,
      );
    return h(
      "div",
      { class: "field tall" },
      h("div", { class: "curve-head" }, label, single),
      drawCurve(parameter, curveOf(value), (next) => set(next, false)),
    );
  }
  const input = h("input", {
    type: "number",
    step: "any",
    value: value ?? "",
    placeholder: parameter.required ? "needed" : String(parameter.default ?? "–"),
    "aria-label": parameter.name,
    onchange: () => set(input.value === "" ? undefined : Number(input.value), false),
  });
  const draw = h(
    "button",
    {
      type: "button",
      title: "Draw a curve over the layers",
      onclick: () => {
        const level = Number(value ?? parameter.default ?? 1);
        const flat = [level, level, level, level, level];
        set([
          { filter: "self_attn", value: flat },
          { filter: "mlp", value: [...flat] },
          { value: level },
        ]);
      },
    },
    "curve",
  );
  return h(
    "label",
    { class: "field short" },
    label,
    input,
    parameter.kind === "float" ? draw : null,
  );
}
