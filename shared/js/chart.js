// A chart with words below it, drawn again as wide as its place is.

import { setSize, watchWidth } from "./axes.js";
import { h, s, scrollBox } from "./dom.js";

/**
 * What a chart draws for a width.
 * @typedef {Object} Drawing
 * @property {number} width of the picture, pixels
 * @property {number} height
 * @property {string} label what a reader who does not see it is told
 * @property {SVGElement[]} parts
 */

/**
 * @template T
 * @param {HTMLElement} panel
 * @param {Object} chart
 * @param {string} chart.name of the place that scrolls
 * @param {string} chart.kind class of that place
 * @param {string} chart.words class of the words
 * @param {"img" | "group"} [chart.role] a group where it holds buttons
 * @param {number} [chart.most] widest, pixels
 * @param {(data: T, width: number) => Drawing} chart.draw
 * @param {(data: T) => Node[]} chart.say
 * @returns {(data: T) => void}
 */
export function openChart(panel, { name, kind, words, role = "img", most, draw, say }) {
  const svg = s("svg", { class: "picture", role });
  const below = h("div", { class: words });
  const box = scrollBox(name, `scroll ${kind}`, svg);
  panel.append(box, below);
  /** @type {T | null} */
  let shown = null;
  const paint = () => {
    if (!shown) return;
    const { width, height, label, parts } = draw(shown, widthNow());
    setSize(svg, width, height);
    svg.setAttribute("aria-label", label);
    svg.replaceChildren(...parts);
  };
  const widthNow = watchWidth(box, paint, most);
  return (data) => {
    shown = data;
    paint();
    below.replaceChildren(...say(data));
  };
}
