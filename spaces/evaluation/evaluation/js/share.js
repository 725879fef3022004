// The result as texts to take away: the summary, its numbers, and of a model what the Hub and lm-eval
// read.

import { copyable } from "../../../../shared/js/copyable.js";
import { h } from "../../../../shared/js/dom.js";
import { saveFile } from "../../../../shared/js/picture.js";
import { choice } from "../../../../shared/js/shell.js";

/** @import {Compare} from "./data.js" */

/**
 * A text to copy, as the file that it becomes.
 * @typedef {{label: string, text: string, name: string, type: string}} Shareable
 */

/**
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openShare(panel) {
  const body = h("div", { class: "eval-words eval-share" });
  panel.append(body);
  let drawn = "";
  let model = 0;
  return (data) => {
    if (model >= data.models.length) model = 0;
    const draw = () => {
      drawn = `${data.run_id} ${data.done} ${model}`;
      body.replaceChildren(...shareParts(panel, data, model, choose));
    };
    const choose = (/** @type {number} */ place) => {
      model = place;
      draw();
      body.querySelector("select")?.focus();
    };
    if (drawn !== `${data.run_id} ${data.done} ${model}`) draw();
  };
}

/**
 * @param {HTMLElement} panel
 * @param {Compare} data
 * @param {number} model
 * @param {(model: number) => void} choose
 */
function shareParts(panel, data, model, choose) {
  if (!data.summary) return [h("p", { class: "said" }, "The texts come when the run is over.")];
  const { markdown, csv, models } = data.summary;
  const { results, head, command, job } = models[model];
  /** @type {Shareable[]} */
  const whole = [
    { label: "Summary, Markdown", text: markdown, name: "evaluation.md", type: "text/markdown" },
    { label: "Every number, CSV", text: csv, name: "evaluation.csv", type: "text/csv" },
  ];
  /** @type {Shareable[]} */
  const own = [
    {
      label: "Results for the Hub, .eval_results",
      text: results,
      name: "evaluation.yaml",
      type: "application/yaml",
    },
    {
      label: "Section of its model card",
      text: `${head}\n## Evaluation\n\n${markdown}`,
      name: "card.md",
      type: "text/markdown",
    },
    {
      label: "lm-eval's command",
      text: command,
      name: "lm_eval.sh",
      type: "text/x-shellscript",
    },
    {
      label: "A full-size run as a job of the Hub, with its cost",
      text: job,
      name: "job.sh",
      type: "text/x-shellscript",
    },
  ];
  const take = (/** @type {Shareable} */ { label, text, name, type }) =>
    copyable(
      label,
      text,
      h(
        "button",
        {
          type: "button",
          "aria-label": `Save: ${label}`,
          onclick: () => saveFile(panel, name, type, text),
        },
        "save",
      ),
      " ",
    );
  const names = models.map(({ name }, place) => /** @type {const} */ ([String(place), name]));
  return [
    ...whole.map(take),
    h(
      "div",
      { class: "filters" },
      choice("For the model", names, String(model), (place) => choose(Number(place))),
    ),
    ...own.map(take),
  ];
}
