// The figure of the decoding Space: its views, its tools, and the memory that they share.

import { h } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";
import { hideHint, showHint } from "../../../../shared/js/shell.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openAreaView } from "./areaview.js";
import { announcement, drawDetails } from "./details.js";
import { grown } from "./growth.js";
import { drawKey } from "./key.js";
import { openLatticeView } from "./latticeview.js";
import { lineSample } from "./lines.js";
import { originOf } from "./origin.js";
import { linkedEntry, fateOf, fromLog, isBeamRun, mergeRuns, linkedPlace } from "./paths.js";
import { tokenElement } from "./pill.js";
import { CONSTRAINT_NAMES } from "./structured.js";
import { openTableView } from "./table.js";
import { openTextView } from "./textview.js";
import { chooseOthers, openZoomLevel, sayZoom, zoomTools } from "./treetools.js";
import { openTreeView } from "./treeview.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Host} from "../../../../shared/js/shell.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 * @import {Distribution, Trace} from "./data.js"
 * @import {Entry, Forest, Place} from "./paths.js"
 *
 * @typedef {Object} Session what the views share, and what they may do
 * @property {string} id unique in the page
 * @property {Host} host
 * @property {Trace} trace
 * @property {Forest} forest
 * @property {boolean} running
 * @property {{key: string, run: number | null}} selected a place, and the run that is spoken of
 * @property {number} alternatives tokens not taken that the tree shows of each step
 * @property {number | null} highlighted run whose line alone is shown
 * @property {Map<string, Distribution>} fetched odds, by the place that they are of
 * @property {() => void} redraw
 * @property {Figure<Trace>["hold"]} hold
 * @property {() => void} zoomed says the zoom
 * @property {(key: string, run?: number | null) => void} select
 * @property {(place: Place) => boolean} canBranch
 * @property {(place: Place) => void} branch
 * @property {(target: Element, place: Place) => void} explain
 * @property {(target: Element, content: (Node | null)[]) => void} explainWith
 * @property {() => void} hush
 *
 * @typedef {{update: () => void, canvas?: Canvas}} TraceView
 *
 * @typedef {(panel: HTMLElement, session: Session) => TraceView} OpenView
 */

const NOTHING_YET = "Write a prompt and press Decode: the tree of tokens grows here.";
/** @type {[name: string, label: string, open: OpenView][]} */
const VIEWS = [
  ["tree", "Tree", openTreeView],
  ["area", "Probability area", openAreaView],
  ["lattice", "Beams", openLatticeView],
  ["text", "Text", openTextView],
  ["table", "Table", openTableView],
];
const MANY_LANES = 5; // one token not taken below each then, unless the visitor wants more
const PICTURES = ["tree", "area", "lattice"];
const hasBeams = (/** @type {Trace} */ trace) => trace.runs.some(isBeamRun);

/** A trace; view, zoom, scrolling and selection stay as the visitor left them. */
export function openDecoding() {
  /** @type {Session | null} */
  let session = null;
  let blank = true;
  /** @type {number | null} tokens not taken that the visitor wants to see of each step */
  let others = null;
  /** @type {Map<string, Canvas>} */
  const canvases = new Map();
  const canvasNow = () => canvases.get(figure.current);
  const asSession = () => /** @type {Session} */ (session); // views are opened after data came

  /** @type {Figure<Trace>} */
  const figure = openTabbed(
    "decoding",
    "Decoding strategies compared",
    NOTHING_YET,
    VIEWS.map(([name, label, open]) => ({
      name,
      label,
      picture: PICTURES.includes(name),
      hidden: (/** @type {Trace} */ trace) => name === "lattice" && !hasBeams(trace),
      open: (/** @type {object} */ _figure, /** @type {HTMLElement} */ panel) => {
        const view = open(panel, asSession());
        if (view.canvas) canvases.set(name, view.canvas);
        return () => {
          view.update();
          highlight(panel, asSession().highlighted);
        };
      },
    })),
    () => {
      drawKey(parts.key, asSession());
      return traceFacts(asSession().trace, asSession());
    },
    {
      take(news) {
        const trace = grown(blank ? null : asSession().trace, news);
        const forest = mergeRuns(trace);
        const before = blank ? null : asSession().trace;
        session ??= openSession(trace, forest);
        takeTrace(session, trace, forest, before);
        blank = false;
        // The picture first: on the first paint the details below it wait for a frame.
        if (before) drawDetails(parts.details, session);
        else
          requestAnimationFrame(() =>
            setTimeout(() => !blank && drawDetails(parts.details, asSession())),
          );
      },
      forget() {
        blank = true;
        parts.details.replaceChildren();
        parts.key.replaceChildren();
      },
      exported: () => asSession().trace,
      progress() {
        const [value, max] = progressOf(asSession().trace);
        return { value, max, label: "Decoding" };
      },
      tools: (view) => ({
        mark: [Boolean(canvasNow()), view === "tree" && session?.alternatives].join(),
        buttons: () => [
          ...(view === "tree" ? [chooseOthers(asSession().alternatives, showOthers)] : []),
          ...zoomTools(canvasNow(), zoomLevel),
        ],
      }),
    },
  );
  const { parts } = figure;
  const zoomLevel = openZoomLevel();
  figure.hold(
    "place",
    () => linkedEntry(asSession().forest, asSession().selected),
    (value) => {
      const place = linkedPlace(asSession().forest, value);
      if (place) asSession().select(place.key, /** @type {number[]} */ (value)[0]);
      return Boolean(place);
    },
  );
  const showOthers = (/** @type {number} */ count) => {
    others = count;
    figure.refresh();
  };

  /**
   * @param {Trace} trace
   * @param {Forest} forest
   * @returns {Session}
   */
  const openSession = (trace, forest) => ({
    id: figure.id,
    get host() {
      return figure.host;
    },
    trace,
    forest,
    running: false,
    selected: { key: "", run: null },
    get alternatives() {
      return others ?? (asSession().forest.lanes.length > MANY_LANES ? 1 : 3);
    },
    highlighted: null,
    fetched: new Map(),
    hold: figure.hold,
    redraw: () => figure.refresh(),
    zoomed() {
      sayZoom(zoomLevel, canvasNow());
    },
    select(key, run = null) {
      const now = asSession();
      now.selected = { key, run: run ?? now.selected.run };
      figure.refresh();
      drawDetails(parts.details, now);
      parts.live.textContent = announcement(now, now.forest.places.get(key) ?? now.forest.root);
    },
    canBranch(place) {
      const open = !figure.host.exported && !asSession().running;
      return open && place.parent !== null && place.lane === null && place.entries.length > 0;
    },
    branch(place) {
      const { selected, canBranch } = asSession();
      if (!canBranch(place)) return;
      // what was drawn may stem from an earlier trace that looked the same
      const { entries } = asSession().forest.places.get(place.key) ?? place;
      const entry = entries.find(({ run }) => run === selected.run) ?? entries[0];
      const { run, node } = entry;
      figure.host.emit("branch", { run, node: node.parent, token_id: node.token_id });
    },
    explain: (target, place) => showHint(figure, target, hintOf(asSession(), place)),
    explainWith: (target, content) => showHint(figure, target, content),
    hush: () => hideHint(figure),
  });
  return figure;
}

