// The tab "Probability area": the picture of area.js with its mouse, keys and way back.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { focusOn, h, s } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import {
  AREA_COLUMN,
  AREA_HEIGHT,
  AREA_LABELS,
  AREA_TOP,
  drawAreaSteps,
  drawCell,
  drawGround,
  isLabelled,
  layOutArea,
  outlineRuns,
  shiftBetween,
} from "./area.js";
import { drawCrumbs, drawWays } from "./areapath.js";
import { oneIn } from "./chances.js";
import { ancestry, linkedEntry, fromLog, linkedPlace, textOf } from "./paths.js";
import { tailOf } from "./pill.js";
import { drawRace } from "./race.js";
import { forksOf } from "./treefold.js";

/**
 * @import {Cell} from "./area.js"
 * @import {Session} from "./figure.js"
 * @import {Place} from "./paths.js"
 */

const AREA_MOVE = 180; // milliseconds from one branch to the next

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openAreaView(panel, session) {
  const hatch = `${session.id}-area-hatch`;
  const crumbs = h("nav", { class: "crumbs", "data-own": true, "aria-label": "Zoomed to" });
  const ways = h("div", { class: "ways", role: "group", "aria-label": "Ways on" });
  panel.append(crumbs, ways);
  const canvas = openCanvas(
    panel,
    {
      role: "tree",
      "aria-label": "Area is the joint probability of the tokens",
      class: "picture area",
    },
    hatch,
    () => {
      session.zoomed();
      update();
    },
  );
  const caption = h("p", { class: "picture-caption" });
  const race = h("div", { class: "race" });
  panel.append(caption, race);
  // Grounds, then the runs' lines, then words: a line never crosses out a token.
  const grounds = s("g", { "aria-hidden": "true" });
  const lines = s("g", { "aria-hidden": "true" });
  const layer = s("g", { role: "group", "aria-label": "tokens" });
  canvas.svg.append(grounds, lines, layer);
  let zoomed = ""; // the place that takes the whole height
  let seen = ""; // the selected place, as it was drawn last
  /** @type {Cell[]} as they were drawn last */
  let cells = [];
  let active = "";
  /** @type {Place[]} the places with a cell, in the order of the cells */
  let drawn = [];

  const update = () => {
    const { forest } = session;
    const { zoom } = canvas;
    const selected = forest.places.get(session.selected.key) ?? forest.root;
    // what was selected in another view is brought where it can be read, beside its rivals
    const rival = forest.places.get(zoomed) ?? forest.root;
    if (selected.key !== seen && selected.parent && !isLabelled(selected, rival, zoom))
      zoomed = selected.parent.key;
    seen = selected.key;
    const focus = forest.places.get(zoomed) ?? forest.root;
    zoomed = focus.key;
    drawCrumbs(crumbs, focus, session, zoomInto);
    drawWays(ways, focus, session, zoom, zoomInto);
    caption.textContent = areaCaption(selected);
    const before = cells;
    cells = layOutArea(focus, zoom);
    const columns = Math.max(...cells.map((cell) => cell.column));
    canvas.resize(14 + (columns + 1) * AREA_COLUMN + AREA_LABELS, AREA_HEIGHT + AREA_TOP + 12);
    drawn = cells.filter(({ listed }) => listed).map(({ at }) => at);
    if (!drawn.some(({ key }) => key === active)) active = focus.key;
    grounds.replaceChildren(...cells.map((cell) => drawGround(cell, `url(#${hatch})`)));
    const focused = layer.contains(document.activeElement);
    layer.replaceChildren(...cells.map((cell) => drawCell(cell, session, active, zoom)));
    if (focused) focusOn(layer.querySelector('[tabindex="0"]'));
    lines.replaceChildren(
      ...drawAreaSteps(columns, focus.depth),
      ...outlineRuns(cells, session, focus, columns),
    );
    drawRace(race, session);
    const shift = before.length && before[0].at !== focus ? shiftBetween(before, cells) : null;
    if (shift && !matchMedia("(prefers-reduced-motion: reduce)").matches)
      for (const part of [grounds, lines, layer])
        part.animate([{ transform: shift }, { transform: "none" }], {
          duration: AREA_MOVE,
          easing: "ease-out",
        });
  };
  const goToFork = (/** @type {1 | -1} */ by) => {
    const { forest } = session;
    const forks = forksOf(forest);
    const at = forks.findIndex(({ key }) => key === zoomed);
    const { depth } = forest.places.get(zoomed) ?? forest.root;
    const next =
      at >= 0
        ? forks[at + by]
        : by === 1
          ? forks.find((fork) => fork.depth > depth)
          : forks.findLast((fork) => fork.depth < depth);
    if (next) zoomInto(next.key);
  };
  const select = (/** @type {string} */ key) => {
    active = key;
    session.select(key);
    focusOn(layer.querySelector('[tabindex="0"]'));
  };
  const zoomInto = (/** @type {string} */ key) => {
    zoomed = key;
    canvas.scroll.scrollTo(0, 0);
    select(key);
  };
  session.hold(
    "zoomed",
    () => linkedEntry(session.forest, { key: zoomed, run: null }),
    (value) => {
      const place = linkedPlace(session.forest, value);
      zoomed = place?.key ?? zoomed;
      update();
      return Boolean(place);
    },
  );
  const act = (/** @type {Place} */ place) => {
    if (place.key === zoomed && place.parent) zoomInto(place.parent.key);
    else if (place.children.length) zoomInto(place.key);
    else select(place.key);
  };
  const cellAt = (/** @type {EventTarget | null} */ target) =>
    target instanceof Element ? target.closest("[data-key]") : null;
  const placeOf = (/** @type {Element | null} */ cell) =>
    cell ? session.forest.places.get(cell.getAttribute("data-key") ?? "") : undefined;
  const move = (/** @type {Place | null | undefined} */ place) => {
    const target = place && layer.querySelector(`[data-key="${CSS.escape(place.key)}"]`);
    if (!target) return;
    layer.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    active = place.key;
    target.setAttribute("tabindex", "0");
    focusOn(target);
    const edge = target.querySelector("rect");
    const [x, y] = ["x", "y"].map((name) => Number(edge?.getAttribute(name)));
    canvas.reveal(x, y, AREA_COLUMN, 30);
  };
  const moves = {
    ArrowLeft: (/** @type {Place} */ { parent }) => drawn.find((other) => other === parent),
    ArrowRight: (/** @type {Place} */ place) => drawn.find((other) => other.parent === place),
    ArrowDown: (/** @type {Place} */ place) => beside(place, 1),
    ArrowUp: (/** @type {Place} */ place) => beside(place, -1),
  };
  const beside = (/** @type {Place} */ place, /** @type {number} */ by) => {
    const column = drawn.filter((other) => other.depth === place.depth);
    return column[column.indexOf(place) + by];
  };
  const explain = (/** @type {Element | null} */ cell) => {
    const place = placeOf(cell);
    if (cell && place) session.explain(cell, place);
  };
  layer.addEventListener("click", (event) => {
    const place = placeOf(cellAt(event.target));
    if (place) act(place);
  });
  layer.addEventListener("keydown", (event) => {
    const place = placeOf(cellAt(event.target));
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key === "Enter" || key === " ") act(place);
    else if (key === "b" || key === "B") session.branch(place);
    else if (key === "n" || key === "N") goToFork(1);
    else if (key === "p" || key === "P") goToFork(-1);
    else if (key === "Backspace") zoomInto(session.forest.places.get(zoomed)?.parent?.key ?? "");
    else if (key in moves) move(moves[/** @type {keyof typeof moves} */ (key)](place));
    else return;
    event.preventDefault();
  });
  layer.addEventListener("pointerover", (event) => {
    const cell = cellAt(event.target);
    if (cell && event.pointerType === "mouse") explain(cell);
    else session.hush();
  });
  layer.addEventListener("pointerleave", session.hush);
  layer.addEventListener("focusin", (event) => {
    const cell = cellAt(event.target);
    if (cell?.matches(":focus-visible")) explain(cell);
  });
  layer.addEventListener("focusout", session.hush);
  return { update, canvas };
}

/** @param {Place} place */
function areaCaption(place) {
  if (!place.parent)
    return (
      "A token’s height is the probability of the whole text up to it. " +
      "Hatched: tokens that are not listed."
    );
  const path = ancestry(place).slice(1);
  const factors =
    path.length < 8 && path.length > 1
      ? `${path.map((at) => percent(fromLog(at.logprob))).join(" × ")} = `
      : "";
  const text = tailOf(textOf(place), 60).replace(/\n/g, "⏎");
  const odds = oneIn(place.joint);
  return `“${text}”: ${factors}${odds} (log p ${number(place.joint, 2)}).`;
}
