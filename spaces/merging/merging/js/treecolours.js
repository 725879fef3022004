// Colours of the members for what the visitor wants to see, and their legend.

import { heat } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";

/** @import { Member, Tree } from "./data.js" */

/** @typedef {"share" | "licence" | "author" | "created" | "downloads"} ColourBy */
/** @typedef {{of: (member: Member) => string, legend: Element[]}} Palette */

/** What members are coloured by. @type {[ColourBy, string][]} */
export const COLOUR_CHOICES = [
  ["share", "share in the model"],
  ["licence", "licence"],
  ["author", "author"],
  ["created", "age"],
  ["downloads", "downloads"],
];

const UNCOLOURED = "var(--line)";
const COLOURS = ["var(--a)", "var(--b)", "var(--c)", "var(--d)"];

/**
 * Colours of the members, and their legend.
 * @param {Tree} data
 * @param {ColourBy} by
 * @returns {Palette}
 */
export function paletteOf(data, by) {
  const { of, legend } =
    by === "licence"
      ? licencePalette()
      : by === "author"
        ? authorPalette(data.nodes)
        : scalePalette(data.nodes, by);
  const relations = [...new Set(data.edges.map(({ relation }) => relation))].map((relation) =>
    h(
      "span",
      { class: "swatch-item" },
      lineSample(relation),
      relation === "new_version" ? "newer version" : relation,
    ),
  );
  return { of, legend: [...legend, ...relations] };
}

/** @returns {Palette} */
function licencePalette() {
  const strictest = [
    ["no commercial use", "var(--b)"],
    ["no changed versions", "var(--b)"],
    ["share alike", "var(--d)"],
    ["use restrictions", "var(--a)"],
  ];
  return {
    of: ({ asks, licence }) =>
      asks === null || !licence
        ? UNCOLOURED
        : (strictest.find(([ask]) => asks.includes(ask))?.[1] ?? "var(--c)"),
    legend: [
      swatch("var(--c)", "credit at most"),
      swatch("var(--a)", "use restrictions"),
      swatch("var(--d)", "share alike"),
      swatch("var(--b)", "no commercial use or no changes"),
      swatch(UNCOLOURED, "unknown"),
    ],
  };
}

/**
 * @param {Member[]} members
 * @returns {Palette}
 */
function authorPalette(members) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  members.forEach(({ author }) => counts.set(author, (counts.get(author) ?? 0) + 1));
  const authors = [...counts]
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, COLOURS.length)
    .map(([author]) => author);
  return {
    of: ({ author }) => COLOURS[authors.indexOf(author)] ?? UNCOLOURED,
    legend: [
      ...authors.map((author, index) => swatch(COLOURS[index], author || "unknown")),
      swatch(UNCOLOURED, "others"),
    ],
  };
}

/**
 * One hue, from the lowest value to the highest.
 * @param {Member[]} members
 * @param {"share" | "created" | "downloads"} by
 * @returns {Palette}
 */
function scalePalette(members, by) {
  /** @param {Member} member */
  const valueOf = ({ share, created, downloads }) =>
    ({
      share: share ? Math.abs((share[0] + share[1]) / 2) : NaN,
      created: created ? Date.parse(created) : NaN,
      downloads: downloads === null ? NaN : Math.log10(1 + downloads),
    })[by];
  const values = members.map(valueOf).filter(Number.isFinite);
  const [low, high] = by === "share" ? [0, 1] : [Math.min(...values), Math.max(...values)];
  const [first, last, none] = {
    share: ["none of it", "all of it", "no ancestor"],
    created: ["oldest", "newest", "not known"],
    downloads: ["fewest", "most", "not known"],
  }[by];
  return {
    of: (member) => {
      const value = valueOf(member);
      return Number.isFinite(value) ? heat((value - low) / (high - low || 1)) : UNCOLOURED;
    },
    legend: [swatch(heat(0), first), swatch(heat(1), last), swatch(UNCOLOURED, none)],
  };
}

/**
 * @param {string} colour
 * @param {string} text
 */
function swatch(colour, text) {
  return h(
    "span",
    { class: "swatch-item" },
    h("span", { class: "swatch", style: { background: colour }, "aria-hidden": "true" }),
    text,
  );
}

/** @param {string} relation */
function lineSample(relation) {
  return s(
    "svg",
    { width: 26, height: 10, "aria-hidden": "true", class: "line-sample" },
    s("g", { class: `kin kin-${relation}` }, s("path", { class: "kin-line", d: "M1 5 H25" })),
  );
}
