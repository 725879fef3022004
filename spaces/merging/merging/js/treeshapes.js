// The shapes of the tree: a box for a member, a line for a kinship.

import { s } from "../../../../shared/js/dom.js";
import { shareText } from "./treecards.js";

/** @import { Kinship, Member, Tree } from "./data.js" */
/** @import { ColourBy } from "./treecolours.js" */

export const BOX_WIDTH = 200;
export const BOX_HEIGHT = 42;

/** @typedef {[number, number]} Place x and y of a box's corner, pixels */

/**
 * How a box is drawn and what it does.
 * @typedef {Object} BoxLook
 * @property {Place} place
 * @property {number} index among the members, for the keyboard's focus
 * @property {string} colour
 * @property {ColourBy} by
 * @property {boolean} chosen
 * @property {boolean} tabbable
 * @property {(focus: boolean) => void} choose
 * @property {(key: string) => boolean} hop moves to a relative; false where there is none
 */

/**
 * A member's box.
 * @param {Tree} data
 * @param {Member} member
 * @param {BoxLook} look
 */
export function memberBox(data, member, look) {
  const { id, status, reason, more } = member;
  const [owner, ...rest] = (status === "local" ? id.split(" of ")[0] : id).split("/");
  const isGhost = status !== "ok" && status !== "here";
  const words = memberWords(data, member);
  const hidden = Object.values(more).reduce((sum, count) => sum + count, 0);
  const classes = [
    "member-box",
    isGhost ? "ghost" : "",
    id === data.start ? "start" : "",
    look.chosen ? "chosen-box" : "",
  ];
  return s(
    "g",
    {
      class: classes.filter(Boolean).join(" "),
      transform: `translate(${look.place.join(" ")})`,
      tabindex: look.tabbable ? 0 : -1,
      role: "button",
      "aria-pressed": String(look.chosen),
      "data-index": look.index,
      "aria-label": words,
      onclick: () => look.choose(false),
      onkeydown: (event) => {
        if (event.key === "Enter" || event.key === " ") look.choose(true);
        else if (!look.hop(event.key)) return;
        event.preventDefault();
        event.stopPropagation();
      },
    },
    s("title", {}, reason ? `${words}. ${reason}` : words),
    s("rect", { class: "card", width: BOX_WIDTH, height: BOX_HEIGHT, rx: 7 }),
    s("rect", {
      class: "stripe",
      width: 6,
      height: BOX_HEIGHT,
      rx: 3,
      style: { fill: look.colour },
    }),
    s("text", { class: "member-name", x: 14, y: 17 }, cutText(rest.join("/") || owner, 25)),
    s("text", { class: "member-note", x: 14, y: 33 }, cutText(noteOf(member, look.by), 29)),
    hidden
      ? s(
          "text",
          { class: "member-more", x: BOX_WIDTH - 8, y: 33, "text-anchor": "end" },
          `+${hidden > 999 ? `${Math.round(hidden / 1000)}k` : hidden}`,
        )
      : null,
  );
}

/**
 * @param {Tree} data
 * @param {Member} member
 */
function memberWords({ start }, { id, share, status, licence }) {
  return [
    id,
    share && id !== start ? `${shareText(share)} of the model` : "",
    status === "ok" || status === "here" ? "" : status,
    licence ? `licence ${licence}` : "",
  ]
    .filter(Boolean)
    .join(", ");
}

/**
 * The second line of a box.
 * @param {Member} member
 * @param {ColourBy} by
 */
function noteOf({ id, status, share, licence, created, downloads, author }, by) {
  const [owner, name] = id.split("/");
  if (status === "local") return share ? `${shareText(share)} · local folder` : "local folder";
  if (!["ok", "here", "gated"].includes(status)) return status;
  if (by === "author") return name ? owner : author;
  return {
    share: share ? `${shareText(share)}${name ? ` · ${owner}` : ""}` : owner,
    licence: licence || "no licence stated",
    created: created || "–",
    downloads: downloads === null ? "–" : `${downloads.toLocaleString("en-GB")} downloads`,
  }[by];
}

/**
 * @param {string} text
 * @param {number} most letters
 */
function cutText(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/**
 * A kinship's line, with its part where it is of interest.
 * @param {Kinship} edge
 * @param {Place[]} places of the parent, of the bends, and of the child
 * @param {{chosen: boolean, near: boolean, choose: () => void}} look near: of the chosen member
 */
export function kinLine(edge, places, { chosen, near, choose }) {
  const points = lineThrough(places);
  const path = pathOf(points);
  const [[x1, y1], [x2, y2]] = points.slice(-2);
  const weight = edge.weight === null ? "" : `, weight ${edge.weight}`;
  const label = kinLabel(edge);
  return s(
    "g",
    {
      class: `kin kin-${edge.relation}${chosen ? " chosen-kin" : near ? " near-kin" : ""}`,
      onclick: choose,
    },
    s("title", {}, `${edge.source} to ${edge.target}: ${edge.relation}${weight}`),
    s("path", { class: "kin-hit", d: path }),
    s("path", { class: "kin-line", d: path }),
    label && (near || chosen)
      ? s(
          "text",
          { class: "edge-label", x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 4, "text-anchor": "middle" },
          label,
        )
      : null,
  );
}

/** @param {Kinship} edge */
function kinLabel({ role, weight }) {
  if (role === "tokenizer" || role === "adapter") return role;
  if (weight !== null) return String(weight);
  return role === "base" ? "base" : "";
}

/**
 * From the right side of the first box to the left side of the last, straight through the columns between.
 * @param {Place[]} places
 * @returns {Place[]}
 */
function lineThrough(places) {
  return places
    .flatMap(([x, y]) => [
      /** @type {Place} */ ([x, y + BOX_HEIGHT / 2]),
      /** @type {Place} */ ([x + BOX_WIDTH, y + BOX_HEIGHT / 2]),
    ])
    .slice(1, -1);
}

/** @param {Place[]} points */
function pathOf(points) {
  return points.slice(1).reduce((text, [x, y], index) => {
    const [left, above] = points[index];
    const bend = Math.max(20, Math.abs(x - left) / 2);
    return index % 2 === 1
      ? `${text} L${x} ${y}`
      : `${text} C${left + bend} ${above} ${x - bend} ${y} ${x} ${y}`;
  }, `M${points[0][0]} ${points[0][1]}`);
}
