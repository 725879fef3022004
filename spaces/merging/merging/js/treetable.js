// Members and kinships of a tree as tables.

import { h } from "../../../../shared/js/dom.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { shareText } from "./treecards.js";

/** @import { Kinship, Member, Tree } from "./data.js" */

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Tree) => void}
 */
export function openFamilyTable(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ nodes, edges }) =>
    box.replaceChildren(
      h("h2", {}, "Models"),
      scrollTable(
        "Models",
        ["model", "in the model", "licence", "status", "downloads", "created", "generation"],
        nodes.map(memberRow),
        "numbers words",
      ),
      h("h2", {}, "Relations"),
      scrollTable(
        "Relations",
        ["parent and child", "part", "relation", "role", "weight", "pinned", "read in"],
        edges.map(kinRow),
        "numbers words",
      ),
    );
}

/** @param {Member} member */
function memberRow({ id, share, licence, status, downloads, created, depth }) {
  return headedRow(h("bdi", {}, id), [
    shareText(share),
    licence || "–",
    status,
    downloads?.toLocaleString("en-GB") ?? "–",
    created || "–",
    depth === 0 ? "start" : depth > 0 ? `${depth} above` : `${-depth} below`,
  ]);
}

/** @param {Kinship} edge */
function kinRow(edge) {
  return headedRow(
    [h("bdi", {}, edge.source), " → ", h("bdi", {}, edge.target)],
    [
      edge.relation === "new_version" ? "–" : shareText(edge.part),
      edge.relation,
      edge.role,
      edge.weight ?? "–",
      edge.pinned ? edge.revision.slice(0, 12) : "no",
      edge.evidence.map(({ source }) => source).join(", "),
    ],
  );
}
