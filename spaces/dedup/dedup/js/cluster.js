// From verified pairs to kept and removed rows at any threshold. `clusters.py` has the same
// algorithm.

/** @import {CurvePoint, Node, Pair, Request} from "./data.js" */

/**
 * @typedef {Object} Pairs distinct texts and their similarities
 * @property {Node[]} nodes
 * @property {Pair[]} edges
 * @property {Pair[]} [apart] pairs that were compared and are less similar than those
 * @property {boolean} [compared] whether every pair was compared: one that is missing is less
 *   similar
 *
 * @typedef {Request["method"]} Method
 *
 * @typedef {[node: number, similarity: number][]} Partners of a node
 *
 * @typedef {Object} Removal
 * @property {number} node
 * @property {number} row
 * @property {number} keeper node that stays in its place
 * @property {number} keeperRow
 * @property {number|null} jaccard null where the two were joined through others
 * @property {boolean} copy whether it only repeats the text of a node that stays
 *
 * @typedef {Object} Group rows that belong together: a connected component of pairs, or the copies
 *   of one text
 * @property {number[]} nodes by rank
 * @property {number[]} keepers nodes that stay
 * @property {Removal[]} removed
 * @property {number} size rows
 * @property {number|null} lowest the lowest similarity of a removed row to its keeper
 * @property {boolean} chain whether some two of its texts were compared and are no pair at this
 *   threshold
 *
 * @typedef {Object} Outcome
 * @property {boolean[]} kept for each node
 * @property {Removal[]} removed by row; the rows of the dataset less these are kept
 * @property {Group[]} groups largest first
 * @property {number} pairs at or above the threshold
 * @property {Group[]} chains
 */

/**
 * Decide which rows stay.
 * @param {Pairs} graph
 * @param {{threshold: number, method: Method, pinned?: Iterable<number>}} options pinned: rows that
 *   always stay
 * @returns {Outcome}
 */
export function cluster(graph, { threshold, method, pinned = [] }) {
  const pins = new Set(pinned);
  const { neighbours, pairs } = neighboursAt(graph, threshold);
  const label = labelComponents(neighbours);
  const kept = keepNodes(graph.nodes, neighbours, label, method, pins);
  const apart = labelsApart(graph, label, threshold);
  return describeOutcome(graph.nodes, neighbours, label, kept, pins, pairs, apart);
}

/**
 * Components with two texts that were compared and are less similar than the threshold; null where
 * every two were compared.
 * @param {Pairs} graph
 * @param {number[]} label
 * @param {number} threshold
 */
function labelsApart({ edges, apart = [], compared }, label, threshold) {
  if (compared) return null;
  const weak = [...edges, ...apart].filter(
    ([first, second, jaccard]) => jaccard < threshold && label[first] === label[second],
  );
  return new Set(weak.map(([first]) => label[first]));
}

/**
 * Join the most similar texts first until `joins` of them are gone: for a wanted number of rows.
 * @param {Pairs} graph
 * @param {number} joins
 * @param {Iterable<number>} [pinned] rows that stay beside the wanted ones
 * @returns {Outcome}
 */
export function clusterToGoal(graph, joins, pinned = []) {
  const { nodes } = graph;
  const rank = (/** @type {number} */ node) => nodes[node].rank;
  const order = [...graph.edges].sort(
    (one, other) =>
      other[2] - one[2] || rank(one[0]) - rank(other[0]) || rank(one[1]) - rank(other[1]),
  );
  const parent = nodes.map((_, node) => node);
  const root = (/** @type {number} */ node) => {
    while (parent[node] !== node) node = parent[node] = parent[parent[node]];
    return node;
  };
  let lowest = 1;
  let left = joins;
  for (const [first, second, jaccard] of order) {
    if (left <= 0) break;
    const [one, other] = [root(first), root(second)].sort((a, b) => rank(a) - rank(b));
    if (one === other) continue;
    parent[other] = one;
    lowest = jaccard;
    left -= 1;
  }
  const label = nodes.map((_, node) => root(node));
  const { neighbours, pairs } = neighboursAt(graph, lowest);
  // Pairs that tie with the last one joined but were not joined themselves do not count.
  const inside = neighbours.map((list, node) =>
    list.filter(([other]) => label[other] === label[node]),
  );
  const kept = nodes.map((_, node) => label[node] === node);
  const apart = labelsApart(graph, label, lowest);
  return describeOutcome(nodes, inside, label, kept, new Set(pinned), pairs, apart);
}

/**
 * Kept rows and pairs at every threshold from `floor` to 1 in steps of .01.
 * @param {Pairs} graph
 * @param {number} rows of the whole dataset
 * @param {Method} method
 * @param {number} floor
 * @param {Iterable<number>} [pinned]
 */
export function curveOf(graph, rows, method, floor, pinned = []) {
  const pins = new Set(pinned);
  const copies = graph.nodes.reduce(
    (sum, node) => sum + node.rows.slice(1).filter((row) => !pins.has(row)).length,
    0,
  );
  const repeated = graph.nodes.map(
    (node) => node.rows.slice(1).filter((row) => !pins.has(row)).length,
  );
  /** @type {CurvePoint[]} */
  const curve = [];
  for (let step = Math.round(100 * floor); step <= 100; step += 1) {
    const { neighbours, pairs } = neighboursAt(graph, step / 100);
    const kept = keepNodes(graph.nodes, neighbours, labelComponents(neighbours), method, pins);
    // A node that goes takes its copies along, which were counted already.
    const gone = kept.reduce(
      (sum, stays, node) => sum + (stays ? 0 : graph.nodes[node].rows.length - repeated[node]),
      0,
    );
    curve.push([step / 100, rows - copies - gone, pairs]);
  }
  return curve;
}

