// The figure of the decoding Space: header, tabs, tools, the states without a picture, and the parts' common memory.

import { announcement, drawDetails, lineSample, originOf, tokenElement } from "./details.js";
import { h } from "../../../../shared/js/dom.js";
import { percent } from "../../../../shared/js/numbers.js";
import {
  drawState,
  drawTabs,
  exportButtons,
  openShell,
  panelOf,
  showHint,
  svgButton,
  toolButton,
} from "../../../../shared/js/shell.js";
import { openAreaView } from "./area.js";
import { openLatticeView } from "./lattice.js";
import { fatesOf, openTreeView } from "./treeview.js";
import { fromLog, isBeamRun, mergeRuns } from "./paths.js";
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
  const figure = {
    ...openShell("decoding", "Decoding strategies compared"),
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
    parts.live.textContent = announcement(
      figure,
      figure.forest.places.get(key) ?? figure.forest.root,
    );
  };
  figure.canBranch = (place) =>
    Boolean(
      figure.host.emit &&
      !figure.host.exported &&
      !figure.running &&
      place.parent &&
      place.lane === null &&
      branchEntry(figure, place),
    );
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
    drawViews(figure);
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
  figure.hush();
  drawState(figure, stateOf(data, error, hasRuns));
  if (!hasRuns) {
    parts.title.textContent = "";
    for (const part of [parts.key, parts.provenance, parts.tags, parts.details])
      part.replaceChildren();
    delete parts.key.dataset.mark;
    figure.trace = null;
    return;
  }
  const before = figure.trace;
  figure.trace = data;
  figure.running = !data.done && !data.cancelled && !error;
  figure.forest = mergeRuns(data);
  if (before && originOf(before) !== originOf(data)) figure.fetched.clear();
  keepSelection(figure, before);
  const beams = data.runs.some(isBeamRun);
  if (figure.current === "lattice" && !beams) figure.current = "tree";
  drawCaption(figure);
  drawViews(figure);
  updateView(figure);
  drawTools(figure);
  // The picture first: on the first paint the details below it wait for a frame.
  if (before) drawDetails(parts.details, figure);
  else
    requestAnimationFrame(() =>
      setTimeout(() => figure.trace && drawDetails(parts.details, figure)),
    );
}

/** Keep the selected place if it still exists; another prompt starts at its end again. */
function keepSelection(figure, before) {
  const { selected, forest, trace } = figure;
  const samePrompt = before?.prompt.text === trace.prompt.text;
  if (!samePrompt || !forest.places.has(selected.key)) figure.selected = { key: "", run: null };
  else if (
    selected.run !== null &&
    before.runs[selected.run]?.name !== trace.runs[selected.run]?.name
  ) {
    const moved = trace.runs.findIndex((run) => run.name === before.runs[selected.run]?.name);
    figure.selected = { key: selected.key, run: moved < 0 ? null : moved };
  }
  if (figure.highlighted !== null && !trace.runs[figure.highlighted]) figure.highlighted = null;
}

/** What stands beside or in place of the picture. */
function stateOf(data, error, hasRuns) {
  const empty = hasRuns
    ? null
    : data === null || data === undefined
      ? "Write a prompt and press Decode: the tree of tokens grows here."
      : "Nothing was decoded: no strategy has a token to show.";
  if (error || empty || data.done || data.cancelled) return { error, empty };
  const [value, max] = progressOf(data);
  return { progress: { value, max, label: "Decoding" } };
}

/** How many tokens the longest run has, and how many it may get. */
function progressOf(trace) {
  const step = trace.runs.reduce(
    (most, run) => run.nodes.reduce((deepest, node) => Math.max(deepest, node.step), most),
    0,
  );
  return [step, Math.max(step, trace.request?.max_new_tokens ?? step)];
}

