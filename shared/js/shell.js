// The frame that every figure has: title, key, provenance, tabs, tools, states, hint and the exports.

import { h } from "./dom.js";
import { downloadSvg, saveFile } from "./picture.js";

let shellCount = 0;

/**
 * @typedef {Object} Shell
 * @property {string} id unique in the page
 * @property {string} kind the Space's name, in class names and file names
 * @property {HTMLElement} root
 * @property {Object<string, HTMLElement>} parts frame, title, key, provenance, tags, tabs, tools, state, panels, details, hint, live
 */

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
  parts.frame = h(
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
    parts.frame,
    parts.details,
    parts.live,
    parts.hint,
  );
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") parts.hint.hidden = true;
  });
  return { id, kind, root, parts };
}

/**
 * Show an error, the words for nothing, a run's progress, or none of them.
 * @param {Shell} shell
 * @param {{error?: Object|null, empty?: string|null, progress?: {value: number, max: number, label: string}|null}} state
 */
export function drawState({ parts }, { error, empty, progress }) {
  parts.frame.classList.toggle("vacant", Boolean(empty));
  const { state } = parts;
  if (error) {
    state.replaceChildren(
      h(
        "div",
        { class: "message alert", role: "alert" },
        h("b", {}, error.what ?? String(error)),
        " ",
        error.remedy ?? "",
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
export function drawTabs({ id, parts }, views, current, open) {
  const { tabs, panels } = parts;
  for (const { name, label, hidden } of views) {
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
    panelOf({ id, parts }, name).hidden = current !== name;
  }
  tabs.onkeydown = (event) => {
    const shown = [...tabs.children].filter((tab) => !tab.hidden);
    const at = shown.indexOf(document.activeElement);
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1 + shown.length,
      Home: 0,
      End: shown.length - 1,
    }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = shown[to % shown.length];
    open(tab.dataset.view);
    tab.focus();
  };
}

/** The panel of a view. */
export function panelOf({ id, parts }, name) {
  return parts.panels.querySelector(`#${id}-${name}`);
}

/** A button of the tool bar. */
export function toolButton(label, name, action) {
  return h("button", { type: "button", "aria-label": name, title: name, onclick: action }, label);
}

/** The button that saves the current picture as a static SVG file. */
export function svgButton({ kind, root }) {
  return toolButton("SVG", "Download SVG", () => downloadSvg(root, `${kind}.svg`));
}

/**
 * The buttons that save the figure as one HTML file, drawn by the server's `standalone_file`, and its data as JSON.
 * @param {Shell} shell
 * @param {(name: string, argument: any) => Promise<any>} ask the page's `host.fetch`
 * @param {() => Object} data
 */
export function exportButtons({ kind, root }, ask, data) {
  return [
    toolButton("HTML", "Download as one HTML file", async (event) => {
      const pressed = event.currentTarget;
      pressed.disabled = true;
      const text = await ask("standalone_file", data()).catch(() => null);
      pressed.disabled = false;
      if (text) saveFile(root, `${kind}.html`, "text/html", text);
      else pressed.title = "The file could not be made. Try again.";
    }),
    toolButton("JSON", "Download the data as JSON", () =>
      saveFile(root, `${kind}.json`, "application/json", JSON.stringify(data())),
    ),
  ];
}

/**
 * Show the hint below an element.
 * @param {Shell} shell
 * @param {Element} target
 * @param {(Node|string|null)[]} content
 */
export function showHint({ root, parts: { hint } }, target, content) {
  hint.replaceChildren(...content.filter(Boolean));
  hint.hidden = false;
  const frame = root.getBoundingClientRect();
  const box = target.getBoundingClientRect();
  hint.style.left = `${Math.max(4, Math.min(box.left - frame.left, frame.width - hint.offsetWidth - 4))}px`;
  hint.style.top = `${box.bottom - frame.top + 6}px`;
}

/** A labelled select. */
export function choice(label, options, value, onChange) {
  const select = h(
    "select",
    { onchange: (event) => onChange(event.target.value) },
    options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)),
  );
  return h("label", {}, label, " ", select);
}
