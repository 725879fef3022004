// Divergence by kind of text: a format that is close to the base in prose may not be in code.

import { h, scrollBox } from "../../../../shared/js/dom.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { measuredRows, nameOfRow } from "./measures.js";

/** @import { Compare, OfKind, Row, TextKind } from "./data.js" */

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openTextKinds(_figure, panel) {
  const box = scrollBox("Divergence by kind of text", "wide scroll");
  const words = h("p", { class: "picture-caption said" });
  panel.append(box, words);
  return (data) => {
    const kinds = data.kinds ?? [];
    const rows = measuredRows(data).filter((row) => row.kinds);
    box.replaceChildren(
      h(
        "table",
        { class: "text-kinds" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "KLD, nats"), kinds.map(kindHead))),
        h(
          "tbody",
          {},
          rows.map((row) => kindsLine(row, kinds)),
        ),
      ),
    );
    words.textContent = kinds.length
      ? `Mean KL divergence with its 95 % interval over ${readOf(kinds)}; ` +
        "bars are as long as the row's largest. In bold: further from the " +
        "base, beyond doubt, than on every kind of text on which it is closer. The texts are short: they " +
        "tell kinds apart and are no benchmark."
      : "";
  };
}

/**
 * What was read of each kind: a tokenizer of many words may fill fewer windows with one of them.
 * @param {TextKind[]} kinds
 */
function readOf(kinds) {
  const [first] = kinds;
  return kinds.every(({ windows }) => windows === first.windows)
    ? `${plural(first.windows, "window")} of each kind, ${first.scored} scored tokens`
    : kinds
        .map((kind) => `${plural(kind.windows, "window")} of ${kind.label} (${kind.scored} tokens)`)
        .join(", ");
}

/** @param {TextKind} kind */
function kindHead({ label, ppl }) {
  return h(
    "th",
    { scope: "col" },
    label,
    h("div", { class: "type-words" }, `base perplexity ${brief(ppl)}`),
  );
}

/**
 * @param {Row} row
 * @param {TextKind[]} kinds
 */
function kindsLine(row, kinds) {
  const values = row.kinds ?? [];
  const most = Math.max(1e-12, ...values.map(({ mean }) => mean));
  return h(
    "tr",
    { "data-kinds": row.format },
    h("th", { scope: "row" }, nameOfRow(row)),
    kinds.map(({ name }) => {
      const value = values.find((one) => one.name === name);
      return value ? kindCell(value, most, standsOut(value, values)) : h("td", {}, "–");
    }),
  );
}

/**
 * Whether a kind's interval lies above those of all kinds with a smaller mean.
 * @param {OfKind} value
 * @param {OfKind[]} values
 */
function standsOut(value, values) {
  const less = values.filter(({ mean }) => mean < value.mean);
  return (
    less.length > 0 &&
    value.low !== null &&
    less.every(({ high }) => (high ?? Infinity) < (value.low ?? 0))
  );
}

/**
 * @param {OfKind} value
 * @param {number} most nats
 * @param {boolean} isFar
 */
function kindCell({ mean, low, high }, most, isFar) {
  const width = `width:${((100 * mean) / most).toFixed(1)}%`;
  return h(
    "td",
    { class: isFar ? "num far" : "num" },
    h("div", {}, brief(mean)),
    h("div", { class: "kind-bar", "aria-hidden": "true" }, h("span", { style: width })),
    h(
      "div",
      { class: "type-words" },
      low === null || high === null
        ? "one window"
        : `${brief(Math.max(0, low), 2)} to ${brief(high, 2)}`,
    ),
  );
}