/**
 * Take a trace over. The selected place stays if it still exists; another prompt starts at its end
 * again.
 * @param {Session} session
 * @param {Trace} trace
 * @param {Forest} forest
 * @param {Trace | null} before
 */
function takeTrace(session, trace, forest, before) {
  const { selected } = session;
  Object.assign(session, { trace, forest, running: !trace.done && !trace.cancelled });
  if (before && originOf(before) !== originOf(trace)) session.fetched.clear();
  if (before?.prompt.text !== trace.prompt.text || !forest.places.has(selected.key))
    session.selected = { key: "", run: null };
  else if (selected.run !== null) {
    const { name } = before.runs[selected.run];
    if (trace.runs[selected.run]?.name !== name) {
      const moved = trace.runs.findIndex((run) => run.name === name);
      session.selected = { key: selected.key, run: moved < 0 ? null : moved };
    }
  }
  if (session.highlighted !== null && !trace.runs[session.highlighted]) session.highlighted = null;
}

/**
 * How many tokens the longest run has, and how many it may get.
 * @param {Trace} trace
 */
function progressOf({ runs, request }) {
  const step = Math.max(0, ...runs.map(({ nodes }) => Math.max(...nodes.map((node) => node.step))));
  return [step, Math.max(step, request.max_new_tokens)];
}

/**
 * What stands above the views.
 * @param {Trace} trace
 * @param {Session} session
 */
function traceFacts(trace, { forest, running }) {
  const { provenance, prompt } = trace;
  const returned = trace.runs.reduce((sum, run) => sum + (run.sequences.length || 1), 0);
  const tags = [
    ...(running ? [`step ${progressOf(trace).join(" of ")}`] : []),
    ...(trace.example ? ["stored example"] : []),
    ...(trace.cancelled && !trace.done ? ["stopped early"] : []),
  ];
  const facts = [
    provenance.model.split("/").at(-1),
    provenance.source,
    provenance.dtype,
    `seed ${provenance.seed}`,
    `n = ${plural(returned, "text")} of up to ${plural(forest.depth, "token")}`,
    CONSTRAINT_NAMES[trace.request.constraint] &&
      `obeys a ${CONSTRAINT_NAMES[trace.request.constraint]}`,
  ];
  return {
    title: h("bdi", { title: prompt.text }, `“${prompt.text.trim()} …”`),
    provenance: facts.filter(Boolean).join(", "),
    tags,
    warnings: prompt.notes,
  };
}

/**
 * Show one run's line alone, or all.
 * @param {HTMLElement} panel
 * @param {number | null} run
 */
export function highlight(panel, run) {
  panel.classList.toggle("highlighting", run !== null);
  for (const line of panel.querySelectorAll("[data-run]"))
    line.classList.toggle("lit", run !== null && Number(line.getAttribute("data-run")) === run);
}

/**
 * The hint on a token: its odds, and one line a run.
 * @param {Session} session
 * @param {Place} place
 */
function hintOf({ trace }, place) {
  if (!place.parent) return [h("p", {}, "The end of the prompt")];
  const head = h(
    "p",
    {},
    tokenElement(place),
    ` ${percent(fromLog(place.logprob))} of the model's odds`,
  );
  const line = (/** @type {Entry} */ { run: index, node }) => {
    const run = trace.runs[index];
    return h(
      "p",
      { class: "fate" },
      lineSample(run),
      h("bdi", {}, run.name),
      ": ",
      h("b", {}, fateOf(run, node)),
      node.reason ? `. ${node.reason}` : "",
    );
  };
  const rest = place.entries.length - 5;
  return [
    head,
    ...place.entries.slice(0, 5).map(line),
    rest > 0 ? h("p", {}, `and ${rest} more strategies`) : null,
  ];
}
