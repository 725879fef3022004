// In what the pairs differ: a line a kind, how many pairs it has at the line, and at every threshold.

import { pathThrough } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, whole } from "../../../../shared/js/numbers.js";
import { KIND_WORDS, thresholdOf } from "./run.js";

/**
 * @import {Kind} from "./data.js"
 * @import {Run, Session} from "./run.js"
 *
 * @typedef {Object} Line of the table
 * @property {string} label
 * @property {Kind | null} kind null for those that nobody looked at
 * @property {number[]} similar similarities of its pairs, ascending
 */

const SPARK_WIDTH = 160;
const SPARK_HEIGHT = 22;

/**
 * @param {HTMLElement} element
 * @param {Session} session
 */
export function openKindsView(element, session) {
  const body = h("tbody", {});
  const note = h("p", { class: "said" });
  const section = h(
    "section",
    { class: "kinds" },
    h("h2", {}, "In what the pairs differ"),
    h(
      "table",
      {},
      h("caption", { class: "said" }),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col", class: "text" }, "they differ in"),
          h("th", { scope: "col", class: "num" }, "pairs"),
          h("th", { scope: "col", class: "text curve" }, "by threshold"),
          h("td", {}),
        ),
      ),
      body,
    ),
    note,
  );
  element.append(section);
  const caption = /** @type {HTMLElement} */ (section.querySelector("caption"));

  return (/** @type {Run} */ run) => {
    const lines = kindLines(run);
    const at = thresholdOf(run);
    const { floor, spare = [] } = run.data.request;
    section.hidden = !lines.length && !spare.length;
    if (section.hidden) return;
    const ask = (/** @type {Kind[]} */ kinds) =>
      session.emit("spare", { spare: kinds, threshold: run.moved });
    const keep = (/** @type {Kind} */ kind) =>
      session.canEmit() && run.data.done ? () => ask([...spare, kind]) : null;
    caption.replaceChildren(
      `Pairs at ${number(at)} and above`,
      h(
        "span",
        { class: "curve" },
        `; the curves from ${number(floor)} to 1, each to its own height`,
      ),
      ".",
    );
    body.replaceChildren(
      ...lines.map((line) => kindRow(line, floor, at, line.kind && keep(line.kind))),
    );
    const spared = spare.map((kind) => KIND_WORDS[kind]).join("; ");
    note.replaceChildren(
      (spared ? `Spared, and not counted: ${spared}. ` : "") +
        "A rule of thumb on the words that differ: look at the pairs. Rows that differ in what is " +
        "spared stay. ",
      ...(spared && session.canEmit()
        ? [h("button", { type: "button", onclick: () => ask([]) }, "Spare nothing")]
        : []),
    );
  };
}

/**
 * The kinds that have pairs, those with most first.
 * @param {Run} run
 * @returns {Line[]}
 */
function kindLines({ data }) {
  const { graph, kinds } = data;
  if (!kinds) return [];
  /** @type {Map<number, number[]>} */
  const similar = new Map();
  kinds.of_edges.forEach((kind, edge) => {
    const list = similar.get(kind);
    if (list) list.push(graph.edges[edge][2]);
    else similar.set(kind, [graph.edges[edge][2]]);
  });
  return [...similar]
    .sort(
      ([one, these], [other, those]) =>
        Number(one < 0) - Number(other < 0) || those.length - these.length || one - other,
    )
    .map(([kind, values]) => ({
      kind: kind < 0 ? null : kinds.names[kind],
      label: kind < 0 ? "not looked at: too many" : KIND_WORDS[kinds.names[kind]],
      similar: values.sort((one, other) => one - other),
    }));
}

/**
 * @param {Line} line
 * @param {number} floor
 * @param {number} at
 * @param {(() => void) | null} keep spare pairs of the kind
 */
function kindRow({ label, similar }, floor, at, keep) {
  const above = (/** @type {number} */ threshold) =>
    similar.filter((value) => value >= threshold - 1e-9).length;
  const x = (/** @type {number} */ threshold) =>
    1 + ((threshold - floor) / Math.max(1e-9, 1 - floor)) * (SPARK_WIDTH - 2);
  const y = (/** @type {number} */ count) =>
    SPARK_HEIGHT - 2 - (count / similar.length) * (SPARK_HEIGHT - 4);
  /** @type {[number, number][]} */
  const points = [];
  for (let step = Math.round(100 * floor); step <= 100; step += 1)
    points.push([x(step / 100), y(above(step / 100))]);
  const count = above(at);
  const svg = s(
    "svg",
    {
      width: SPARK_WIDTH,
      height: SPARK_HEIGHT,
      viewBox: `0 0 ${SPARK_WIDTH} ${SPARK_HEIGHT}`,
      role: "img",
      "aria-label": `${whole(similar.length)} at ${number(floor)}, ${whole(count)} at ${number(at)}`,
    },
    s("path", { class: "series", d: pathThrough(points) }),
    s("line", { class: "at", x1: x(at), x2: x(at), y1: 0, y2: SPARK_HEIGHT }),
  );
  return h(
    "tr",
    { class: count ? "" : "none" },
    h("th", { scope: "row", class: "text" }, label),
    h("td", { class: "num" }, whole(count)),
    h("td", { class: "text curve" }, svg),
    h(
      "td",
      {},
      keep &&
        h(
          "button",
          { type: "button", onclick: keep, "aria-label": `Spare rows that differ in ${label}` },
          "spare",
        ),
    ),
  );
}
