// The view of the clusters: a list to search, and of the chosen one a graph, its rows and a
// comparison.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { number, plural, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { canDraw, clusterGraph } from "./clustergraph.js";
import { openPager } from "./foldlist.js";
import {
  diffOfRows,
  excerptOf,
  rowName,
  sameWords,
  similarityOf,
  textOfRow,
  thresholdOf,
} from "./run.js";

/**
 * @import {Group} from "./cluster.js"
 * @import {Run, Session} from "./run.js"
 */

const PER_PAGE = 20;
const MOST_ROWS = 60; // of one cluster, until the visitor asks for all

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openClusterView(panel, session) {
  const view = { search: "", all: false };
  /** @type {Run | null} */
  let run = null;
  const field = h("input", {
    type: "search",
    placeholder: "words or a row’s number",
    "aria-label": "Search clusters",
    oninput: () => {
      view.search = field.value;
      pager.page = 0;
      draw();
    },
  });
  const count = h("span", { class: "said", role: "status" });
  const list = h("ul", { class: "cluster-list", "aria-label": "Clusters, largest first" });
  const pager = openPager(() => draw());
  const detail = h("div", { class: "cluster-detail" });
  const caption = h("p", { class: "picture-caption" });
  panel.append(
    h(
      "div",
      { class: "halves" },
      h(
        "div",
        { class: "cluster-side" },
        h("div", { class: "filters" }, field, count),
        list,
        pager.element,
      ),
      detail,
    ),
    caption,
  );

  const draw = () => {
    if (!run) return;
    drawList(run);
    drawDetail(run);
  };
  const drawList = (/** @type {Run} */ shown) => {
    const groups = matching(shown, view.search);
    const total = shown.outcome.groups.length;
    const from = pager.clamp(groups.length, PER_PAGE);
    count.textContent = view.search
      ? `${whole(groups.length)} of ${plural(total, "cluster")}`
      : total
        ? plural(total, "cluster")
        : "No two rows are alike at this threshold.";
    const current = groupOf(shown, session);
    const items = groups.slice(from, from + PER_PAGE).map((group) => {
      const row = headOf(shown, group.keepers[0]);
      return listItem(shown, group, group === current, () => session.select(row, null));
    });
    keepFocus(list, () => list.replaceChildren(...items));
  };
  const drawDetail = (/** @type {Run} */ shown) => {
    const group = groupOf(shown, session);
    const parts = group
      ? detailOf(shown, session, group, view.all, () => ((view.all = true), draw()))
      : [h("p", { class: "said" }, "Lower the threshold, or run again with a lower one.")];
    keepFocus(detail, () => detail.replaceChildren(...parts));
    caption.textContent = group ? captionOf(shown, group) : "";
    caption.hidden = !group;
  };
  return (/** @type {Run} */ next) => {
    run = next;
    draw();
  };
}

/**
 * The cluster that holds the chosen row; else the largest.
 * @param {Run} run
 * @param {Session} session
 */
function groupOf(run, { selected }) {
  const { groups } = run.outcome;
  const node = selected.row === null ? undefined : run.nodeOf.get(selected.row);
  const chosen = groups.find((group) => node !== undefined && group.nodes.includes(node));
  return chosen ?? groups[0] ?? null;
}

/**
 * The clusters with a row of that number, or with these words.
 * @param {Run} run
 * @param {string} search
 */
function matching(run, search) {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return run.outcome.groups;
  const isRow = /^\d+$/.test(wanted);
  const fits = (/** @type {number} */ node) => {
    const { rows } = run.data.graph.nodes[node];
    return (
      (isRow && rows.includes(Number(wanted))) ||
      (textOfRow(run, rows[0]) ?? "").toLowerCase().includes(wanted)
    );
  };
  return run.outcome.groups.filter((group) => group.nodes.some(fits));
}

/**
 * The row that stands for a text.
 * @param {Run} run
 * @param {number} node
 */
