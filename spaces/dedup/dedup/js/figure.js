// The figure of the dedup Space: header, tabs, tools, the states without a picture, and what the visitor chose.

import { h } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import {
  drawState,
  drawTabs,
  exportButtons,
  openShell,
  panelOf,
  svgButton,
} from "../../../../shared/js/shell.js";
import { plural, whole } from "./axes.js";
import { openBandsView } from "./bandsview.js";
import { openClusterView } from "./clusterview.js";
import { openContamination } from "./contamination.js";
import { openRemovedView } from "./removedview.js";
import { decide, goalStands, openRun, sentenceOf, thresholdOf } from "./run.js";
import { openThresholdView } from "./threshold.js";

const VIEWS = [
  { name: "threshold", label: "Threshold", open: openThresholdView, picture: true },
  { name: "clusters", label: "Clusters", open: openClusterView, picture: true },
  { name: "bands", label: "Bands", open: openBandsView, picture: true },
  { name: "table", label: "Table", open: openRemovedView, picture: false },
];
const CHOICE_DELAY = 150; // milliseconds: a drag is one choice

const figures = new WeakMap();

/**
 * @typedef {Object} DedupData
 * @property {"dedup"} kind
 * @property {string} run_id names the run: what the visitor chose stays while it is the same
 * @property {string} title
 * @property {boolean} done
 * @property {{label: string, value: number, max: number, counts: Object<string, number>}} [progress] while not done
 * @property {Object} request threshold, floor, goal, ngram, unit, method, keep, pinned and what else was asked
 * @property {number} rows of the dataset
 * @property {number} exact_copies rows whose text is that of an earlier one
 * @property {number|null} precision of pairs: 1, for each was verified; null where nothing proves them
 * @property {number|null} recall of pairs, measured at the request's threshold, with `recall_interval` and `recall_sample`
 * @property {Object} plan num_perm, num_bands, rows_per_band, expected_recall, curve
 * @property {[number, number, number][]} curve threshold, kept rows and pairs, without pins
 * @property {import("./cluster.js").Graph} graph with `complete`: false where it holds some clusters only
 * @property {Object<string, string>} texts of each node's first row
 * @property {Object<string, [number, number]>} [answers] of removed rows: the keeper, and how similar the answers are
 * @property {string[]} warnings
 * @property {{threshold: number|null, pinned: number[]}} [choice] in an export: what the visitor had chosen
 */

/**
 * Draw the figure, or bring it up to date: view, threshold, pins and selection stay as the visitor left them while
 * `data.run_id` is the same.
 * @param {HTMLElement} element is filled with the figure
 * @param {Object|null} data of kind "dedup" or "contamination"; `{error: {what, remedy}}`; or null before the first run
 * @param {{emit?: Function, fetch: Function|null, exported?: boolean}} host
 */
export function render(element, data, host) {
  let figure = figures.get(element);
  const kind = data?.kind ?? figure?.kindShown ?? "dedup";
  if (!figure || !element.contains(figure.root) || figure.kindShown !== kind) {
    figure = kind === "contamination" ? openContamination() : openFigure();
    figure.kindShown = kind;
    figures.set(element, figure);
    element.replaceChildren(figure.root);
  }
  figure.host = host ?? { fetch: null };
  figure.show(data);
}

function openFigure() {
  const figure = {
    ...openShell("dedup", "Near-duplicate rows"),
    host: { fetch: null },
    run: null,
    running: false,
    selected: { row: null, member: null },
    views: new Map(),
    current: "threshold",
    choice: 0,
  };
  figure.parts.warnings = h("ul", { class: "warnings", "aria-label": "Warnings" });
  figure.parts.frame.querySelector("figcaption").append(figure.parts.warnings);
  giveManners(figure);
  return figure;
}

