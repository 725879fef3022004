// What the visitor sees of a run: its threshold and pins as they stand, and what follows from them.

import { number, plural, whole } from "../../../../shared/js/numbers.js";
import { cluster, clusterToGoal, curveOf } from "./cluster.js";
import { diffElement } from "./diff.js";
import { showHidden } from "./words.js";

/**
 * @import {CurvePoint, Deduplication, Kind, Pair} from "./data.js"
 * @import {Outcome, Removal} from "./cluster.js"
 */

/** @type {Record<Kind, string>} */
export const KIND_WORDS = {
  form: "case, spaces or punctuation",
  number: "numbers",
  sign: "signs",
  negation: "a negation",
  emoji: "emoji",
  name: "names",
  "tool argument": "arguments of a tool call",
  template: "words in the same places",
  other: "anything else",
};

/**
 * @typedef {Object} Basis a run's data and what the visitor chose
 * @property {Deduplication} data
 * @property {number | null} moved the visitor's threshold; null while the request's stands
 * @property {Set<number>} pins rows that stay whatever they repeat
 * @property {Map<string, CurvePoint[]>} curves by the pins
 * @property {Map<number, number>} nodeOf node of each row
 * @property {Pair[]} edges the least similar first
 * @property {Map<number, number>} similarity by first node × nodes + second node
 * @property {Map<number, Kind>} kinds in what a pair differs, by the same
 *
 * @typedef {Object} Totals of the whole dataset
 * @property {number} kept
 * @property {number} removed
 * @property {number} copies
 * @property {number} pairs
 * @property {number | null} clusters null where it is not known
 *
 * @typedef {Object} Decision what follows
 * @property {Outcome} outcome at the threshold, with the pins
 * @property {Map<number, Removal>} removedRows by row
 * @property {Totals} totals
 * @property {CurvePoint[]} curve
 *
 * @typedef {Basis & Decision} Run
 */

/**
 * What the views share, and what they may do.
 * @typedef {Object} Session
 * @property {string} id unique in the page
 * @property {{row: number | null, member: number | null}} selected a cluster by one of its rows,
 *   and the row of it that is compared
 * @property {Map<string, boolean>} labels by a pair's name whether it says the same; they stay
 * @property {() => boolean} canEmit
 * @property {() => boolean} canPin
 * @property {(name: string, detail: object) => void} emit
 * @property {(threshold: number | null) => void} moveThreshold
 * @property {(row: number) => void} pin or unpin
 * @property {(name: string, same: boolean | null) => void} judge null takes a label back
 * @property {(row: number, member: number | null) => void} select
 */

/**
 * Take a result over; what the visitor chose stays while it is the same run.
 * @param {Run | null} before
 * @param {Deduplication} data
 * @returns {Run}
 */
export function openRun(before, data) {
  const same = before?.data.run_id === data.run_id ? before : null;
  const { nodes, edges } = data.graph;
  /** @type {Map<number, Kind>} */
  const kinds = new Map();
  data.kinds?.of_edges.forEach((kind, edge) => {
    const [first, second] = edges[edge];
    if (data.kinds && kind >= 0) kinds.set(first * nodes.length + second, data.kinds.names[kind]);
  });
  /** @type {Basis} */
  const basis = {
    data,
    // An exported figure brings the choice along that stood when it was saved.
    moved: same ? same.moved : (data.choice?.threshold ?? null),
    pins: same ? same.pins : new Set(data.choice?.pinned ?? data.request.pinned),
    curves: new Map(),
    nodeOf: new Map(nodes.flatMap((node, place) => node.rows.map((row) => [row, place]))),
    edges: [...edges].sort((one, other) => one[2] - other[2]),
    similarity: new Map(
      edges.map(([first, second, jaccard]) => [first * nodes.length + second, jaccard]),
    ),
    kinds,
  };
  return { ...basis, ...decisionOf(basis) };
}

/**
 * The threshold that the request asked for, or the one at which its wanted number of rows was
 * reached.
 * @param {Basis} run
 */
export function askedOf({ data }) {
  return data.request.goal ? data.threshold : data.request.threshold;
}

/**
 * Where the line stands.
 * @param {Basis} run
 */
export function thresholdOf(run) {
  return run.moved ?? askedOf(run);
}

/**
 * Whether the wanted number of rows still decides, rather than a threshold.
 * @param {Basis} run
 */
export function goalStands(run) {
  return Boolean(run.data.request.goal) && run.moved === null;
}

/**
 * Work out anew what is kept.
 * @param {Run} run
 */