const headOf = (run, node) => run.data.graph.nodes[node].rows[0];

/**
 * How alike a cluster's rows are.
 * @param {Run} run
 * @param {Group} group
 */
function nearnessOf(run, { lowest, removed }) {
  if (lowest === null) return null;
  if (removed.every((item) => item.copy)) return "copies";
  const same = removed.every((item) => item.copy || sameWords(run, item.row, item.keeperRow));
  return same ? "same words" : `down to ${number(lowest)}`;
}

/**
 * @param {Run} run
 * @param {Group} group
 * @param {boolean} current
 * @param {() => void} open
 */
function listItem(run, group, current, open) {
  const row = headOf(run, group.keepers[0]);
  const facts = [plural(group.size, "row"), nearnessOf(run, group), group.chain ? "chain" : null];
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "plain cluster-item",
        "data-own": true,
        "aria-current": current ? "true" : null,
        "data-key": row,
        onclick: open,
      },
      h("bdi", { class: "excerpt" }, excerptOf(run, row) || `row ${row}`),
      h("span", { class: "said" }, facts.filter(Boolean).join(" · ")),
    ),
  );
}

/**
 * @param {Run} run
 * @param {Session} session
 * @param {Group} group
 * @param {boolean} all whether all rows are listed, however many there are
 * @param {() => void} showAll
 */
function detailOf(run, session, group, all, showAll) {
  const threshold = thresholdOf(run);
  const chosen = chosenRow(run, session, group);
  const names = group.keepers.map((node) => headOf(run, node));
  const stays =
    names.length === 1
      ? `row ${names[0]} stays`
      : `rows ${names.slice(0, 6).join(", ")}${names.length > 6 ? ", …" : ""} stay`;
  const choose = (/** @type {number} */ row) => session.select(names[0], row);
  const graph = canDraw(group)
    ? h(
        "div",
        { class: "wide" },
        clusterGraph(run, group, threshold, chosen, `${session.id}-graph`, choose),
      )
    : h(
        "p",
        { class: "said" },
        group.nodes.length === 1
          ? "One text and its exact copies: nothing to draw."
          : `${plural(group.nodes.length, "text")} are too many to draw; they are listed below.`,
      );
  const rows = rowsOf(run, group);
  const shown = all ? rows : rows.slice(0, MOST_ROWS);
  const more =
    rows.length > shown.length
      ? h("button", { type: "button", onclick: showAll }, `Show all ${rows.length} rows`)
      : null;
  const parts = [
    h("h2", {}, `${plural(group.size, "row")}, ${stays}`),
    group.chain ? h("p", { class: "warning" }, chainSentence(run, group, threshold)) : null,
    graph,
    h("div", { class: "members" }, memberTable(run, session, shown, chosen, choose), more),
    chosen === null ? null : diffOfRows(run, keeperRowOf(run, group, chosen), chosen),
  ];
  return parts.filter((part) => part !== null);
}

/**
 * Rows of a cluster: what stays first, each text's copies after it.
 * @param {Run} run
 * @param {Group} group
 */
function rowsOf(run, group) {
  const order = [...group.keepers, ...group.nodes.filter((node) => !group.keepers.includes(node))];
  return order.flatMap((node) => run.data.graph.nodes[node].rows);
}

/**
 * The row that is compared with its keeper: the visitor's choice, else the first that goes.
 * @param {Run} run
 * @param {Session} session
 * @param {Group} group
 */
function chosenRow(run, { selected: { member } }, group) {
  if (member !== null && group.nodes.includes(run.nodeOf.get(member) ?? -1)) return member;
  const near = group.removed.find((item) => !item.copy) ?? group.removed[0];
  return (
    near?.row ?? rowsOf(run, group).find((row) => row !== headOf(run, group.keepers[0])) ?? null
  );
}

/**
 * @param {Run} run
 * @param {Group} group
 * @param {number} row
 */
