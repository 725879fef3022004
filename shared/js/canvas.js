// The scrolling frame of a picture: zoom by buttons, keys and ctrl+wheel, pan by dragging or
// scrolling.

import { hatchPattern } from "./axes.js";
import { h, s } from "./dom.js";

const SMALLEST = 0.25;
const LARGEST = 2.5;
const READABLE_ZOOM = 9 / 10.5; // the zoom at which a picture's smallest letters are 9 pixels high
const DRAG_THRESHOLD = 4; // pixels before a press counts as a drag

/**
 * @typedef {Object} Canvas
 * @property {HTMLElement} scroll
 * @property {SVGSVGElement} svg
 * @property {number} zoom
 * @property {{width: number, height: number}} size natural, in pixels
 * @property {(width: number, height: number) => void} resize natural size of the picture in pixels
 * @property {(zoom: number, clientX?: number, clientY?: number) => void} zoomTo keeps the point
 *   under the pointer
 * @property {() => void} fit shows the whole width, or as much as can be read: then all of the
 *   height, if that can be read
 * @property {(x: number, y: number, width: number, height: number) => void} reveal scrolls a box of
 *   the picture into view
 */

/** @type {WeakMap<Element, Canvas>} by the element that scrolls */
const canvasFrames = new WeakMap();

/**
 * The frame that an element scrolls.
 * @param {Element} scroll
 */
export function frameOf(scroll) {
  return canvasFrames.get(scroll);
}

/**
 * Make a frame with an empty SVG in `parent`.
 * @param {HTMLElement} parent
 * @param {Record<string, string>} attributes of the SVG
 * @param {string} hatchId id for the pattern of removed and unknown shares, unique in the page
 * @param {() => void} onZoom called after the zoom changed
 * @returns {Canvas}
 */
export function openCanvas(parent, attributes, hatchId, onZoom) {
  const svg = s("svg", attributes, s("defs", {}, hatchPattern(hatchId, 5)));
  const scroll = h("div", { class: "scroll" }, svg);
  parent.append(scroll);
  const size = { width: 0, height: 0 };

  /** @type {Canvas} */
  const canvas = {
    scroll,
    svg,
    zoom: 1,
    size,
    resize(width, height) {
      Object.assign(size, { width, height });
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      svg.setAttribute("width", String(Math.round(width * canvas.zoom)));
      svg.setAttribute("height", String(Math.round(height * canvas.zoom)));
    },
    zoomTo(zoom, clientX, clientY) {
      const next = Math.min(LARGEST, Math.max(SMALLEST, zoom));
      const box = scroll.getBoundingClientRect();
      const x = (clientX ?? box.left + box.width / 2) - box.left;
      const y = (clientY ?? box.top + box.height / 2) - box.top;
      const ratio = next / canvas.zoom;
      const [left, top] = [(scroll.scrollLeft + x) * ratio - x, (scroll.scrollTop + y) * ratio - y];
      canvas.zoom = next;
      canvas.resize(size.width, size.height);
      scroll.scrollTo(left, top);
      onZoom();
    },
    fit() {
      const wide = scroll.clientWidth / Math.max(1, size.width);
      const high = scroll.clientHeight / Math.max(1, size.height);
      canvas.zoomTo(Math.min(1, Math.max(READABLE_ZOOM, wide >= READABLE_ZOOM ? wide : high)));
      scroll.scrollTo(0, 0);
    },
    reveal(x, y, width, height) {
      const { zoom } = canvas;
      scroll.scrollLeft += shiftInto(scroll.scrollLeft, scroll.clientWidth, x * zoom, width * zoom);
      scroll.scrollTop += shiftInto(scroll.scrollTop, scroll.clientHeight, y * zoom, height * zoom);
    },
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
  canvasFrames.set(scroll, canvas);
  return canvas;
}

/**
 * How far a window of `size` from `from` must move to show what is `extent` long at `start`.
 * @param {number} from
 * @param {number} size
 * @param {number} start
 * @param {number} extent
 */
function shiftInto(from, size, start, extent) {
  const margin = 24;
  if (start - margin < from) return start - margin - from;
  return Math.max(0, start + extent + margin - from - size);
}

/**
 * Let the mouse drag the picture; fingers scroll natively.
 * @param {HTMLElement} scroll
 */
function dragToPan(scroll) {
  /** @type {{x: number, y: number, left: number, top: number, moved: boolean} | null} */
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
      const swallow = (/** @type {Event} */ event) => event.stopPropagation();
      scroll.addEventListener("click", swallow, { capture: true, once: true });
      setTimeout(() => scroll.removeEventListener("click", swallow, { capture: true }), 0);
    }
    from = null;
  };
  scroll.addEventListener("pointerup", release);
  scroll.addEventListener("pointercancel", release);
}
