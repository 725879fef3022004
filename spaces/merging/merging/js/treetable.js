// Models and relations of a tree as tables.

import { h } from "../../../../shared/js/dom.js";
import { shareText } from "./treefigure.js";

/** Open the view. */
export function openFamilyTable(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  const table = (label, head, rows) =>
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": label },
      h(
        "table",
        { class: "numbers words" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            head.map((text) => h("th", { scope: "col" }, text)),
          ),
        ),
        h("tbody", {}, rows),
      ),
    );
  return (data) =>
    box.replaceChildren(
      h("h2", {}, "Models"),
      table(
        "Models",
        ["model", "in the model", "licence", "status", "downloads", "created", "generation"],
        data.nodes.map((node) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, h("bdi", {}, node.id)),
            h("td", {}, shareText(node.share)),
            h("td", {}, node.licence || "–"),
            h("td", {}, node.status),
            h("td", {}, node.downloads?.toLocaleString("en-GB") ?? "–"),
            h("td", {}, node.created || "–"),
            h(
              "td",
              {},
              node.depth === 0
                ? "start"
                : node.depth > 0
                  ? `${node.depth} above`
                  : `${-node.depth} below`,
            ),
          ),
        ),
      ),
      h("h2", {}, "Relations"),
      table(
        "Relations",
        ["parent and child", "relation", "role", "weight", "part", "pinned", "read in"],
        data.edges.map((edge) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, h("bdi", {}, edge.source), " → ", h("bdi", {}, edge.target)),
            h("td", {}, edge.relation),
            h("td", {}, edge.role),
            h("td", {}, edge.weight ?? "–"),
            h("td", {}, edge.relation === "new_version" ? "–" : shareText(edge.part)),
            h("td", {}, edge.pinned ? edge.revision.slice(0, 12) : "no"),
            h("td", {}, edge.evidence.map(({ source }) => source).join(", ")),
          ),
        ),
      ),
    );
}
