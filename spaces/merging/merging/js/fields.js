// The fields that forms are made of.

import { h } from "../../../../shared/js/dom.js";

/**
 * @param {string} label
 * @param {HTMLElement} control
 */
export function labelled(label, control) {
  return h("label", { class: "field" }, h("span", {}, label), control);
}

/**
 * @param {string} label
 * @param {readonly string[]} choices
 * @param {string} value
 * @param {(choice: string) => void} choose
 */
export function menu(label, choices, value, choose) {
  const select = h(
    "select",
    { "aria-label": label, onchange: () => choose(select.value) },
    choices.map((one) => h("option", { value: one, selected: one === value }, one)),
  );
  return select;
}

/**
 * @param {string} label
 * @param {string} value
 * @param {(text: string) => void} write
 */
export function lineField(label, value, write) {
  const input = h("input", {
    type: "text",
    value,
    "aria-label": label,
    oninput: () => write(input.value),
  });
  return input;
}

/**
 * @param {string} label
 * @param {string} value
 * @param {(text: string) => void} write
 */
export function areaField(label, value, write) {
  const area = h(
    "textarea",
    { rows: 3, "aria-label": label, placeholder: label, oninput: () => write(area.value) },
    value,
  );
  return area;
}

/**
 * A menu of models, with a way to name any other.
 * @param {string[]} models
 * @param {unknown} value
 * @param {string} label
 * @param {(name: string) => void} choose
 */
export function modelMenu(models, value, label, choose) {
  const names = value ? [...new Set([...models, String(value)])] : models;
  const select = h(
    "select",
    {
      "aria-label": label,
      onchange: () => {
        if (select.value !== "…") {
          choose(select.value);
          return;
        }
        const field = h("input", {
          type: "text",
          "aria-label": `${label}: Hub id`,
          placeholder: "owner/name",
          onchange: () => {
            if (field.value.trim()) choose(field.value.trim());
          },
        });
        select.replaceWith(field);
        field.focus();
      },
    },
    value ? null : h("option", { value: "", selected: true }, "none"),
    names.map((name) => h("option", { value: name, selected: name === value }, name)),
    h("option", { value: "…" }, "another model of the Hub …"),
  );
  return select;
}
