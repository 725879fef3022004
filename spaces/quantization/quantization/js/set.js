// A set of files of one model: the table of what was measured of each, size against quality, and the card.

import { h } from "../../../../shared/js/dom.js";
import { brief, megabytes, plural } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { COLUMNS, baseCells } from "./columns.js";
import { fileRows, openFits } from "./fits.js";
import { measuredRows } from "./measures.js";
import { openPareto } from "./pareto.js";

/** @import { Facts, Figure } from "../../../../shared/js/tabbed.js" */
/** @import { AnyRow, Compare, Need, Row, WrittenSet } from "./data.js" */

/** Columns of the comparison that a set's table has. */
const SET_COLUMNS = ["file_mb", "bits", "kld", "same_top", "ppl", "rank"];

/** Open the figure. */
export function openSet() {
  return openTabbed(
    "quantization",
    "Several files of one model",
    "Choose formats and press Write all.",
    [
      { name: "files", label: "Files", open: openFiles },
      {
        name: "size",
        label: "Size against quality",
        picture: true,
        open: (figure, panel) => ofCompared(openPareto(figure, panel)),
      },
      {
        name: "fits",
        label: "Which to take",
        hidden: ({ compared }) => !compared.memory || !fileRows(compared).length,
        open: (figure, panel) => ofCompared(openFits(figure, panel)),
      },
      { name: "notes", label: "Notes", open: openNotes },
      { name: "card", label: "Card", hidden: ({ card }) => !card, open: openSetCard },
    ],
    setFacts,
  );
}

/**
 * A view of a comparison as a view of a set.
 * @param {(data: Compare) => void} draw
 * @returns {(data: WrittenSet) => void}
 */
function ofCompared(draw) {
  return ({ compared }) => draw(compared);
}

/**
 * What stands above the views.
 * @param {WrittenSet} data
 * @returns {Facts}
 */
function setFacts({ title, compared, files, warnings, example, done }) {
  const { model, rows, provenance } = compared;
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const key = [
    `${measuredRows(compared).length} of ${plural(rows.length, "format")} written and measured`,
    `${plural(files.length, "file")}, ${megabytes(bytes)} MB`,
  ];
  const failed = rows.filter(({ status }) => status === "failed").length;
  if (failed) key.push(`${failed} failed`);
  const tags = example ? ["stored example: press Write all for the files"] : [];
  if (done) tags.push(`${provenance.seconds} s on ${provenance.device}`);
  return {
    title,
    key,
    provenance: [
      model.id,
      model.source,
      `${model.scored} scored tokens in ${plural(model.windows, "window")} of ${model.context}`,
      `text: ${provenance.text}`,
    ].join(" · "),
    tags,
    warnings,
  };
}

/**
 * The table of the files.
 * @param {Figure<WrittenSet>} _figure
 * @param {HTMLElement} panel
 * @returns {(data: WrittenSet) => void}
 */
function openFiles(_figure, panel) {
  const box = h("div", { class: "padded set-files" });
  panel.append(box);
  return ({ compared, needs, context, files }) => {
    const columns = COLUMNS.filter(({ key }) => SET_COLUMNS.includes(key));
    const kld = columns.findIndex(({ key }) => key === "kld");
    const titles = columns.map(({ title, key }) => (key === "kld" ? "KLD, nats (95 %)" : title));
    const words = compared.base ? baseCells(compared.base) : null;
    const wide = columns.length + 2;
    box.replaceChildren(
      scrollTable(
        "The files of the set",
        ["format", ...titles, `memory at ${context.toLocaleString("en-US")} tokens, MB`, "files"],
        [
          ...(words
            ? [
                headedRow("base, as published", [
                  ...columns.map(({ key }) => words[key] ?? ""),
                  "",
                  "",
                ]),
              ]
            : []),
          ...compared.rows.map((row) => {
            if (row.status !== "done") return unfinished(row, wide);
            const cells = columns.map((of, index) =>
              index === kld ? divergenceWords(row) : of.write(row),
            );
            const own = files.filter(({ format }) => format === row.format);
            const need = needs.find(({ format }) => format === row.format);
            return headedRow(row.format, [...cells, needWords(need), placeWords(own)]);
          }),
        ],
      ),
      h(
        "p",
        { class: "picture-caption" },
        "Every number is of the file, which was written, read back and then measured. MB are 10⁶ bytes. ",
        "Memory is file, keys and values in 16 bits, and what llama.cpp computes in; ≥ leaves the last out. ",
        "Rank is 1 + the rows that are better beyond doubt; = marks a tie.",
      ),
    );
  };
}

/**
 * The mean divergence with its interval.
 * @param {Row} row
 */
function divergenceWords({ kld: { mean, low, high } }) {
  if (low === null || high === null) return brief(mean);
  return `${brief(mean)} (${brief(low, 2)}–${brief(high, 2)})`;
}

/** @param {Need | undefined} need */
function needWords(need) {
  if (!need || need.bytes === null) return "–";
  return `${need.at_least ? "≥ " : ""}${megabytes(need.bytes)}`;
}

/**
 * A format's only file, or the folder of its files.
 * @param {WrittenSet["files"]} own
 */
function placeWords(own) {
  if (!own.length) return "";
  const [{ name }] = own;
  return own.length === 1
    ? name
    : `${name.slice(0, name.lastIndexOf("/") + 1)} (${own.length} files)`;
}

/**
 * A row that is not measured: why, or how far it is.
 * @param {Exclude<AnyRow, Row>} row
 * @param {number} width of the table in columns, without the first
 */
function unfinished(row, width) {
  const words =
    row.status === "failed"
      ? [h("b", {}, row.error.what), " ", row.error.remedy]
      : { running: "under way …", waiting: "waiting" }[row.status];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, row.format),
    h("td", { colspan: width, class: "said" }, words),
  );
}

/**
 * What a reader should know of each file.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: WrittenSet) => void}
 */
function openNotes(_figure, panel) {
  const box = h("div", { class: "padded detail" });
  panel.append(box);
  return ({ compared }) =>
    box.replaceChildren(
      ...measuredRows(compared).flatMap(({ format, version, notes: lines }) => [
        h("h4", {}, format),
        h("p", {}, `${version}.`),
        h(
          "ul",
          {},
          lines.map((line) => h("li", {}, line)),
        ),
      ]),
    );
}

/**
 * The card as it is pushed.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: WrittenSet) => void}
 */
function openSetCard(_figure, panel) {
  const text = h("pre", { class: "program", tabindex: 0, "aria-label": "Card of the set" });
  panel.append(h("div", { class: "padded" }, text));
  return ({ card }) => text.replaceChildren(card);
}
