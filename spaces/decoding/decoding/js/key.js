// The key of the figure: a run's line and name, to show its line alone; a branch can be renamed and
// removed.

import { h } from "../../../../shared/js/dom.js";
import { lineSample } from "./lines.js";
import { settingValue } from "./stages.js";

/**
 * @import {Run} from "./data.js"
 * @import {Session} from "./figure.js"
 */

/** @type {WeakMap<HTMLElement, string>} what each key showed before a name was edited */
const drawnKeys = new WeakMap();

/**
 * Draw the key, where something in it changed.
 * @param {HTMLElement} element
 * @param {Session} session
 */
export function drawKey(element, session) {
  const { trace, host, running } = session;
  const editable = !host.exported && !running;
  const items = trace.runs.map((run, index) => keyItem(element, session, run, index, editable));
  const wanted = items.map((item) => item.outerHTML).join("");
  if (drawnKeys.get(element) === wanted && element.children.length) return;
  drawnKeys.set(element, wanted);
  element.replaceChildren(...items);
}

/**
 * @param {HTMLElement} element
 * @param {Session} session
 * @param {Run} run
 * @param {number} index
 * @param {boolean} editable
 */
function keyItem(element, session, run, index, editable) {
  const label = h(
    "button",
    {
      type: "button",
      class: "plain",
      "aria-pressed": String(session.highlighted === index),
      title: "Show this strategy's line alone",
      onclick: () => {
        session.highlighted = session.highlighted === index ? null : index;
        session.redraw();
        focusItem(element, index);
      },
    },
    lineSample(run),
    h("bdi", {}, run.name),
  );
  const own = Object.keys(run.settings).filter((name) => run.settings[name].origin === "model");
  const item = h("li", {}, label);
  if (own.length) {
    const words = own.map((name) => settingValue(run, name)).join(", ");
    const title =
      "from the model's own generation_config, which counts where a strategy says nothing";
    item.append(h("span", { class: "said", title }, ` with the model's ${words}`));
  }
  if (!editable || !run.prefix.length) return item;
  const small = (
    /** @type {string} */ text,
    /** @type {string} */ verb,
    /** @type {() => void} */ act,
  ) =>
    h(
      "button",
      { type: "button", class: "small", "aria-label": `${verb} ${run.name}`, onclick: act },
      text,
    );
  item.append(
    small("rename", "Rename", () => editName(element, session, item, run, index)),
    small("remove", "Remove", () => session.host.emit("undo", { run: index })),
  );
  return item;
}

/**
 * @param {HTMLElement} element
 * @param {Session} session
 * @param {HTMLElement} item
 * @param {Run} run
 * @param {number} index
 */
function editName(element, session, item, run, index) {
  let closed = false; // Enter takes the field away, which makes it lose the focus: one name, one event
  const close = (/** @type {boolean} */ save) => {
    if (closed) return;
    closed = true;
    const name = field.value.trim();
    drawnKeys.delete(element);
    if (save && name && name !== run.name) session.host.emit("rename", { run: index, name });
    drawKey(element, session);
  };
  const field = h("input", {
    type: "text",
    value: run.name,
    maxlength: 40,
    "aria-label": "Name of the branch",
    onblur: () => close(true),
    onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      close(event.key === "Enter");
      event.preventDefault();
      focusItem(element, index);
    },
  });
  item.replaceChildren(field);
  field.focus();
  field.select();
}

/**
 * @param {HTMLElement} element
 * @param {number} index
 */
function focusItem(element, index) {
  element.children[index]?.querySelector("button")?.focus();
}
