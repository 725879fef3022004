// The figure of the decoding Space: header, tabs, tools, the states without a picture, and the parts' common memory.

import { announcement, drawDetails, lineSample, tokenElement } from "./details.js";
import { h, percent } from "./dom.js";
import { openAreaView } from "./area.js";
import { openLatticeView } from "./lattice.js";
import { fatesOf, openTreeView } from "./treeview.js";
import { fromLog, isBeamRun, mergeRuns } from "./paths.js";
import { downloadSvg, saveFile } from "./picture.js";
import { openTableView } from "./table.js";
import { openTextView } from "./textview.js";

const VIEWS = [
  { name: "tree", label: "Tree", open: openTreeView },
  { name: "area", label: "Probability area", open: openAreaView },
  { name: "lattice", label: "Beams", open: openLatticeView },
  { name: "text", label: "Text", open: openTextView },
  { name: "table", label: "Table", open: openTableView },
];

const figures = new WeakMap();
let figureCount = 0;

/**
 * Draw the figure, or bring it up to date: view, zoom, scrolling and selection stay as the visitor left them.
 * @param {HTMLElement} element is filled with the figure
 * @param {Object|null} data a trace; `{error: {what, remedy}}`; or null before the first run
 * @param {{emit?: Function, fetch: Function|null, exported?: boolean, events?: string[]}} host
 */
export function render(element, data, host) {
  let figure = figures.get(element);
  if (!figure || !element.contains(figure.root)) {
    figure = openFigure();
    figures.set(element, figure);
    element.replaceChildren(figure.root);
  }
  figure.host = host ?? { fetch: null };
  figure.show(data);
}

function openFigure() {
  figureCount += 1;
  const figure = {
    id: `decoding-${figureCount}`,
    host: { fetch: null },
    trace: null,
    forest: null,
    running: false,
    selected: { key: "", run: null },
    alternatives: 3,
    highlighted: null,
    fetched: new Map(),
    views: new Map(),
    current: "tree",
  };
  const parts = {
    prompt: h("b", { class: "prompt-text" }),
    key: h("ul", { class: "key", "aria-label": "Strategies" }),
    provenance: h("span", { class: "provenance" }),
    tags: h("span", { class: "tags" }),
    tabs: h("div", { role: "tablist", "aria-label": "Views of the run" }),
    tools: h("div", { class: "tools", role: "group", "aria-label": "Picture" }),
    state: h("div", { class: "state" }),
    panels: h("div", { class: "panels" }),
    details: h("div", { class: "details" }),
    hint: h("div", { class: "hint", role: "tooltip", id: `${figure.id}-hint`, hidden: true }),
    live: h("p", { class: "unseen", role: "status", "aria-live": "polite" }),
  };
  figure.parts = parts;
  const bar = h("div", { class: "bar" }, parts.tabs, parts.tools);
  const caption = h("figcaption", {}, parts.prompt, parts.key, h("div", { class: "origin" }, parts.provenance, parts.tags));
  parts.frame = h("figure", { class: "frame", "aria-label": "Decoding strategies compared" }, caption, bar, parts.state, parts.panels);
  figure.root = h("div", { class: "decoding-figure" }, parts.frame, parts.details, parts.live, parts.hint);
  figure.root.addEventListener("keydown", (event) => event.key === "Escape" && figure.hush());
  giveManners(figure);
  return figure;
}

/** What the parts may ask of the figure. */
function giveManners(figure) {
  const { parts } = figure;
  const canvasOf = () => figure.views.get(figure.current)?.view.canvas ?? null;

  figure.zoomed = () => {
    const zoom = parts.tools.querySelector("output");
    if (zoom && canvasOf()) zoom.textContent = `${Math.round(100 * canvasOf().zoom)}\u202f%`;
  };
  figure.canvas = canvasOf;
  figure.select = (key, run = null) => {
    figure.selected = { key, run: run ?? figure.selected.run };
    updateView(figure);
    drawDetails(parts.details, figure);
    parts.live.textContent = announcement(figure, figure.forest.places.get(key) ?? figure.forest.root);
  };
  figure.canBranch = (place) =>
    Boolean(figure.host.emit && !figure.host.exported && !figure.running && place.parent && place.lane === null && branchEntry(figure, place));
  figure.branch = (place) => {
    if (!figure.canBranch(place)) return;
    const { run, node } = branchEntry(figure, place);
    figure.host.emit("branch", { run, node: node.parent, token_id: node.token_id });
  };
  figure.explain = (target, place) => showHint(figure, target, hintOf(figure, place));
  figure.explainWith = (target, content) => showHint(figure, target, content);
  figure.hush = () => {
    parts.hint.hidden = true;
  };
  figure.open = (name) => {
    figure.current = name;
    drawTabs(figure);
    updateView(figure);
    drawTools(figure);
  };
  figure.show = (data) => showData(figure, data);
}

