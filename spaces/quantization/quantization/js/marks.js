// The marks of the engines: colour and shape, so that neither has to be told apart alone.

import { s } from "../../../../shared/js/dom.js";

/** @type {Record<string, [colour: string, shape: string]>} */
const MARKS = {
  gguf: ["a", "circle"],
  own: ["b", "square"],
  bitsandbytes: ["c", "triangle"],
  hqq: ["d", "diamond"],
  torchao: ["b", "cross"],
  autoround: ["c", "ring"],
  gptq: ["d", "square"],
  awq: ["d", "triangle"],
  published: ["a", "ring"],
};

/**
 * The mark of an engine at a place.
 * @param {string} engine
 * @param {number} x
 * @param {number} y
 * @param {number} [size] half its width, pixels
 */
export function mark(engine, x, y, size = 5) {
  const [colour, shape] = MARKS[engine] ?? MARKS.gguf;
  const isOpen = shape === "ring" || shape === "cross";
  const common = { class: `mark series-${colour}${isOpen ? " open" : ""}` };
  if (shape === "square")
    return s("rect", { ...common, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  const [left, right, top, bottom] = [x - size, x + size, y - size, y + size];
  /** @type {string | undefined} */
  const path = {
    triangle: `M${x} ${top - 1}L${right + 1} ${bottom}H${left - 1}Z`,
    diamond: `M${x} ${top - 2}L${right + 2} ${y}L${x} ${bottom + 2}L${left - 2} ${y}Z`,
    cross: `M${left} ${top}L${right} ${bottom}M${right} ${top}L${left} ${bottom}`,
  }[shape];
  return path
    ? s("path", { ...common, d: path })
    : s("circle", { ...common, cx: x, cy: y, r: size });
}
