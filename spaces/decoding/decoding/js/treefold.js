// Which steps of the tree fold: those between two forks, where every line goes on without parting.
// No drawing here.

/**
 * @import {Forest, Place} from "./paths.js"
 *
 * @typedef {{from: number, to: number}} Stretch steps, both included
 */

const SHORTEST = 4; // steps that are worth a fold

/**
 * Whether lines part after a place.
 * @param {Place} place
 */
export function isFork(place) {
  return place.children.filter((child) => child.lane !== null).length > 1;
}

/**
 * The places where lines part, from left to right, and in a column from the top.
 * @param {Forest} forest
 * @returns {Place[]}
 */
export function forksOf(forest) {
  return [...forest.places.values()]
    .filter(isFork)
    .sort((one, other) => one.depth - other.depth || (one.lane ?? 0) - (other.lane ?? 0));
}

/**
 * The stretches of steps at which no line parts, ends or is looked at. The steps beside a fork stay:
 * they are what it is about.
 * @param {Forest} forest
 * @param {Set<number>} open steps that must not fold
 * @returns {Stretch[]}
 */
export function stretchesOf(forest, open) {
  const busy = new Set([0, 1, ...open]);
  for (const { path } of forest.lanes) {
    busy.add(path.length - 1);
    for (const place of path) if (isFork(place)) busy.add(place.depth).add(place.depth + 1);
  }
  /** @type {Stretch[]} */
  const stretches = [];
  let from = 1;
  for (let step = 1; step <= forest.depth + 1; step += 1) {
    if (step <= forest.depth && !busy.has(step)) continue;
    if (step - from >= SHORTEST) stretches.push({ from, to: step - 1 });
    from = step + 1;
  }
  return stretches;
}

/**
 * The places of a line from a stretch's first on.
 * @param {Place} place at the stretch's first step
 * @param {Stretch} stretch
 * @returns {Place[]}
 */
export function placesIn(place, { from, to }) {
  const places = [place];
  for (let step = from; step < to; step += 1) {
    const next = places[places.length - 1].children.find((child) => child.lane !== null);
    if (!next) break; // never: no line ends within a stretch
    places.push(next);
  }
  return places;
}
