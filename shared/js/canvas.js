// The scrolling frame of a picture: zoom by buttons, keys and ctrl+wheel, pan by dragging or scrolling.

import { h, s } from "./dom.js";

const SMALLEST = 0.25;
const LARGEST = 2.5;
const DRAG_THRESHOLD = 4; // pixels before a press counts as a drag

/**
 * @typedef {Object} Canvas
 * @property {HTMLElement} scroll
 * @property {SVGElement} svg
 * @property {number} zoom
 * @property {(width: number, height: number) => void} resize natural size of the picture in pixels
 * @property {(zoom: number, clientX?: number, clientY?: number) => void} zoomTo keeps the point under the pointer
 * @property {() => void} fit
 * @property {(x: number, y: number, width: number, height: number) => void} reveal scrolls a box of the picture into view
 */

/**
 * Make a frame with an empty SVG in `parent`.
 * @param {HTMLElement} parent
 * @param {Object<string, string>} attributes of the SVG
 * @param {string} hatchId id for the pattern of removed and unknown shares, unique in the page
 * @param {() => void} onZoom called after the zoom changed
 * @returns {Canvas}
 */
export function openCanvas(parent, attributes, hatchId, onZoom) {
  const pattern = s(
    "pattern",
    {
      id: hatchId,
      width: 5,
      height: 5,
      patternUnits: "userSpaceOnUse",
      patternTransform: "rotate(45)",
    },
    s("line", { class: "hatch", x1: 0.75, y1: 0, x2: 0.75, y2: 5 }),
  );
  const svg = s("svg", attributes, s("defs", {}, pattern));
  const scroll = h("div", { class: "scroll" }, svg);
  parent.append(scroll);
  const canvas = { scroll, svg, zoom: 1, width: 0, height: 0 };

  canvas.resize = (width, height) => {
    canvas.width = width;
    canvas.height = height;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", String(Math.round(width * canvas.zoom)));
    svg.setAttribute("height", String(Math.round(height * canvas.zoom)));
  };
  canvas.zoomTo = (zoom, clientX, clientY) => {
    const next = Math.min(LARGEST, Math.max(SMALLEST, zoom));
    const box = scroll.getBoundingClientRect();
    const x = (clientX ?? box.left + box.width / 2) - box.left;
    const y = (clientY ?? box.top + box.height / 2) - box.top;
    const ratio = next / canvas.zoom;
    const [left, top] = [(scroll.scrollLeft + x) * ratio - x, (scroll.scrollTop + y) * ratio - y];
    canvas.zoom = next;
    canvas.resize(canvas.width, canvas.height);
    scroll.scrollTo(left, top);
    onZoom();
  };
  canvas.fit = () => {
    canvas.zoomTo(Math.min(1, scroll.clientWidth / Math.max(1, canvas.width)));
    scroll.scrollTo(0, 0);
  };
  canvas.reveal = (x, y, width, height) => {
    const margin = 24;
    const shift = (start, extent, from, size) => {
      if (start - margin < from) return start - margin - from;
      return Math.max(0, start + extent + margin - from - size);
    };
    const { zoom } = canvas;
    scroll.scrollLeft += shift(x * zoom, width * zoom, scroll.scrollLeft, scroll.clientWidth);
    scroll.scrollTop += shift(y * zoom, height * zoom, scroll.scrollTop, scroll.clientHeight);
  };

  scroll.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      canvas.zoomTo(canvas.zoom * Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
    },
    { passive: false },
  );
  scroll.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") canvas.zoomTo(canvas.zoom * 1.2);
    else if (event.key === "-") canvas.zoomTo(canvas.zoom / 1.2);
    else if (event.key === "0") canvas.fit();
    else return;
    event.preventDefault();
  });
  dragToPan(scroll);
  return canvas;
}

/** Let the mouse drag the picture; fingers scroll natively. */
function dragToPan(scroll) {
  let from = null;
  scroll.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType !== "mouse") return;
    from = {
      x: event.clientX,
      y: event.clientY,
      left: scroll.scrollLeft,
      top: scroll.scrollTop,
      moved: false,
    };
  });
  scroll.addEventListener("pointermove", (event) => {
    if (!from || !(event.buttons & 1)) return;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    if (!from.moved && Math.hypot(x, y) < DRAG_THRESHOLD) return;
    if (!from.moved) scroll.setPointerCapture(event.pointerId);
    from.moved = true;
    scroll.classList.add("dragging");
    scroll.scrollTo(from.left - x, from.top - y);
  });
  const release = () => {
    scroll.classList.remove("dragging");
    // The click that ends a drag arrives after this event: swallow it, then forget the drag.
    if (from?.moved) {
      const swallow = (event) => event.stopPropagation();
      scroll.addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => scroll.removeEventListener("click", swallow, { capture: true }), 0);
    }
    from = null;
  };
  scroll.addEventListener("pointerup", release);
  scroll.addEventListener("pointercancel", release);
}
