// A map of rows: their vectors on the two axes along which they differ most, pairs as lines.

import { h, s } from "../../../../shared/js/dom.js";
import { number, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { rowName, thresholdOf } from "./run.js";
import { showHidden } from "./words.js";

/**
 * @import {Spot} from "./data.js"
 * @import {Run, Session} from "./run.js"
 *
 * @typedef {{spot: Spot, x: number, y: number}} Placed
 */

const MAP_WIDTH = 720;
const MAP_HEIGHT = 420;
const MAP_MARGIN = 14;
const MAP_COLOURS = 4; // by the cluster's place; lines tell clusters apart as well

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openMapView(panel, session) {
  const lines = s("g", { class: "map-lines" });
  const dots = s("g", {});
  const mark = s("circle", { class: "map-mark", r: 9, cx: -99, cy: -99 });
  const svg = s(
    "svg",
    {
      class: "picture row-map",
      viewBox: `0 0 ${MAP_WIDTH} ${MAP_HEIGHT}`,
      role: "img",
      tabindex: 0,
    },
    lines,
    dots,
    mark,
  );
  const about = h("p", { class: "map-row", role: "status" });
  const caption = h("p", { class: "picture-caption" });
  panel.append(svg, h("div", { class: "padded" }, about), caption);
  /** @type {Placed[]} */
  let placed = [];
  /** @type {Run | null} */
  let shown = null;
  let held = -1;

  const hold = (/** @type {number} */ place) => {
    held = place;
    const one = placed[place];
    mark.setAttribute("cx", String(one?.x ?? -99));
    mark.setAttribute("cy", String(one?.y ?? -99));
    about.replaceChildren(...(one && shown ? aboutOf(shown, one.spot) : [MAP_HINT]));
  };
  const nearestTo = (/** @type {MouseEvent} */ event) => {
    const box = svg.getBoundingClientRect();
    const scale = MAP_WIDTH / Math.max(1, box.width);
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let [best, away] = [-1, 24 * scale];
    placed.forEach((one, place) => {
      const distance = Math.hypot(one.x - x, one.y - y);
      if (distance < away) [best, away] = [place, distance];
    });
    return best;
  };
  svg.addEventListener("pointermove", (event) => {
    const place = nearestTo(event);
    if (place >= 0 && place !== held) hold(place);
  });
  svg.addEventListener("click", (event) => {
    const place = nearestTo(event);
    if (place < 0) return;
    hold(place);
    const [row] = placed[place].spot;
    if (shown?.nodeOf.has(row)) session.select(row, null);
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !placed.length || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    hold((held + step + placed.length) % placed.length);
  });

  let drawnFor = "";
  return (/** @type {Run} */ run) => {
    shown = run;
    const { vectors } = run.data;
    if (!vectors) return;
    const now = `${run.data.run_id} ${thresholdOf(run)} ${[...run.pins].join()}`;
    if (drawnFor !== now) {
      if (!drawnFor.startsWith(`${run.data.run_id} `)) {
        placed = placesOf(vectors.spots);
        hold(-1);
      }
      drawnFor = now;
      drawMap(run, placed, lines, dots);
    }
    const left = vectors.texts - vectors.spots.length;
    const groups = run.outcome.groups.filter((group) => group.nodes.length > 1).length;
    svg.setAttribute(
      "aria-label",
      `Map of ${plural(vectors.spots.length, "text")}, ${plural(groups, "cluster")} joined by lines`,
    );
    caption.textContent =
      "Each point is a text: its vector on the two axes along which the vectors of this dataset " +
      `differ most (principal components, ${percent(vectors.spread)} of the variance, so what is near on ` +
      "the map need not be near). " +
      `A line joins a pair at ${number(thresholdOf(run))} or above; a ring is a text that goes.` +
      (left > 0 ? ` ${whole(left)} more texts without a pair are not drawn.` : "");
  };
}

const MAP_HINT = "Point at the map, or use the arrow keys, to read a row.";

/**
 * @param {Run} run
 * @param {Spot} spot
 */
function aboutOf(run, [row, , , text]) {
  const fate = run.removedRows.has(row) ? "removed" : "kept";
  return [
    h("b", {}, `${rowName(run, row)}, ${fate}: `),
    h("bdi", {}, showHidden(text.replace(/\s+/g, " "))),
  ];
}

/**
 * Where the texts stand in the picture, from left to right.
 * @param {Spot[]} spots
 * @returns {Placed[]}
 */
function placesOf(spots) {
  const span = (/** @type {1 | 2} */ axis) => {
    const values = spots.map((spot) => spot[axis]);
    const low = values.reduce((one, other) => Math.min(one, other), Infinity);
    const high = values.reduce((one, other) => Math.max(one, other), -Infinity);
    return { low, size: Math.max(high - low, 1e-9) };
  };
  const [across, down] = [span(1), span(2)];
  return spots
    .map((spot) => ({
      spot,
      x: MAP_MARGIN + ((spot[1] - across.low) / across.size) * (MAP_WIDTH - 2 * MAP_MARGIN),
      y:
        MAP_HEIGHT -
        MAP_MARGIN -
        ((spot[2] - down.low) / down.size) * (MAP_HEIGHT - 2 * MAP_MARGIN),
    }))
    .sort((one, other) => one.x - other.x || one.y - other.y);
}

/**
 * @param {Run} run
 * @param {Placed[]} placed
 * @param {SVGGElement} lines
 * @param {SVGGElement} dots
 */
function drawMap(run, placed, lines, dots) {
  /** @type {Map<number, number>} */
  const groupOf = new Map();
  run.outcome.groups
    .filter((group) => group.nodes.length > 1)
    .forEach((group, place) => group.nodes.forEach((node) => groupOf.set(node, place)));
  /** @type {Map<number, Placed>} */
  const spotOf = new Map();
  for (const one of placed) {
    const node = run.nodeOf.get(one.spot[0]);
    if (node !== undefined) spotOf.set(node, one);
  }
  const threshold = thresholdOf(run);
  lines.replaceChildren(
    ...run.edges.flatMap(([first, second, similarity]) => {
      const [one, other] = [spotOf.get(first), spotOf.get(second)];
      if (similarity < threshold || !one || !other) return [];
      const colour = `c${(groupOf.get(first) ?? 0) % MAP_COLOURS}`;
      return [s("line", { class: colour, x1: one.x, y1: one.y, x2: other.x, y2: other.y })];
    }),
  );
  const alone = [];
  const joined = [];
  for (const { spot, x, y } of placed) {
    const node = run.nodeOf.get(spot[0]);
    const group = node === undefined ? undefined : groupOf.get(node);
    if (node === undefined || group === undefined)
      alone.push(s("circle", { class: "alone", cx: x, cy: y, r: 2.5 }));
    else {
      const fate = run.outcome.kept[node] ? "stays" : "goes";
      joined.push(s("circle", { class: `c${group % MAP_COLOURS} ${fate}`, cx: x, cy: y, r: 4.5 }));
    }
  }
  dots.replaceChildren(...alone, ...joined);
}
