// The frame that every figure has: title, key, provenance, tabs, tools, states, hint and the
// exports.

import { h } from "./dom.js";
import { downloadPng, downloadSvg, saveFile } from "./picture.js";

/**
 * @import {Child} from "./dom.js"
 * @import {Failed, Failure, Progress} from "./data.js"
 */

/**
 * What a figure may ask of the page around it.
 * @typedef {Object} Host
 * @property {(name: string, detail: object) => void} emit an event for Python
 * @property {((name: string, argument: object) => Promise<unknown>) | null} fetch asks Python's
 *   function of that name; null where the figure stands alone
 * @property {boolean} exported whether the figure stands alone
 */

/** @type {Host} */
export const NO_HOST = { emit: () => {}, fetch: null, exported: true };

/**
 * @typedef {"frame" | "title" | "key" | "provenance" | "tags" | "tabs" | "tools" | "state" |
 *   "panels" | "details" | "hint" | "live"} Part
 *
 * @typedef {Object} Shell
 * @property {string} id unique in the page
 * @property {string} kind the Space's name, in class names and file names
 * @property {HTMLElement} root
 * @property {Record<Part, HTMLElement>} parts
 */

/**
 * A figure of some kind, as `render` knows it.
 * @typedef {Object} AnyFigure
 * @property {HTMLElement} root
 * @property {Host} host
 * @property {(data: never) => void} show is given data of the kind that it was opened for, or an
 *   error or null
 */

/**
 * The `render` of a Space's figures: draws data, or brings what is drawn up to date. A figure keeps
 * what the visitor did to it until data comes that another function opens, or until the event
 * `figure-renew` draws it as it opens; with `detail` true it then tells the page nothing.
 * @param {Record<string, () => AnyFigure>} openers by the data's kind, the one before any data
 *   first
 * @returns {(element: HTMLElement, data: {kind?: string} | null, host?: Host) => void} fills the
 *   element
 */
export function renderer(openers) {
  /** @type {WeakMap<HTMLElement, {open: () => AnyFigure, figure: AnyFigure}>} */
  const drawn = new WeakMap();
  /** @type {WeakMap<HTMLElement, {data: {kind?: string} | null, host: Host}>} */
  const last = new WeakMap();
  /** @type {(element: HTMLElement, data: {kind?: string} | null, host?: Host) => void} */
  const draw = (element, data, host = NO_HOST) => {
    let entry = drawn.get(element);
    const open = data?.kind ? openers[data.kind] : (entry?.open ?? Object.values(openers)[0]);
    // kinds that one function opens share a figure: a search is drawn over the plane measured before
    if (!entry || !element.contains(entry.figure.root) || entry.open !== open) {
      entry = { open, figure: open() };
      drawn.set(element, entry);
      element.replaceChildren(entry.figure.root);
      entry.figure.root.addEventListener("figure-renew", (event) => {
        drawn.delete(element);
        const quiet = /** @type {CustomEvent} */ (event).detail;
        const now = last.get(element);
        if (now) draw(element, now.data, quiet ? { ...now.host, emit: () => {} } : now.host);
        if (now && quiet) last.set(element, now);
      });
    }
    last.set(element, { data, host });
    entry.figure.host = host;
    entry.figure.show(/** @type {never} */ (data));
  };
  return draw;
}

let shellCount = 0;

/**
 * Make a figure's frame.
 * @param {string} kind
 * @param {string} label what the figure is, for a screen reader
 * @returns {Shell}
 */
export function openShell(kind, label) {
  shellCount += 1;
  const id = `${kind}-${shellCount}`;
  const parts = {
    title: h("b", { class: "figure-title" }),
    key: h("ul", { class: "key", "aria-label": "Key" }),
    provenance: h("span", { class: "provenance" }),
    tags: h("span", { class: "tags" }),
    tabs: h("div", { role: "tablist", "aria-label": "Views" }),
    tools: h("div", { class: "tools", role: "group", "aria-label": "Picture" }),
    state: h("div", { class: "state" }),
    panels: h("div", { class: "panels" }),
    details: h("div", { class: "details" }),
    hint: h("div", { class: "hint", role: "tooltip", id: `${id}-hint`, hidden: true }),
    live: h("p", { class: "unseen", role: "status", "aria-live": "polite" }),
  };
  const caption = h(
    "figcaption",
    {},
    parts.title,
    parts.key,
    h("div", { class: "origin" }, parts.provenance, parts.tags),
  );
  const bar = h("div", { class: "bar" }, parts.tabs, parts.tools);
  const frame = h(
    "figure",
    { class: "frame", "aria-label": label },
    caption,
    bar,
    parts.state,
    parts.panels,
  );
  const root = h(
    "div",
    { class: `course-figure ${kind}-figure` },
    frame,
    parts.details,
    parts.live,
    parts.hint,
  );
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") parts.hint.hidden = true;
  });
  return { id, kind, root, parts: { ...parts, frame } };
}

/**
 * Show an error, the words for nothing, a run's progress, or none of them.
 * @param {Shell} shell
 * @param {{error?: Failure | null, empty?: Child, progress?: Progress | null}} state
 */
export function drawState({ parts }, { error, empty, progress }) {
  parts.frame.classList.toggle("vacant", Boolean(empty));
  const { state } = parts;
  if (error) {
    state.replaceChildren(
      h(
        "div",
        { class: "message alert", role: "alert" },
        h("b", {}, error.what),
        " ",
        error.remedy,
      ),
    );
  } else if (empty) {
    state.replaceChildren(h("div", { class: "message" }, empty));
  } else if (progress) {
    let bar = state.querySelector("progress");
    if (!bar) {
      bar = h("progress", { "aria-label": progress.label });
      state.replaceChildren(bar);
    }
    bar.max = progress.max;
    bar.value = progress.value;
  } else state.replaceChildren();
}

