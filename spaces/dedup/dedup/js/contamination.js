// The figure for rows that several splits share: a map of every split against every split, and the
// rows found.

import { focusOn, h } from "../../../../shared/js/dom.js";
import { number, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { UNIT_NAMES, diffElement } from "./diff.js";
import { openFoldList } from "./foldlist.js";
import { drawHeatmap } from "./heatmap.js";
import { progressElement } from "./progress.js";
import { oneLine } from "./run.js";

/**
 * @import {Contamination, ContaminationWaiting, Leak} from "./data.js"
 * @import {FoldItem} from "./foldlist.js"
 */

const EMPTY_SPLITS =
  "Nothing has been compared yet: choose the splits and press the button, and the rows that they share " +
  "appear here.";
const LEAKS_A_PAGE = 25;

/** Open the figure. */
export function openContamination() {
  return openTabbed(
    "dedup",
    "Rows that splits share",
    EMPTY_SPLITS,
    [
      {
        name: "heatmap",
        label: "Heatmap",
        picture: true,
        open: (_figure, panel) => openHeatmap(panel),
      },
      { name: "leaks", label: "Table", open: (_figure, panel) => openLeaks(panel) },
    ],
    contaminationFacts,
    {
      forget() {},
      waiting: (data) => progressElement(/** @type {ContaminationWaiting} */ (data)),
    },
  );
}

/**
 * The cell to begin with: most rows found, outside the diagonal if there are any.
 * @param {Contamination} data
 * @returns {[number, number] | null}
 */
function strongestCell({ matrix }) {
  const cells = matrix.flatMap((line, first) =>
    line.map(({ rows, share }, second) => ({ rows, share, first, second })),
  );
  const [best] = cells
    .filter(({ rows }) => rows)
    .sort(
      (one, other) =>
        Number(one.first === one.second) - Number(other.first === other.second) ||
        other.share - one.share,
    );
  return best ? [best.first, best.second] : null;
}

/**
 * What a match is.
 * @param {Contamination} data
 */
function measureSentence({ measure, threshold, request }) {
  const least = `of at least ${number(threshold)}`;
  if (measure === "jaccard") return `Jaccard similarity ${least}`;
  if (measure === "containment") return `containment (share of the row’s own shingles) ${least}`;
  const units = UNIT_NAMES[request.unit];
  return measure === "overlap"
    ? `any ${request.ngram} ${units[1]} in a row in common`
    : `a common run ${least} of the row’s ${units[1]}`;
}

/**
 * @param {Contamination["request"]} request
 * @param {number} run
 */
function runLength({ unit }, run) {
  return `${whole(run)} ${UNIT_NAMES[unit][run === 1 ? 0 : 1]}`;
}

/**
 * How like its match a row is, by the measure.
 * @param {Contamination} data
 * @param {Leak} leak
 */
function leakValue(data, leak) {
  if (data.measure === "longest") return number(leak.run_share ?? 0, 3);
  return number(data.measure === "jaccard" ? leak.jaccard : leak.containment, 3);
}

/**
 * What is left of the split that can be had clean.
 * @param {Contamination} data
 * @returns {HTMLElement[]}
 */
function cleanSentence({ clean, rows, splits }) {
  if (!clean) return [];
  return [
    h(
      "span",
      {},
      h("b", {}, whole(clean.rows)),
      ` of ${whole(rows[clean.split])} rows of `,
      h("bdi", {}, splits[clean.split]),
      " are in no other split",
    ),
  ];
}

/**
 * What is compared of each split: nobody chose it where no columns were named.
 * @param {Contamination} data
 */
function byColumns({ splits, provenance }) {
  const columns = provenance.columns.map((own) => own.join(" and "));
  return new Set(columns).size === 1
    ? `column ${columns[0]}`
    : splits.map((split, place) => `${split} by ${columns[place]}`).join(", ");
}

/** @param {Contamination} data */
function contaminationFacts(data) {
  const { splits, rows, matrix, request } = data;
  const outside = matrix
    .flatMap((line, first) => line.map((cell, second) => ({ cell, first, second })))
    .filter(({ first, second }) => first !== second);
  const units = UNIT_NAMES[request.unit][request.ngram === 1 ? 0 : 1];
  const facts = [
    byColumns(data),
    measureSentence(data),
    `shingles of ${request.ngram} ${units}`,
    "every pair compared, nothing estimated",
    `n = ${rows.map(whole).join(" + ")} rows`,
  ];
  return {
    title: h("bdi", { title: data.title }, data.title),
    key: outside
      .slice(0, 4)
      .map(({ cell, first, second }) =>
        h(
          "span",
          {},
          h("b", {}, whole(cell.rows ?? 0)),
          ` of ${whole(rows[first])} rows of `,
          h("bdi", {}, splits[first]),
          " in ",
          h("bdi", {}, splits[second]),
        ),
      )
      .concat(cleanSentence(data)),
    provenance: facts.join(", "),
    tags: data.example ? ["stored example"] : [],
    warnings: data.warnings,
  };
}

/**
 * The map, and the rows of the chosen cell.
 * @param {HTMLElement} panel
 */
function openHeatmap(panel) {
  const place = h("div", { class: "wide map" });
  const title = h("h2", {});
  const list = openFoldList("Rows found", LEAKS_A_PAGE);
  const cut = h("p", { class: "said" });
  panel.append(
    place,
    h(
      "p",
      { class: "picture-caption" },
      "A row’s cell says how many of that split’s rows have a match in the column’s split; on the " +
        "diagonal, a match among the other rows of the same split.",
    ),
    h("section", { class: "padded" }, title, cut, list.element),
  );
  let run = "";
  /** @type {[number, number] | null} */
  let cell = null;
  const draw = (/** @type {Contamination} */ data) => {
    const focused = place.contains(document.activeElement);
    const map = drawHeatmap(data, cell, (first, second) => {
      cell = [first, second];
      list.reset();
      draw(data);
    });
    place.replaceChildren(map);
    if (focused) focusOn(map.querySelector('[aria-pressed="true"]'));
    if (!cell) {
      title.textContent = "No row has a match.";
      list.update([]);
      return;
    }
    const [first, second] = cell;
    const leaks = data.leaks.filter((leak) => leak.split === first && leak.in === second);
    const count = data.matrix[first][second].rows ?? 0;
    if (data.matrix[first][second].rows === null) {
      title.textContent = "Not compared: the split is too large to be compared with itself.";
      cut.hidden = true;
      list.update([]);
      return;
    }
    title.replaceChildren(
      `${plural(count, "row")} of `,
      h("bdi", {}, data.splits[first]),
      count === 1 ? " has a match in " : " have a match in ",
      h("bdi", {}, first === second ? "the same split" : data.splits[second]),
    );
    cut.hidden = leaks.length >= count;
    cut.textContent = `The ${whole(leaks.length)} strongest are listed.`;
    const name = (/** @type {Leak} */ leak) => `row ${leak.row} is like row ${leak.match}`;
    list.update(
      leaks.map((leak) => leakItem(data, leak, h("span", { class: "who" }, name(leak)))),
      `${data.title} ${cell}`,
    );
  };
  return (/** @type {Contamination} */ data) => {
    const now = JSON.stringify([data.run_id, data.title, data.splits]);
    if (now !== run) cell = strongestCell(data);
    run = now;
    draw(data);
  };
}

/**
 * A row and its match, in a list.
 * @param {Contamination} data
 * @param {Leak} leak
 * @param {Node} name
 * @returns {FoldItem}
 */
function leakItem(data, leak, name) {
  return {
    key: [leak.split, leak.row, leak.in, leak.match].join("-"),
    label: () => [
      h("b", { class: "value" }, leakValue(data, leak)),
      name,
      h("bdi", { class: "excerpt" }, oneLine(leakText(data, leak.split, leak.row) ?? "")),
    ],
    content: () => leakDiff(data, leak),
  };
}

/**
 * @param {Contamination} data
 * @param {number} split
 * @param {number} row
 * @returns {string | undefined} none where it was not sent
 */
function leakText(data, split, row) {
  return data.texts[`${split}:${row}`];
}

/**
 * @param {Contamination} data
 * @param {Leak} leak
 */
function leakDiff(data, leak) {
  const label = (/** @type {number} */ split, /** @type {number} */ row) =>
    `${data.splits[split]}, row ${row}`;
  const [here, there] = [label(leak.split, leak.row), label(leak.in, leak.match)];
  return diffElement({
    left: { label: there, text: leakText(data, leak.in, leak.match) },
    right: { label: here, text: leakText(data, leak.split, leak.row) },
    heading: `${here} and ${there}`,
    verified: leak.jaccard,
    ngram: data.request.ngram,
    unit: data.request.unit,
    notes: [
      `${percent(leak.containment)} of the row’s shingles are in its match (containment).`,
      ...(leak.run
        ? [`The longest run that both have: ${runLength(data.request, leak.run)}.`]
        : []),
    ],
  });
}

/**
 * The numbers of every pair of splits, and all rows found.
 * @param {HTMLElement} panel
 */
function openLeaks(panel) {
  const table = h("div", { class: "wide" });
  const title = h("h2", {});
  const list = openFoldList("All rows found", LEAKS_A_PAGE);
  panel.append(h("div", { class: "padded" }, table, title, list.element));
  const heads = ["rows of", "in", "found", "of", "share"];
  return (/** @type {Contamination} */ data) => {
    const { splits, rows, matrix, leaks } = data;
    const lines = matrix.flatMap((line, first) =>
      line.map((cell, second) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, h("bdi", {}, splits[first])),
          h("td", {}, first === second ? "itself" : h("bdi", {}, splits[second])),
          h("td", { class: "num" }, cell.rows === null ? "not compared" : whole(cell.rows)),
          h("td", { class: "num" }, whole(rows[first])),
          h("td", { class: "num" }, cell.rows === null ? "" : percent(cell.share)),
        ),
      ),
    );
    table.replaceChildren(h("table", {}, tableHead(heads, [2, 3, 4]), h("tbody", {}, lines)));
    title.textContent = leaks.length ? "Rows found" : "No row has a match.";
    const name = (/** @type {Leak} */ leak) =>
      `${splits[leak.split]} ${leak.row} · ${splits[leak.in]} ${leak.match}`;
    list.update(
      leaks.map((leak) => leakItem(data, leak, h("bdi", { class: "who" }, name(leak)))),
      data.title,
    );
  };
}
