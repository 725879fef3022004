// A small map of a picture that is larger than its frame: what it shows, and which part is in view.

import { h, s } from "./dom.js";

/**
 * @import {Canvas} from "./canvas.js"
 *
 * @typedef {Object} Overview
 * @property {HTMLElement} element
 * @property {(marks: SVGElement[]) => void} draw marks in the picture's own pixels
 * @property {() => void} follow shows which part is in view now
 */

/**
 * Make a map of a canvas. It is stretched to its own width and height: strokes should not scale, see
 * `.overview` in figure.css, and a dot is a stroke of no length. A press or a drag on it moves the
 * picture; for the keyboard the picture scrolls by itself.
 * @param {Canvas} canvas
 * @returns {Overview}
 */
export function openOverview(canvas) {
  const { scroll } = canvas;
  const marked = s("g");
  const view = s("rect", { class: "in-view" });
  const svg = s("svg", { preserveAspectRatio: "none" }, marked, view);
  const element = h("div", { class: "overview", "aria-hidden": "true" }, svg);
  const follow = () => {
    const { zoom, size } = canvas;
    const [width, height] = [scroll.clientWidth / zoom, scroll.clientHeight / zoom];
    for (const [name, value] of Object.entries({
      x: scroll.scrollLeft / zoom,
      y: scroll.scrollTop / zoom,
      width: Math.min(width, size.width),
      height: Math.min(height, size.height),
    }))
      view.setAttribute(name, String(value));
  };
  const go = (/** @type {PointerEvent} */ event) => {
    const box = svg.getBoundingClientRect();
    const { zoom, size } = canvas;
    const x = ((event.clientX - box.left) / box.width) * size.width * zoom;
    const y = ((event.clientY - box.top) / box.height) * size.height * zoom;
    scroll.scrollTo(x - scroll.clientWidth / 2, y - scroll.clientHeight / 2);
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    go(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) go(event);
  });
  scroll.addEventListener("scroll", follow, { passive: true });
  new ResizeObserver(follow).observe(scroll);
  return {
    element,
    follow,
    draw(marks) {
      svg.setAttribute("viewBox", `0 0 ${canvas.size.width} ${canvas.size.height}`);
      marked.replaceChildren(...marks);
      follow();
    },
  };
}
