// Beam search as it happened: at every step the hypotheses by rank, which went on, which ended, and
// why the others died.

import { axisLabel } from "../../../../shared/js/axes.js";
import { s } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { strokesOf } from "./lines.js";
import { fateOf, keyOf, nodesById, pathTo } from "./paths.js";
import { fillPill, spoken, tailOf, tokenLabel } from "./pill.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Node, Run} from "./data.js"
 * @import {Session} from "./figure.js"
 *
 * @typedef {Object} Hypothesis a ranked candidate; the root is step 0, row 0
 * @property {Node} node
 * @property {number} step
 * @property {number} row 0 is the best of the step
 * @property {string} key of its place
 *
 * @typedef {Object} LatticeView what the visitor sees of the beam runs
 * @property {number} run
 * @property {number | null} step null follows the end of a growing search
 * @property {number | null} active node that the keyboard is on
 *
 * @typedef {Object} Lattice what stands in the picture
 * @property {SVGGElement} layer
 * @property {SVGGElement} back lines and numbers
 * @property {SVGGElement} places
 * @property {number} run whose pills these are
 * @property {Map<number, {drawn: string, group: SVGGElement}>} pills by node; drawn: what it was
 *   drawn from
 */

export const LATTICE_COLUMN = 122;
const LATTICE_GAP = 46;
const LATTICE_ROW = 26;
export const LATTICE_PILL = 21;
const LATTICE_TOP = 24;
const LATTICE_LEFT = 54;

/** @param {number} step */
export const columnX = (step) => LATTICE_LEFT + step * (LATTICE_COLUMN + LATTICE_GAP);
/** @param {Hypothesis} item */
const leftOf = ({ step }) => columnX(step) - (step ? 60 : 30);
/** @param {Hypothesis} item */
const topOf = ({ row }) => LATTICE_TOP + row * LATTICE_ROW;

/**
 * The candidates of a beam run, step by step.
 * @param {Run} run
 */
export function layOutLattice(run) {
  const byId = nodesById(run);
  /** @type {Node[][]} */
  const steps = [];
  for (const node of run.nodes) (steps[node.step] ??= []).push(node);
  return steps.flatMap((nodes, step) =>
    nodes
      .filter(
        ({ parent, rank, status }) =>
          parent === null || rank !== null || ["kept", "finished"].includes(status),
      )
      .sort(
        (one, other) =>
          (one.rank ?? 1e9) - (other.rank ?? 1e9) || (other.score ?? -1e9) - (one.score ?? -1e9),
      )
      .map((node, row) => ({ node, step, row, key: keyOf(pathTo(byId, node.id)) })),
  );
}

/**
 * Ids of the nodes that a kept hypothesis of `step`, or a finished one up to it, goes through.
 * @param {Run} run
 * @param {number} step
 */
function livingAt(run, step) {
  const byId = nodesById(run);
  const living = new Set([0]);
  for (const node of run.nodes) {
    const counts =
      node.status === "finished" ? node.step <= step : node.status === "kept" && node.step === step;
    if (counts) for (const other of pathTo(byId, node.id)) living.add(other.id);
  }
  return living;
}

/**
 * Put the lattice's layers into a picture.
 * @param {Canvas} canvas
 * @returns {Lattice}
 */
export function openLattice({ svg }) {
  const back = s("g", { "aria-hidden": "true" });
  const places = s("g", { class: "places" });
  const layer = s("g", {}, back, places);
  svg.append(layer);
  return { layer, back, places, run: -1, pills: new Map() };
}

/**
 * Draw a beam run up to a step.
 * @param {Canvas} canvas
 * @param {Lattice} lattice
 * @param {Session} session
 * @param {LatticeView} view its `active` is put on a hypothesis that is drawn
 * @param {number} step
 * @param {number} last
 * @param {string} hatch paint of what was pruned
 */
export function drawLattice(canvas, lattice, session, view, step, last, hatch) {
  const { trace, running } = session;
  const run = trace.runs[view.run];
  if (lattice.run !== view.run) lattice.pills.clear();
  lattice.run = view.run;
  const items = layOutLattice(run);
  const shown = items.filter((item) => item.step <= step);
  const byId = new Map(items.map((item) => [item.node.id, item]));
  const living = livingAt(run, step);
  const ends = step === last ? run.sequences.slice(0, 1) : [];
  const winner = new Set(
    ends.flatMap(({ node }) => pathTo(nodesById(run), node)).map(({ id }) => id),
  );
  const rows = Math.max(1, ...items.map((item) => item.row + 1));
  const columns = running ? Math.max(last, trace.request.max_new_tokens) : last;
  canvas.resize(columnX(columns + 1), LATTICE_TOP + rows * LATTICE_ROW + 14);
  if (!shown.some((item) => item.node.id === view.active)) view.active = shown[0]?.node.id ?? null;
  const edges = shown.flatMap((item) => {
    const { node } = item;
    const from = node.parent === null ? undefined : byId.get(node.parent);
    if (!from) return [];
    const path = edgePath(from, item);
    if (winner.has(node.id)) return strokesOf(run, view.run, path);
    const past = item.step < step && !living.has(node.id) ? " past" : "";
    return [s("path", { class: `hop ${node.status}${past}`, d: path })];
  });
  // Thin lines first, so that the returned text's line lies above them.
  edges.sort((one, other) => Number(one.matches(".stroke")) - Number(other.matches(".stroke")));
  lattice.back.replaceChildren(...drawNumbers(rows, last, step), ...edges, ...cutLine(shown, step));
  const best = bestOfSteps(items);
  const pills = shown.map((item) =>
    drawHypothesis(item, session, lattice, {
      run,
      past: item.step < step && !living.has(item.node.id),
      winner: winner.has(item.node.id),
      best: best.get(item.step) ?? 0,
      hatch,
      active: view.active === item.node.id,
    }),
  );
  // The pills stay in the page where they can, and with them the keyboard's focus.
  const { places } = lattice;
  const wanted = new Set(pills);
  for (const pill of places.querySelectorAll("g")) if (!wanted.has(pill)) pill.remove();
  pills.forEach((pill, index) => {
    if (places.children[index] !== pill) places.insertBefore(pill, places.children[index] ?? null);
  });
}

