// One cluster as a picture: its texts on a circle, a line for each pair, the wider the more similar.

import { s } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { axisText, hatchPattern } from "./axes.js";

const DRAWABLE = 40; // texts; more would only be a ball of wool
const RADIUS = 11;

/** Whether a group is small enough to draw. */
export function canDraw(group) {
  return group.nodes.length > 1 && group.nodes.length <= DRAWABLE;
}

/**
 * @param {import("./run.js").Run} run
 * @param {import("./cluster.js").Group} group
 * @param {number} threshold
 * @param {number|null} chosen row whose text is compared below
 * @param {string} id unique in the page
 * @param {(row: number) => void} choose
 * @returns {SVGElement}
 */
export function clusterGraph(run, group, threshold, chosen, id, choose) {
  const order = orderOnCircle(run, group, threshold);
  const count = order.length;
  const radius = Math.max(64, Math.min(170, (count * 42) / (2 * Math.PI)));
  const [width, height] = [2 * radius + 190, count === 2 ? 110 : 2 * radius + 84];
  const places = new Map(
    order.map((node, index) => {
      const turn =
        count === 2 ? Math.PI * (1 - index) : (2 * Math.PI * index) / count - Math.PI / 2;
      return [
        node,
        { turn, x: width / 2 + radius * Math.cos(turn), y: height / 2 + radius * Math.sin(turn) },
      ];
    }),
  );
  const edges = edgesWithin(run, group, threshold);
  const kept = (node) => group.keepers.includes(node);
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
      edges.map((edge) => drawEdge(edge, places, threshold, edges.length <= 6)),
    ),
    ...order.map((node) =>
      drawNode(run, node, places.get(node), kept(node), node === nodeOfRow, id, choose, width / 2),
    ),
  );
  return svg;
}

function edgesWithin(run, group, threshold) {
  const size = run.data.graph.nodes.length;
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

/** From the keeper to the most similar text not yet placed, and on: pairs come to lie side by side. */
function orderOnCircle(run, group, threshold) {
  const partners = new Map(group.nodes.map((node) => [node, []]));
  for (const [first, second, jaccard] of edgesWithin(run, group, threshold)) {
    partners.get(first).push([second, jaccard]);
    partners.get(second).push([first, jaccard]);
  }
  const order = [];
  const visit = (node) => {
    order.push(node);
    for (const [other] of partners.get(node).sort((one, two) => two[1] - one[1]))
      if (!order.includes(other)) visit(other);
  };
  for (const node of [...group.keepers, ...group.nodes]) if (!order.includes(node)) visit(node);
  return order;
}

function drawEdge([first, second, jaccard], places, threshold, labelled) {
  const [from, to] = [places.get(first), places.get(second)];
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

function drawNode(run, node, { x, y, turn }, kept, chosen, id, choose, middle) {
  const { rows } = run.data.graph.nodes[node];
  const [row] = rows;
  const copies = rows.length > 1 ? ` ×${rows.length}` : "";
  const away = RADIUS + 7;
  const anchor = Math.abs(x - middle) < 8 ? "middle" : x > middle ? "start" : "end";
  const label = axisText(
    x + away * Math.cos(turn),
    y + (anchor === "middle" ? Math.sign(Math.sin(turn)) * (away + 4) : away * Math.sin(turn)) + 4,
    anchor,
    `row ${row}${copies}`,
  );
  const act = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(row);
  };
  return s(
    "g",
    {
      class: `text-node ${kept ? "stays" : "goes"}${chosen ? " chosen" : ""}`,
      role: "button",
      tabindex: 0,
      "data-key": `node-${row}`,
      "aria-pressed": String(chosen),
      "aria-label": `Row ${row}${rows.length > 1 ? ` and ${rows.length - 1} copies` : ""}, ${kept ? "kept" : "removed"}`,
      onclick: act,
      onkeydown: act,
    },
    s("circle", { class: "ring", cx: x, cy: y, r: RADIUS + 4 }),
    s("circle", { class: "ground", cx: x, cy: y, r: RADIUS }),
    kept ? null : s("circle", { class: "veil", cx: x, cy: y, r: RADIUS, fill: `url(#${id}-gone)` }),
    label,
  );
}
