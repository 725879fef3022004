// Area is joint probability: columns are steps, and every token takes its share of its parent's
// height.

import { s } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { strokesOf } from "./lines.js";
import { ancestry, fromLog, isRemoved, seriesOf } from "./paths.js";
import { fitText, spoken, tailOf, textWidth, tokenLabel } from "./pill.js";

/**
 * @import {Session} from "./figure.js"
 * @import {Lane, Place} from "./paths.js"
 *
 * @typedef {Object} Cell in pixels of a picture `AREA_HEIGHT` high
 * @property {Place} at the place, or the one whose unlisted children the cell stands for
 * @property {boolean} listed
 * @property {number} column
 * @property {number} y
 * @property {number} height
 * @property {number} share of the parent's height
 */

export const AREA_COLUMN = 128;
export const AREA_HEIGHT = 440;
export const AREA_TOP = 22;
const AREA_THINNEST = 0.6; // pixels on the screen: below this a token cannot be seen
const AREA_LABELLED = 10.5; // pixels on the screen: below this its letters could not be read
const AREA_LETTERS = 11.5;
export const AREA_LABELS = 200; // room for the runs' names at the right

/**
 * Cells of the icicle below a place.
 * @param {Place} focus the place that takes the whole height
 * @param {number} zoom of the picture: what is larger shows more
 */
export function layOutArea(focus, zoom) {
  const thinnest = AREA_THINNEST / zoom;
  /** @type {Cell[]} */
  const cells = [];
  /**
   * @param {Place} place
   * @param {number} column
   * @param {number} y
   * @param {number} height
   */
  const visit = (place, column, y, height) => {
    const share = column === 0 ? 1 : fromLog(place.logprob);
    cells.push({ at: place, listed: true, column, y, height, share });
    if (!place.children.length) return;
    let at = y;
    let left = 1;
    for (const child of [...place.children].sort(
      (one, other) => (other.logprob ?? -Infinity) - (one.logprob ?? -Infinity),
    )) {
      const part = Math.min(left, fromLog(child.logprob));
      left -= part;
      if (height * part >= thinnest) visit(child, column + 1, at, height * part);
      at += height * part;
    }
    // Children too thin to be seen lie in the gap above this one and stay blank.
    if (height * left >= thinnest)
      cells.push({
        at: place,
        listed: false,
        column: column + 1,
        y: at,
        height: height * left,
        share: left,
      });
  };
  visit(focus, 0, 0, AREA_HEIGHT);
  return cells;
}

/**
 * Whether a place's words have room while another takes the whole height.
 * @param {Place} place
 * @param {Place} focus
 * @param {number} zoom
 */
export function isLabelled(place, focus, zoom) {
  if (!ancestry(place).includes(focus)) return false;
  return AREA_HEIGHT * Math.exp(place.joint - focus.joint) * zoom >= AREA_LABELLED;
}

/**
 * How the layers must be moved so that a picture starts where the one before had left off.
 * @param {Cell[]} before
 * @param {Cell[]} after
 * @returns {string | null} a transform; null where the two have nothing to follow in common
 */
export function shiftBetween(before, after) {
  const [was, is] = [before[0], after[0]];
  const old = before.find(({ at, listed }) => listed && at === is.at);
  const now = after.find(({ at, listed }) => listed && at === was.at);
  const [from, to] = old ? [old, is] : now ? [was, now] : [null, null];
  if (!from || !to || from === to) return null;
  const [one, other] = [boxOf(from), boxOf(to)];
  const scale = one.height / other.height;
  if (scale > 40 || scale < 1 / 40) return null;
  return `translate(${one.x - other.x}px, ${one.y - other.y * scale}px) scale(1, ${scale})`;
}

/** @param {Cell} cell */
function boxOf({ column, y, height }) {
  return { x: 8 + column * AREA_COLUMN, y: AREA_TOP + y, width: AREA_COLUMN, height };
}

/**
 * @param {Cell} cell
 * @param {string} hatch paint of what was removed or is not listed
 */
export function drawGround(cell, hatch) {
  const { at, listed } = cell;
  const kind = !listed ? "rest" : at.lane === null ? "other" : "taken";
  const ground = s("rect", { ...boxOf(cell), class: `ground ${kind}` });
  if (listed && !isRemoved(at)) return ground;
  return s("g", {}, ground, s("rect", { ...boxOf(cell), fill: hatch, class: "veil" }));
}

/**
 * @param {Cell} cell
 * @param {Session} session
 * @param {string} active key of the place that the keyboard is on
 * @param {number} zoom
 */
export function drawCell(cell, session, active, zoom) {
  const { at: place, listed, column } = cell;
  if (!listed) return drawRest(cell, zoom);
  const selected = place.key === session.selected.key;
  const odds = percent(fromLog(place.logprob));
  const classes = [
    "cell",
    place.lane !== null && "taken",
    selected && "selected",
    isRemoved(place) && "removed",
  ];
  const [text, note] = place.parent
    ? [tokenLabel(place), odds]
    : [tailOf(session.trace.prompt.text, 14), ""];
  return s(
    "g",
    {
      class: classes.filter(Boolean).join(" "),
      role: "treeitem",
      tabindex: place.key === active ? 0 : -1,
      "data-key": place.key,
      "aria-level": column + 1,
      "aria-selected": String(selected),
      "aria-label": place.parent
        ? `${spoken(place)}, ${odds}, joint ${percent(Math.exp(place.joint))}`
        : "The prompt",
    },
    s("rect", { ...boxOf(cell), class: "edge" }),
    cellWords(cell, text, note, zoom),
  );
}

