// The figure for rows that several splits share: a map of every split against every split, and the rows found.

import { h } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import {
  drawState,
  drawTabs,
  exportButtons,
  openShell,
  panelOf,
  svgButton,
} from "../../../../shared/js/shell.js";
import { plural, whole } from "./axes.js";
import { diffElement } from "./diff.js";
import { openFoldList } from "./foldlist.js";
import { drawHeatmap } from "./heatmap.js";
import { oneLine } from "./run.js";

const LEAK_VIEWS = [
  { name: "heatmap", label: "Heatmap" },
  { name: "leaks", label: "Table" },
];
const LEAKS_A_PAGE = 25;

/** Make the figure; it answers to `show(data)` as the figure of a run does. */
export function openContamination() {
  const figure = {
    ...openShell("dedup", "Rows that splits share"),
    host: { fetch: null },
    data: null,
    current: "heatmap",
    cell: null,
  };
  figure.parts.warnings = h("ul", { class: "warnings", "aria-label": "Warnings" });
  figure.parts.frame.querySelector("figcaption").append(figure.parts.warnings);
  figure.show = (data) => showContamination(figure, data);
  figure.open = (name) => {
    figure.current = name;
    drawContamination(figure);
  };
  return figure;
}

function showContamination(figure, data) {
  const { parts } = figure;
  const hasMatrix = Boolean(data?.matrix);
  const error = data?.error ?? null;
  drawState(figure, contaminationState(data, error, hasMatrix));
  if (!hasMatrix) {
    for (const part of [parts.title, parts.key, parts.provenance, parts.tags, parts.warnings])
      part.replaceChildren();
    parts.frame.classList.add("vacant");
    return;
  }
  const name = (given) => JSON.stringify([given?.run_id, given?.title, given?.splits]);
  if (name(figure.data) !== name(data)) figure.cell = null;
  figure.data = data;
  figure.cell ??= strongestCell(data);
  drawContaminationCaption(figure);
  drawContamination(figure);
}

function contaminationState(data, error, hasMatrix) {
  if (error) return { error };
  if (!data || (!hasMatrix && !data.progress))
    return {
      empty:
        "Nothing was compared yet: choose the splits and press the button, and the rows that they share appear here.",
    };
  const { label = "Comparing splits", value = 0, max = 1 } = data.progress ?? {};
  if (!hasMatrix)
    return {
      empty: h(
        "div",
        { class: "going" },
        h("p", { class: "stage", role: "status" }, h("b", {}, label)),
        h("progress", { "aria-label": label, value, max: max || 1 }),
      ),
    };
  return data.done ? {} : { progress: { label, value, max: max || 1 } };
}

/** The cell to begin with: most rows found, outside the diagonal if there are any. */
function strongestCell({ matrix }) {
  let best = null;
  matrix.forEach((line, first) =>
    line.forEach((cell, second) => {
      if (!cell?.rows) return;
      const weight = [first === second ? 0 : 1, cell.share];
      if (
        !best ||
        weight[0] > best.weight[0] ||
        (weight[0] === best.weight[0] && weight[1] > best.weight[1])
      )
        best = { weight, place: [first, second] };
    }),
  );
  return best?.place ?? null;
}

function drawContaminationCaption({ parts, data }) {
  parts.title.replaceChildren(h("bdi", { title: data.title }, data.title));
  const measures = {
    jaccard: "Jaccard similarity",
    containment: "containment (share of the row’s own shingles)",
  };
  const request = data.request ?? {};
  const facts = [
    `${measures[data.measure]} of at least ${number(data.threshold)}`,
    request.ngram
      ? `shingles of ${request.ngram} ${request.unit}${request.ngram === 1 ? "" : "s"}`
      : null,
    "every pair compared, nothing estimated",
    `n = ${data.rows.map(whole).join(" + ")} rows`,
    data.seconds?.total ? `${number(data.seconds.total, 1)}\u202fs` : null,
  ];
  parts.provenance.textContent = facts.filter(Boolean).join(", ");
  const outside = data.matrix
    .flatMap((line, first) => line.map((cell, second) => ({ cell, first, second })))
    .filter(({ cell, first, second }) => cell && first !== second);
  parts.key.setAttribute("aria-label", "Key facts");
  parts.key.classList.add("joined");
  parts.key.replaceChildren(
    ...outside
      .slice(0, 4)
      .map(({ cell, first, second }) =>
        h(
          "li",
          {},
          h(
            "span",
            {},
            h("b", {}, whole(cell.rows)),
            ` of ${whole(data.rows[first])} rows of `,
            h("bdi", {}, data.splits[first]),
            " in ",
            h("bdi", {}, data.splits[second]),
          ),
        ),
      ),
  );
  const tags = [data.example && "stored example", data.cancelled && "stopped early"].filter(
    Boolean,
  );
  parts.tags.replaceChildren(...tags.map((text) => h("span", { class: "tag" }, text)));
  parts.warnings.replaceChildren(...(data.warnings ?? []).map((text) => h("li", {}, text)));
}