function branchEntry(figure, place) {
  return place.entries.find(({ run }) => run === figure.selected.run) ?? place.entries[0] ?? null;
}

function showData(figure, data) {
  const { parts } = figure;
  const hasRuns = Boolean(data?.runs?.length);
  const error = data?.error ?? null;
  parts.frame.classList.toggle("vacant", !hasRuns);
  figure.hush();
  drawState(figure, data, error, hasRuns);
  if (!hasRuns) {
    parts.prompt.textContent = "";
    for (const part of [parts.key, parts.provenance, parts.tags, parts.details]) part.replaceChildren();
    delete parts.key.dataset.mark;
    figure.trace = null;
    return;
  }
  const before = figure.trace;
  figure.trace = data;
  figure.running = !data.done && !data.cancelled && !error;
  figure.forest = mergeRuns(data);
  if (before && before.prompt.text !== data.prompt.text) figure.fetched.clear();
  keepSelection(figure, before);
  const beams = data.runs.some(isBeamRun);
  if (figure.current === "lattice" && !beams) figure.current = "tree";
  drawCaption(figure);
  drawTabs(figure);
  updateView(figure);
  drawTools(figure);
  drawDetails(parts.details, figure);
}

/** Keep the selected place if it still exists; another prompt starts at its end again. */
function keepSelection(figure, before) {
  const { selected, forest, trace } = figure;
  const samePrompt = before?.prompt.text === trace.prompt.text;
  if (!samePrompt || !forest.places.has(selected.key)) figure.selected = { key: "", run: null };
  else if (selected.run !== null && before.runs[selected.run]?.name !== trace.runs[selected.run]?.name) {
    const moved = trace.runs.findIndex((run) => run.name === before.runs[selected.run]?.name);
    figure.selected = { key: selected.key, run: moved < 0 ? null : moved };
  }
  if (figure.highlighted !== null && !trace.runs[figure.highlighted]) figure.highlighted = null;
}

function drawState(figure, data, error, hasRuns) {
  const { state } = figure.parts;
  if (error) {
    const what = error.what ?? String(error);
    state.replaceChildren(h("div", { class: "message alert", role: "alert" }, h("b", {}, what), " ", error.remedy ?? ""));
    return;
  }
  if (!hasRuns) {
    const text = data === null || data === undefined
      ? "Write a prompt and press Decode: the tree of tokens grows here."
      : "Nothing was decoded: no strategy has a token to show.";
    state.replaceChildren(h("div", { class: "message" }, text));
    return;
  }
  if (data.done || data.cancelled) {
    state.replaceChildren();
    return;
  }
  const [step, total] = progressOf(data);
  let bar = state.querySelector("progress");
  if (!bar) {
    bar = h("progress", { "aria-label": "Decoding" });
    state.replaceChildren(bar);
  }
  bar.max = total;
  bar.value = step;
}

/** How many tokens the longest run has, and how many it may get. */
function progressOf(trace) {
  const step = trace.runs.reduce((most, run) => run.nodes.reduce((deepest, node) => Math.max(deepest, node.step), most), 0);
  return [step, Math.max(step, trace.request?.max_new_tokens ?? step)];
}

