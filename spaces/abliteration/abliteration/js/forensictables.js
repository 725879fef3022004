// Every tensor in which two models differ, and what a record of the edit says, as tables.

import { h } from "../../../../shared/js/dom.js";
import { brief, number, percent, plural } from "../../../../shared/js/numbers.js";
import { factList, headedRow, scrollTable } from "../../../../shared/js/tables.js";

/** @import { Difference, Forensics } from "./data.js" */

/** @type {Record<string, string>} */
const FORM_NAMES = {
  plain: "plain",
  rows: "rows normalized first",
  norm: "norm’s gain folded",
};

/**
 * Open the view with every tensor that differs.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Forensics) => void}
 */
export function openDifferences(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ rows, unmatched }) => {
    box.replaceChildren(
      rows.length
        ? scrollTable(
            "Tensors that differ",
            [
              "tensor",
              "entries changed",
              "‖ΔW‖ / ‖W‖",
              "rank",
              "strength",
              "match (chance)",
              "form",
              "explained",
              "to the bit",
            ],
            rows.map(differenceRow),
          )
        : h("p", { class: "said" }, "No tensor differs."),
      unmatched.length
        ? factList([["in one of the two only", unmatched.slice(0, 8).join(", ")]])
        : "",
    );
  };
}

/** @param {Difference} row */
function differenceRow({ name, changed, relative, rank, complete, taken, along, sampled }) {
  const ranked = rank === undefined ? (along ? "follows" : "–") : `${complete ? "" : "≥ "}${rank}`;
  return headedRow(h("code", {}, sampled ? `${name} (a part)` : name), [
    percent(changed),
    brief(relative),
    ranked,
    ...(taken
      ? [
          `${number(taken.strength, 4)} ± ${brief(taken.sigma, 2)}`,
          `${number(taken.match, 4)} (${number(taken.null, 2)})`,
          [FORM_NAMES[taken.form] ?? taken.form, taken.kept && `${taken.kept} kept`]
            .filter(Boolean)
            .join(", "),
          percent(taken.explained),
          percent(taken.equal),
        ]
      : ["", "", "", "", ""]),
  ]);
}

/**
 * Open the view of what a record says, and whether it holds.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Forensics) => void}
 */
export function openRecord(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ claims }) => {
    if (!claims) return;
    const { by, model, revision, facts, hashes, measures } = claims;
    box.replaceChildren(
      factList([
        ["record", by],
        ["of", revision ? `${model}, ${revision}` : model],
        ...facts.map((fact) => ["it says", fact]),
        ...hashes.map(({ what, same, different, unknown }) => [
          `${what} by SHA-256`,
          [
            `${plural(same, "hash", "hashes")} as stated`,
            ...(different.length
              ? [`${different.length} not: ${different.slice(0, 3).join(", ")}`]
              : []),
            ...(unknown.length ? [`${unknown.length} not on this machine`] : []),
          ].join("; "),
        ]),
        ...measures.map(({ name, stated, now, same }) => [
          name,
          `${brief(stated)} stated, ${brief(now)} now: ${same ? "the same" : "not the same"}`,
        ]),
      ]),
    );
  };
}