/**
 * The numbers of ranks and steps.
 * @param {number} rows
 * @param {number} last
 * @param {number} step
 */
function drawNumbers(rows, last, step) {
  const ranks = Array.from({ length: rows }, (_, row) =>
    axisLabel(4, LATTICE_TOP + row * LATTICE_ROW + 14.5, "start", row + 1),
  );
  const heads = Array.from({ length: last }, (_, index) => {
    const at = index + 1;
    const name = at === step ? "step now" : "step";
    return s("text", { class: name, x: columnX(at) - 58, y: 14 }, String(at));
  });
  return [...ranks, ...heads];
}

/**
 * @param {Hypothesis} from
 * @param {Hypothesis} to
 */
function edgePath(from, to) {
  const x1 = leftOf(from) + (from.step ? LATTICE_COLUMN : LATTICE_COLUMN - 30);
  const [y1, x2, y2] = [topOf(from) + LATTICE_PILL / 2, leftOf(to), topOf(to) + LATTICE_PILL / 2];
  const bend = LATTICE_GAP / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/**
 * The largest sum of log-probabilities of each step.
 * @param {Hypothesis[]} items
 */
function bestOfSteps(items) {
  /** @type {Map<number, number>} */
  const best = new Map();
  for (const { node, step } of items)
    best.set(step, Math.max(best.get(step) ?? -Infinity, node.cumulative_logprob ?? -Infinity));
  return best;
}

/**
 * A line below the last hypothesis of a step that went on, where some did and some did not.
 * @param {Hypothesis[]} shown
 * @param {number} step
 */
function cutLine(shown, step) {
  const items = shown.filter((item) => item.step === step);
  const kept = items.filter(({ node }) => node.status === "kept").map(({ row }) => row);
  if (!kept.length || kept.length === items.length) return [];
  const y = LATTICE_TOP + (Math.max(...kept) + 1) * LATTICE_ROW - 2.5;
  const d = `M${columnX(step) - 66} ${y}h${LATTICE_COLUMN + 12}`;
  return [s("path", { class: "cut", d })];
}

/**
 * @param {Hypothesis} item
 * @param {Session} session
 * @param {Lattice} lattice
 * @param {Object} options
 * @param {Run} options.run
 * @param {boolean} options.past whether no later hypothesis of the step shown comes from it
 * @param {boolean} options.winner
 * @param {number} options.best sum of log-probabilities of its step
 * @param {string} options.hatch
 * @param {boolean} options.active
 */
function drawHypothesis(item, { trace, selected }, { pills }, options) {
  const { node, step, key } = item;
  const { run, past, winner, best, hatch, active } = options;
  const root = node.parent === null;
  const ended = !root && node.status === "kept" && past;
  const fate = ended ? "kept, but nothing that follows it survived" : fateOf(run, node);
  const classes = [
    "place",
    root ? "prompt" : "hypothesis",
    node.status,
    past && "past",
    selected.key === key && "selected",
    winner && "winner",
  ];
  const rank = `Step ${step}, rank ${node.rank ?? "none"}`;
  const attributes = {
    class: classes.filter(Boolean).join(" "),
    role: "button",
    "data-own": true,
    "aria-pressed": String(selected.key === key),
    tabindex: active ? 0 : -1,
    "data-node": node.id,
    "data-key": key,
    "data-step": step,
    "data-fate": fate,
    transform: `translate(${leftOf(item)} ${topOf(item)})`,
    "aria-label": root
      ? "The prompt"
      : `${rank}: ${spoken(node)}, score ${number(node.score, 3)}, ${fate}. ${node.reason}`,
  };
  const parts = {
    width: root ? LATTICE_COLUMN - 30 : LATTICE_COLUMN,
    height: LATTICE_PILL,
    radius: 5,
    size: 11.5,
    label: root ? tailOf(trace.prompt.text, 10) : tokenLabel(node),
    share: root ? 0 : Math.exp((node.cumulative_logprob ?? -Infinity) - best),
    note: root ? "" : number(node.score, 2),
    removed: node.status === "pruned" || node.status === "filtered",
    hatch,
  };
  const drawn = JSON.stringify([attributes, parts]);
  const before = pills.get(node.id);
  if (before?.drawn === drawn) return before.group;
  const group = s("g", attributes);
  fillPill(group, parts);
  if (node.status === "finished")
    group.append(
      s("path", { class: "flag", d: `M${LATTICE_COLUMN + 4} ${LATTICE_PILL - 1}V2h9l-3 4l3 4h-9` }),
    );
  pills.set(node.id, { drawn, group });
  return group;
}