/**
 * What a cell says, where it has room.
 * @param {Cell} cell
 * @param {string} text
 * @param {string} note
 * @param {number} zoom
 */
function cellWords(cell, text, note, zoom) {
  if (cell.height * zoom < AREA_LABELLED) return [];
  const { x } = boxOf(cell);
  const y = middleOf(cell);
  const size = Math.min(AREA_LETTERS, cell.height * 0.95);
  const style = { "font-size": `${size}px` };
  const room = AREA_COLUMN - 18 - (note ? textWidth(note) * 10 : 0);
  const end = { x: x + AREA_COLUMN - 7, "text-anchor": "end" };
  return [
    s("text", { class: "token", x: x + 8, y, style }, fitText(text, room / size)),
    note
      ? s("text", { class: "note", y, ...end, style: { "font-size": `${size * 0.92}px` } }, note)
      : null,
  ];
}

/** @param {Cell} cell */
const middleOf = ({ y, height }) =>
  AREA_TOP + y + Math.min(height / 2, 200) + Math.min(4, height * 0.35);

/**
 * The tokens that the trace does not list.
 * @param {Cell} cell
 * @param {number} zoom
 */
function drawRest(cell, zoom) {
  const { at, height, share } = cell;
  const box = boxOf(cell);
  const words =
    height * zoom >= AREA_LABELLED
      ? s(
          "text",
          {
            class: "note rest-label",
            x: box.x + 8,
            y: middleOf(cell),
            style: { "font-size": `${Math.min(10.5, height * 0.95)}px` },
          },
          `other tokens: ${percent(share)}`,
        )
      : null;
  return s(
    "g",
    { class: "cell rest", role: "none" },
    s("rect", { ...box, class: "edge" }),
    words,
    s(
      "title",
      {},
      `${percent(share)} of the odds after “${tokenLabel(at)}” go to tokens that are not listed`,
    ),
  );
}

/**
 * @param {number} columns
 * @param {number} depth of the place that takes the whole height
 */
export function drawAreaSteps(columns, depth) {
  return Array.from({ length: columns + 1 }, (_, column) => {
    const step = depth + column;
    return s(
      "text",
      { class: "step", x: 16 + column * AREA_COLUMN, y: 14 },
      step ? String(step) : "prompt",
    );
  });
}

/**
 * Outline every run's cells, and name the runs where their cells become too thin to be seen.
 * @param {Cell[]} cells
 * @param {Session} session
 * @param {Place} focus
 * @param {number} columns
 */
export function outlineRuns(cells, { trace, forest }, focus, columns) {
  const byKey = new Map(cells.filter(({ listed }) => listed).map((cell) => [cell.at.key, cell]));
  /** @type {SVGElement[]} */
  const marks = [];
  /** @type {{index: number, lane: Lane, y: number, column: number, rest: number}[]} */
  const names = [];
  trace.runs.forEach((run, index) => {
    const lane = forest.lanes.find(
      (candidate) => candidate.run === index && candidate.path.includes(focus),
    );
    if (!lane) return;
    /** @type {Cell | undefined} */
    let last;
    for (const place of lane.path.slice(focus.depth)) {
      const cell = byKey.get(place.key);
      if (!cell) break;
      last = cell;
      if (place === focus) continue;
      const inset = Math.min(1.5 + place.users.indexOf(index) * 4, cell.height / 2);
      const [x, y] = [8 + cell.column * AREA_COLUMN + 1.5, AREA_TOP + cell.y + inset];
      const bottom = AREA_TOP + cell.y + cell.height - inset;
      const outline =
        bottom - y < 3
          ? `M${x} ${(y + bottom) / 2}H${x + AREA_COLUMN - 3}`
          : `M${x} ${y}H${x + AREA_COLUMN - 3}V${bottom}H${x}Z`;
      marks.push(...strokesOf(run, index, outline, true));
    }
    if (!last) return;
    names.push({
      index,
      lane,
      y: AREA_TOP + last.y + last.height / 2 + 4,
      column: last.column,
      rest: lane.path.length - 1 - focus.depth - last.column,
    });
  });
  names.sort((one, other) => one.y - other.y);
  let floor = 26;
  for (const { index, lane, y, column, rest } of names) {
    const run = trace.runs[index];
    const at = Math.min(Math.max(y, floor), AREA_HEIGHT + AREA_TOP + 6);
    floor = at + 28;
    const from = 8 + (column + 1) * AREA_COLUMN;
    const x = 8 + (columns + 1) * AREA_COLUMN + 10;
    if (column < columns || Math.abs(at - y) > 6)
      marks.push(s("path", { class: "leader", d: `M${from} ${y - 4}L${x - 4} ${at - 4}` }));
    const leaf = lane.path[lane.path.length - 1];
    marks.push(
      s(
        "text",
        { class: "lane-label", x, y: at },
        s("tspan", { class: seriesOf(run).name, "data-run": index }, fitText(run.name, 26)),
      ),
      s(
        "text",
        { class: "note total", x, y: at + 13 },
        rest > 0
          ? `${rest} more tokens, log p ${number(leaf.joint, 1)}`
          : `log p ${number(leaf.joint, 1)}`,
      ),
    );
  }
  return marks;
}
