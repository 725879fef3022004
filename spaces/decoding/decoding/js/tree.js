// The tree of tokens as lanes: every returned sequence keeps a straight lane, a shared prefix lies in the first lane
// through it, and tokens not taken hang under the token taken.

import { s } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { fateOf, fromLog, isBeamRun, isRemoved, seriesOf, splitChildren } from "./paths.js";
import { fillPill, spoken, tailOf, textWidth, tokenLabel } from "./pill.js";

const TREE_PILL = 26; // height of a taken token
const TREE_ROW = 20; // pitch of the tokens not taken
const TREE_GAP = 24; // between columns, where the lines are seen
const TREE_HEAD = 24; // step numbers
const TREE_RESERVED = 92; // width of a column that is still to come
const TREE_WIDEST = 176;

/**
 * @typedef {Object} Layout
 * @property {number[]} left x of each column
 * @property {number[]} width of each column
 * @property {number[]} laneY centre of each lane
 * @property {number} totalWidth
 * @property {number} totalHeight
 * @property {Array} items places to draw, in the order of a walk down the tree
 */

/**
 * Where everything stands.
 * @param {Object} forest as from `mergeRuns`
 * @param {{alternatives: number, running: boolean, wanted: number, selected: string, widths: number[]}} options
 *   `wanted`: columns to keep free while running; `widths`: smallest column widths, so that a growing picture never narrows
 * @returns {Layout}
 */
export function layOutTree(forest, options) {
  const items = [];
  const rows = forest.lanes.map(() => 0);
  walk(forest.root, options, items, rows, 1, 1, 1);
  const columns = Math.max(
    forest.depth,
    options.running ? options.wanted : 0,
    ...items.map(({ place }) => place.depth),
  );
  const width = Array.from({ length: columns + 1 }, (_, column) => options.widths[column] ?? 0);
  width[0] = 104;
  for (const { place, taken } of items) {
    if (place.depth === 0) continue;
    const note = textWidth(percent(fromLog(place.logprob))) * 10;
    const needed =
      textWidth(tokenLabel(place.text)) * (taken ? 12.5 : 11) + note + (taken ? 26 : 38);
    width[place.depth] = Math.max(width[place.depth], 72, Math.min(TREE_WIDEST, Math.ceil(needed)));
  }
  for (let column = 1; column <= columns; column += 1) width[column] ||= TREE_RESERVED;
  const left = [];
  width.reduce((x, extent, column) => ((left[column] = x), x + extent + TREE_GAP), 12);
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
  for (const item of items) {
    const { place, taken, hangs, row } = item;
    item.x = left[place.depth] + (taken ? 0 : 10);
    item.width = width[place.depth] - (taken ? 0 : 10);
    item.y =
      laneY[(taken ? place.lane : hangs) ?? 0] +
      (taken ? -TREE_PILL / 2 : TREE_PILL / 2 + 5 + row * TREE_ROW);
    item.height = taken ? TREE_PILL : TREE_ROW - 2;
  }
  const ends = items.filter(({ place, taken }) => taken && place.depth === columns).length
    ? 110
    : 24;
  return {
    left,
    width,
    laneY,
    items,
    totalWidth: left[columns] + width[columns] + ends,
    totalHeight: Math.max(y, 90) + 4,
  };
}

function walk(place, options, items, rows, level, position, size) {
  items.push({ place, taken: true, level, position, size });
  const { taken, others } = splitChildren(place);
  const hangs = taken[0]?.lane ?? place.lane ?? 0;
  const shown = others.filter(
    (child, index) => index < options.alternatives || child.key === options.selected,
  );
  const count = taken.length + shown.length;
  rows[hangs] = Math.max(rows[hangs] ?? 0, shown.length);
  taken.forEach((child, index) => {
    walk(child, options, items, rows, level + 1, index === 0 ? 1 : shown.length + index + 1, count);
    if (index > 0) return;
    shown.forEach((other, row) => {
      items.push({
        place: other,
        taken: false,
        hangs,
        row,
        level: level + 1,
        position: row + 2,
        size: count,
      });
    });
  });
  if (!taken.length) {
    shown.forEach((other, row) => {
      items.push({
        place: other,
        taken: false,
        hangs,
        row: row - 1.5,
        level: level + 1,
        position: row + 1,
        size: count,
      });
    });
  }
}

/** What a screen reader says of a place. */
function describe(place, runs) {
  const start = `${spoken(place.text)}, ${percent(fromLog(place.logprob))}`;
  if (place.users.length)
    return `${start}, taken by ${place.users.map((index) => runs[index].name).join(" and ")}`;
  const { run, node } = place.entries[0];
  return `${start}, ${fateOf(runs[run], node)}: ${node.reason ?? ""}`;
}

/**
 * Draw or update the tree.
 * @param {import("../../../../shared/js/canvas.js").Canvas} canvas
 * @param {Map<string, Object>} drawn what is drawn already, by key; kept between calls by the caller
 * @param {Object} trace
 * @param {Object} forest
 * @param {Layout} layout
 * @param {{selected: string, focused: string, hatch: string, prompt: string, running: boolean}} options
 */
