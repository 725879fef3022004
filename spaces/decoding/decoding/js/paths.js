// One tree for all runs: a place is a prefix of new tokens, whoever considered it. No drawing here.

/** @import {Node, Run, Trace} from "./data.js" */

/**
 * @typedef {Object} Place
 * @property {string} key token ids joined by "-"; "" is the end of the prompt
 * @property {number} depth how many new tokens; 0 for the end of the prompt
 * @property {number | null} tokenId
 * @property {string} text the characters that the token completes
 * @property {string} bytes in hex, those of its bytes that are a part of a character
 * @property {number | null} logprob raw log-probability of the token here, in nats
 * @property {number} joint sum of raw log-probabilities from the prompt to here, in nats
 * @property {Place | null} parent
 * @property {Place[]} children
 * @property {Entry[]} entries
 * @property {number[]} users runs with a returned sequence through here, ascending
 * @property {number | null} lane index of the first lane through here; null if no returned sequence
 *   passes
 *
 * @typedef {{run: number, node: Node}} Entry what a run recorded at a place
 *
 * @typedef {Object} Lane a returned sequence; it owns `path[start]` and what follows, the lanes
 *   before it the rest
 * @property {number} run
 * @property {number} order among the run's sequences
 * @property {Place[]} path from the root
 * @property {number} start `path.length` where earlier lanes own all of it
 *
 * @typedef {Object} Forest
 * @property {Place} root
 * @property {Map<string, Place>} places by key
 * @property {number} depth
 * @property {Lane[]} lanes in the order of runs and of their sequences
 */

/**
 * Whether a run keeps several hypotheses and compares their scores.
 * @param {Run} run
 */
export function isBeamRun(run) {
  return run.kind.includes("beam");
}

/**
 * Nodes of a run by id.
 * @param {Run} run
 */
export function nodesById(run) {
  return new Map(run.nodes.map((node) => [node.id, node]));
}

/**
 * The nodes from the root (excluded) to a node (included).
 * @param {Map<number, Node>} byId
 * @param {number | null} id
 */
export function pathTo(byId, id) {
  /** @type {Node[]} */
  const path = [];
  let node = id === null ? undefined : byId.get(id);
  while (node && node.parent !== null) {
    path.unshift(node);
    node = byId.get(node.parent);
  }
  return path;
}

/**
 * The key of the place at the end of a path.
 * @param {Node[]} path
 */
export function keyOf(path) {
  return path.map((node) => node.token_id).join("-");
}

/**
 * A probability from its logarithm; 0 for a removed token.
 * @param {number | null} logprob
 */
export function fromLog(logprob) {
  return logprob === null ? 0 : Math.exp(logprob);
}

/**
 * The leaves to draw as lanes: those of the returned sequences or, while a run grows, of its best
 * so far.
 * @param {Run} run
 */
export function leavesOf(run) {
  if (run.sequences.length) return run.sequences.map((sequence) => sequence.node);
  const wanted = run.config.num_return_sequences ?? 1;
  if (isBeamRun(run)) {
    const alive = run.nodes.filter((node) => node.status === "kept");
    const last = Math.max(0, ...alive.map((node) => node.step));
    return alive
      .filter((node) => node.step === last)
      .sort((one, other) => (other.score ?? 0) - (one.score ?? 0))
      .slice(0, wanted)
      .map((node) => node.id);
  }
  const chosen = run.nodes.filter((node) => node.status === "chosen" && node.parent !== null);
  const continued = new Set(chosen.map((node) => node.parent));
  return chosen.filter((node) => !continued.has(node.id)).map((node) => node.id);
}

/**
 * Merge the runs of a trace into one tree.
 * @param {Trace} trace
 * @returns {Forest}
 */
export function mergeRuns(trace) {
  const root = newPlace("", null, null, "", "");
  root.logprob = 0;
  const places = new Map([["", root]]);
  /** @type {Lane[]} */
  const lanes = [];
  let depth = 0;
  trace.runs.forEach((run, index) => {
    /** @type {Map<number, Place>} */
    const placeOf = new Map();
    for (const node of [...run.nodes].sort((one, other) => one.step - other.step)) {
      const parent = node.parent === null ? null : placeOf.get(node.parent);
      if (parent === undefined) continue;
      const place = parent === null ? root : childPlace(places, parent, node);
      placeOf.set(node.id, place);
      place.entries.push({ run: index, node });
    }
    for (const [order, leaf] of leavesOf(run).entries()) {
      const path = ancestry(placeOf.get(leaf) ?? root);
      const start = path.findIndex((place) => place.depth > 0 && place.lane === null);
      for (const place of path) {
        place.lane ??= lanes.length;
        if (!place.users.includes(index)) place.users.push(index);
      }
      depth = Math.max(depth, path.length - 1);
      lanes.push({ run: index, order, path, start: start < 0 ? path.length : start });
    }
  });
  return { root, places, lanes, depth };
}

