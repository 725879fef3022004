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
    const isMatrix = rows.some(learntFrom);
    box.replaceChildren(
      h(
        "table",
        { class: "text-kinds" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "KLD, nats"), kinds.map(kindHead))),
        h(
          "tbody",
          {},
          rows.map((row) => (isMatrix ? learntLine(row, rows, kinds) : kindsLine(row, kinds))),
        ),
      ),
    );
    words.textContent = kinds.length
      ? (isMatrix ? ownKindWords(rows, kinds) : "") +
        `Mean KL divergence with its 95 % interval over ${readOf(kinds)}; ` +
        (isMatrix
          ? "bars are as long as the column's largest. Framed: another text of the kind that the row's " +
            "importance matrix learnt from. In bold: the smallest of its column."
          : "bars are as long as the row's largest. In bold: further from the " +
            "base, beyond doubt, than on every kind of text on which it is closer.") +
        " The texts are short: they tell kinds apart and are no benchmark."
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
 * The kind of text that a row's importance matrix learnt from; "" where there is none.
 * @param {Row} row
 */
function learntFrom({ format }) {
  return format.match(/[+]imatrix:(\w+)$/)?.[1] ?? "";
}

/**
 * A row's divergence on a kind of text.
 * @param {Row} row
 * @param {string} kind
 */
function onKind(row, kind) {
  return row.kinds?.find(({ name }) => name === kind);
}

/**
 * On which kinds the matrix of that very kind is the closest, and on which beyond doubt.
 * @param {Row[]} rows
 * @param {TextKind[]} kinds
 */
function ownKindWords(rows, kinds) {
  const tried = kinds.filter(({ name }) => rows.some((row) => learntFrom(row) === name));
  /** @type {string[]} */
  const closest = [];
  /** @type {string[]} */
  const sure = [];
  for (const { name, label } of tried) {
    const own = rows.filter((row) => learntFrom(row) === name).map((row) => onKind(row, name));
    const rest = rows.filter((row) => learntFrom(row) !== name).map((row) => onKind(row, name));
    const is = (/** @type {(one: OfKind, other: OfKind) => boolean} */ closer) =>
      rest.length > 0 &&
      own.every((one) => one && rest.every((other) => other && closer(one, other)));
    if (is((one, other) => one.mean < other.mean)) closest.push(label);
    if (is((one, other) => (one.high ?? Infinity) < (other.low ?? 0))) sure.push(label);
  }
  const doubt = sure.length ? `beyond doubt on ${sure.join(", ")}` : "on none beyond doubt";
  return closest.length
    ? `A matrix of the text's own kind is the closest on ${closest.length} of ${tried.length} kinds ` +
        `(${closest.join(", ")}), ${doubt}. `
    : "On no kind is a matrix of the text's own kind the closest. ";
}

/**
 * A row among those that learnt from kinds of text: held against the others, column by column.
 * @param {Row} row
 * @param {Row[]} rows
 * @param {TextKind[]} kinds
 */
function learntLine(row, rows, kinds) {
  return h(
    "tr",
    { "data-kinds": row.format },
    h(
      "th",
      { scope: "row" },
      nameOfRow(row)
        .split(/(?=[+])|(?<=imatrix:)/)
        .flatMap((part) => [h("wbr"), part]),
    ),
    kinds.map(({ name }) => {
      const value = onKind(row, name);
      if (!value) return h("td", {}, "–");
      const means = rows.map((one) => onKind(one, name)?.mean ?? NaN).filter(Number.isFinite);
      const cell = kindCell(
        value,
        Math.max(1e-12, ...means),
        means.length > 1 && value.mean === Math.min(...means),
      );
      if (learntFrom(row) !== name) return cell;
      cell.classList.add("own-kind");
      cell.title = "learnt from another text of this kind";
      return cell;
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