function drawCaption(figure) {
  const { parts, trace } = figure;
  parts.prompt.replaceChildren(h("bdi", { title: trace.prompt.text }, `“${trace.prompt.text.trim()} …”`));
  const from = trace.provenance ?? {};
  const model = String(from.model ?? trace.request?.model ?? "").split("/").pop();
  const returned = trace.runs.reduce((sum, run) => sum + (run.sequences.length || 1), 0);
  const facts = [model, from.source, from.dtype, `seed ${from.seed ?? trace.request?.seed ?? 0}`, `n = ${returned} text${returned === 1 ? "" : "s"} of up to ${figure.forest.depth} token${figure.forest.depth === 1 ? "" : "s"}`];
  parts.provenance.textContent = facts.filter(Boolean).join(", ");
  const tags = [];
  if (figure.running) tags.push(h("span", { class: "tag" }, `step ${progressOf(trace).join(" of ")}`));
  if (trace.example) tags.push(h("span", { class: "tag" }, "stored example"));
  if (trace.cancelled && !trace.done) tags.push(h("span", { class: "tag" }, "stopped early"));
  parts.tags.replaceChildren(...tags);
  const editable = Boolean(figure.host.emit && !figure.host.exported && !figure.running);
  const mark = JSON.stringify([editable, figure.highlighted, trace.runs.map((run) => [run.name, run.color, run.prefix])]);
  if (parts.key.dataset.mark === mark) return;
  parts.key.dataset.mark = mark;
  parts.key.replaceChildren(...trace.runs.map((run, index) => keyItem(figure, run, index, editable)));
}

function keyItem(figure, run, index, editable) {
  const label = h(
    "button",
    {
      type: "button",
      class: "plain",
      "aria-pressed": String(figure.highlighted === index),
      title: "Show this strategy's line alone",
      onclick: () => {
        figure.highlighted = figure.highlighted === index ? null : index;
        drawCaption(figure);
        updateView(figure);
        figure.parts.key.children[index]?.querySelector("button")?.focus();
      },
    },
    lineSample(run, index),
    h("bdi", {}, run.name),
  );
  const item = h("li", {}, label);
  if (!editable || !run.prefix?.length) return item;
  const rename = h("button", { type: "button", class: "small", "aria-label": `Rename ${run.name}`, onclick: () => editName(figure, item, run, index) }, "rename");
  const undo = h("button", { type: "button", class: "small", "aria-label": `Remove ${run.name}`, onclick: () => figure.host.emit("undo", { run: index }) }, "remove");
  item.append(rename, undo);
  return item;
}

function editName(figure, item, run, index) {
  const field = h("input", { type: "text", value: run.name, maxlength: 40, "aria-label": "Name of the branch" });
  let closed = false; // Enter takes the field away, which makes it lose the focus: one name, one event
  const close = (save) => {
    if (closed) return;
    closed = true;
    const name = field.value.trim();
    delete figure.parts.key.dataset.mark;
    if (save && name && name !== run.name) figure.host.emit("rename", { run: index, name });
    drawCaption(figure);
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") close(true);
    else if (event.key === "Escape") close(false);
    else return;
    event.preventDefault();
    figure.parts.key.children[index]?.querySelector("button")?.focus();
  });
  field.addEventListener("blur", () => close(true));
  item.replaceChildren(field);
  field.focus();
  field.select();
}

function drawTabs(figure) {
  const { tabs, panels } = figure.parts;
  const beams = figure.trace.runs.some(isBeamRun);
  for (const { name, label } of VIEWS) {
    let tab = tabs.querySelector(`[data-view="${name}"]`);
    if (!tab) {
      tab = h("button", { type: "button", role: "tab", id: `${figure.id}-tab-${name}`, "data-view": name, onclick: () => figure.open(name) }, label);
      tabs.append(tab);
      panels.append(h("div", { role: "tabpanel", class: `panel ${name}-panel`, id: `${figure.id}-${name}`, "aria-labelledby": tab.id, hidden: true }));
      tab.setAttribute("aria-controls", `${figure.id}-${name}`);
    }
    tab.hidden = name === "lattice" && !beams;
    const current = figure.current === name;
    tab.setAttribute("aria-selected", String(current));
    tab.tabIndex = current ? 0 : -1;
    panels.querySelector(`#${figure.id}-${name}`).hidden = !current;
  }
  tabs.onkeydown = (event) => {
    const shown = [...tabs.children].filter((tab) => !tab.hidden);
    const at = shown.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + shown.length, Home: 0, End: shown.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const tab = shown[to % shown.length];
    figure.open(tab.dataset.view);
    tab.focus();
  };
}

