// The view of the clusters: a list to search, and of the chosen one a graph, its rows and a comparison.

import { h } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { plural } from "./axes.js";
import { canDraw, clusterGraph } from "./clustergraph.js";
import { openPager } from "./foldlist.js";
import { diffOfRows, excerptOf, similarityOf, textOfRow, thresholdOf } from "./run.js";

const PER_PAGE = 20;
const MOST_ROWS = 60; // of one cluster, until the visitor asks for all

/**
 * @param {HTMLElement} panel
 * @param {Object} figure the figure's state, see figure.js
 */
export function openClusterView(panel, figure) {
  const view = { search: "", all: false, mark: "" };
  const field = h("input", {
    type: "search",
    placeholder: "words or a row’s number",
    "aria-label": "Search clusters",
    oninput: () => {
      view.search = field.value;
      pager.page = 0;
      drawList();
    },
  });
  const count = h("span", { class: "said", role: "status" });
  const list = h("ul", { class: "cluster-list", "aria-label": "Clusters, largest first" });
  const pager = openPager(() => drawList());
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

  const drawList = () => {
    const groups = matching(figure.run, view.search);
    const total = figure.run.outcome.groups.length;
    const from = pager.clamp(groups.length, PER_PAGE);
    count.textContent = view.search
      ? `${groups.length.toLocaleString("en-GB")} of ${plural(total, "cluster")}`
      : total
        ? plural(total, "cluster")
        : "No two rows are alike at this threshold.";
    const current = groupOf(figure);
    const focused = list.contains(document.activeElement)
      ? document.activeElement.dataset.key
      : null;
    list.replaceChildren(
      ...groups
        .slice(from, from + PER_PAGE)
        .map((group) => listItem(figure, group, group === current)),
    );
    if (focused) list.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  };
  const drawDetail = () => {
    const group = groupOf(figure);
    const focused = detail.contains(document.activeElement)
      ? document.activeElement.dataset.key
      : null;
    detail.replaceChildren(
      ...(group
        ? detailOf(figure, group, view, drawDetail)
        : [h("p", { class: "said" }, "Lower the threshold, or run again with a lower one.")]
      ).filter(Boolean),
    );
    caption.textContent = group ? captionOf(figure.run, group) : "";
    caption.hidden = !group;
    if (focused)
      detail.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };
  return {
    update() {
      drawList();
      drawDetail();
    },
  };
}

/** The cluster that holds the chosen row; else the largest. */
function groupOf({ run, selected }) {
  const { groups } = run.outcome;
  const node = run.nodeOf.get(selected.row);
  return groups.find((group) => group.nodes.includes(node)) ?? groups[0] ?? null;
}

function matching(run, search) {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return run.outcome.groups;
  const isRow = /^\d+$/.test(wanted);
  const fits = (node) => {
    const { rows } = run.data.graph.nodes[node];
    return (
      (isRow && rows.includes(Number(wanted))) ||
      (textOfRow(run, rows[0]) ?? "").toLowerCase().includes(wanted)
    );
  };
  return run.outcome.groups.filter((group) => group.nodes.some(fits));
}

const headOf = (run, node) => run.data.graph.nodes[node].rows[0];

function listItem(figure, group, current) {
  const { run } = figure;
  const row = headOf(run, group.keepers[0]);
  const facts = [
    plural(group.size, "row"),
    group.lowest === null
      ? null
      : group.lowest === 1
        ? "copies"
        : `down to ${number(group.lowest)}`,
    group.chain ? "chain" : null,
  ];
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "plain cluster-item",
        "aria-current": current ? "true" : null,
        "data-key": row,
        onclick: () => figure.select(row, null),
      },
      h("bdi", { class: "excerpt" }, excerptOf(run, row) || `row ${row}`),
      h("span", { class: "said" }, facts.filter(Boolean).join(" · ")),
    ),
  );
}

