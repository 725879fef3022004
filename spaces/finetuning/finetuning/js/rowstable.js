// All rows in numbers.

import { h } from "../../../../shared/js/dom.js";
import { percent, whole } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";

/**
 * @import {Mask, MaskRow, Trainer} from "./data.js"
 * @import {MaskSession} from "./mask.js"
 */

/** @type {Record<string, string>} */
const FORMS = {
  messages: "conversation",
  completion: "prompt and completion",
  text: "text",
  text_completion: "prompt and completion, text",
};

/**
 * @param {HTMLElement} panel
 * @param {MaskSession} session
 * @returns {(data: Mask) => void}
 */
export function openRowsTable(panel, session) {
  const body = h("div", {});
  panel.append(body);
  return (data) => {
    /** @type {Trainer[]} */
    const names = /** @type {Trainer[]} */ (Object.keys(data.trainers));
    const rows = data.rows.map((row, at) =>
      h(
        "tr",
        { class: at === session.row ? "current" : null },
        h(
          "th",
          { scope: "row" },
          h(
            "button",
            {
              type: "button",
              class: "plain",
              "aria-label": `Look at row ${row.number}`,
              onclick: () => session.choose({ row: at }, "tokens"),
            },
            String(row.number),
          ),
        ),
        h("td", {}, FORMS[row.form] ?? row.form),
        h("td", { class: "num" }, row.error ? "–" : whole(row.tokens.length)),
        names.map((name) => h("td", { class: "num" }, shareOf(row, name))),
      ),
    );
    const head = ["row", "form", "tokens", ...names.map((name) => data.trainers[name])];
    body.replaceChildren(
      h("p", { class: "mask-intro" }, "Share of each row’s tokens that is trained on."),
      scrollTable("Rows", head, rows),
    );
  };
}

/**
 * @param {MaskRow} row
 * @param {Trainer} name
 */
function shareOf(row, name) {
  const view = row.views[name];
  if (row.error) return "refused";
  if (view.refused) return "not taken";
  if (view.dropped) return "left out";
  return percent(view.kept ? view.trained / view.kept : 0);
}