export function decide(run) {
  Object.assign(run, decisionOf(run));
}

/**
 * @param {Basis} run
 * @returns {Decision}
 */
function decisionOf(run) {
  const { data, pins, curves } = run;
  const outcome = outcomeAt(run, thresholdOf(run));
  const mark = [...pins].sort((one, other) => one - other).join();
  const known = (!pins.size && data.curve.length) || !data.graph.complete;
  const curve =
    curves.get(mark) ??
    (known
      ? data.curve
      : curveOf(data.graph, data.rows, data.request.method, data.request.floor, pins));
  curves.set(mark, curve);
  return {
    outcome,
    removedRows: new Map(outcome.removed.map((item) => [item.row, item])),
    totals: totalsAt(run, thresholdOf(run), outcome),
    curve,
  };
}

/**
 * @param {Basis} run
 * @param {number} threshold
 */
function outcomeAt(run, threshold) {
  const { data, pins } = run;
  const { goal, method } = data.request;
  if (goal && goalStands(run) && threshold === askedOf(run) && data.graph.complete)
    return clusterToGoal(graphOf(data), data.rows - data.exact_copies - goal, pins);
  return cluster(graphOf(data), { threshold, method, pinned: pins });
}

/**
 * The pairs, and whether those that are missing were compared.
 * @param {Deduplication} data
 */
function graphOf({ graph, recall_sample: sample }) {
  return { ...graph, compared: sample.complete };
}

/**
 * Whether two rows have the same words under different texts: signs, case or spaces differ.
 * @param {Run} run
 * @param {number} one
 * @param {number} other
 */
export function sameWords(run, one, other) {
  const { nodes } = run.data.graph;
  const [first, second] = [one, other].map((row) => run.nodeOf.get(row));
  if (first === undefined || second === undefined || first === second) return false;
  return nodes[first].words !== undefined && nodes[first].words === nodes[second].words;
}

/**
 * In what two rows differ; null for copies, and where nobody looked.
 * @param {Run} run
 * @param {number} one
 * @param {number} other
 * @returns {Kind | null}
 */
export function kindOf(run, one, other) {
  const [first, second] = [one, other]
    .map((row) => run.nodeOf.get(row) ?? NaN)
    .sort((a, b) => a - b);
  return run.kinds.get(first * run.data.graph.nodes.length + second) ?? null;
}

/**
 * The recall at the line: where it was moved, from the sample's pairs at that threshold.
 * @param {Run} run
 * @returns {{at: number, recall: number | null, interval: [number, number] | null, pairs: number, found:
 * number}}
 */
export function recallAt(run) {
  const { data } = run;
  const at = thresholdOf(run);
  const asked = {
    at: data.threshold ?? data.request.threshold,
    recall: data.recall,
    interval: data.recall_interval,
    pairs: data.recall_sample.true_pairs,
    found: data.recall_sample.found,
  };
  const points = data.recall_curve ?? [];
  if (Math.abs(asked.at - at) < 1e-9 || !points.length) return asked;
  const [threshold, recall, low, high, pairs, found] = points.reduce((best, point) =>
    Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best,
  );
  return { at: threshold, recall, interval: recall === null ? null : [low, high], pairs, found };
}

/**
 * Rows of the whole dataset. Where the graph is too large to send, the curve has the numbers;
 * clusters are sent whole, so what pins change can be counted in those that were sent.
 * @param {Basis} run
 * @param {number} threshold
 * @param {Outcome} outcome
 * @returns {Totals}
 */
function totalsAt(run, threshold, outcome) {
  const { data, pins } = run;
  if (data.graph.complete) {
    const removed = outcome.removed.length;
    return {
      kept: data.rows - removed,
      removed,
      copies: outcome.removed.filter(({ node, row }) => data.graph.nodes[node].rows[0] !== row)
        .length,
      pairs: outcome.pairs,
      clusters: outcome.groups.filter((group) => group.removed.length).length,
    };
  }
  const asked = threshold === askedOf(run);
  const near = data.curve.reduce(
    (best, point) =>
      Math.abs(point[0] - threshold) < Math.abs(best[0] - threshold) ? point : best,
    [Infinity, data.kept, data.pairs],
  );
  const plain = pins.size
    ? cluster(data.graph, { threshold, method: data.request.method }).removed.length
    : outcome.removed.length;
  const kept =
    (asked && !data.request.pinned.length ? data.kept : near[1]) + plain - outcome.removed.length;
  return {
    kept,
    removed: data.rows - kept,
    copies: data.exact_copies,
    pairs: asked ? data.pairs : near[2],
    clusters: asked && !pins.size ? data.clusters : null,
  };
}

