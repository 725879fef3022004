// The tab "Tree": the picture of tree.js with its mouse, keys and tools.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { focusOn } from "../../../../shared/js/dom.js";
import { openDrawing, drawTree } from "./tree.js";
import { layOutTree, neighbour } from "./treelayout.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Session} from "./figure.js"
 * @import {Item, Layout} from "./treelayout.js"
 */

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
    session.zoomed,
  );
  const drawing = openDrawing(canvas);
  /** @type {number[]} smallest width of each column, while a trace grows */
  let widths = [];
  /** @type {Layout | null} */
  let layout = null;
  let focused = "";
  /** @type {string | null} */
  let prompt = null;

  const update = () => {
    const { trace, forest, running, selected, alternatives } = session;
    if (prompt !== trace.prompt.text) {
      prompt = trace.prompt.text;
      focused = "";
      widths = [];
      canvas.scroll.scrollTo(0, 0);
    }
    layout = layOutTree(forest, {
      alternatives,
      running,
      wanted: trace.request.max_new_tokens,
      selected: selected.key,
      widths,
    });
    if (running) widths = layout.width.slice(0, forest.depth + 1);
    drawTree(canvas, drawing, trace, forest, layout, {
      selected: selected.key,
      focused,
      hatch: `url(#${hatch})`,
      prompt: trace.prompt.text,
      running,
    });
    more?.(canvas, layout);
  };

  const itemAt = (/** @type {EventTarget | null} */ target) => {
    const group = target instanceof Element ? target.closest("[data-key]") : null;
    const key = group?.getAttribute("data-key");
    return layout?.items.find(({ place }) => place.key === key) ?? null;
  };
  const groupOf = (/** @type {string} */ key) =>
    canvas.svg.querySelector(`[data-key="${CSS.escape(key)}"]`);

  /** Move the keyboard to a place and bring it into view. */
  const focus = (/** @type {Item} */ item) => {
    focused = item.place.key;
    const group = groupOf(focused);
    if (!group) return;
    for (const other of canvas.svg.querySelectorAll('[tabindex="0"]'))
      other.setAttribute("tabindex", "-1");
    group.setAttribute("tabindex", "0");
    focusOn(group);
    canvas.reveal(item.x, item.y, item.width, item.height);
    group.scrollIntoView({ block: "nearest", inline: "nearest" });
  };

  const explain = (/** @type {Item} */ item) => {
    const group = groupOf(item.place.key);
    if (group) session.explain(group, item.place);
  };
  canvas.svg.addEventListener("click", (event) => {
    const item = itemAt(event.target);
    if (!item) return;
    focus(item);
    session.select(item.place.key);
  });
  canvas.svg.addEventListener("keydown", (event) => {
    const item = itemAt(event.target);
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") session.select(item.place.key);
    else if (event.key === "b" || event.key === "B") session.branch(item.place);
    else if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") {
      const next = layout && neighbour(layout, item.place.key, event.key);
      if (next) focus(next);
    } else return;
    event.preventDefault();
  });
  canvas.svg.addEventListener("pointerover", (event) => {
    const item = itemAt(event.target);
    if (item && event.pointerType === "mouse") explain(item);
    else session.hush();
  });
  canvas.svg.addEventListener("pointerleave", session.hush);
  canvas.svg.addEventListener("focusin", (event) => {
    const item = itemAt(event.target);
    const { target } = event;
    if (item && target instanceof Element && target.matches(":focus-visible")) explain(item);
  });
  canvas.svg.addEventListener("focusout", session.hush);
  return { update, canvas };
}
