// The tree of tokens, drawn: pills in lanes, the runs' lines between them, and names at the lanes.

import { s } from "../../../../shared/js/dom.js";
import { number, percent, plural } from "../../../../shared/js/numbers.js";
import { strokesOf } from "./lines.js";
import { fateOf, fromLog, isBeamRun, isRemoved, seriesOf } from "./paths.js";
import { fillPill, spoken, tailOf, tokenLabel } from "./pill.js";
import { isFork } from "./treefold.js";
import { TREE_PILL } from "./treelayout.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Run, Trace} from "./data.js"
 * @import {Forest, Place} from "./paths.js"
 * @import {Item, Layout} from "./treelayout.js"
 *
 * @typedef {Object} Drawing what stands in the picture
 * @property {SVGGElement} steps
 * @property {SVGGElement} lines
 * @property {SVGGElement} places
 * @property {SVGGElement} marks
 * @property {Map<string, Pill>} pills by the place's key
 * @property {Scene | null} scene what the pills are drawn from
 * @property {number} frame the animation frame that draws further pills
 *
 * @typedef {Object} Scene
 * @property {Item[]} items
 * @property {Run[]} runs
 * @property {TreeOptions} options
 * @property {string} focused
 *
 * @typedef {{group: SVGGElement, drawn: string, scene: Scene | null}} Pill drawn: what it was drawn
 *   from
 *
 * @typedef {Object} TreeOptions
 * @property {string} selected
 * @property {string} focused
 * @property {string} hatch paint of what was removed
 * @property {string} prompt
 * @property {boolean} running
 */

const MANY = 400; // pills: a larger tree has only those near the view
const AT_ONCE = 50; // pills made in one frame then

/**
 * Put the tree's layers into a picture.
 * @param {Canvas} canvas
 * @returns {Drawing}
 */
export function openDrawing({ svg }) {
  const layer = (/** @type {string} */ name) => s("g", { class: name, "aria-hidden": "true" });
  const layers = {
    steps: layer("steps"),
    lines: layer("lines"),
    places: s("g", { class: "places", role: "group", "aria-label": "tokens" }),
    marks: layer("marks"),
  };
  svg.append(...Object.values(layers));
  return { ...layers, pills: new Map(), scene: null, frame: 0 };
}

/**
 * What a screen reader says of a place.
 * @param {Place} place
 * @param {Run[]} runs
 */
function describe(place, runs) {
  const start = `${spoken(place)}, ${percent(fromLog(place.logprob))}`;
  if (place.users.length)
    return `${start}, taken by ${place.users.map((index) => runs[index].name).join(" and ")}`;
  const { run, node } = place.entries[0];
  return `${start}, ${fateOf(runs[run], node)}: ${node.reason}`;
}

/**
 * What a screen reader says of a stretch.
 * @param {Place[]} places
 * @param {Run[]} runs
 */
function describeStretch(places, runs) {
  const who = places[0].users.map((index) => runs[index].name).join(" and ");
  const words = places.map(spoken).join(" ");
  return `${plural(places.length, "token")} folded, taken by ${who}: ${words}`;
}

/**
 * Draw the tree, or bring it up to date.
 * @param {Canvas} canvas
 * @param {Drawing} drawing
 * @param {Trace} trace
 * @param {Forest} forest
 * @param {Layout} layout
 * @param {TreeOptions} options
 */
export function drawTree(canvas, drawing, trace, forest, layout, options) {
  canvas.resize(layout.totalWidth, layout.totalHeight);
  drawing.steps.replaceChildren(...drawSteps(layout, forest.depth));
  drawing.lines.replaceChildren(...drawLines(trace, forest, layout));
  drawing.marks.replaceChildren(
    ...drawForks(layout),
    ...drawNames(trace, forest, layout, options.running),
    ...drawBranchPoints(trace, forest, layout),
  );
  const { items } = layout;
  const focused =
    [options.focused, options.selected].find((key) =>
      items.some(({ place }) => place.key === key),
    ) ?? forest.root.key;
  drawing.scene = { items, runs: trace.runs, options, focused };
  drawPills(canvas, drawing);
}

/**
 * Draw the pills: of a large tree those near the view, a few in each frame, those in view first.
 * @param {Canvas} canvas
 * @param {Drawing} drawing
 * @param {string} [whole] key of a place that is needed now; `ALL` for every one
 */
