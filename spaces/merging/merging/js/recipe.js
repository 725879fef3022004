// What the form reads and writes of a recipe. The visitor wrote it: every part may be of another shape than
// mergekit's.

/** @import { Method } from "./data.js" */

/**
 * What holds parameters: the recipe or a model.
 * @typedef {{[key: string]: unknown, parameters?: unknown}} Holder
 */
/**
 * A model, an expert or a slice's source.
 * @typedef {Holder & {model?: unknown, layer_range?: unknown}} Entry
 */
/**
 * @typedef {Holder & {merge_method?: unknown, base_model?: unknown, models?: unknown, slices?: unknown,
 *   modules?: unknown, experts?: unknown}} Recipe
 */

/**
 * The mappings of a list.
 * @param {unknown} list
 * @returns {Entry[]}
 */
export function entriesOf(list) {
  return Array.isArray(list) ? list.filter(isMapping) : [];
}

/**
 * The sources of all slices, with the place of their slice.
 * @param {Recipe} recipe
 */
export function slicesOf({ slices }) {
  return (Array.isArray(slices) ? slices : []).flatMap((slice, place) =>
    entriesOf(isMapping(slice) ? slice.sources : []).map((source) => ({ source, place })),
  );
}

/**
 * A holder's parameters.
 * @param {Holder} holder
 */
export function parametersOf({ parameters }) {
  return isMapping(parameters) ? parameters : {};
}

/**
 * Put parameters into a holder, or none where there are none.
 * @param {Holder} holder
 * @param {Record<string, unknown>} parameters
 */
export function putParameters(holder, parameters) {
  if (Object.keys(parameters).length) holder.parameters = parameters;
  else delete holder.parameters;
}

/**
 * Give a recipe what another method needs, and take away what it does not know.
 * @param {Recipe} recipe
 * @param {Method} method
 */
export function fitTo(recipe, method) {
  fitHolder(recipe, recipe, method, false);
  for (const entry of entriesOf(recipe.models)) fitHolder(entry, recipe, method, true);
}

/**
 * @param {Entry} holder
 * @param {Recipe} recipe
 * @param {Method} method
 * @param {boolean} isModel
 */
function fitHolder(holder, recipe, method, isModel) {
  const isBase = isModel && holder.model === recipe.base_model;
  const parameters = { ...parametersOf(holder) };
  for (const name of Object.keys(parameters)) {
    const known = method.parameters.find((parameter) => parameter.name === name);
    if (!known || (isModel && !known.each)) delete parameters[name];
  }
  for (const { name, required, each, on_base: onBase } of method.parameters) {
    const missing = parameters[name] === undefined && parametersOf(recipe)[name] === undefined;
    if (required && each === isModel && !(isBase && !onBase) && missing)
      parameters[name] = name === "t" ? 0.5 : 1;
  }
  putParameters(holder, parameters);
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isMapping(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
