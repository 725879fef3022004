// The type of every tensor of every file, layer by layer: where uploaders spend bits that others save.

import { h, s, scrollBox } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { fileRows } from "./fits.js";
import { nameOfRow } from "./measures.js";

/** @import { Compare, Row, Tensor } from "./data.js" */

const [STRIP_BAR, STRIP_HEIGHT] = [4, 30]; // pixels

/**
 * A tensor's place in the model: its layer, null outside, and what it is there.
 * @param {string} name
 */
function placeOfTensor(name) {
  const layer = name.match(/\.(\d+)\./);
  const bare = name.replace(/^.*\.\d+\./, "").replace(/\.weight$/, "");
  return { layer: layer ? Number(layer[1]) : null, kind: bare.split(".").at(-1) ?? bare };
}

/**
 * Types with their counts, the most frequent first.
 * @param {Tensor[]} tensors
 */
function typeWords(tensors) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { type } of tensors) counts.set(type, (counts.get(type) ?? 0) + 1);
  const sorted = [...counts].toSorted((one, other) => other[1] - one[1]);
  return sorted.map(([type, count]) => (sorted.length > 1 ? `${count} ${type}` : type)).join(", ");
}

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openTypes(_figure, panel) {
  const box = scrollBox("Types of tensors", "wide scroll");
  const words = h("p", { class: "picture-caption quiet-row" });
  panel.append(box, words);
  return (data) => {
    const rows = fileRows(data).toSorted((one, other) => other.file_bytes - one.file_bytes);
    const kinds = [
      ...new Set(
        rows.flatMap(({ tensors }) => tensors.map(({ name }) => placeOfTensor(name).kind)),
      ),
    ];
    const most = Math.max(1, ...rows.flatMap(({ tensors }) => tensors.map(({ bits }) => bits)));
    box.replaceChildren(
      h(
        "table",
        { class: "tensor-types" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "file"),
            kinds.map((kind) => h("th", { scope: "col", class: "token" }, kind)),
          ),
        ),
        h(
          "tbody",
          {},
          rows.map((row) => typesLine(row, kinds, most)),
        ),
      ),
    );
    words.textContent =
      `A bar is a layer, from the first to the last; its height is bits a weight, up to ${brief(most)}. ` +
      "Orange, in published files: another type than llama.cpp's own rules give a file of this kind.";
  };
}

/**
 * @param {Row} row
 * @param {string[]} kinds
 * @param {number} most bits
 */
function typesLine(row, kinds, most) {
  return h(
    "tr",
    { "data-types": row.format },
    h("th", { scope: "row" }, nameOfRow(row)),
    kinds.map((kind) => {
      const tensors = row.tensors.filter(({ name }) => placeOfTensor(name).kind === kind);
      if (!tensors.length) return h("td", {}, "–");
      return h(
        "td",
        {},
        strip(tensors, most, row.engine === "published"),
        h("div", { class: "type-words" }, typeWords(tensors)),
      );
    }),
  );
}

/**
 * @param {Tensor[]} tensors in the model's order
 * @param {number} most bits
 * @param {boolean} isMarked whether types that rules would not give stand out
 */
function strip(tensors, most, isMarked) {
  const width = STRIP_BAR * tensors.length;
  return s(
    "svg",
    { width, height: STRIP_HEIGHT, "aria-hidden": "true" },
    tensors.map(({ bits, reason, type, asked }, index) => {
      const height = Math.max(1, (STRIP_HEIGHT * bits) / most);
      return s("rect", {
        class: isMarked && reason && type !== asked ? "type-bar other" : "type-bar",
        x: index * STRIP_BAR,
        y: STRIP_HEIGHT - height,
        width: STRIP_BAR - 1,
        height,
      });
    }),
  );
}