export function drawPills(canvas, drawing, whole) {
  const { places, pills, scene } = drawing;
  if (!scene) return;
  cancelAnimationFrame(drawing.frame);
  const { items, runs, options, focused } = scene;
  /** @type {Set<Item>} */
  let wanted = new Set(items);
  let made = items;
  if (items.length > MANY && whole !== ALL) {
    const fixed = [whole, focused, options.selected];
    const near = items.filter(
      (item) => fixed.includes(item.place.key) || isNear(canvas, item, 0.6),
    );
    const missing = near
      .filter(({ place }) => !pills.has(place.key))
      .map((item) => ({ item, late: !fixed.includes(item.place.key) && !isNear(canvas, item, 0) }))
      .sort((one, other) => Number(one.late) - Number(other.late));
    const late = new Set(missing.slice(AT_ONCE).map(({ item }) => item));
    wanted = new Set(near);
    made = near.filter((item) => !late.has(item));
    if (late.size) drawing.frame = requestAnimationFrame(() => drawPills(canvas, drawing));
  }
  const keys = new Set([...wanted].map(({ place }) => place.key));
  for (const [key, pill] of pills) {
    if (keys.has(key)) continue;
    pill.group.remove();
    pills.delete(key);
  }
  /** @type {SVGGElement | null} */
  let next = null;
  for (const item of [...made].reverse()) {
    const { key } = item.place;
    const pill = pills.get(key) ?? {
      group: s("g", { role: "treeitem", "data-key": key }),
      drawn: "",
      scene: null,
    };
    pills.set(key, pill);
    if (pill.scene !== scene) updatePill(pill, item, runs, options, focused);
    pill.scene = scene;
    if (pill.group.parentNode !== places || pill.group.nextSibling !== next)
      places.insertBefore(pill.group, next);
    next = pill.group;
  }
}

/** Stands for every place, see `drawPills`. */
export const ALL = "*";

/**
 * Whether an item lies in the frame, or not further from it than `margin` frames.
 * @param {Canvas} canvas
 * @param {Item} item
 * @param {number} margin
 */
function isNear({ scroll, zoom }, { x, y, width, height }, margin) {
  const [wide, high] = [scroll.clientWidth / zoom || 1200, scroll.clientHeight / zoom || 640];
  const [left, top] = [scroll.scrollLeft / zoom, scroll.scrollTop / zoom];
  return (
    x + width >= left - margin * wide &&
    x <= left + (1 + margin) * wide &&
    y + height >= top - margin * high &&
    y <= top + (1 + margin) * high
  );
}

/**
 * Draw a pill anew where anything in it changed.
 * @param {Pill} pill
 * @param {Item} item
 * @param {Run[]} runs
 * @param {TreeOptions} options
 * @param {string} focused
 */
function updatePill(pill, item, runs, options, focused) {
  const { place, taken, folded } = item;
  const root = place.parent === null;
  const selected = place.key === options.selected;
  const removed = !taken && isRemoved(place);
  const alive = taken
    ? undefined
    : place.entries.find(
        ({ run, node }) => isBeamRun(runs[run]) && ["kept", "finished"].includes(node.status),
      );
  const classes = [
    "place",
    taken ? "taken" : "other",
    root && "prompt",
    selected && "selected",
    removed && "removed",
    alive && "alive",
    folded && "folded",
  ];
  const attributes = {
    class: classes.filter(Boolean).join(" "),
    transform: `translate(${item.x} ${item.y})`,
    tabindex: focused === place.key ? 0 : -1,
    "aria-level": item.level,
    "aria-posinset": item.position,
    "aria-setsize": item.size,
    "aria-selected": selected,
    "aria-expanded": folded ? false : taken && place.children.length ? true : null,
    "aria-label": root
      ? "The prompt"
      : folded
        ? describeStretch(folded, runs)
        : describe(place, runs),
  };
  const parts = {
    width: item.width,
    height: item.height,
    radius: taken ? 7 : 4,
    size: taken ? 12.5 : 11,
    label: root
      ? tailOf(options.prompt, 10)
      : folded
        ? folded.map(tokenLabel).join("")
        : tokenLabel(place),
    share: root || folded ? 0 : fromLog(place.logprob),
    note: root
      ? ""
      : folded
        ? `⋯ ${plural(folded.length, "token")}`
        : percent(fromLog(place.logprob)),
    removed,
    hatch: options.hatch,
  };
  const series = alive && seriesOf(runs[alive.run]).name;
  const wanted = JSON.stringify([attributes, parts, series]);
  if (pill.drawn === wanted) return;
  pill.drawn = wanted;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) pill.group.removeAttribute(name);
    else pill.group.setAttribute(name, String(value));
  }
  fillPill(pill.group, parts);
  if (series)
    pill.group.append(
      s("path", { class: `stroke ${series} thin`, d: `M-9 ${item.height / 2}H-2` }),
    );
}

/**
 * @param {Layout} layout
 * @param {number} depth
 */
function drawSteps(layout, depth) {
  return layout.left.flatMap((x, step) => {
    const stretch = layout.stretches.get(step);
    if (step === 0 || (stretch && step > stretch.from)) return [];
    const label = stretch ? `${stretch.from} to ${stretch.to}` : String(step);
    return [s("text", { class: step <= depth ? "step" : "step coming", x: x + 1, y: 14 }, label)];
  });
}

