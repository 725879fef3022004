// What is wrong, the gravest first, each with its rows and with code that mends it.

import { h } from "../../../../shared/js/dom.js";

/**
 * @import {Finding, Mask} from "./data.js"
 * @import {MaskSession} from "./mask.js"
 */

const MOST_ROWS = 12;

/**
 * @param {HTMLElement} panel
 * @param {MaskSession} session
 * @returns {(data: Mask) => void}
 */
export function openFindings(panel, session) {
  let shown = "";
  return (data) => {
    if (data.run_id === shown) return;
    shown = data.run_id;
    const { findings } = data;
    panel.replaceChildren(
      findings.length
        ? h(
            "ol",
            { class: "mask-findings" },
            findings.map((finding, at) => findingOf(data, finding, at === 0, session)),
          )
        : h("p", { class: "mask-intro" }, "Nothing was found that this page looks for."),
    );
  };
}

/**
 * @param {Mask} data
 * @param {Finding} finding
 * @param {boolean} open
 * @param {MaskSession} session
 */
function findingOf(data, finding, open, session) {
  const places = new Map(data.rows.map(({ number }, at) => [number, at]));
  const rows = finding.rows.slice(0, MOST_ROWS);
  const more = finding.rows.length - rows.length;
  return h(
    "li",
    { class: `mask-finding ${finding.grade}` },
    h("h2", {}, h("span", { class: "mask-grade" }, finding.grade), " ", finding.says),
    h("p", { class: "said" }, finding.why),
    rows.length && finding.of > 1
      ? h(
          "p",
          { class: "mask-rows" },
          "Rows ",
          rows.map((number) =>
            h(
              "button",
              {
                type: "button",
                "aria-label": `Look at row ${number}`,
                onclick: () => session.choose({ row: places.get(number) ?? 0 }, "tokens"),
              },
              String(number),
            ),
          ),
          more > 0 ? ` and ${more} more` : null,
        )
      : null,
    finding.fixes.map(({ label, text }, at) =>
      h(
        "details",
        { open: open && at === 0 },
        h("summary", {}, `Fix for ${label}`),
        h("pre", { tabindex: 0, role: "region", "aria-label": `${label}: ${finding.says}` }, text),
      ),
    ),
  );
}