/**
 * Each node's partners at a threshold, and how many pairs there are.
 * @param {Pairs} graph
 * @param {number} threshold
 */
function neighboursAt(graph, threshold) {
  /** @type {Partners[]} */
  const neighbours = graph.nodes.map(() => []);
  let pairs = 0;
  for (const [first, second, jaccard] of graph.edges) {
    if (jaccard < threshold) continue;
    neighbours[first].push([second, jaccard]);
    neighbours[second].push([first, jaccard]);
    pairs += 1;
  }
  return { neighbours, pairs };
}

/**
 * The connected component of each node, named by one of its nodes.
 * @param {Partners[]} neighbours
 */
function labelComponents(neighbours) {
  const label = neighbours.map(() => -1);
  for (let start = 0; start < neighbours.length; start += 1) {
    if (label[start] >= 0) continue;
    label[start] = start;
    const open = [start];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      for (const [other] of neighbours[node]) {
        if (label[other] >= 0) continue;
        label[other] = start;
        open.push(other);
      }
    }
  }
  return label;
}

/**
 * Which nodes stay.
 * @param {Node[]} nodes
 * @param {Partners[]} neighbours
 * @param {number[]} label the component of each node
 * @param {Method} method
 * @param {Set<number>} pins
 */
function keepNodes(nodes, neighbours, label, method, pins) {
  const kept = nodes.map((node) => pins.size > 0 && node.rows.some((row) => pins.has(row)));
  const order = nodes
    .map((_, node) => node)
    .sort((one, other) => nodes[one].rank - nodes[other].rank);
  // Components that have a pinned node.
  const served = new Set(label.filter((_, node) => kept[node]));
  for (const node of order) {
    if (kept[node]) continue;
    if (method === "leader") kept[node] = !neighbours[node].some(([other]) => kept[other]);
    else if (!served.has(label[node])) {
      kept[node] = true;
      served.add(label[node]);
    }
  }
  return kept;
}

/**
 * @param {Node[]} nodes
 * @param {Partners[]} neighbours
 * @param {number[]} label the component of each node
 * @param {boolean[]} kept
 * @param {Set<number>} pins
 * @param {number} pairs
 * @param {Set<number> | null} apart components with texts that were compared and are no pair; null
 *   where all were compared
 * @returns {Outcome}
 */
function describeOutcome(nodes, neighbours, label, kept, pins, pairs, apart) {
  /** @type {Map<number, number[]>} */
  const members = new Map();
  nodes.forEach((_, node) => {
    const list = members.get(label[node]);
    if (list) list.push(node);
    else members.set(label[node], [node]);
  });
  /** @type {Group[]} */
  const groups = [];
  for (const list of members.values()) {
    const size = list.reduce((sum, node) => sum + nodes[node].rows.length, 0);
    const compared = !apart || apart.has(label[list[0]]);
    if (size > 1) groups.push(describeGroup(nodes, neighbours, list, kept, pins, size, compared));
  }
  const first = (/** @type {Group} */ group) => nodes[group.nodes[0]].rank;
  groups.sort((one, other) => other.size - one.size || first(one) - first(other));
  const removed = groups
    .flatMap((group) => group.removed)
    .sort((one, other) => one.row - other.row);
  return { kept, removed, groups, pairs, chains: groups.filter((group) => group.chain) };
}

/**
 * @param {Node[]} nodes
 * @param {Partners[]} neighbours
 * @param {number[]} list the group's nodes
 * @param {boolean[]} kept
 * @param {Set<number>} pins
 * @param {number} size rows
 * @param {boolean} compared whether texts that are no pair were compared
 * @returns {Group}
 */
function describeGroup(nodes, neighbours, list, kept, pins, size, compared) {
  const ordered = [...list].sort((one, other) => nodes[one].rank - nodes[other].rank);
  const keepers = ordered.filter((node) => kept[node]);
  /** @type {Removal[]} */
  const removed = [];
  for (const node of ordered) {
    const [head, ...copies] = nodes[node].rows;
    const [keeper, jaccard] = kept[node]
      ? [node, 1]
      : (keeperOf(nodes, neighbours[node], kept) ?? [keepers[0], null]);
    const keeperRow = nodes[keeper].rows[0];
    if (!kept[node] && !pins.has(head))
      removed.push({ node, row: head, keeper, keeperRow, jaccard, copy: false });
    for (const row of copies)
      if (!pins.has(row)) removed.push({ node, row, keeper, keeperRow, jaccard, copy: kept[node] });
  }
  const known = removed.flatMap(({ jaccard }) => (jaccard === null ? [] : [jaccard]));
  const links = list.reduce((sum, node) => sum + neighbours[node].length, 0) / 2;
  const chain = compared && links < (list.length * (list.length - 1)) / 2;
  return {
    nodes: ordered,
    keepers,
    removed,
    size,
    lowest: known.length ? Math.min(...known) : null,
    chain,
  };
}

/**
 * The most similar neighbour that stays; of equals the one of lowest rank.
 * @param {Node[]} nodes
 * @param {Partners} list
 * @param {boolean[]} kept
 */
function keeperOf(nodes, list, kept) {
  /** @type {Partners[number] | null} */
  let best = null;
  for (const candidate of list) {
    if (!kept[candidate[0]]) continue;
    if (
      !best ||
      candidate[1] > best[1] ||
      (candidate[1] === best[1] && nodes[candidate[0]].rank < nodes[best[0]].rank)
    )
      best = candidate;
  }
  return best;
}