/**
 * Vertical offset of a run's stroke at a place, so that runs that share an edge lie side by side.
 * @param {Place} place
 * @param {number} run
 */
function offsetOf(place, run) {
  const count = place.users.length;
  return count < 2
    ? 0
    : (place.users.indexOf(run) - (count - 1) / 2) * Math.min(5, 22 / (count - 1));
}

/**
 * @param {Trace} trace
 * @param {Forest} forest
 * @param {Layout} layout
 */
function drawLines(trace, forest, layout) {
  const strokes = [];
  /** @type {Set<string>[]} */
  const done = trace.runs.map(() => new Set());
  for (const lane of forest.lanes) {
    const seen = done[lane.run];
    let path = "";
    lane.path.forEach((place, index) => {
      if (index === 0 || seen.has(place.key)) return;
      seen.add(place.key);
      const stretch = layout.stretches.get(place.depth);
      if (stretch && stretch.from < place.depth) return; // one pill stands for them
      const before = lane.path[index - 1];
      const x = layout.left[before.depth] + layout.width[before.depth];
      const y = layout.laneY[before.lane ?? 0] + offsetOf(before, lane.run);
      const to = layout.left[place.depth];
      const height = layout.laneY[place.lane ?? 0] + offsetOf(place, lane.run);
      const bend = Math.abs(height - y) < 20 ? 9 : (to - x) * 0.75;
      const end = to + layout.width[place.depth] - (index === lane.path.length - 1 ? 6 : 0);
      path +=
        `${path ? "L" : "M"}${x} ${y}` +
        `C${x + bend} ${y} ${to - bend} ${height} ${to} ${height}H${end}`;
    });
    if (!path) continue;
    strokes.push(...strokesOf(trace.runs[lane.run], lane.run, path, lane.order > 0));
  }
  return strokes;
}

/**
 * Marks where lines part.
 * @param {Layout} layout
 */
function drawForks(layout) {
  return layout.items
    .filter(({ place, taken }) => taken && isFork(place))
    .map(({ x, y, width }) =>
      s("circle", { class: "fork", cx: x + width, cy: y + TREE_PILL / 2, r: 5 }),
    );
}

/**
 * The runs' names above their lanes, and the log-probabilities at their ends.
 * @param {Trace} trace
 * @param {Forest} forest
 * @param {Layout} layout
 * @param {boolean} running
 */
function drawNames(trace, forest, layout, running) {
  /** @type {Map<number, {name: string, run: number}[]>} by the lane that owns the text's end */
  const owners = new Map();
  forest.lanes.forEach(({ run, order, path, start }, index) => {
    const owner = start < path.length ? index : (path[path.length - 1].lane ?? index);
    const many = forest.lanes.filter((other) => other.run === run).length > 1;
    const name = trace.runs[run].name + (many ? ` #${order + 1}` : "");
    owners.set(owner, [...(owners.get(owner) ?? []), { name, run }]);
  });
  return [...owners].flatMap(([index, names]) => {
    const { path, start } = forest.lanes[index];
    const first = path[Math.min(start, path.length - 1)];
    const leaf = path[path.length - 1];
    const y = layout.laneY[index];
    const name = s(
      "text",
      { class: "lane-label", x: layout.left[first.depth] + 1, y: y - TREE_PILL / 2 - 5 },
      names.map(({ name: text, run }, order) => [
        order ? s("tspan", { class: "same" }, " = ") : null,
        s(
          "tspan",
          { class: seriesOf(trace.runs[run]).name, "data-run": run },
          text.length > 34 ? `${text.slice(0, 33)}…` : text,
        ),
      ]),
    );
    if (running || leaf.depth === 0) return [name];
    const x = layout.left[leaf.depth] + layout.width[leaf.depth] + 8;
    const total = `log p ${number(leaf.joint, 2)}`;
    return [name, s("text", { class: "note total", x, y: y + 4 }, total)];
  });
}

/**
 * Marks where branches begin.
 * @param {Trace} trace
 * @param {Forest} forest
 * @param {Layout} layout
 */
function drawBranchPoints(trace, forest, layout) {
  return trace.runs.flatMap((run, index) => {
    const place = run.prefix.length ? forest.places.get(run.prefix.join("-")) : undefined;
    if (!place || place.lane === null) return [];
    const x = layout.left[place.depth];
    const y = layout.laneY[place.lane] + offsetOf(place, index);
    const d = `M${x - 6} ${y}l6 -6l6 6l-6 6z`;
    return [s("path", { class: `branch-point ${seriesOf(run).name}`, d })];
  });
}