function keeperRowOf(run, group, row) {
  const removed = run.removedRows.get(row);
  if (removed) return removed.keeperRow;
  const head = headOf(run, group.keepers[0]);
  return row === head ? headOf(run, group.keepers[1] ?? group.nodes[1] ?? group.keepers[0]) : head;
}

/**
 * @param {Run} run
 * @param {Session} session
 * @param {number[]} rows
 * @param {number | null} chosen
 * @param {(row: number) => void} choose
 */
function memberTable(run, session, rows, chosen, choose) {
  const pinnable = session.canPin();
  const body = rows.map((row) => {
    const removed = run.removedRows.get(row);
    const head = headOf(run, run.nodeOf.get(row) ?? 0);
    const fate = run.pins.has(row)
      ? "kept, pinned"
      : !removed
        ? "kept"
        : head !== row
          ? `copy of ${rowName(run, head)}`
          : `removed for ${rowName(run, removed.keeperRow)}` +
            (sameWords(run, row, removed.keeperRow) ? ": same words, other signs" : "");
    const similar = !removed
      ? ""
      : removed.jaccard === null
        ? "joined through others"
        : number(removed.jaccard, 3);
    const pin = h(
      "button",
      {
        type: "button",
        class: "small",
        "data-key": `pin-${row}`,
        "data-own": true,
        "aria-pressed": String(run.pins.has(row)),
        "aria-label": `Always keep row ${row}`,
        onclick: () => session.pin(row),
      },
      run.pins.has(row) ? "unpin" : "pin",
    );
    return h(
      "tr",
      { class: row === chosen ? "current" : null },
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          {
            type: "button",
            class: "plain",
            "data-key": `row-${row}`,
            "data-own": true,
            "aria-pressed": String(row === chosen),
            "aria-label": `Compare row ${row}`,
            onclick: () => choose(row),
          },
          rowName(run, row),
        ),
      ),
      h("td", {}, fate),
      h("td", { class: "num" }, similar),
      pinnable ? h("td", { class: "num" }, pin) : null,
    );
  });
  const heads = ["row", "fate", "similarity", ...(pinnable ? ["pin"] : [])];
  return h("table", {}, tableHead(heads, [2, 3]), h("tbody", {}, body));
}

/**
 * Names two texts of the cluster that are no pair, and the one between them.
 * @param {Run} run
 * @param {Group} group
 * @param {number} threshold
 */
function chainSentence(run, group, threshold) {
  const joined = (/** @type {number} */ one, /** @type {number} */ other) => {
    const similar = similarityOf(run, headOf(run, one), headOf(run, other)) ?? 0;
    return similar >= threshold && similar > 0;
  };
  const { apart = [] } = run.data.graph;
  const compared = (/** @type {number} */ one, /** @type {number} */ other) =>
    run.data.recall_sample.complete ||
    similarityOf(run, headOf(run, one), headOf(run, other)) !== null ||
    apart.some((pair) => pair.includes(one) && pair.includes(other));
  for (const middle of group.nodes) {
    const near = group.nodes.filter((node) => node !== middle && joined(node, middle));
    for (const [place, one] of near.entries()) {
      const other = near.slice(place + 1).find((node) => !joined(one, node) && compared(one, node));
      if (other === undefined) continue;
      const [a, b, c] = [one, middle, other].map((node) => headOf(run, node));
      return `A chain: rows ${a} and ${c} are both like row ${b}, but not like each other.`;
    }
  }
  return "A chain: some rows are alike only by way of others.";
}

/**
 * @param {Run} run
 * @param {Group} group
 */
function captionOf(run, group) {
  const names = group.keepers
    .map((node) => headOf(run, node))
    .slice(0, 6)
    .join(", ");
  return (
    `Cluster of ${plural(group.size, "row")} at ${number(thresholdOf(run))}. ` +
    `Filled: kept (row ${names}). Hatched: removed. Lines: pairs, wider where more similar.`
  );
}