/** What the views may ask of the figure. */
function giveManners(figure) {
  figure.canEmit = () => Boolean(figure.host.emit && !figure.host.exported && !figure.running);
  figure.canPin = () => !figure.running;
  figure.moveThreshold = (threshold) => {
    if (figure.run.moved === threshold) return;
    figure.run.moved = threshold;
    changed(figure);
  };
  figure.pin = (row) => {
    if (!figure.run.pins.delete(row)) figure.run.pins.add(row);
    changed(figure);
    figure.parts.live.textContent = `Row ${row} is ${figure.run.pins.has(row) ? "always kept" : "no longer pinned"}. ${sentenceOf(figure.run)}`;
  };
  figure.select = (row, member) => {
    figure.selected = { row, member };
    updateView(figure);
  };
  figure.open = (name) => {
    figure.current = name;
    drawTabs(figure, shownViews(figure), name, figure.open);
    updateView(figure);
    drawTools(figure);
  };
  figure.show = (data) => showData(figure, data);
}

/** After a choice of the visitor: everything follows at once, the page hears of it when the choice has settled. */
function changed(figure) {
  decide(figure.run);
  drawFacts(figure);
  updateView(figure);
  clearTimeout(figure.choice);
  if (!figure.canEmit()) return;
  const { run } = figure;
  figure.choice = setTimeout(() => {
    if (figure.run !== run || !figure.canEmit()) return;
    const pinned = [...run.pins].sort((one, other) => one - other);
    figure.host.emit("choice", { threshold: goalStands(run) ? null : thresholdOf(run), pinned });
  }, CHOICE_DELAY);
}

function showData(figure, data) {
  const { parts } = figure;
  const error = data?.error ?? null;
  const hasRun = Boolean(data?.graph && data.request);
  figure.running = hasRun && !data.done && !data.cancelled && !error;
  drawState(figure, stateOf(data, error, hasRun));
  if (!hasRun) {
    parts.title.textContent = "";
    for (const part of [parts.key, parts.provenance, parts.tags, parts.warnings])
      part.replaceChildren();
    if (error || !data) figure.run = null;
    parts.frame.classList.add("vacant");
    return;
  }
  if (figure.run?.data.run_id !== data.run_id) {
    figure.selected = { row: null, member: null };
    clearTimeout(figure.choice);
  }
  figure.run = openRun(figure.run, data);
  const views = shownViews(figure);
  if (views.find((view) => view.name === figure.current).hidden) figure.current = "threshold";
  drawCaption(figure);
  drawFacts(figure);
  drawTabs(figure, views, figure.current, figure.open);
  updateView(figure);
  drawTools(figure);
}

function shownViews({ run }) {
  return VIEWS.map((view) => ({ ...view, hidden: view.name === "bands" && !run?.data.plan }));
}

/** What stands in place of the picture, or beside it. */
function stateOf(data, error, hasRun) {
  if (error) return { error };
  if (!data)
    return {
      empty:
        "Nothing was compared yet: choose the rows and press the button, and what is alike appears here.",
    };
  if (!hasRun)
    return {
      empty: data.cancelled
        ? "The run was stopped before there was anything to show."
        : progressElement(data),
    };
  if (data.done || data.cancelled || !data.progress) return {};
  const { value, max, label } = data.progress;
  return { progress: { value, max: max || 1, label } };
}

/** A run without a result yet: its stage and what it counted so far. */
function progressElement(data) {
  const { label = "Reading", value = 0, max = 0, counts = {} } = data.progress ?? {};
  const amount = max ? `${whole(value)} of ${whole(max)}` : "";
  const bar = h("progress", { "aria-label": label, max: max || 1, value: max ? value : null });
  const facts = Object.entries(counts).map(([name, count]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, whole(count))),
  );
  return h(
    "div",
    { class: "going" },
    h("p", {}, h("bdi", {}, data.title ?? "")),
    h("p", { class: "stage", role: "status" }, h("b", {}, label), " ", amount),
    bar,
    h("dl", { class: "readout" }, facts),
  );
}