/**
 * Draw the tabs, and a panel for each view, of which the current one is shown.
 * @param {Shell} shell
 * @param {{name: string, label: string, hidden?: boolean}[]} views
 * @param {string} current
 * @param {(name: string) => void} open
 */
export function drawTabs(shell, views, current, open) {
  const { id, parts } = shell;
  const { tabs, panels } = parts;
  for (const { name, label, hidden } of views) {
    /** @type {HTMLButtonElement | null} */
    let tab = tabs.querySelector(`[data-view="${name}"]`);
    if (!tab) {
      tab = h("button", {
        type: "button",
        role: "tab",
        id: `${id}-tab-${name}`,
        "data-view": name,
        onclick: () => open(name),
      });
      tabs.append(tab);
      panels.append(
        h("div", {
          role: "tabpanel",
          class: `panel ${name}-panel`,
          id: `${id}-${name}`,
          "aria-labelledby": tab.id,
          hidden: true,
        }),
      );
      tab.setAttribute("aria-controls", `${id}-${name}`);
    }
    if (tab.textContent !== label) tab.textContent = label;
    tab.hidden = Boolean(hidden);
    tab.setAttribute("aria-selected", String(current === name));
    tab.tabIndex = current === name ? 0 : -1;
    panelOf(shell, name).hidden = current !== name;
  }
  tabs.onkeydown = (event) => {
    const names = views.filter(({ hidden }) => !hidden).map(({ name }) => name);
    const at = names.indexOf(/** @type {HTMLElement} */ (event.target).dataset.view ?? "");
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1 + names.length,
      Home: 0,
      End: names.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const name = names[to % names.length];
    open(name);
    /** @type {HTMLElement | null} */ (tabs.querySelector(`[data-view="${name}"]`))?.focus();
  };
}

/**
 * The panel of a view that has a tab.
 * @param {Shell} shell
 * @param {string} name
 * @returns {HTMLElement}
 */
export function panelOf({ id, parts }, name) {
  const panel = parts.panels.querySelector(`#${id}-${name}`);
  return /** @type {HTMLElement} */ (panel);
}

/**
 * A button of the tool bar.
 * @param {string} label
 * @param {string} name
 * @param {(event: MouseEvent & {currentTarget: HTMLButtonElement}) => void} action
 */
export function toolButton(label, name, action) {
  return h("button", { type: "button", "aria-label": name, title: name, onclick: action }, label);
}

/**
 * The buttons that save the current picture: a static SVG file, and pixels for where SVG cannot go.
 * @param {Shell} shell
 */
export function pictureButtons({ kind, root }) {
  return [
    toolButton("SVG", "Download SVG", () => downloadSvg(root, `${kind}.svg`)),
    toolButton("PNG", "Download PNG", () => downloadPng(root, `${kind}.png`)),
  ];
}

/**
 * The buttons that save the figure as one HTML file, drawn by the server's `standalone_file`, and
 * its data as JSON.
 * @param {Shell} shell
 * @param {NonNullable<Host["fetch"]>} ask
 * @param {() => object} data
 * @param {() => object} [opened] what the file opens with, beside the data
 */
export function exportButtons(shell, ask, data, opened = () => ({})) {
  const { kind, root } = shell;
  return [
    toolButton("HTML", "Download as one HTML file", async (event) => {
      const pressed = event.currentTarget;
      pressed.disabled = true;
      const text = await ask("standalone_file", { ...data(), ...opened() }).catch(() => null);
      pressed.disabled = false;
      saveText(shell, pressed, `${kind}.html`, "text/html", text);
    }),
    toolButton("JSON", "Download the data as JSON", () =>
      saveFile(root, `${kind}.json`, "application/json", JSON.stringify(data())),
    ),
  ];
}

/**
 * Save a text that the page's Python wrote, or say below the button why there is none.
 * @param {Shell} shell
 * @param {Element} pressed
 * @param {string} name
 * @param {string} type
 * @param {unknown} answer a text, `{error}`, or null where the page did not answer
 */
export function saveText(shell, pressed, name, type, answer) {
  if (typeof answer === "string") {
    hideHint(shell);
    return saveFile(shell.root, name, type, answer);
  }
  const { error } = /** @type {Partial<Failed>} */ (answer ?? {});
  const words = error ? `${error.what} ${error.remedy}` : "The file could not be made. Try again.";
  return showHint(shell, pressed, [h("span", { role: "alert" }, words)]);
}

/**
 * Show the hint below an element.
 * @param {Shell} shell
 * @param {Element} target
 * @param {(Node | string | null)[]} content
 */
export function showHint({ root, parts: { hint } }, target, content) {
  hint.replaceChildren(...content.filter((part) => part !== null));
  hint.hidden = false;
  const frame = root.getBoundingClientRect();
  const box = target.getBoundingClientRect();
  hint.style.left = `${Math.max(4, Math.min(box.left - frame.left, frame.width - hint.offsetWidth - 4))}px`;
  hint.style.top = `${box.bottom - frame.top + 6}px`;
}

/**
 * Hide the hint.
 * @param {Shell} shell
 */
export function hideHint({ parts: { hint } }) {
  hint.hidden = true;
}

/**
 * A labelled select.
 * @template {string} V
 * @param {string} label
 * @param {readonly (readonly [value: V, text: string])[]} options
 * @param {V} value
 * @param {(value: V) => void} choose
 */
export function choice(label, options, value, choose) {
  const select = h(
    "select",
    { onchange: () => choose(/** @type {V} */ (select.value)) },
    options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)),
  );
  return h("label", {}, label, " ", select);
}
