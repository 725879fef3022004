// A text to take away: read only, with a button that copies it.

import { h } from "./dom.js";

/** @import {Child} from "./dom.js" */

/**
 * A read-only text with a button that copies it.
 * @param {string} label
 * @param {string} text
 * @param {Child[]} more buttons behind it
 */
export function copyable(label, text, ...more) {
  const said = h("span", { class: "copy-said", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "copied";
    } catch {
      getSelection()?.selectAllChildren(box);
      said.textContent = "selected: press Ctrl+C";
    }
  };
  const box = h("pre", { tabindex: "0", "aria-label": label }, text);
  return h(
    "div",
    { class: "copyable" },
    h(
      "p",
      {},
      label,
      " ",
      h("button", { type: "button", onclick: copy, "aria-label": `Copy: ${label}` }, "copy"),
      " ",
      ...more,
      said,
    ),
    box,
  );
}
