// The tab "Tree": the picture of tree.js with its mouse, keys and tools.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { focusOn } from "../../../../shared/js/dom.js";
import { isPlace } from "../../../../shared/js/seen.js";
import { ALL, drawPills, drawTree, openDrawing } from "./tree.js";
import { forksOf, stretchesOf } from "./treefold.js";
import { itemAt, layOutTree, neighbour } from "./treelayout.js";
import { openWay, stretchHint } from "./treeway.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Session} from "./figure.js"
 * @import {Trace} from "./data.js"
 * @import {Place} from "./paths.js"
 * @import {Stretch} from "./treefold.js"
 * @import {Item, Layout} from "./treelayout.js"
 */

const LONG = 2; // frames that a tree may be wide before it folds by itself
const CONTEXT = 300; // pixels shown after a fork that the keyboard goes to

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 * @param {(canvas: Canvas, layout: Layout) => void} [more] draws what else belongs into the picture
 */
export function openTreeView(panel, session, more) {
  const hatch = `${session.id}-tree-hatch`;
  const canvas = openCanvas(
    panel,
    { role: "tree", "aria-label": "Tree of tokens", class: "picture tree" },
    hatch,
    () => {
      session.zoomed();
      drawPills(canvas, drawing);
    },
  );
  const drawing = openDrawing(canvas);
  const way = openWay(canvas, (by) => goToFork(by), more ? null : () => fold(!folding));
  panel.prepend(way.element);
  /** @type {boolean | null} as the visitor wants it; null: where the tree is long */
  let chosen = more ? false : null; // what else is drawn stands below every column
  let folding = false;
  /** @type {Set<number>} steps that the visitor unfolded */
  const open = new Set();
  /** @type {Trace | null} */
  let last = null;
  /** @type {number[]} smallest width of each column, while a trace grows */
  let widths = [];
  /** @type {Layout | null} */
  let layout = null;
  let focused = "";
  let visited = false; // whether the keyboard was on a fork
  /** @type {string | null} */
  let prompt = null;

  const update = () => {
    const { trace, forest, running, selected, alternatives } = session;
    if (prompt !== trace.prompt.text) {
      prompt = trace.prompt.text;
      focused = "";
      visited = false;
      widths = [];
      open.clear();
      canvas.scroll.scrollTo(0, 0);
    }
    const options = {
      alternatives,
      running,
      wanted: trace.request.max_new_tokens,
      selected: selected.key,
      widths,
      folded: /** @type {Stretch[]} */ ([]),
    };
    layout = layOutTree(forest, options);
    if (running) widths = layout.needed.slice(0, forest.depth + 1);
    const frame = canvas.scroll.clientWidth || 800;
    way.element.hidden = layout.totalWidth * canvas.zoom <= frame && !chosen;
    // a growing picture does not move what stands
    if (last !== trace) folding = chosen ?? (!running && layout.totalWidth > LONG * frame);
    last = trace;
    if (folding) {
      const steps = new Set([...open, forest.places.get(selected.key)?.depth ?? 0]);
      layout = layOutTree(forest, { ...options, folded: stretchesOf(forest, steps) });
    }
    drawTree(canvas, drawing, trace, forest, layout, {
      selected: selected.key,
      focused,
      hatch: `url(#${hatch})`,
      prompt: trace.prompt.text,
      running,
    });
    way.draw(trace, forest, layout, folding);
    more?.(canvas, layout);
  };

  const itemUnder = (/** @type {EventTarget | null} */ target) => {
    const group = target instanceof Element ? target.closest("[data-key]") : null;
    const key = group?.getAttribute("data-key");
    return layout?.items.find(({ place }) => place.key === key) ?? null;
  };
  const groupOf = (/** @type {string} */ key) =>
    canvas.svg.querySelector(`[data-key="${CSS.escape(key)}"]`);

  /** Move the keyboard to a place and bring it into view. */
  const focus = (/** @type {Item} */ item) => {
    focused = item.place.key;
    if (drawing.scene) drawing.scene.focused = focused;
    if (!groupOf(focused)) drawPills(canvas, drawing, focused);
    const group = groupOf(focused);
    if (!group) return;
    for (const other of canvas.svg.querySelectorAll('[tabindex="0"]'))
      other.setAttribute("tabindex", "-1");
    group.setAttribute("tabindex", "0");
    focusOn(group);
    canvas.reveal(item.x, item.y, item.width, item.height);
    group.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  /** Draw anew with what is at a place where it was. */
  const keepInPlace = (/** @type {Place} */ place, /** @type {() => void} */ change) => {
    const before = layout && itemAt(layout, place);
    change();
    session.hush();
    update();
    const after = layout && itemAt(layout, place);
    if (before && after) canvas.scroll.scrollLeft += (after.x - before.x) * canvas.zoom;
    return after;
  };
  const fold = (/** @type {boolean} */ on) => {
    const place = session.forest.places.get(focused) ?? session.forest.root;
    keepInPlace(place, () => {
      chosen = folding = on;
      open.clear();
    });
  };
  const unfold = (/** @type {Item} */ { place, folded }) => {
    for (const { depth } of folded ?? []) open.add(depth);
    const after = keepInPlace(place, () => {});
    if (after) focus(after);
  };
  session.hold(
    "unfolded",
    () => (open.size ? [...open] : undefined),
    (value) => {
      const steps = Array.isArray(value) ? value : [];
      const fit = steps.filter((step) => isPlace(step, session.forest.depth + 1));
      for (const step of fit) open.add(step);
      update();
      return steps.length > 0 && fit.length === steps.length;
    },
  );
  /** Fold the unfolded steps around a place again. */
  const foldAround = (/** @type {Place} */ place) => {
    let [from, to] = [place.depth, place.depth];
    while (open.has(from - 1)) from -= 1;
    while (open.has(to + 1)) to += 1;
    for (let step = from; step <= to; step += 1) open.delete(step);
    const after = keepInPlace(place, () => {});
    if (after) focus(after);
  };
  const goToFork = (/** @type {1 | -1} */ by) => {
    const forks = forksOf(session.forest);
    if (!layout || !forks.length) return;
    const order = (/** @type {Place} */ { depth, lane }) => depth * 1e6 + (lane ?? 0);
    const from = visited || focused ? session.forest.places.get(focused) : null;
    const here = from ? order(from) : -1;
    const place =
      by === 1
        ? (forks.find((fork) => order(fork) > here) ?? forks[forks.length - 1])
        : (forks.findLast((fork) => order(fork) < here) ?? forks[0]);
    visited = true;
    const item = itemAt(layout, place);
    if (!item) return;
    focus(item);
    const room = canvas.scroll.clientWidth / canvas.zoom - item.width - 60;
    canvas.reveal(item.x, item.y, item.width + Math.min(CONTEXT, Math.max(0, room)), item.height);
    way.at(place);
  };

  const explain = (/** @type {Item} */ item) => {
    const group = groupOf(item.place.key);
    if (!group) return;
    if (item.folded) session.explainWith(group, stretchHint(item.folded));
    else session.explain(group, item.place);
  };
  canvas.scroll.addEventListener(
    "scroll",
    () => {
      cancelAnimationFrame(drawing.frame);
      drawing.frame = requestAnimationFrame(() => drawPills(canvas, drawing));
    },
    { passive: true },
  );
  canvas.svg.addEventListener("save", () => drawPills(canvas, drawing, ALL));
  canvas.svg.addEventListener("click", (event) => {
    const item = itemUnder(event.target);
    if (!item) return;
    if (item.folded) return unfold(item);
    focus(item);
    session.select(item.place.key);
  });
  canvas.svg.addEventListener("keydown", (event) => {
    const item = itemUnder(event.target);
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key === "Enter" || key === " ") {
      if (item.folded) unfold(item);
      else session.select(item.place.key);
    } else if (key === "f" || key === "F") foldAround(item.place);
    else if (key === "n" || key === "N") goToFork(1);
    else if (key === "p" || key === "P") goToFork(-1);
    else if (key === "b" || key === "B") session.branch(item.place);
    else if (key.startsWith("Arrow") || key === "Home" || key === "End") {
      const next = layout && neighbour(layout, item.place.key, key);
      if (next) focus(next);
    } else return;
    event.preventDefault();
  });
  canvas.svg.addEventListener("pointerover", (event) => {
    const item = itemUnder(event.target);
    if (item && event.pointerType === "mouse") explain(item);
    else session.hush();
  });
  canvas.svg.addEventListener("pointerleave", session.hush);
  canvas.svg.addEventListener("focusin", (event) => {
    const item = itemUnder(event.target);
    const { target } = event;
    if (item && target instanceof Element && target.matches(":focus-visible")) explain(item);
  });
  canvas.svg.addEventListener("focusout", session.hush);
  return { update, canvas };
}
