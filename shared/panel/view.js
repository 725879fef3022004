// What is seen of the figure above: a link holds the open view, and may show it alone.

import { tabsOf } from "../js/linked.js";

/** @import {Panel} from "../js/data.js" */

/** Longest JSON of what is seen that a link may bring. */
const LONGEST_LINKED = 1000;
/** The query that the page was opened with; the panel changes the address later. */
const linked = new URLSearchParams(location.search);
const linkedQuery = String(linked);
/** What stands in a link beside settings; without any setting it opens the figure that is there. */
const NO_SETTINGS = ["room", "view", "seen", "alone", "token"];
const asksForFigure = [...linked.keys()].some(
  (name) => !NO_SETTINGS.includes(name) && !name.startsWith("__"),
);

/**
 * The figure of a panel's room: the last one with views before it in the same tab of the page.
 * @param {HTMLElement} panel
 * @returns {HTMLElement | null}
 */
export function figureAbove(panel) {
  const room = panel.closest('[role="tabpanel"]') ?? document;
  const figures = [
    .../** @type {NodeListOf<HTMLElement>} */ (room.querySelectorAll(".course-figure")),
  ];
  const before = figures.filter(
    (figure) =>
      figure.querySelector("[data-view]") &&
      figure.compareDocumentPosition(panel) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  return before.at(-1) ?? null;
}

/**
 * Whether a figure shows the complete result of a request, where a visitor can see it.
 * @param {HTMLElement} figure
 * @param {unknown} request as JSON
 */
export function showsResultOf(figure, request) {
  return figure.checkVisibility() && isResultOf(figure, request);
}

/**
 * Whether a figure has the complete result of a request.
 * @param {HTMLElement} figure
 * @param {unknown} request as JSON
 */
export function isResultOf(figure, request) {
  const { shows } = /** @type {{shows?: {request?: unknown, done?: boolean}}} */ (figure);
  return shows?.done !== false && JSON.stringify(shows?.request) === JSON.stringify(request);
}

/**
 * Open the view that the page's address names, with what is seen there, once its figure has it.
 * @param {HTMLElement} panel
 * @param {Panel} data
 * @returns {boolean} whether there is nothing left to do
 */
export function openLinkedView(panel, { query, asked, opened }) {
  const room = linked.get("room");
  const named = linked.has("view") || linked.has("seen");
  if (!named || (room && room !== new URLSearchParams(query).get("room"))) return true;
  if (asksForFigure && String(new URLSearchParams(opened ?? "")) !== linkedQuery) return true;
  const figure = figureAbove(panel);
  if (!figure || !showsResultOf(figure, asked)) return false;
  showView(figure, linked.get("view"), linked.get("seen"));
  if (linked.has("alone")) showAlone(figure);
  for (const name of ["view", "seen"]) linked.delete(name);
  return true;
}

/**
 * Open a view of a figure, and show what was seen in it.
 * @param {HTMLElement} figure
 * @param {string | null} view null for the one that is open
 * @param {string | null} seen JSON; what does not fit the figure is left, and the figure says so
 */
export function showView(figure, view, seen) {
  tabsOf(figure)
    .find((one) => one.dataset.view === view)
    ?.click();
  if (seen !== null)
    figure.dispatchEvent(new CustomEvent("figure-seen", { detail: valuesOf(seen) }));
}

/** @param {string} text */
function valuesOf(text) {
  try {
    return text.length <= LONGEST_LINKED ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

/** @param {HTMLElement} figure */
function showAlone(figure) {
  figure.classList.add("alone");
  for (
    let node = /** @type {HTMLElement} */ (figure);
    node.parentElement && node !== document.body;
    node = node.parentElement
  )
    for (const other of node.parentElement.children)
      if (other !== node && other instanceof HTMLElement) other.inert = true;
}
