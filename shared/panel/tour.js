// Show me: a bar that walks through a room's steps. Python sets the controls and the figure of a step;
// the view is opened here, in a figure that is drawn anew, and leaving draws the visitor's own again.

import { h } from "../js/dom.js";
import { viewOf } from "../js/linked.js";
import { figureAbove, showView, showsResultOf } from "./view.js";

/**
 * @import {Host} from "../js/shell.js"
 * @import {Tour} from "../js/data.js"
 *
 * @typedef {{request: unknown, view: string, seen: string, focus: Element | null}} Before what the
 *   visitor had
 */

const DRAWN_MILLISECONDS = 100;
const LONGEST_WAIT = 100; // looks for a figure that is to come
const GOING_ON =
  "A run is going on here. Wait until it has ended, or cancel it; then press Show me again.";

/** The tours of the page, by the element that shows them. @type {WeakMap<HTMLElement, () => void>} */
const tours = new WeakMap();

/**
 * Make a tour ready, which the button in the page's header starts.
 * @param {HTMLElement} element
 * @param {Tour} tour
 * @param {Host} host
 */
export function renderTour(element, tour, host) {
  if (tours.has(element)) return;
  let at = -1;
  let waiting = 0;
  /** @type {Before | null} */
  let before = null;

  const start = () => {
    const figure = figureAbove(element);
    if (!figure?.checkVisibility() || at >= 0) return; // another room is open
    if (figure?.querySelector(".state progress")) return say([h("p", {}, GOING_ON)]);
    before = seenNow(document.activeElement);
    go(0);
  };
  /**
   * @param {Element | null} focus
   * @returns {Before}
   */
  const seenNow = (focus) => {
    const figure = figureAbove(element);
    const { shows } = /** @type {{shows?: {request?: unknown}}} */ (figure ?? {});
    return {
      request: shows?.request,
      view: viewOf(figure).name,
      seen: figure?.dataset.seen ?? "",
      focus,
    };
  };
  /** Whether the visitor has run something since the tour began: that is theirs now. */
  const hasRun = () => {
    const { request } = seenNow(null);
    const known = [before?.request, ...tour.steps.map(({ asked }) => asked)];
    return (
      request !== undefined && !known.some((one) => JSON.stringify(one) === JSON.stringify(request))
    );
  };
  const go = (/** @type {number} */ to) => {
    const own = at >= 0 && hasRun();
    if (own) before = seenNow(before?.focus ?? null);
    at = to;
    const { says, view, seen, asked } = tour.steps[at];
    const last = at === tour.steps.length - 1;
    say([
      h("p", { class: "tour-says" }, h("b", {}, `${at + 1} of ${tour.steps.length}`), " ", says),
      h(
        "div",
        { class: "tour-ways" },
        h("button", { type: "button", disabled: at === 0, onclick: () => go(at - 1) }, "Back"),
        h(
          "button",
          { type: "button", class: "next", onclick: () => (last ? leave() : go(at + 1)) },
          last ? "Done" : "Next",
        ),
        h("button", { type: "button", onclick: leave, "aria-keyshortcuts": "Escape" }, "Leave"),
      ),
    ]);
    element.querySelector("button.next")?.scrollIntoView({ block: "nearest" });
    /** @type {HTMLElement | null} */ (element.querySelector("button.next"))?.focus();
    host.emit("step", { at, own });
    open(asked, view, JSON.stringify(seen), true);
  };
  /**
   * Open a view once the figure shows a request's result.
   * @param {unknown} asked
   * @param {string} view
   * @param {string} seen
   * @param {boolean} quiet whether the figure leaves the page alone
   */
  const open = (asked, view, seen, quiet) => {
    clearTimeout(waiting);
    let looks = 0;
    const look = () => {
      const figure = figureAbove(element);
      if (figure && showsResultOf(figure, asked)) {
        figure.dispatchEvent(new CustomEvent("figure-renew", { detail: quiet }));
        const anew = figureAbove(element);
        if (anew) showView(anew, view || viewOf(anew).name, seen || null);
        if (quiet) anew?.scrollIntoView({ block: "start" });
      } else if (looks < LONGEST_WAIT) {
        looks += 1;
        waiting = setTimeout(look, DRAWN_MILLISECONDS);
      }
    };
    waiting = setTimeout(look, DRAWN_MILLISECONDS);
  };
  const leave = () => {
    const own = hasRun();
    at = -1;
    clearTimeout(waiting);
    say([]);
    host.emit("leave", { own });
    if (before?.request && !own) open(before.request, before.view, before.seen, false);
    if (before?.focus instanceof HTMLElement) before.focus.focus();
    before = null;
  };
  const say = (/** @type {HTMLElement[]} */ parts) => {
    const close = h("button", { type: "button", onclick: () => say([]) }, "Close");
    if (parts.length === 1) parts.push(close);
    const bar = h(
      "section",
      { class: "tour-bar", role: "region", "aria-label": "Show me" },
      ...parts,
    );
    live.textContent = parts[0]?.textContent ?? "";
    element.replaceChildren(live, ...(parts.length ? [bar] : []));
  };
  const live = h("p", { class: "tour-heard", role: "status" });
  const keys = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape" && at >= 0 && !event.defaultPrevented) leave();
  };
  const pressed = (/** @type {Event} */ { target }) => {
    if (!element.isConnected) stop();
    else if (target instanceof Element && target.closest("button.show-me")) start();
  };
  const stop = () => {
    document.removeEventListener("click", pressed);
    document.removeEventListener("keydown", keys);
  };
  document.addEventListener("click", pressed);
  document.addEventListener("keydown", keys);
  tours.set(element, stop);
}
