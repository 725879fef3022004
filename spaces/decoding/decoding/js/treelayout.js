// Where the tree's tokens stand: every returned sequence keeps a straight lane, a shared prefix
// lies in the first lane through it, and tokens not taken hang under the token taken. A folded
// stretch of steps is one column wide.

import { percent } from "../../../../shared/js/numbers.js";
import { fromLog, splitChildren } from "./paths.js";
import { textWidth, tokenLabel } from "./pill.js";
import { placesIn } from "./treefold.js";

/**
 * @import {Forest, Place} from "./paths.js"
 * @import {Stretch} from "./treefold.js"
 */

export const TREE_PILL = 26; // height of a taken token
const TREE_ROW = 20; // pitch of the tokens not taken
const TREE_GAP = 24; // between columns, where the lines are seen
const TREE_HEAD = 24; // step numbers
const TREE_RESERVED = 92; // width of a column that is still to come
const TREE_WIDEST = 176;
const TREE_FOLDED = 208; // width of a stretch

/**
 * @typedef {Object} Layout
 * @property {number[]} left x of each column
 * @property {number[]} width of each column; those of a stretch share left and width
 * @property {number[]} needed width of each column where nothing is folded
 * @property {Map<number, Stretch>} stretches by each of their steps
 * @property {number[]} laneY centre of each lane
 * @property {number} totalWidth
 * @property {number} totalHeight
 * @property {Item[]} items in the order of a walk down the tree
 *
 * @typedef {Object} Hanging a place to draw
 * @property {Place} place
 * @property {boolean} taken
 * @property {number} lane that it lies in, or hangs under
 * @property {number} row under the lane
 * @property {number} level in the tree, as a screen reader counts
 * @property {number} position among its siblings
 * @property {number} size how many siblings there are
 * @property {Place[] | null} folded the places that it stands for, where it is a stretch
 *
 * @typedef {Hanging & {x: number, y: number, width: number, height: number}} Item
 *
 * @typedef {Object} LayoutOptions
 * @property {number} alternatives tokens not taken of each step
 * @property {boolean} running
 * @property {number} wanted columns to keep free while running
 * @property {string} selected
 * @property {number[]} widths smallest of each column, so that a growing picture never narrows
 * @property {Stretch[]} folded
 */

/**
 * Where everything stands.
 * @param {Forest} forest
 * @param {LayoutOptions} options
 * @returns {Layout}
 */
export function layOutTree(forest, options) {
  /** @type {Hanging[]} */
  const hanging = [];
  const rows = forest.lanes.map(() => 0);
  /** @type {Map<number, Stretch>} */
  const stretches = new Map();
  for (const stretch of options.folded)
    for (let step = stretch.from; step <= stretch.to; step += 1) stretches.set(step, stretch);
  walk(forest.root, options, stretches, hanging, rows, 1, 1, 1);
  const columns = Math.max(
    forest.depth,
    options.running ? options.wanted : 0,
    ...hanging.map(({ place }) => place.depth),
  );
  const needed = Array.from({ length: columns + 1 }, (_, column) => options.widths[column] ?? 0);
  needed[0] = 104;
  for (const { place, taken, folded } of hanging) {
    if (place.depth === 0 || folded) continue;
    const note = textWidth(percent(fromLog(place.logprob))) * 10;
    const words = textWidth(tokenLabel(place)) * (taken ? 12.5 : 11) + note + (taken ? 26 : 38);
    needed[place.depth] = Math.max(
      needed[place.depth],
      72,
      Math.min(TREE_WIDEST, Math.ceil(words)),
    );
  }
  for (let column = 1; column <= columns; column += 1) needed[column] ||= TREE_RESERVED;
  const width = needed.map((own, column) => (stretches.has(column) ? TREE_FOLDED : own));
  const left = [12];
  for (let column = 1; column <= columns; column += 1) {
    const stretch = stretches.get(column);
    const same = stretch !== undefined && stretch === stretches.get(column - 1);
    left.push(same ? left[column - 1] : left[column - 1] + width[column - 1] + TREE_GAP);
  }
  /** @type {number[]} */
  const laneY = [];
  let y = TREE_HEAD;
  forest.lanes.forEach((lane, index) => {
    const empty =
      lane.start >= lane.path.length && !(options.running && lane.order === 0) && index > 0;
    laneY[index] = y + 18 + TREE_PILL / 2;
    if (!empty)
      y += 18 + TREE_PILL + 12 + (options.running ? options.alternatives : rows[index]) * TREE_ROW;
  });
  if (!forest.lanes.length) laneY[0] = TREE_HEAD + 18 + TREE_PILL / 2;
  const items = hanging.map((item) => {
    const { place, taken, lane, row } = item;
    const inset = taken ? 0 : 10;
    const below = taken ? -TREE_PILL / 2 : TREE_PILL / 2 + 5 + row * TREE_ROW;
    return {
      ...item,
      x: left[place.depth] + inset,
      width: width[place.depth] - inset,
      y: laneY[lane] + below,
      height: taken ? TREE_PILL : TREE_ROW - 2,
    };
  });
  const full = items.some(({ place, taken }) => taken && place.depth === columns);
  return {
    left,
    width,
    needed,
    stretches,
    laneY,
    items,
    totalWidth: left[columns] + width[columns] + (full ? 110 : 24),
    totalHeight: Math.max(y, 90) + 4,
  };
}