function updateView(figure) {
  const { name, open } = VIEWS.find((view) => view.name === figure.current);
  const panel = figure.parts.panels.querySelector(`#${figure.id}-${name}`);
  let record = figure.views.get(name);
  if (!record) {
    record = { panel, view: open(panel, figure) };
    figure.views.set(name, record);
  }
  record.view.update();
  panel.classList.toggle("highlighting", figure.highlighted !== null);
  for (const line of panel.querySelectorAll("[data-run]")) {
    line.classList.toggle("lit", figure.highlighted !== null && Number(line.getAttribute("data-run")) === figure.highlighted);
  }
}

function drawTools(figure) {
  const { tools } = figure.parts;
  const canvas = figure.canvas();
  const exportable = Boolean(figure.host.fetch) && !figure.running;
  const mark = [figure.current, Boolean(canvas), exportable].join();
  if (tools.dataset.mark === mark) return;
  tools.dataset.mark = mark;
  tools.replaceChildren();
  const button = (label, name, action) => h("button", { type: "button", "aria-label": name, title: name, onclick: action }, label);
  if (figure.current === "tree") {
    const choice = h(
      "select",
      {
        onchange: (event) => {
          figure.alternatives = Number(event.target.value);
          updateView(figure);
        },
      },
      [["none", 0], ["1", 1], ["3", 3], ["all", 99]].map(([label, value]) =>
        h("option", { value, selected: value === figure.alternatives }, label),
      ),
    );
    tools.append(h("label", {}, "other tokens ", choice));
  }
  if (canvas) {
    tools.append(
      h(
        "span",
        { class: "zoom" },
        button("−", "Zoom out", () => figure.canvas().zoomTo(figure.canvas().zoom / 1.25)),
        h("output", { "aria-label": "Zoom" }, "100\u202f%"),
        button("+", "Zoom in", () => figure.canvas().zoomTo(figure.canvas().zoom * 1.25)),
        button("fit", "Fit the width", () => figure.canvas().fit()),
      ),
      button("SVG", "Download SVG", () => downloadSvg(figure.root)),
    );
    figure.zoomed();
  }
  if (!exportable) return;
  tools.append(
    button("HTML", "Download as one HTML file", async (event) => {
      const pressed = event.currentTarget;
      pressed.disabled = true;
      const text = await figure.host.fetch("standalone_file", figure.trace).catch(() => null);
      pressed.disabled = false;
      if (text) saveFile(figure.root, "decoding.html", "text/html", text);
      else pressed.title = "The file could not be made. Try again.";
    }),
    button("JSON", "Download the data as JSON", () => saveFile(figure.root, "decoding.json", "application/json", JSON.stringify(figure.trace))),
  );
}

/** The hint on a token: its odds, and one line a run. */
function hintOf(figure, place) {
  if (!place.parent) return [h("p", {}, "The end of the prompt")];
  const head = h("p", {}, tokenElement(place.text), ` ${percent(fromLog(place.logprob))} of the model's odds`);
  const lines = fatesOf(place, figure.trace.runs).map(({ run, fate, reason }) =>
    h("p", { class: "fate" }, lineSample(figure.trace.runs[run], run), h("bdi", {}, figure.trace.runs[run].name), ": ", h("b", {}, fate), reason ? `. ${reason}` : ""),
  );
  return [head, ...lines.slice(0, 5), lines.length > 5 ? h("p", {}, `and ${lines.length - 5} more strategies`) : null];
}

function showHint(figure, target, content) {
  const { hint } = figure.parts;
  hint.replaceChildren(...content.filter(Boolean));
  hint.hidden = false;
  const frame = figure.root.getBoundingClientRect();
  const box = target.getBoundingClientRect();
  const left = Math.max(4, Math.min(box.left - frame.left, frame.width - hint.offsetWidth - 4));
  hint.style.left = `${left}px`;
  hint.style.top = `${box.bottom - frame.top + 6}px`;
}
