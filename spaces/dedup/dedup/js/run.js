// What the visitor sees of a run: its threshold and pins as they stand, and what follows from them.

import { number } from "../../../../shared/js/numbers.js";
import { cluster, clusterToGoal, curveOf } from "./cluster.js";
import { diffElement } from "./diff.js";
import { plural } from "./axes.js";
import { showHidden } from "./words.js";

/**
 * @typedef {Object} Run one result and what the visitor made of it
 * @property {Object} data see figure.js
 * @property {number|null} moved the threshold that the visitor chose; null while the request's stands
 * @property {Set<number>} pins rows that stay whatever they repeat
 * @property {Map<number, number>} nodeOf node of each row
 * @property {import("./cluster.js").Outcome} outcome at the threshold, with the pins
 * @property {Map<number, Object>} removedRows by row
 * @property {{kept: number, removed: number, copies: number, pairs: number, clusters: number|null}} totals of the whole dataset
 * @property {[number, number, number][]} curve threshold, kept rows, pairs
 */

/**
 * Take a result over; what the visitor chose stays while it is the same run.
 * @param {Run|null} before
 * @param {Object} data
 * @returns {Run}
 */
export function openRun(before, data) {
  const same = before?.data.run_id === data.run_id;
  const { nodes, edges } = data.graph;
  // An exported figure brings the choice along that stood when it was saved.
  const moved = same ? before.moved : (data.choice?.threshold ?? null);
  const pins = same ? before.pins : new Set(data.choice?.pinned ?? data.request.pinned ?? []);
  const run = { data, moved, pins, curves: new Map() };
  run.nodeOf = new Map(nodes.flatMap((node, place) => node.rows.map((row) => [row, place])));
  run.edges = [...edges].sort((one, other) => one[2] - other[2]);
  run.similarity = new Map(
    edges.map(([first, second, jaccard]) => [first * nodes.length + second, jaccard]),
  );
  decide(run);
  return run;
}

/** The threshold that the request asked for, or the one at which its wanted number of rows was reached. */
export function askedOf({ data }) {
  return data.request.goal ? (data.threshold ?? data.request.threshold) : data.request.threshold;
}

/** Where the line stands. */
export function thresholdOf(run) {
  return run.moved ?? askedOf(run);
}

/** Whether the wanted number of rows still decides, rather than a threshold. */
export function goalStands(run) {
  return Boolean(run.data.request.goal) && run.moved === null;
}

/** Work out anew what is kept. */
export function decide(run) {
  const { data, pins } = run;
  run.outcome = outcomeAt(run, thresholdOf(run));
  run.removedRows = new Map(run.outcome.removed.map((item) => [item.row, item]));
  run.totals = totalsAt(run, thresholdOf(run), run.outcome);
  const mark = [...pins].sort((one, other) => one - other).join();
  if (!run.curves.has(mark)) {
    const known = !pins.size && data.curve?.length;
    const exact = data.graph.complete !== false;
    run.curves.set(
      mark,
      known || !exact
        ? (data.curve ?? [])
        : curveOf(data.graph, data.rows, data.request.method, data.request.floor, pins),
    );
  }
  run.curve = run.curves.get(mark);
}

function outcomeAt(run, threshold) {
  const { data, pins } = run;
  if (goalStands(run) && threshold === askedOf(run) && data.graph.complete !== false) {
    return clusterToGoal(data.graph, data.rows - data.exact_copies - data.request.goal, pins);
  }
  return cluster(data.graph, { threshold, method: data.request.method, pinned: pins });
}

/**
 * Rows of the whole dataset. Where the graph is too large to send, the curve has the numbers; clusters are sent whole, so
 * what pins change can be counted in those that were sent.
 */
