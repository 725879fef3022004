// That the edited weights do what the edit says: matrix by matrix, and against the run-time edit.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";

/** Open the view. */
export function openCertificate(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ certificate: found, files, left_out: left }) => {
    const edited = found.matrices.filter(({ strength }) => strength);
    const facts = [
      ["verdict", `${found.verdict}: ${found.reason}`],
      [
        "hook against weights",
        `logits differ by ${brief(found.gap)} at most; their standard deviation is ${brief(found.scale)}`,
      ],
      [
        "left in the stream",
        found.in_stream === null
          ? "the kernel does not remove the direction everywhere"
          : `at most ${brief(found.in_stream)} of any token's norm`,
      ],
      [
        "stream = sum of its writes",
        `to ${brief(found.audit)} of its norm: ${found.audit < 1e-4 ? "no write was overlooked" : "something else writes too, and is not edited"}`,
      ],
      ["head", found.head],
      ...(left?.length ? [["not in the adapter", left.join(", ")]] : []),
      ...(files
        ? [
            [
              "files",
              Object.entries(files)
                .map(([name, bytes]) => `${name} (${bytes.toLocaleString("en-GB")} bytes)`)
                .join(", "),
            ],
          ]
        : []),
    ];
    box.replaceChildren(
      h(
        "dl",
        { class: "facts" },
        facts.map(([term, words]) => [h("dt", {}, term), h("dd", {}, words)]),
      ),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Edited matrices" },
        h(
          "table",
          { class: "numbers" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["matrix", "strength", "‖r̂ᵀW‖ before", "after", "bias before", "after"].map((text) =>
                h("th", { scope: "col" }, text),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            edited.map((row) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, `${row.name}${row.folded ? " (norm folded)" : ""}`),
                h("td", {}, brief(row.strength)),
                h("td", {}, brief(row.before)),
                h("td", {}, brief(row.after)),
                h("td", {}, brief(row.bias_before)),
                h("td", {}, brief(row.bias_after)),
              ),
            ),
          ),
        ),
      ),
    );
  };
}