/**
 * The places from the root to a place, both included.
 * @param {Place} place
 */
export function ancestry(place) {
  /** @type {Place[]} */
  const path = [];
  for (let at = /** @type {Place | null} */ (place); at; at = at.parent) path.unshift(at);
  return path;
}

/**
 * @param {string} key
 * @param {Place | null} parent
 * @param {number | null} tokenId
 * @param {string} text
 * @param {string} bytes
 * @returns {Place}
 */
function newPlace(key, parent, tokenId, text, bytes) {
  return {
    key,
    parent,
    tokenId,
    text,
    bytes,
    depth: parent ? parent.depth + 1 : 0,
    logprob: null,
    joint: 0,
    children: [],
    entries: [],
    users: [],
    lane: null,
  };
}

/**
 * @param {Map<string, Place>} places
 * @param {Place} parent
 * @param {Node} node
 */
function childPlace(places, parent, node) {
  const key = parent.key === "" ? String(node.token_id) : `${parent.key}-${node.token_id}`;
  let place = places.get(key);
  if (!place) {
    place = newPlace(key, parent, node.token_id, node.text, node.bytes ?? "");
    places.set(key, place);
    parent.children.push(place);
  }
  place.logprob ??= node.logprob_raw;
  place.joint = parent.joint + (place.logprob ?? -Infinity);
  return place;
}

/**
 * The new tokens' text from the prompt to a place.
 * @param {Place} place
 * @returns {string}
 */
export function textOf(place) {
  return place.parent ? textOf(place.parent) + place.text : "";
}

/**
 * The children of a place on returned sequences (in the order of lanes) and the others (likeliest
 * first).
 * @param {Place} place
 */
export function splitChildren(place) {
  const taken = place.children
    .filter((child) => child.lane !== null)
    .sort((one, other) => (one.lane ?? 0) - (other.lane ?? 0));
  const others = place.children
    .filter((child) => child.lane === null)
    .sort((one, other) => (other.logprob ?? -Infinity) - (one.logprob ?? -Infinity));
  return { taken, others };
}

const FATES = {
  chosen: "taken",
  kept: "kept",
  pruned: "pruned",
  finished: "finished",
  filtered: "removed",
};

/**
 * One word for what became of a node.
 * @param {Run} run
 * @param {Node} node
 */
export function fateOf(run, node) {
  if (node.parent === null) return "start";
  if (["kept", "pruned"].includes(node.status) && !isBeamRun(run)) return "not taken";
  return FATES[node.status];
}

/**
 * Whether every run that recorded this place had the token removed by a processor.
 * @param {Place} place
 */
export function isRemoved(place) {
  return place.entries.length > 0 && place.entries.every(({ node }) => node.status === "filtered");
}

/**
 * Whether a run's line is thin, and which of the four line styles it has.
 * @param {Run} run
 */
export function seriesOf(run) {
  const colour = run.color % 8;
  return {
    name: `series-${colour % 4}`,
    thin: colour >= 4 || run.prefix.length > 0,
    double: colour % 4 === 3,
  };
}

/**
 * A place as a link holds it: a run and its node there. The path to it may be long.
 * @param {Forest} forest
 * @param {{key: string, run: number | null}} selected
 * @returns {[run: number, node: number] | undefined} none at the end of the prompt
 */
export function linkedEntry({ places }, { key, run }) {
  const entries = places.get(key)?.entries ?? [];
  const entry = entries.find((one) => one.run === run) ?? entries[0];
  return key && entry ? [entry.run, entry.node.id] : undefined;
}

/**
 * The place that a link holds, if the forest has it.
 * @param {Forest} forest
 * @param {unknown} value
 */
export function linkedPlace({ places }, value) {
  if (!Array.isArray(value)) return undefined;
  const [run, id] = value;
  return [...places.values()].find(({ entries }) =>
    entries.some((entry) => entry.run === run && entry.node.id === id),
  );
}