function totalsAt(run, threshold, outcome) {
  const { data, pins } = run;
  const copies = outcome.removed.filter(
    ({ node, row }) => data.graph.nodes[node].rows[0] !== row,
  ).length;
  const clusters = outcome.groups.filter((group) => group.removed.length).length;
  if (data.graph.complete !== false) {
    const removed = outcome.removed.length;
    return { kept: data.rows - removed, removed, copies, pairs: outcome.pairs, clusters };
  }
  const asked = threshold === askedOf(run);
  const near = (data.curve ?? []).reduce(
    (best, point) =>
      Math.abs(point[0] - threshold) < Math.abs(best[0] - threshold) ? point : best,
    [Infinity, data.kept, data.pairs],
  );
  const plain = pins.size
    ? cluster(data.graph, { threshold, method: data.request.method }).removed.length
    : outcome.removed.length;
  const kept =
    (asked && !data.request.pinned?.length ? data.kept : near[1]) + plain - outcome.removed.length;
  return {
    kept,
    removed: data.rows - kept,
    copies: data.exact_copies,
    pairs: asked ? data.pairs : near[2],
    clusters: asked && !pins.size ? data.clusters : null,
  };
}

/** The totals at another threshold, to say what a step of the line changes. */
export function totalsNear(run, threshold) {
  const moved = { ...run, moved: threshold };
  return totalsAt(moved, threshold, outcomeAt(moved, threshold));
}

/** The text that stands for a row: that of the first row of its node. */
export function textOfRow(run, row) {
  const node = run.nodeOf.get(row);
  return node === undefined
    ? undefined
    : run.data.texts?.[String(run.data.graph.nodes[node].rows[0])];
}

/** The beginning of a text in one line. */
export function oneLine(text, length = 160) {
  const line = showHidden(
    text
      .slice(0, 4 * length)
      .replace(/\s+/g, " ")
      .trim(),
  );
  return line.length > length ? `${line.slice(0, length)}…` : line;
}

/** The beginning of a row's text in one line. */
export function excerptOf(run, row, length = 160) {
  return oneLine(textOfRow(run, row) ?? "", length);
}

/** The verified similarity of two rows; 1 for copies, null where they are no verified pair. */
export function similarityOf(run, one, other) {
  const [first, second] = [run.nodeOf.get(one), run.nodeOf.get(other)].sort((a, b) => a - b);
  return first === second
    ? 1
    : (run.similarity.get(first * run.data.graph.nodes.length + second) ?? null);
}

/**
 * The aligned texts of two rows.
 * @param {Run} run
 * @param {number} stays the row shown as the one that stays
 * @param {number} goes
 */
export function diffOfRows(run, stays, goes) {
  const { ngram, unit, measure } = run.data.request;
  const name = (row) => `row ${row}, ${run.removedRows.has(row) ? "removed" : "kept"}`;
  const removed = run.removedRows.get(goes);
  const because = removed && removed.keeperRow === stays;
  const jaccard = similarityOf(run, stays, goes);
  const heading = because
    ? `Row ${goes} is removed, row ${stays} stays`
    : `Rows ${stays} and ${goes}`;
  const notes = [];
  if (because && removed.jaccard === null)
    notes.push(
      `Row ${goes} is no pair with row ${stays} at this threshold: rows between them join the two.`,
    );
  for (const row of [stays, goes]) {
    const head = run.data.graph.nodes[run.nodeOf.get(row)]?.rows[0];
    if (head !== undefined && head !== row)
      notes.push(
        `Row ${row} repeats row ${head}: the same words in the same order. The text of row ${head} is shown.`,
      );
  }
  const answer = run.data.answers?.[String(goes)];
  if (answer && answer[0] === stays)
    notes.push(`Similarity of the answers to these prompts: ${number(answer[1], 2)}.`);
  return diffElement({
    left: { label: name(stays), text: textOfRow(run, stays) },
    right: { label: name(goes), text: textOfRow(run, goes) },
    heading,
    verified: jaccard,
    measure,
    ngram,
    unit,
    notes,
  });
}

/** The numbers of a run in words, for a caption and for a screen reader. */
export function sentenceOf(run) {
  const { kept, removed, pairs, clusters } = run.totals;
  const groups = clusters === null ? "" : ` in ${plural(clusters, "cluster")}`;
  return `At ${number(thresholdOf(run))}: ${kept.toLocaleString("en-GB")} of ${plural(run.data.rows, "row")} kept, ${removed.toLocaleString("en-GB")} removed${groups}, ${plural(pairs, "pair")}.`;
}