export function drawTree(canvas, drawn, trace, forest, layout, options) {
  const { svg } = canvas;
  let layers = drawn.get("layers");
  if (!layers) {
    layers = {
      steps: s("g", { class: "steps", "aria-hidden": "true" }),
      lines: s("g", { class: "lines", "aria-hidden": "true" }),
      places: s("g", { class: "places", role: "group", "aria-label": "tokens" }),
      marks: s("g", { class: "marks", "aria-hidden": "true" }),
    };
    svg.append(...Object.values(layers));
    drawn.set("layers", layers);
  }
  canvas.resize(layout.totalWidth, layout.totalHeight);
  layers.steps.replaceChildren(...drawSteps(layout, forest.depth));
  layers.lines.replaceChildren(...drawLines(trace, forest, layout));
  layers.marks.replaceChildren(...drawMarks(trace, forest, layout, options));
  const wanted = new Set(layout.items.map(({ place }) => place.key));
  const pills = drawn.get("pills") ?? drawn.set("pills", new Map()).get("pills");
  for (const [key, pill] of pills) {
    if (wanted.has(key)) continue;
    pill.group.remove();
    pills.delete(key);
  }
  const focused = wanted.has(options.focused)
    ? options.focused
    : wanted.has(options.selected)
      ? options.selected
      : "";
  let next = null;
  for (const item of [...layout.items].reverse()) {
    const { place } = item;
    let pill = pills.get(place.key);
    if (!pill) {
      pill = { group: s("g", { role: "treeitem", "data-key": place.key }), mark: "" };
      pills.set(place.key, pill);
    }
    updatePill(pill, item, trace.runs, options, focused);
    if (pill.group.parentNode !== layers.places || pill.group.nextSibling !== next)
      layers.places.insertBefore(pill.group, next);
    next = pill.group;
  }
}

function updatePill(pill, item, runs, options, focused) {
  const { place, taken } = item;
  const { group } = pill;
  const selected = place.key === options.selected;
  const removed = !taken && isRemoved(place);
  const alive = taken
    ? []
    : place.entries.filter(
        ({ run, node }) => isBeamRun(runs[run]) && ["kept", "finished"].includes(node.status),
      );
  const root = place.depth === 0;
  const label = root ? tailOf(options.prompt, 10) : tokenLabel(place.text);
  const name = root ? "The prompt" : describe(place, runs);
  const mark = [
    item.x,
    item.y,
    item.width,
    taken,
    selected,
    removed,
    alive.length,
    name,
    item.position,
    item.size,
    focused === place.key,
  ].join("|");
  if (pill.mark === mark) return;
  pill.mark = mark;
  const classes = [
    "place",
    taken ? "taken" : "other",
    root && "prompt",
    selected && "selected",
    removed && "removed",
    alive.length && "alive",
  ];
  const attributes = {
    class: classes.filter(Boolean).join(" "),
    transform: `translate(${item.x} ${item.y})`,
    tabindex: focused === place.key ? 0 : -1,
    "aria-level": item.level,
    "aria-posinset": item.position,
    "aria-setsize": item.size,
    "aria-selected": selected,
    "aria-expanded": taken && place.children.length ? "true" : null,
    "aria-label": name,
  };
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === null) group.removeAttribute(attribute);
    else group.setAttribute(attribute, String(value));
  }
  fillPill(group, {
    width: item.width,
    height: item.height,
    radius: taken ? 7 : 4,
    size: taken ? 12.5 : 11,
    label,
    share: root ? 0 : fromLog(place.logprob),
    note: root ? "" : percent(fromLog(place.logprob)),
    removed,
    hatch: options.hatch,
  });
  for (const { run } of alive.slice(0, 1)) {
    const { name: series } = seriesOf(runs[run], run);
    group.append(s("path", { class: `stroke ${series} thin`, d: `M-9 ${item.height / 2}H-2` }));
  }
}

function drawSteps(layout, depth) {
  return layout.left
    .slice(1)
    .map((x, index) =>
      s(
        "text",
        { class: index < depth ? "step" : "step coming", x: x + 1, y: 14 },
        String(index + 1),
      ),
    );
}

/** Vertical offset of a run's stroke at a place, so that runs that share an edge lie side by side. */
function offsetOf(place, run) {
  const count = place.users.length;
  return count < 2
    ? 0
    : (place.users.indexOf(run) - (count - 1) / 2) * Math.min(5, 22 / (count - 1));
}