function drawContamination(figure) {
  drawTabs(figure, LEAK_VIEWS, figure.current, figure.open);
  const panel = panelOf(figure, figure.current);
  figure.parts.panels
    .querySelectorAll(".panel")
    .forEach((other) => (other.hidden = other !== panel));
  if (figure.current === "heatmap") updateHeatmap(figure, panel);
  else updateLeaks(figure, panel);
  const exportable = Boolean(figure.host.fetch) && figure.data.done;
  const mark = [figure.current, exportable].join();
  if (figure.parts.tools.dataset.mark === mark) return;
  figure.parts.tools.dataset.mark = mark;
  figure.parts.tools.replaceChildren(
    ...(figure.current === "heatmap" ? [svgButton(figure)] : []),
    ...(exportable
      ? exportButtons(
          figure,
          (name, argument) => figure.host.fetch(name, argument),
          () => figure.data,
        )
      : []),
  );
}

function updateHeatmap(figure, panel) {
  if (!figure.map) {
    figure.map = {
      place: h("div", { class: "wide map" }),
      title: h("h2", {}),
      list: openFoldList("Rows found", LEAKS_A_PAGE),
      cut: h("p", { class: "said" }),
    };
    const note = h(
      "p",
      { class: "picture-caption" },
      "A row’s cell says how many of that split’s rows have a match in the column’s split; on the diagonal, a match among the other rows of the same split.",
    );
    panel.append(
      figure.map.place,
      note,
      h("section", { class: "padded" }, figure.map.title, figure.map.cut, figure.map.list.element),
    );
  }
  const { data, cell, map } = figure;
  const focused = map.place.contains(document.activeElement);
  map.place.replaceChildren(
    drawHeatmap(data, cell, (first, second) => {
      figure.cell = [first, second];
      map.list.reset();
      updateHeatmap(figure, panel);
    }),
  );
  if (focused) map.place.querySelector('[aria-pressed="true"]')?.focus({ preventScroll: true });
  if (!cell) {
    map.title.textContent = "No row has a match.";
    map.list.update([]);
    return;
  }
  const [first, second] = cell;
  const found = data.leaks.filter((leak) => leak.split === first && leak.in === second);
  const count = data.matrix[first][second]?.rows ?? 0;
  map.title.replaceChildren(
    `${plural(count, "row")} of `,
    h("bdi", {}, data.splits[first]),
    count === 1 ? " has a match in " : " have a match in ",
    h("bdi", {}, first === second ? "the same split" : data.splits[second]),
  );
  map.cut.hidden = found.length >= count;
  map.cut.textContent = `The ${whole(found.length)} strongest are listed.`;
  map.list.update(
    found.map((leak) => leakItem(data, leak)),
    `${data.title} ${cell}`,
  );
}

function leakItem(data, leak) {
  const label = () => [
    h("b", { class: "value" }, number(leak[data.measure], 3)),
    h("span", { class: "who" }, `row ${leak.row} is like row ${leak.match}`),
    h("bdi", { class: "excerpt" }, oneLine(leakText(data, leak.split, leak.row) ?? "")),
  ];
  return {
    key: [leak.split, leak.row, leak.in, leak.match].join("-"),
    label,
    content: () => leakDiff(data, leak),
  };
}

function leakText(data, split, row) {
  return data.texts?.[`${split}:${row}`];
}

function leakDiff(data, leak) {
  const { ngram = 3, unit = "word" } = data.request ?? {};
  const label = (split, row) => `${data.splits[split]}, row ${row}`;
  return diffElement({
    left: { label: label(leak.in, leak.match), text: leakText(data, leak.in, leak.match) },
    right: { label: label(leak.split, leak.row), text: leakText(data, leak.split, leak.row) },
    heading: `${label(leak.split, leak.row)} and ${label(leak.in, leak.match)}`,
    verified: leak.jaccard,
    ngram,
    unit,
    notes: [`${percent(leak.containment)} of the row’s shingles are in its match (containment).`],
  });
}

function updateLeaks(figure, panel) {
  const { data } = figure;
  if (!figure.leaks) {
    figure.leaks = {
      table: h("div", { class: "wide" }),
      list: openFoldList("All rows found", LEAKS_A_PAGE),
      title: h("h2", {}),
    };
    panel.append(
      h(
        "div",
        { class: "padded" },
        figure.leaks.table,
        figure.leaks.title,
        figure.leaks.list.element,
      ),
    );
  }
  const heads = [
    ["rows of", ""],
    ["in", ""],
    ["found", "num"],
    ["of", "num"],
    ["share", "num"],
  ];
  const lines = data.matrix.flatMap((line, first) =>
    line.map((cell, second) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, h("bdi", {}, data.splits[first])),
        h("td", {}, first === second ? "itself" : h("bdi", {}, data.splits[second])),
        h("td", { class: "num" }, whole(cell?.rows)),
        h("td", { class: "num" }, whole(data.rows[first])),
        h("td", { class: "num" }, cell ? percent(cell.share) : "–"),
      ),
    ),
  );
  figure.leaks.table.replaceChildren(
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map(([text, name]) => h("th", { scope: "col", class: name }, text)),
        ),
      ),
      h("tbody", {}, lines),
    ),
  );
  figure.leaks.title.textContent = data.leaks.length ? "Rows found" : "No row has a match.";
  figure.leaks.list.update(
    data.leaks.map((leak) => ({
      ...leakItem(data, leak),
      label: () => [
        h("b", { class: "value" }, number(leak[data.measure], 3)),
        h(
          "bdi",
          { class: "who" },
          `${data.splits[leak.split]} ${leak.row} · ${data.splits[leak.in]} ${leak.match}`,
        ),
        h("bdi", { class: "excerpt" }, oneLine(leakText(data, leak.split, leak.row) ?? "")),
      ],
    })),
    data.title,
  );
}
