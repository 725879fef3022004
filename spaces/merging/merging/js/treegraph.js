// The tree as a layered graph: ancestors left, descendants right; colours by what the visitor asks.

import { plural } from "../../../../shared/js/numbers.js";
import { openCanvas } from "../../../../shared/js/canvas.js";
import { h, s } from "../../../../shared/js/dom.js";
import { choice, saveText, toolButton } from "../../../../shared/js/shell.js";
import { edgeCard, memberCard, testParts } from "./treecards.js";
import { COLOUR_CHOICES, paletteOf } from "./treecolours.js";
import { BOX_HEIGHT, BOX_WIDTH, kinLine, memberBox } from "./treeshapes.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Kinship, Member, Tree } from "./data.js" */
/** @import { ColourBy } from "./treecolours.js" */
/** @import { Place } from "./treeshapes.js" */

const [GAP_X, GAP_Y, EDGE] = [64, 14, 16]; // pixels between boxes, and around the tree
const LEGIBLE = 0.8; // zoom at which names can be read

/**
 * Open the view.
 * @param {Figure<Tree>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Tree) => void}
 */
export function openFamily(figure, panel) {
  /** @type {{run: string, colour: ColourBy, chosen: string | null, edge: Kinship | null}} */
  const state = { run: "", colour: "share", chosen: null, edge: null };
  /** @type {Tree | null} */
  let tree = null;
  const bar = h("div", { class: "filters padded-row" });
  const legend = h("div", { class: "padded-row legend-row" });
  const box = h("div", { class: "family" });
  const details = h("div", { class: "padded member", "aria-live": "polite" });
  panel.append(bar, legend, box, details);
  const canvas = openCanvas(
    box,
    { class: "family-tree", role: "group" },
    `${figure.id}-hatch`,
    () => {},
  );
  /** @param {number | string | undefined} index */
  const focusBox = (index) =>
    /** @type {SVGElement | null} */ (box.querySelector(`[data-index="${index}"]`))?.focus({
      preventScroll: true,
    });
  /**
   * @param {Tree} data
   * @param {Member} member
   * @param {boolean} [focus]
   */
  const choose = (data, member, focus = false) => {
    state.chosen = member.id;
    state.edge = null;
    draw(data);
    canvas.reveal(...placing(data)(member), BOX_WIDTH, BOX_HEIGHT);
    if (focus) focusBox(data.nodes.indexOf(member));
  };
  /** @param {Tree} data */
  const draw = (data) => {
    const palette = paletteOf(data, state.colour);
    const placeOf = placing(data);
    const place = new Map(data.nodes.map((member) => [member.id, placeOf(member)]));
    const all = [...place.values(), ...data.edges.flatMap((edge) => bendsOf(edge, placeOf))];
    const focus = box.contains(document.activeElement)
      ? /** @type {SVGElement} */ (document.activeElement).dataset.index
      : undefined;
    legend.replaceChildren(...palette.legend);
    canvas.svg.querySelectorAll(":scope > g").forEach((group) => group.remove());
    canvas.svg.append(
      s(
        "g",
        {},
        data.edges.flatMap((edge) => {
          const [from, to] = [place.get(edge.source), place.get(edge.target)];
          if (!from || !to) return [];
          return kinLine(edge, [from, ...bendsOf(edge, placeOf), to], {
            chosen: state.edge?.source === edge.source && state.edge.target === edge.target,
            near: state.chosen === edge.source || state.chosen === edge.target,
            choose: () => {
              state.edge = edge;
              state.chosen = null;
              draw(data);
            },
          });
        }),
      ),
      s(
        "g",
        {},
        data.nodes.map((member, index) =>
          memberBox(data, member, {
            place: placeOf(member),
            index,
            colour: palette.of(member),
            by: state.colour,
            chosen: state.chosen === member.id,
            tabbable: member.id === (state.chosen ?? data.start),
            choose: (withFocus) => choose(data, member, withFocus),
            hop: (key) => {
              const next = relativeOf(data, member, key);
              if (next) choose(data, next, true);
              return Boolean(next);
            },
          }),
        ),
      ),
    );
    canvas.svg.setAttribute(
      "aria-label",
      `${plural(data.nodes.length, "model")}, ${plural(data.edges.length, "relation")}. ` +
        "Arrow keys move between relatives.",
    );
    canvas.resize(
      Math.max(...all.map(([x]) => x)) + BOX_WIDTH + EDGE,
      Math.max(...all.map(([, y]) => y)) + BOX_HEIGHT + EDGE,
    );
    if (focus !== undefined) focusBox(focus);
    const member = data.nodes.find(({ id }) => id === state.chosen);
    const edge = data.edges.find((other) => state.edge && isSame(other, state.edge));
    details.replaceChildren(
      ...(edge ? edgeCard(edge) : member ? memberCard(figure, data, member) : []),
      ...testParts(data.tested),
    );
  };
  const search = h("input", {
    type: "search",
    placeholder: "Find a model",
    "aria-label": "Find a model in the tree",
    oninput: () => {
      const part = search.value.trim().toLowerCase();
      const member = part && tree?.nodes.find(({ id }) => id.toLowerCase().includes(part));
      if (tree && member) choose(tree, member);
    },
  });
  return (data) => {
    tree = data;
    const isNew = state.run !== data.start;
    if (isNew || !data.nodes.some(({ id }) => id === state.chosen)) state.chosen = data.start;
    if (isNew) state.edge = null;
    bar.replaceChildren(
      search,
      choice("Colour by", COLOUR_CHOICES, state.colour, (value) => {
        state.colour = /** @type {ColourBy} */ (value);
        draw(data);
      }),
      toolButton("−", "Zoom out", () => canvas.zoomTo(canvas.zoom / 1.2)),
      toolButton("+", "Zoom in", () => canvas.zoomTo(canvas.zoom * 1.2)),
      toolButton("Fit", "Fit to the width", () => canvas.fit()),
      ...textButtons(figure, data),
    );
    draw(data);
    if (!isNew) return;
    state.run = data.start;
    canvas.fit();
    canvas.zoomTo(Math.max(LEGIBLE, canvas.zoom));
    const start = data.nodes.find(({ id }) => id === data.start);
    if (start) canvas.reveal(...placing(data)(start), BOX_WIDTH, BOX_HEIGHT);
  };
}

