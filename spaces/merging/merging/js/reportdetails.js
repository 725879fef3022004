// What stands behind a report: the findings on the recipe, the tensors that differ, the parents in the
// weights.

import { h } from "../../../../shared/js/dom.js";
import { brief, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { stateWords } from "./reportview.js";
import { testParts } from "./treecards.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Finding, ModelReport, PublishedRecipe, ReplayedModel } from "./data.js" */

/**
 * Open the view of the recipe.
 * @param {Figure<ModelReport>} figure
 * @param {HTMLElement} panel
 * @returns {(data: ModelReport) => void}
 */
export function openReportRecipe(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ model, recipe, findings }) =>
    box.replaceChildren(
      ...(recipe
        ? [
            ...(recipe.choices.length > 1 ? recipeChoices(figure, model, recipe) : []),
            h(
              "p",
              {},
              findings.length
                ? "What the check says of it:"
                : "The check has nothing to say of it.",
            ),
            ...(findings.length ? [findingList(findings)] : []),
            h("h2", {}, `Its recipe, from ${recipe.source}`),
            h("pre", { class: "report-text", tabindex: 0, "aria-label": "Recipe" }, recipe.text),
          ]
        : [
            h("p", {}, "It publishes no recipe: neither a file of mergekit's nor one in its card."),
          ]),
    );
}

/** Models of a recipe that are named where several can be chosen: enough to tell them apart. */
const MOST_SHOWN = 4;

/**
 * The recipes that a model publishes, and a button for a report on each of the others.
 * @param {Figure<ModelReport>} figure
 * @param {string} model
 * @param {PublishedRecipe} recipe
 */
function recipeChoices({ host }, model, { choices, number }) {
  const items = choices.map((one) =>
    h(
      "li",
      {},
      `Number ${one.number}, from ${one.source}: ${one.method} of `,
      h("bdi", {}, one.models.slice(0, MOST_SHOWN).join(", ")),
      one.models.length > MOST_SHOWN ? ` and ${one.models.length - MOST_SHOWN} more` : "",
      " ",
      one.number === number
        ? h("b", {}, "reported here")
        : host.exported
          ? null
          : h(
              "button",
              {
                type: "button",
                onclick: () => host.emit("choose_recipe", { model, which: one.number }),
              },
              `Report on number ${one.number}`,
            ),
    ),
  );
  return [
    h("p", {}, `It publishes ${plural(choices.length, "recipe")}; one is checked and replayed.`),
    h("ul", { class: "evidence" }, items),
  ];
}

/** @param {Finding[]} findings */
function findingList(findings) {
  return h(
    "ul",
    { class: "evidence" },
    findings.map(({ level, where, message, fix }) =>
      h(
        "li",
        {},
        h("b", {}, level),
        " ",
        where ? [h("code", {}, h("bdi", {}, where)), ": "] : null,
        h("bdi", {}, message),
        " ",
        h("span", { class: "said" }, h("bdi", {}, fix)),
      ),
    ),
  );
}

/**
 * Open the view of the weights.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: ModelReport) => void}
 */
export function openReportWeights(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ replay, paternity, fitted, untested }) =>
    box.replaceChildren(
      ...(replay ? replayParts(replay) : [h("p", {}, "The replay is not over yet.")]),
      ...(paternity ? testParts(paternity) : untested ? [h("p", {}, untested)] : []),
      ...(fitted.length
        ? [
            scrollTable(
              "Coefficients that are stated and found",
              ["parent", "the recipe states", "the weights hold", ""],
              fitted.map(({ name, declared, found, sigma, agrees }) =>
                headedRow(h("bdi", {}, name), [
                  brief(declared),
                  `${brief(found)} ± ${brief(sigma)}`,
                  agrees ? "agrees" : "does not agree",
                ]),
              ),
              "numbers words",
            ),
          ]
        : []),
    );
}

/** @param {ReplayedModel} replay */
function replayParts(replay) {
  const {
    how,
    says,
    tensors,
    compared,
    weights,
    compared_weights: read,
    differing,
    limits,
  } = replay;
  return [
    h("h2", {}, "The replay"),
    h("p", {}, h("bdi", {}, says)),
    ...(how === "none"
      ? []
      : [
          h(
            "p",
            { class: "said" },
            `${whole(compared)} of ${whole(tensors)} tensors compared, ${whole(read)} of ${whole(weights)} ` +
              `weights (${percent(read / Math.max(1, weights))}).`,
          ),
        ]),
    ...(differing.length
      ? [
          scrollTable(
            "Tensors that are not the same",
            ["tensor", "", "entries that differ", "by at most", "recipe gives", "stored"],
            differing.map(({ name, state, different, entries, largest, given, stored }) =>
              headedRow(h("code", {}, h("bdi", {}, name)), [
                stateWords(state),
                `${whole(different)} of ${whole(entries)}`,
                brief(largest),
                given || "–",
                stored || "–",
              ]),
            ),
            "numbers words",
          ),
        ]
      : []),
    ...(limits.length
      ? [
          h("p", {}, "What this cannot tell:"),
          h(
            "ul",
            { class: "evidence" },
            limits.map((limit) => h("li", {}, h("bdi", {}, limit))),
          ),
        ]
      : []),
  ];
}