function detailOf(figure, group, view, redraw) {
  const { run } = figure;
  const threshold = thresholdOf(run);
  const chosen = chosenRow(figure, group);
  const names = group.keepers.map((node) => headOf(run, node));
  const stays =
    names.length === 1
      ? `row ${names[0]} stays`
      : `rows ${names.slice(0, 6).join(", ")}${names.length > 6 ? ", …" : ""} stay`;
  const choose = (row) => figure.select(names[0], row);
  const graph = canDraw(group)
    ? h(
        "div",
        { class: "wide" },
        clusterGraph(run, group, threshold, chosen, `${figure.id}-graph`, choose),
      )
    : h(
        "p",
        { class: "said" },
        group.nodes.length === 1
          ? "One text and its exact copies: nothing to draw."
          : `${plural(group.nodes.length, "text")} are too many to draw; they are listed below.`,
      );
  const rows = rowsOf(run, group);
  const shown = view.all ? rows : rows.slice(0, MOST_ROWS);
  const more =
    rows.length > shown.length
      ? h(
          "button",
          { type: "button", onclick: () => ((view.all = true), redraw()) },
          `Show all ${rows.length} rows`,
        )
      : null;
  return [
    h("h2", {}, `${plural(group.size, "row")}, ${stays}`),
    group.chain ? h("p", { class: "warning" }, chainSentence(run, group, threshold)) : null,
    graph,
    h("div", { class: "members" }, memberTable(figure, shown, chosen, choose), more),
    chosen === null ? null : diffOfRows(run, keeperRowOf(run, group, chosen), chosen),
  ];
}

/** Rows of a cluster: what stays first, each text's copies after it. */
function rowsOf(run, group) {
  const order = [...group.keepers, ...group.nodes.filter((node) => !group.keepers.includes(node))];
  return order.flatMap((node) => run.data.graph.nodes[node].rows);
}

/** The row that is compared with its keeper: the visitor's choice, else the first that goes. */
function chosenRow({ run, selected }, group) {
  const inside = selected.member !== null && group.nodes.includes(run.nodeOf.get(selected.member));
  if (inside) return selected.member;
  const near = group.removed.find((item) => !item.copy) ?? group.removed[0];
  return (
    near?.row ?? rowsOf(run, group).find((row) => row !== headOf(run, group.keepers[0])) ?? null
  );
}

function keeperRowOf(run, group, row) {
  const removed = run.removedRows.get(row);
  if (removed) return removed.keeperRow;
  const head = headOf(run, group.keepers[0]);
  return row === head ? headOf(run, group.keepers[1] ?? group.nodes[1] ?? group.keepers[0]) : head;
}

function memberTable(figure, rows, chosen, choose) {
  const { run } = figure;
  const pinnable = figure.canPin();
  const body = rows.map((row) => {
    const removed = run.removedRows.get(row);
    const head = headOf(run, run.nodeOf.get(row));
    const fate = run.pins.has(row)
      ? "kept, pinned"
      : !removed
        ? "kept"
        : head !== row
          ? `copy of row ${head}`
          : `removed for row ${removed.keeperRow}`;
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
        "aria-pressed": String(run.pins.has(row)),
        "aria-label": `Always keep row ${row}`,
        onclick: () => figure.pin(row),
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
            "aria-pressed": String(row === chosen),
            "aria-label": `Compare row ${row}`,
            onclick: () => choose(row),
          },
          `row ${row}`,
        ),
      ),
      h("td", {}, fate),
      h("td", { class: "num" }, similar),
      pinnable ? h("td", { class: "num" }, pin) : null,
    );
  });
  const heads = [
    ["row", ""],
    ["fate", ""],
    ["similarity", "num"],
    ...(pinnable ? [["pin", "num"]] : []),
  ];
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map(([text, name]) => h("th", { scope: "col", class: name }, text)),
      ),
    ),
    h("tbody", {}, body),
  );
}

/** Names two texts of the cluster that are no pair, and the one between them. */
function chainSentence(run, group, threshold) {
  const similar = (one, other) => similarityOf(run, headOf(run, one), headOf(run, other)) ?? 0;
  const joined = (one, other) => similar(one, other) >= threshold && similar(one, other) > 0;
  for (const middle of group.nodes) {
    const near = group.nodes.filter((node) => node !== middle && joined(node, middle));
    for (const [place, one] of near.entries()) {
      const other = near.slice(place + 1).find((node) => !joined(one, node));
      if (other === undefined) continue;
      const [a, b, c] = [one, middle, other].map((node) => headOf(run, node));
      return `A chain: rows ${a} and ${c} are both like row ${b}, but not like each other.`;
    }
  }
  return "A chain: some rows are alike only by way of others.";
}

function captionOf(run, group) {
  const names = group.keepers
    .map((node) => headOf(run, node))
    .slice(0, 6)
    .join(", ");
  return `Cluster of ${plural(group.size, "row")} at ${number(thresholdOf(run))}. Filled: kept (row ${names}). Hatched: removed. Lines: pairs, wider where more similar.`;
}