function drawCaption(figure) {
  const { parts } = figure;
  const { data } = figure.run;
  parts.title.replaceChildren(h("bdi", { title: data.title }, data.title));
  parts.provenance.textContent = provenanceOf(data);
  const tags = [];
  const tag = (text) => tags.push(h("span", { class: "tag" }, text));
  if (figure.running && data.progress) tag(data.progress.label);
  if (data.example) tag("stored example");
  if (data.cancelled) tag("stopped early");
  parts.tags.replaceChildren(...tags);
  parts.warnings.replaceChildren(...(data.warnings ?? []).map((text) => h("li", {}, text)));
}

function provenanceOf({ request, provenance = {}, plan, seconds }) {
  const units = { word: "word", character: "character", turn: "turn" }[request.unit];
  const meaning = request.measure === "cosine";
  const facts = [
    meaning
      ? `cosine of static vectors (${provenance.embedding})`
      : `${request.ngram === 1 ? "" : `${request.ngram}-`}${units} shingles`,
    meaning ? "every pair compared" : "exact Jaccard",
    plan ? `${whole(plan.num_perm)} permutations` : null,
    provenance.rensa ? `rensa ${provenance.rensa}` : null,
    provenance.seed === undefined ? null : `seed ${provenance.seed}`,
    provenance.rows === undefined ? null : `n = ${plural(provenance.rows, "row")}`,
    `keep ${request.keep}`,
    { leader: "compared with kept rows", components: "connected components" }[request.method],
    seconds?.total ? `${number(seconds.total, seconds.total < 10 ? 1 : 0)}\u202fs` : null,
  ];
  return facts.filter(Boolean).join(", ");
}

/** The key numbers at the visitor's threshold. */
function drawFacts(figure) {
  const { data, totals } = figure.run;
  const copies = totals.copies ? ` (${plural(totals.copies, "exact copy", "exact copies")})` : "";
  const interval =
    data.recall_interval && !data.recall_sample?.complete
      ? ` [${data.recall_interval.map((end) => number(end, 2)).join(", ")}]`
      : "";
  const recall =
    data.recall === null || data.recall === undefined
      ? null
      : `recall ${number(data.recall, data.recall === 1 ? 0 : 3)}${interval} at ${number(data.request.threshold)}`;
  const facts = [
    [h("b", {}, whole(totals.kept)), ` of ${plural(data.rows, "row")} kept`],
    [`${whole(totals.removed)} removed${copies}`],
    data.precision === null
      ? ["by meaning: look at the pairs"]
      : [`precision of pairs ${number(data.precision ?? 1, 0)} (each verified)`],
    recall && data.precision !== null ? [recall] : null,
    goalStands(figure.run) ? [`wanted: ${plural(data.request.goal, "row")}`] : null,
    figure.run.pins.size ? [`${whole(figure.run.pins.size)} pinned`] : null,
  ];
  figure.parts.key.setAttribute("aria-label", "Key facts");
  figure.parts.key.classList.add("joined");
  figure.parts.key.replaceChildren(
    ...facts.filter(Boolean).map((fact) => h("li", {}, h("span", {}, fact))),
  );
}

function updateView(figure) {
  const { name, open } = VIEWS.find((view) => view.name === figure.current);
  if (!figure.views.has(name)) figure.views.set(name, open(panelOf(figure, name), figure));
  figure.views.get(name).update();
}

function drawTools(figure) {
  const { tools } = figure.parts;
  const picture = VIEWS.find((view) => view.name === figure.current).picture;
  const exportable = Boolean(figure.host.fetch) && !figure.running;
  const mark = [picture, exportable].join();
  if (tools.dataset.mark === mark) return;
  tools.dataset.mark = mark;
  tools.replaceChildren(
    ...(picture ? [svgButton(figure)] : []),
    ...(exportable
      ? exportButtons(
          figure,
          (name, argument) => figure.host.fetch(name, argument),
          () => exportData(figure.run),
        )
      : []),
  );
}

/** The data with what the visitor chose, so that an export opens as the page looks. */
function exportData(run) {
  return { ...run.data, choice: { threshold: run.moved, pinned: [...run.pins] } };
}
