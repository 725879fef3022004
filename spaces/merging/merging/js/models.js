// Names, colours and the legend of models.

import { h } from "../../../../shared/js/dom.js";

/** @import { Model, Role } from "./data.js" */

/** @typedef {{name: string, role: Role}} Named */

/**
 * Colour class of a model: parents in their order, the child in ink.
 * @param {readonly Named[]} models
 * @param {string} name
 */
export function colourOf(models, name) {
  if (models.find((model) => model.name === name)?.role === "child") return "child";
  const parents = models.filter(({ role }) => role !== "child");
  return "abcd"[parents.findIndex((parent) => parent.name === name) % 4];
}

/**
 * A model's name without its owner's.
 * @param {string} name
 */
export function shortName(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

/**
 * An expert's number and name, as far as so many letters reach.
 * @param {readonly string[]} experts
 * @param {number} place
 * @param {number} letters
 */
export function expertName(experts, place, letters) {
  const name = shortName(experts[place] ?? "");
  return name.length <= letters ? name : `${place + 1} ${name.slice(0, Math.max(1, letters - 3))}…`;
}

/**
 * A legend of the models.
 * @param {readonly Model[]} models
 */
export function modelLegend(models) {
  return h(
    "ul",
    { class: "models", "aria-label": "Models" },
    models.map(({ name, role }) =>
      h(
        "li",
        {},
        h("span", { class: `swatch series-${colourOf(models, name)}`, "aria-hidden": "true" }),
        h("bdi", {}, shortName(name)),
        { child: " (the merge)", base: " (base)", parent: "" }[role],
      ),
    ),
  );
}
