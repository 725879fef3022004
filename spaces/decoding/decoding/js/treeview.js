// The tab "Tree": the picture of tree.js with its mouse, keys and tools.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { fateOf } from "./paths.js";
import { drawTree, layOutTree, neighbour } from "./tree.js";

/**
 * @param {HTMLElement} panel
 * @param {Object} figure the figure's state, see figure.js
 * @returns {{update: () => void, canvas: Object}}
 */
export function openTreeView(panel, figure) {
  const hatch = `${figure.id}-tree-hatch`;
  const canvas = openCanvas(
    panel,
    { role: "tree", "aria-label": "Tree of tokens", class: "picture tree" },
    hatch,
    figure.zoomed,
  );
  const drawn = new Map();
  const widths = [];
  const view = { canvas, layout: null, focused: "", prompt: null };

  view.update = () => {
    const { trace, forest } = figure;
    if (view.prompt !== trace.prompt.text) {
      view.prompt = trace.prompt.text;
      view.focused = "";
      widths.length = 0;
      canvas.scroll.scrollTo(0, 0);
    }
    view.layout = layOutTree(forest, {
      alternatives: figure.alternatives,
      running: figure.running,
      wanted: trace.request?.max_new_tokens ?? 0,
      selected: figure.selected.key,
      widths,
    });
    if (figure.running)
      view.layout.width.forEach(
        (width, column) => (widths[column] = column <= forest.depth ? width : undefined),
      );
    drawTree(canvas, drawn, trace, forest, view.layout, {
      selected: figure.selected.key,
      focused: view.focused,
      hatch: `url(#${hatch})`,
      prompt: trace.prompt.text,
      running: figure.running,
    });
  };

  const itemAt = (target) => {
    const group = target instanceof Element ? target.closest("[data-key]") : null;
    return (
      group && view.layout.items.find(({ place }) => place.key === group.getAttribute("data-key"))
    );
  };
  const groupOf = (key) => canvas.svg.querySelector(`[data-key="${CSS.escape(key)}"]`);

  /** Move the keyboard to a place and bring it into view. */
  const focus = (item) => {
    groupOf(view.focused)?.setAttribute("tabindex", "-1");
    view.focused = item.place.key;
    const group = groupOf(view.focused);
    if (!group) return;
    for (const other of canvas.svg.querySelectorAll('[tabindex="0"]'))
      other.setAttribute("tabindex", "-1");
    group.setAttribute("tabindex", "0");
    group.focus({ preventScroll: true });
    canvas.reveal(item.x, item.y, item.width, item.height);
    group.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  view.focusSelected = () => {
    const item = view.layout?.items.find(({ place }) => place.key === figure.selected.key);
    if (item) canvas.reveal(item.x, item.y, item.width, item.height);
  };

  const explain = (item) => {
    const group = groupOf(item.place.key);
    if (group) figure.explain(group, item.place);
  };
  canvas.svg.addEventListener("click", (event) => {
    const item = itemAt(event.target);
    if (!item) return;
    focus(item);
    figure.select(item.place.key);
  });
  canvas.svg.addEventListener("keydown", (event) => {
    const item = itemAt(event.target);
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") figure.select(item.place.key);
    else if (event.key === "b" || event.key === "B") figure.branch(item.place);
    else if (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End") {
      const next = neighbour(view.layout, item.place.key, event.key);
      if (next) focus(next);
    } else return;
    event.preventDefault();
  });
  canvas.svg.addEventListener("pointerover", (event) => {
    const item = itemAt(event.target);
    if (item && event.pointerType === "mouse") explain(item);
    else figure.hush();
  });
  canvas.svg.addEventListener("pointerleave", () => figure.hush());
  canvas.svg.addEventListener("focusin", (event) => {
    const item = itemAt(event.target);
    if (item && event.target.matches(":focus-visible")) explain(item);
  });
  canvas.svg.addEventListener("focusout", () => figure.hush());
  return view;
}

/** What each run did with a place, one sentence each, for the hint. */
export function fatesOf(place, runs) {
  return place.entries.map(({ run, node }) => ({
    run,
    fate: fateOf(runs[run], node),
    reason: node.reason ?? "",
  }));
}
