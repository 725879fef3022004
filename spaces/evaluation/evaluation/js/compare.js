// Models on the same items: scores and differences, the run as it came in, every item, calibration, texts to
// take away.

import { brief, plural } from "../../../../shared/js/numbers.js";
import { saveFile } from "../../../../shared/js/picture.js";
import { toolButton } from "../../../../shared/js/shell.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openCalibration } from "./calibration.js";
import { openContamination } from "./contamination.js";
import { ofTwo, openItems } from "./items.js";
import { openLooks } from "./looks.js";
import { sample } from "./marks.js";
import { openScores } from "./scores.js";
import { openShare } from "./share.js";
import { openNumbers } from "./table.js";

/**
 * @import {Compare} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/**
 * What the views of one figure share.
 * @typedef {Object} Session
 * @property {string} filter name of the items that are listed
 * @property {number} other the model that is held against the first
 * @property {string} task "" for all
 * @property {string} item key of the open item
 * @property {(change: Partial<Session>) => void} choose
 */

/** Open the figure. */
export function openCompare() {
  /** @type {Session} */
  const session = { filter: "differ", other: 1, task: "", item: "", choose: () => {} };
  /** @type {Figure<Compare>} */
  const figure = openTabbed(
    "evaluation",
    "Models on the same items",
    "Name two models and press Compare.",
    [
      {
        name: "scores",
        label: "Scores and differences",
        picture: true,
        open: (_, panel) =>
          openScores(panel, (pressed) => {
            session.choose({ ...pressed, filter: "differ", item: "" });
            figure.open("items");
          }),
      },
      { name: "items", label: "Every item", open: (_, panel) => openItems(panel, session) },
      { name: "numbers", label: "Numbers", open: (_, panel) => openNumbers(panel) },
      {
        name: "looks",
        label: "As it came in",
        picture: true,
        hidden: (data) => data.models.length < 2,
        open: (_, panel) => openLooks(panel),
      },
      {
        name: "calibration",
        label: "Calibration",
        picture: true,
        open: (_, panel) => openCalibration(panel, session),
      },
      {
        name: "corpus",
        label: "In the corpus",
        hidden: (data) => !data.contamination,
        open: (_, panel) => openContamination(panel),
      },
      { name: "share", label: "Share", open: (_, panel) => openShare(panel) },
    ],
    (data) => ({
      title: data.verdicts[0],
      key: data.models.map(({ name }, place) => sample(place, name)),
      provenance: compareProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
      warnings: data.stopped ? [data.stopped] : [],
    }),
    {
      forget: () => {},
      take(data) {
        if (session.other >= data.models.length) session.other = 1; // there may be one again
        if (!data.tasks.some(({ name }) => name === session.task)) session.task = "";
        if (session.filter === "held" && !data.contamination) session.filter = "all";
        if (data.models.length < 2 && ofTwo(session.filter)) session.filter = "all";
      },
      tools: () => ({
        mark: String(Boolean(figure.data?.summary)),
        buttons: () => (figure.data?.summary ? summaryButtons(figure) : []),
      }),
    },
  );
  session.choose = (change) => {
    Object.assign(session, change);
    figure.refresh();
  };
  return figure;
}

/**
 * Buttons that save the result as text.
 * @param {Figure<Compare>} figure
 */
function summaryButtons(figure) {
  const save = (
    /** @type {string} */ name,
    /** @type {string} */ type,
    /** @type {string} */ text,
  ) => saveFile(figure.root, name, type, text);
  const { data } = figure;
  if (!data?.summary) return [];
  const { markdown, csv } = data.summary;
  const lines = data.items.map((item) => JSON.stringify(item)).join("\n");
  return [
    toolButton("Markdown", "Download the summary as Markdown", () =>
      save("evaluation.md", "text/markdown", markdown),
    ),
    toolButton("CSV", "Download the scores as CSV", () => save("evaluation.csv", "text/csv", csv)),
    toolButton("Items", "Download the items as JSON Lines", () =>
      save("items.jsonl", "application/jsonl", `${lines}\n`),
    ),
  ];
}

/** @param {Compare} data */
function compareProvenance({ models, provenance, items, planned, seconds, done, example }) {
  const { metric, chat, seed } = provenance;
  const took = !example && done ? [`${brief(seconds, 2)} s`] : [];
  return [
    items.length < planned
      ? `${items.length} of ${plural(planned, "item")}`
      : plural(planned, "item"),
    `${metric}, chat template ${chat ? "on" : "off"}`,
    `seed ${seed}`,
    models[0].origin.source,
    `${models[0].origin.dtype} on ${models[0].device === "cuda" ? "a GPU" : "a processor"}`,
    ...took,
  ].join(" · ");
}
