// What the ancestors' licences ask, the way each came, and what stands against what.

import { h } from "../../../../shared/js/dom.js";

/** Open the view. */
export function openLicences(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  const way = (path) => path.flatMap((name, index) => [index ? " ← " : "", h("bdi", {}, name)]);
  return ({ licences, start }) =>
    box.replaceChildren(
      h(
        "p",
        {},
        h("b", {}, h("bdi", {}, start)),
        licences.own ? ` states ${licences.own}. ` : " states no licence. ",
        licences.conflicts.length
          ? `${licences.conflicts.length} things stand against that:`
          : "Nothing that its readable ancestors state stands against that.",
      ),
      licences.conflicts.length
        ? h(
            "ul",
            { class: "evidence" },
            licences.conflicts.map(({ message, resolve }) =>
              h("li", {}, h("b", {}, message), " ", resolve),
            ),
          )
        : "",
      licences.obligations.length
        ? h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": "Obligations" },
            h(
              "table",
              { class: "numbers words" },
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  ["asked for", "by", "under", "way"].map((text) =>
                    h("th", { scope: "col" }, text),
                  ),
                ),
              ),
              h(
                "tbody",
                {},
                licences.obligations.map((item) =>
                  h(
                    "tr",
                    {},
                    h("th", { scope: "row" }, item.asks),
                    h("td", {}, h("bdi", {}, item.from)),
                    h(
                      "td",
                      {},
                      h("a", { href: item.url, target: "_blank", rel: "noopener" }, item.licence),
                    ),
                    h("td", { class: "way" }, way(item.path)),
                  ),
                ),
              ),
            ),
          )
        : "",
      licences.unknown.length
        ? h(
            "div",
            {},
            h(
              "p",
              {},
              `Terms not known here, which is neither good nor bad (${licences.unknown.length}):`,
            ),
            h(
              "ul",
              { class: "evidence" },
              licences.unknown
                .slice(0, 40)
                .map((item) =>
                  h(
                    "li",
                    {},
                    h("bdi", {}, item.from),
                    item.licence ? `: ${item.licence}` : ": none stated",
                  ),
                ),
            ),
          )
        : "",
      h("p", { class: "said" }, licences.note),
    );
}
