// One tree for all runs: a place is a prefix of new tokens, whoever considered it. No drawing here.

/**
 * @typedef {Object} Place
 * @property {string} key token ids joined by "-"; "" is the end of the prompt
 * @property {number} depth how many new tokens; 0 for the end of the prompt
 * @property {number|null} tokenId
 * @property {string} text the token's own text
 * @property {number|null} logprob raw log-probability of the token here, in nats
 * @property {number} joint sum of raw log-probabilities from the prompt to here, in nats
 * @property {Place|null} parent
 * @property {Place[]} children
 * @property {{run: number, node: Object}[]} entries what each run recorded here
 * @property {number[]} users runs with a returned sequence through here, ascending
 * @property {number|null} lane index of the first lane through here; null if no returned sequence passes
 */

/** Whether a run keeps several hypotheses and compares their scores. */
export function isBeamRun(run) {
  return run.kind.includes("beam");
}

/** Nodes of a run by id. */
export function nodesById(run) {
  return new Map(run.nodes.map((node) => [node.id, node]));
}

/** The nodes from the root (excluded) to `node` (included). */
export function pathTo(byId, node) {
  const path = [];
  for (let at = node; at && at.parent !== null && at.parent !== undefined; at = byId.get(at.parent))
    path.unshift(at);
  return path;
}

/** A probability from its logarithm; 0 for a removed token. */
export function fromLog(logprob) {
  return logprob === null || logprob === undefined ? 0 : Math.exp(logprob);
}

/** The leaves to draw as lanes: those of the returned sequences or, while a run grows, of its best so far. */
function leavesOf(run) {
  if (run.sequences.length) return run.sequences.map((sequence) => sequence.node);
  const wanted = run.config?.num_return_sequences ?? 1;
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
 * @param {Object} trace
 * @returns {{root: Place, places: Map<string, Place>, depth: number, lanes: {run: number, order: number, path: Place[],
 *   start: number}[]}} lanes in the order of runs and of their sequences; `path` starts at the root, and a lane owns
 *   `path[start]` and what follows (`start === path.length` where earlier lanes own all of it)
 */
export function mergeRuns(trace) {
  const root = newPlace("", null, null, "");
  root.logprob = 0;
  const places = new Map([["", root]]);
  const lanes = [];
  let depth = 0;
  trace.runs.forEach((run, index) => {
    const placeOf = new Map();
    for (const node of [...run.nodes].sort((one, other) => one.step - other.step)) {
      const parent =
        node.parent === null || node.parent === undefined ? null : placeOf.get(node.parent);
      if (parent === undefined) continue;
      const place = parent === null ? root : childPlace(places, parent, node);
      placeOf.set(node.id, place);
      place.entries.push({ run: index, node });
    }
    for (const [order, leaf] of leavesOf(run).entries()) {
      const path = [];
      for (let place = placeOf.get(leaf) ?? root; place; place = place.parent) path.unshift(place);
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

function newPlace(key, parent, tokenId, text) {
  const place = {
    key,
    parent,
    tokenId,
    text,
    depth: parent ? parent.depth + 1 : 0,
    logprob: null,
    joint: 0,
  };
  return Object.assign(place, { children: [], entries: [], users: [], lane: null });
}

function childPlace(places, parent, node) {
  const key = parent.key === "" ? String(node.token_id) : `${parent.key}-${node.token_id}`;
  let place = places.get(key);
  if (!place) {
    place = newPlace(key, parent, node.token_id, node.text);
    places.set(key, place);
    parent.children.push(place);
  }
  place.logprob ??= node.logprob_raw;
  place.joint = parent.joint + (place.logprob ?? -Infinity);
  return place;
}

/** The new tokens' text from the prompt to a place. */
export function textOf(place) {
  return place.parent ? textOf(place.parent) + place.text : "";
}

/** The children of a place on returned sequences (in the order of lanes) and the others (likeliest first). */
export function splitChildren(place) {
  const taken = place.children
    .filter((child) => child.lane !== null)
    .sort((one, other) => one.lane - other.lane);
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

/** One word for what became of a node. */
export function fateOf(run, node) {
  if (node.parent === null || node.parent === undefined) return "start";
  if (node.status === "kept" && !isBeamRun(run)) return "not taken";
  if (node.status === "pruned" && !isBeamRun(run)) return "not taken";
  return FATES[node.status] ?? node.status;
}

/** Whether every run that recorded this place had the token removed by a processor. */
export function isRemoved(place) {
  return place.entries.length > 0 && place.entries.every(({ node }) => node.status === "filtered");
}

/** Whether a run's line is thin, and which of the four line styles it has. */
export function seriesOf(run, index = 0) {
  const colour = (run.color ?? index) % 8;
  return {
    name: `series-${colour % 4}`,
    thin: colour >= 4 || run.prefix?.length > 0,
    double: colour % 4 === 3,
  };
}