/**
 * @param {Place} place
 * @param {LayoutOptions} options
 * @param {Map<number, Stretch>} stretches by each of their steps
 * @param {Hanging[]} items is filled
 * @param {number[]} rows under each lane; is filled
 * @param {number} level
 * @param {number} position
 * @param {number} size
 */
function walk(place, options, stretches, items, rows, level, position, size) {
  const stretch = stretches.get(place.depth);
  const folded = stretch ? placesIn(place, stretch) : null;
  items.push({ place, taken: true, lane: place.lane ?? 0, row: 0, level, position, size, folded });
  const { taken, others } = splitChildren(folded?.at(-1) ?? place);
  const hangs = taken[0]?.lane ?? place.lane ?? 0;
  // what was not taken hangs at the step after; under a stretch it would say nothing
  const hidden = stretches.has((folded?.at(-1) ?? place).depth + 1);
  const shown = others.filter(
    (child, index) => child.key === options.selected || (!hidden && index < options.alternatives),
  );
  const count = taken.length + shown.length;
  rows[hangs] = Math.max(rows[hangs] ?? 0, shown.length);
  const hang = (/** @type {number} */ shift, /** @type {number} */ first) =>
    shown.forEach((other, row) =>
      items.push({
        place: other,
        taken: false,
        lane: hangs,
        row: row + shift,
        level: level + 1,
        position: row + first,
        size: count,
        folded: null,
      }),
    );
  taken.forEach((child, index) => {
    const order = index === 0 ? 1 : shown.length + index + 1;
    walk(child, options, stretches, items, rows, level + 1, order, count);
    if (index === 0) hang(0, 2);
  });
  if (!taken.length) hang(-1.5, 1);
}

/**
 * What is drawn of a place: itself, or the stretch that it is folded into.
 * @param {Layout} layout
 * @param {Place} place
 */
export function itemAt(layout, place) {
  return layout.items.find((item) => item.place === place || item.folded?.includes(place)) ?? null;
}

/**
 * The place that an arrow key leads to.
 * @param {Layout} layout
 * @param {string} key of the focused place
 * @param {string} arrow the keyboard event's `key`
 */
export function neighbour(layout, key, arrow) {
  const at = layout.items.find(({ place }) => place.key === key);
  if (!at) return null;
  const itemOf = (/** @type {Place | null} */ place) => (place ? itemAt(layout, place) : null);
  if (arrow === "ArrowLeft") return itemOf(at.place.parent);
  if (arrow === "ArrowRight") {
    const { taken, others } = splitChildren(at.folded?.at(-1) ?? at.place);
    const same = taken.find((child) => child.lane === at.place.lane) ?? taken[0] ?? others[0];
    return same ? itemOf(same) : null;
  }
  if (arrow === "Home") return layout.items[0];
  if (arrow === "End") {
    let { place } = at;
    for (let { taken } = splitChildren(place); taken.length; { taken } = splitChildren(place))
      place = taken.find((child) => child.lane === place.lane) ?? taken[0];
    return itemOf(place);
  }
  const column = layout.items
    .filter(({ place }) => place.depth === at.place.depth)
    .sort((one, other) => one.y - other.y);
  return column[column.indexOf(at) + (arrow === "ArrowDown" ? 1 : -1)] ?? null;
}