/**
 * The totals at another threshold, to say what a step of the line changes.
 * @param {Run} run
 * @param {number} threshold
 */
export function totalsNear(run, threshold) {
  const moved = { ...run, moved: threshold };
  return totalsAt(moved, threshold, outcomeAt(moved, threshold));
}

/**
 * The text that stands for a row: that of the first row of its node.
 * @param {Run} run
 * @param {number} row
 * @returns {string | undefined} none where it was not sent
 */
export function textOfRow(run, row) {
  const node = run.data.graph.nodes[run.nodeOf.get(row) ?? -1];
  return node && run.data.texts[String(node.rows[0])];
}

/**
 * The beginning of a text in one line.
 * @param {string} text
 * @param {number} [length]
 */
export function oneLine(text, length = 160) {
  const line = showHidden(
    text
      .slice(0, 4 * length)
      .replace(/\s+/g, " ")
      .trim(),
  );
  return line.length > length ? `${line.slice(0, length)}…` : line;
}

/**
 * The beginning of a row's text in one line.
 * @param {Run} run
 * @param {number} row
 * @param {number} [length]
 */
export function excerptOf(run, row, length = 160) {
  return oneLine(textOfRow(run, row) ?? "", length);
}

/**
 * The verified similarity of two rows; 1 for copies, null where they are no verified pair.
 * @param {Run} run
 * @param {number} one
 * @param {number} other
 */
export function similarityOf(run, one, other) {
  const [first, second] = [one, other]
    .map((row) => run.nodeOf.get(row) ?? NaN)
    .sort((a, b) => a - b);
  return first === second
    ? 1
    : (run.similarity.get(first * run.data.graph.nodes.length + second) ?? null);
}

/**
 * A row as its reader finds it: of several files with its own.
 * @param {Run} run
 * @param {number} row
 */
export function rowName(run, row) {
  let left = row;
  for (const file of run.data.provenance.files ?? []) {
    if (left < file.rows) return `row ${left} of ${file.name}`;
    left -= file.rows;
  }
  return `row ${row}`;
}

/**
 * The aligned texts of two rows.
 * @param {Run} run
 * @param {number} stays the row shown as the one that stays
 * @param {number} goes
 */
export function diffOfRows(run, stays, goes) {
  const { ngram, unit, measure } = run.data.request;
  const name = (/** @type {number} */ row) =>
    `${rowName(run, row)}, ${run.removedRows.has(row) ? "removed" : "kept"}`;
  const title = (/** @type {number} */ row) => rowName(run, row).replace("r", "R");
  const removal = run.removedRows.get(goes);
  const because = removal?.keeperRow === stays;
  const heading = because
    ? `${title(goes)} is removed, ${rowName(run, stays)} stays`
    : `${title(stays)} and ${rowName(run, goes)}`;
  const notes = [];
  if (because && removal.jaccard === null)
    notes.push(
      `${title(goes)} is no pair with ${rowName(run, stays)} at this threshold: rows between them join ` +
        "the two.",
    );
  for (const row of [stays, goes]) {
    const node = run.nodeOf.get(row);
    const head = node === undefined ? row : run.data.graph.nodes[node].rows[0];
    if (head !== row) notes.push(`${title(row)} has the text of ${rowName(run, head)}.`);
  }
  const kind = kindOf(run, stays, goes);
  if (kind && kind !== "other") notes.push(`The two differ in ${KIND_WORDS[kind]}.`);
  const answer = run.data.answers?.[String(goes)];
  if (answer && answer[0] === stays)
    notes.push(`Similarity of the answers to these prompts: ${number(answer[1], 2)}.`);
  return diffElement({
    left: { label: name(stays), text: textOfRow(run, stays) },
    right: { label: name(goes), text: textOfRow(run, goes) },
    heading,
    verified: similarityOf(run, stays, goes),
    measure,
    ngram,
    unit,
    notes,
  });
}

/**
 * The numbers of a run in words, for a caption and for a screen reader.
 * @param {Run} run
 */
export function sentenceOf(run) {
  const { kept, removed, pairs, clusters } = run.totals;
  const groups = clusters === null ? "" : ` in ${plural(clusters, "cluster")}`;
  return (
    `At ${number(thresholdOf(run))}: ${whole(kept)} of ${plural(run.data.rows, "row")} kept, ` +
    `${whole(removed)} removed${groups}, ${plural(pairs, "pair")}.`
  );
}
