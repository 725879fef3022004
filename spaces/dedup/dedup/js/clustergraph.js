// One cluster as a picture: its texts on a circle, a line for each pair, the wider the more
// similar.

import { axisLabel, hatchPattern } from "../../../../shared/js/axes.js";
import { buttonLike, s } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";

/**
 * @import {Group} from "./cluster.js"
 * @import {Pair} from "./data.js"
 * @import {Run} from "./run.js"
 */

const DRAWABLE = 40; // texts; more would only be a ball of wool
const RADIUS = 11;

/**
 * @typedef {{turn: number, x: number, y: number}} Spot a place on the circle; its angle in radians
 */

/**
 * Whether a group is small enough to draw.
 * @param {Group} group
 */
export function canDraw(group) {
  return group.nodes.length > 1 && group.nodes.length <= DRAWABLE;
}

/**
 * @param {Run} run
 * @param {Group} group
 * @param {number} threshold
 * @param {number | null} chosen row whose text is compared below
 * @param {string} id unique in the page
 * @param {(row: number) => void} choose
 */
export function clusterGraph(run, group, threshold, chosen, id, choose) {
  const order = orderOnCircle(run, group, threshold);
  const count = order.length;
  const radius = Math.max(64, Math.min(170, (count * 42) / (2 * Math.PI)));
  const [width, height] = [2 * radius + 190, count === 2 ? 110 : 2 * radius + 84];
  const spots = order.map((_, index) => {
    const turn = count === 2 ? Math.PI * (1 - index) : (2 * Math.PI * index) / count - Math.PI / 2;
    const [x, y] = [Math.cos(turn), Math.sin(turn)];
    return { turn, x: width / 2 + radius * x, y: height / 2 + radius * y };
  });
  const spotOf = (/** @type {number} */ node) => spots[order.indexOf(node)];
  const edges = edgesWithin(run, group, threshold);
  const svg = s("svg", {
    class: "picture cluster-graph",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "group",
    "aria-label": "Texts of the cluster and their pairs",
  });
  const nodeOfRow = chosen === null ? undefined : run.nodeOf.get(chosen);
  svg.append(
    s("defs", {}, hatchPattern(`${id}-gone`)),
    s(
      "g",
      { "aria-hidden": "true" },
      edges.map(([one, other, jaccard]) =>
        drawEdge(spotOf(one), spotOf(other), jaccard, threshold, edges.length <= 6),
      ),
    ),
    ...order.map((node, index) => {
      const { rows } = run.data.graph.nodes[node];
      const text = { rows, kept: group.keepers.includes(node), chosen: node === nodeOfRow };
      return drawText(text, spots[index], width / 2, `url(#${id}-gone)`, () => choose(rows[0]));
    }),
  );
  return svg;
}

/**
 * @param {Run} run
 * @param {Group} group
 * @param {number} threshold
 */
function edgesWithin(run, group, threshold) {
  const size = run.data.graph.nodes.length;
  /** @type {Pair[]} */
  const edges = [];
  group.nodes.forEach((one, index) => {
    for (const other of group.nodes.slice(index + 1)) {
      const [first, second] = one < other ? [one, other] : [other, one];
      const jaccard = run.similarity.get(first * size + second);
      if (jaccard !== undefined && jaccard >= threshold) edges.push([first, second, jaccard]);
    }
  });
  return edges;
}

/**
 * From the keeper to the most similar text not yet placed, and on: pairs come to lie side by side.
 * @param {Run} run
 * @param {Group} group
 * @param {number} threshold
 */
function orderOnCircle(run, group, threshold) {
  const edges = edgesWithin(run, group, threshold).sort((one, two) => two[2] - one[2]);
  /** @type {number[]} */
  const order = [];
  const visit = (/** @type {number} */ node) => {
    order.push(node);
    for (const [first, second] of edges) {
      const other = first === node ? second : second === node ? first : node;
      if (!order.includes(other)) visit(other);
    }
  };
  for (const node of [...group.keepers, ...group.nodes]) if (!order.includes(node)) visit(node);
  return order;
}

/**
 * @param {Spot} from
 * @param {Spot} to
 * @param {number} jaccard
 * @param {number} threshold
 * @param {boolean} labelled
 */
function drawEdge(from, to, jaccard, threshold, labelled) {
  const share = threshold < 1 ? (jaccard - threshold) / (1 - threshold) : 1;
  const line = s(
    "line",
    {
      class: "edge",
      x1: from.x,
      y1: from.y,
      x2: to.x,
      y2: to.y,
      style: { "stroke-width": 1.2 + 4.8 * share },
    },
    s("title", {}, number(jaccard, 3)),
  );
  if (!labelled) return line;
  return s(
    "g",
    {},
    line,
    s(
      "text",
      {
        class: "edge-label",
        x: (from.x + to.x) / 2,
        y: (from.y + to.y) / 2 + 4,
        "text-anchor": "middle",
      },
      number(jaccard),
    ),
  );
}

/**
 * @param {{rows: number[], kept: boolean, chosen: boolean}} text
 * @param {Spot} spot
 * @param {number} middle of the picture
 * @param {string} hatch for what is removed
 * @param {() => void} choose
 */
function drawText({ rows, kept, chosen }, { x, y, turn }, middle, hatch, choose) {
  const [row] = rows;
  const copies = rows.length > 1 ? ` ×${rows.length}` : "";
  const away = RADIUS + 7;
  const anchor = Math.abs(x - middle) < 8 ? "middle" : x > middle ? "start" : "end";
  const label = axisLabel(
    x + away * Math.cos(turn),
    y + (anchor === "middle" ? Math.sign(Math.sin(turn)) * (away + 4) : away * Math.sin(turn)) + 4,
    anchor,
    `row ${row}${copies}`,
  );
  const others = rows.length > 1 ? ` and ${rows.length - 1} copies` : "";
  return s(
    "g",
    {
      class: `text-node ${kept ? "stays" : "goes"}${chosen ? " chosen" : ""}`,
      ...buttonLike(choose),
      "data-key": `node-${row}`,
      "data-own": true,
      "aria-pressed": String(chosen),
      "aria-label": `Row ${row}${others}, ${kept ? "kept" : "removed"}`,
    },
    s("circle", { class: "ring", cx: x, cy: y, r: RADIUS + 4 }),
    s("circle", { class: "ground", cx: x, cy: y, r: RADIUS }),
    kept ? null : s("circle", { class: "veil", cx: x, cy: y, r: RADIUS, fill: hatch }),
    label,
  );
}
