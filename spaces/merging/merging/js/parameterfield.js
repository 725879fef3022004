// The field of one parameter: a box, a number, or curves over the layers.

import { h } from "../../../../shared/js/dom.js";
import { curveOf, drawCurve, isCurve } from "./curve.js";
import { parametersOf, putParameters } from "./recipe.js";

/** @import { Parameter } from "./data.js" */
/** @import { Holder } from "./recipe.js" */

/**
 * @param {Holder} holder
 * @param {Parameter} parameter
 * @param {(redraw?: boolean) => void} changed
 */
export function parameterField(holder, parameter, changed) {
  const { name, required, about, kind, default: preset } = parameter;
  const value = parametersOf(holder)[name];
  /**
   * @param {unknown} next undefined to leave it to mergekit
   * @param {boolean} [redraw]
   */
  const set = (next, redraw = true) => {
    const parameters = { ...parametersOf(holder), [name]: next };
    if (next === undefined) delete parameters[name];
    putParameters(holder, parameters);
    changed(redraw);
  };
  const label = h("span", { title: about }, name, required ? " *" : "");
  if (kind === "bool") {
    const box = h("input", {
      type: "checkbox",
      checked: Boolean(value ?? preset),
      "aria-label": name,
      onchange: () => set(box.checked === preset ? undefined : box.checked, false),
    });
    return h("label", { class: "field short" }, box, " ", label);
  }
  if (value !== null && typeof value === "object") {
    const single = h(
      "button",
      { type: "button", onclick: () => set(required ? 1 : undefined) },
      "one value",
    );
    return isCurve(value)
      ? h(
          "div",
          { class: "field tall" },
          h("div", { class: "curve-head" }, label, single),
          drawCurve(name, curveOf(value), (next) => set(next, false)),
        )
      : h(
          "div",
          { class: "field" },
          label,
          h("span", { class: "said" }, "set on the right "),
          single,
        );
  }
  const input = h("input", {
    type: "number",
    step: "any",
    value: String(value ?? ""),
    placeholder: required ? "needed" : String(preset ?? "–"),
    "aria-label": name,
    onchange: () => set(input.value === "" ? undefined : Number(input.value), false),
  });
  const draw = h(
    "button",
    {
      type: "button",
      title: "Draw a curve over the layers",
      onclick: () => set(flatCurve(Number(value ?? preset ?? 1))),
    },
    "curve",
  );
  return h("label", { class: "field short" }, label, input, kind === "float" ? draw : null);
}

/** @param {number} level */
function flatCurve(level) {
  const flat = [level, level, level, level, level];
  return [
    { filter: "self_attn", value: flat },
    { filter: "mlp", value: [...flat] },
    { value: level },
  ];
}