function drawCaption(figure) {
  const { parts, trace } = figure;
  parts.title.replaceChildren(
    h("bdi", { title: trace.prompt.text }, `“${trace.prompt.text.trim()} …”`),
  );
  const from = trace.provenance ?? {};
  const model = String(from.model ?? trace.request?.model ?? "")
    .split("/")
    .pop();
  const returned = trace.runs.reduce((sum, run) => sum + (run.sequences.length || 1), 0);
  const facts = [
    model,
    from.source,
    from.dtype,
    `seed ${from.seed ?? trace.request?.seed ?? 0}`,
    `n = ${returned} text${returned === 1 ? "" : "s"} of up to ${figure.forest.depth} token${figure.forest.depth === 1 ? "" : "s"}`,
  ];
  parts.provenance.textContent = facts.filter(Boolean).join(", ");
  const tags = [];
  if (figure.running)
    tags.push(h("span", { class: "tag" }, `step ${progressOf(trace).join(" of ")}`));
  if (trace.example) tags.push(h("span", { class: "tag" }, "stored example"));
  if (trace.cancelled && !trace.done) tags.push(h("span", { class: "tag" }, "stopped early"));
  parts.tags.replaceChildren(...tags);
  const editable = Boolean(figure.host.emit && !figure.host.exported && !figure.running);
  const mark = JSON.stringify([
    editable,
    figure.highlighted,
    trace.runs.map((run) => [run.name, run.color, run.prefix]),
  ]);
  if (parts.key.dataset.mark === mark) return;
  parts.key.dataset.mark = mark;
  parts.key.replaceChildren(
    ...trace.runs.map((run, index) => keyItem(figure, run, index, editable)),
  );
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
  const rename = h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `Rename ${run.name}`,
      onclick: () => editName(figure, item, run, index),
    },
    "rename",
  );
  const undo = h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `Remove ${run.name}`,
      onclick: () => figure.host.emit("undo", { run: index }),
    },
    "remove",
  );
  item.append(rename, undo);
  return item;
}

function editName(figure, item, run, index) {
  const field = h("input", {
    type: "text",
    value: run.name,
    maxlength: 40,
    "aria-label": "Name of the branch",
  });
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

function drawViews(figure) {
  const beams = figure.trace.runs.some(isBeamRun);
  drawTabs(
    figure,
    VIEWS.map((view) => ({ ...view, hidden: view.name === "lattice" && !beams })),
    figure.current,
    figure.open,
  );
}

function updateView(figure) {
  const { name, open } = VIEWS.find((view) => view.name === figure.current);
  const panel = panelOf(figure, name);
  let record = figure.views.get(name);
  if (!record) {
    record = { panel, view: open(panel, figure) };
    figure.views.set(name, record);
  }
  record.view.update();
  panel.classList.toggle("highlighting", figure.highlighted !== null);
  for (const line of panel.querySelectorAll("[data-run]")) {
    line.classList.toggle(
      "lit",
      figure.highlighted !== null && Number(line.getAttribute("data-run")) === figure.highlighted,
    );
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
  if (figure.current === "tree") {
    const choice = h(
      "select",
      {
        onchange: (event) => {
          figure.alternatives = Number(event.target.value);
          updateView(figure);
        },
      },
      [
        ["none", 0],
        ["1", 1],
        ["3", 3],
        ["all", 99],
      ].map(([label, value]) =>
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
        toolButton("−", "Zoom out", () => figure.canvas().zoomTo(figure.canvas().zoom / 1.25)),
        h("output", { "aria-label": "Zoom" }, "100\u202f%"),
        toolButton("+", "Zoom in", () => figure.canvas().zoomTo(figure.canvas().zoom * 1.25)),
        toolButton("fit", "Fit the width", () => figure.canvas().fit()),
      ),
      svgButton(figure),
    );
    figure.zoomed();
  }
  if (exportable) tools.append(...exportButtons(figure, figure.host.fetch, () => figure.trace));
}

/** The hint on a token: its odds, and one line a run. */
function hintOf(figure, place) {
  if (!place.parent) return [h("p", {}, "The end of the prompt")];
  const head = h(
    "p",
    {},
    tokenElement(place.text),
    ` ${percent(fromLog(place.logprob))} of the model's odds`,
  );
  const lines = fatesOf(place, figure.trace.runs).map(({ run, fate, reason }) =>
    h(
      "p",
      { class: "fate" },
      lineSample(figure.trace.runs[run], run),
      h("bdi", {}, figure.trace.runs[run].name),
      ": ",
      h("b", {}, fate),
      reason ? `. ${reason}` : "",
    ),
  );
  return [
    head,
    ...lines.slice(0, 5),
    lines.length > 5 ? h("p", {}, `and ${lines.length - 5} more strategies`) : null,
  ];
}