/**
 * Where a tree's columns and rows are on the canvas.
 * @param {Tree} data
 * @returns {(spot: {x: number, y: number}) => Place}
 */
function placing({ nodes, edges }) {
  const bends = edges.flatMap((edge) => edge.bends);
  const left = Math.min(...nodes.map(({ x }) => x), ...bends.map(([x]) => x));
  const top = Math.min(...nodes.map(({ y }) => y), ...bends.map(([, y]) => y));
  return ({ x, y }) => [
    EDGE + (x - left) * (BOX_WIDTH + GAP_X),
    EDGE + (y - top) * (BOX_HEIGHT + GAP_Y),
  ];
}

/**
 * @param {Kinship} edge
 * @param {(spot: {x: number, y: number}) => Place} placeOf
 */
function bendsOf({ bends }, placeOf) {
  return bends.map(([x, y]) => placeOf({ x, y }));
}

/**
 * @param {Kinship} one
 * @param {Kinship} other
 */
function isSame(one, other) {
  return (
    one.source === other.source && one.target === other.target && one.relation === other.relation
  );
}

/**
 * Where an arrow key leads: to a parent, a child, or along the column.
 * @param {Tree} data
 * @param {Member} member
 * @param {string} key
 */
function relativeOf({ nodes, edges }, member, key) {
  const column = nodes.filter(({ x }) => x === member.x).toSorted((one, other) => one.y - other.y);
  const row = column.indexOf(member);
  const parent = edges.find(({ target }) => target === member.id)?.source;
  const child = edges.find(({ source }) => source === member.id)?.target;
  if (key === "ArrowLeft") return nodes.find(({ id }) => id === parent);
  if (key === "ArrowRight") return nodes.find(({ id }) => id === child);
  if (key === "ArrowUp") return row > 0 ? column[row - 1] : undefined;
  return key === "ArrowDown" ? column.at(row + 1) : undefined;
}

/**
 * Buttons that save the tree as text for other tools.
 * @param {Figure<Tree>} figure
 * @param {Tree} data
 */
function textButtons(figure, { nodes, edges }) {
  const { host } = figure;
  if (!host.fetch || host.exported) return [];
  return [
    ["Mermaid", "mermaid", "md"],
    ["DOT", "dot", "dot"],
  ].map(([label, format, ending]) =>
    toolButton(label, `Download as ${label}`, async (event) => {
      const pressed = event.currentTarget;
      const text = await host.fetch?.("tree_text", { format, nodes, edges }).catch(() => null);
      saveText(figure, pressed, `family.${ending}`, "text/plain", text);
    }),
  );
}