function drawLines(trace, forest, layout) {
  const strokes = [];
  const done = trace.runs.map(() => new Set());
  for (const lane of forest.lanes) {
    const seen = done[lane.run];
    let path = "";
    lane.path.forEach((place, index) => {
      if (index === 0 || seen.has(place.key)) return;
      seen.add(place.key);
      const before = lane.path[index - 1];
      const x = layout.left[before.depth] + layout.width[before.depth];
      const y = layout.laneY[before.lane] + offsetOf(before, lane.run);
      const to = layout.left[place.depth];
      const height = layout.laneY[place.lane] + offsetOf(place, lane.run);
      const bend = Math.abs(height - y) < 20 ? 9 : (to - x) * 0.75;
      const end = to + layout.width[place.depth] - (index === lane.path.length - 1 ? 6 : 0);
      path += `${path ? "L" : "M"}${x} ${y}C${x + bend} ${y} ${to - bend} ${height} ${to} ${height}H${end}`;
    });
    if (!path) continue;
    strokes.push(...strokesOf(trace.runs[lane.run], lane.run, path, lane.order > 0));
  }
  return strokes;
}

/** The line of a run in its colour and pattern; a double line is a thick one with the ground showing in its middle. */
export function strokesOf(run, index, path, minor = false) {
  const { name, thin, double } = seriesOf(run, index);
  const weight = thin || minor ? " thin" : "";
  const strokes = [s("path", { class: `stroke ${name}${weight}`, d: path, "data-run": index })];
  if (double) strokes.push(s("path", { class: `stroke gap${weight}`, d: path, "data-run": index }));
  return strokes;
}

function drawMarks(trace, forest, layout, options) {
  const marks = [];
  for (const { place, taken, x, y, width } of layout.items) {
    if (!taken || place.children.filter((child) => child.lane !== null).length < 2) continue;
    marks.push(s("circle", { class: "fork", cx: x + width, cy: y + TREE_PILL / 2, r: 5 }));
  }
  const labels = new Map();
  forest.lanes.forEach((lane, index) => {
    const owner = lane.start < lane.path.length ? index : lane.path[lane.path.length - 1].lane;
    const many = forest.lanes.filter(({ run }) => run === lane.run).length > 1;
    const name = trace.runs[lane.run].name + (many ? ` #${lane.order + 1}` : "");
    labels.set(owner, [...(labels.get(owner) ?? []), { name, run: lane.run }]);
  });
  for (const [index, names] of labels) {
    const lane = forest.lanes[index];
    const first = lane.path[Math.min(lane.start, lane.path.length - 1)];
    if (!first) continue;
    const label = s("text", {
      class: "lane-label",
      x: layout.left[first.depth] + 1,
      y: layout.laneY[index] - TREE_PILL / 2 - 5,
    });
    names.forEach(({ name, run }, order) => {
      if (order) label.append(s("tspan", { class: "same" }, " = "));
      const short = name.length > 34 ? `${name.slice(0, 33)}…` : name;
      label.append(
        s("tspan", { class: seriesOf(trace.runs[run], run).name, "data-run": run }, short),
      );
    });
    marks.push(label);
    const leaf = lane.path[lane.path.length - 1];
    if (options.running || leaf.depth === 0) continue;
    const x = layout.left[leaf.depth] + layout.width[leaf.depth] + 8;
    marks.push(
      s(
        "text",
        { class: "note total", x, y: layout.laneY[index] + 4 },
        `log p ${number(leaf.joint, 2)}`,
      ),
    );
  }
  trace.runs.forEach((run, index) => {
    if (!run.prefix?.length) return;
    const place = forest.places.get(run.prefix.join("-"));
    if (!place || place.lane === null) return;
    const x = layout.left[place.depth];
    const y = layout.laneY[place.lane] + offsetOf(place, index);
    const { name } = seriesOf(run, index);
    marks.push(s("path", { class: `branch-point ${name}`, d: `M${x - 6} ${y}l6 -6l6 6l-6 6z` }));
  });
  return marks;
}

/**
 * The place that an arrow key leads to.
 * @param {Layout} layout
 * @param {string} key of the focused place
 * @param {string} arrow the keyboard event's `key`
 * @returns {Object|null} an item of the layout
 */
export function neighbour(layout, key, arrow) {
  const at = layout.items.find(({ place }) => place.key === key);
  if (!at) return null;
  const itemOf = (place) => layout.items.find((item) => item.place === place) ?? null;
  if (arrow === "ArrowLeft") return itemOf(at.place.parent);
  if (arrow === "ArrowRight") {
    const { taken, others } = splitChildren(at.place);
    const same = taken.find((child) => child.lane === at.place.lane) ?? taken[0] ?? others[0];
    return same ? itemOf(same) : null;
  }
  if (arrow === "Home") return layout.items[0];
  if (arrow === "End") {
    let place = at.place;
    for (
      let next = place;
      next;
      next =
        splitChildren(place).taken.find((child) => child.lane === place.lane) ??
        splitChildren(place).taken[0]
    )
      place = next;
    return itemOf(place);
  }
  const column = layout.items
    .filter(({ place }) => place.depth === at.place.depth)
    .sort((one, other) => one.y - other.y);
  return column[column.indexOf(at) + (arrow === "ArrowDown" ? 1 : -1)] ?? null;
}
