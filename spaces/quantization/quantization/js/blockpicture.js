// The picture of one block: every weight as a dot, the levels as ticks, and a line from each weight to its
// level.

import { axisLabel, evenTicks, gridLine, scaleOf, setSize } from "../../../../shared/js/axes.js";
import { s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";

/** @import { Block } from "./data.js" */

const [SIDE, DOTS, LEVELS, BLOCK_HEIGHT] = [22, 62, 210, 262]; // pixels

/**
 * Draw a block.
 * @param {SVGSVGElement} svg
 * @param {Block} block
 * @param {number} selected weight
 * @param {number} width
 * @param {(index: number) => void} select
 */
export function drawBlock(svg, block, selected, width, select) {
  const { weights, values, levels, sub_blocks: parts = [] } = block;
  const all = [...weights, ...values, ...levels];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const margin = (high - low || 1) * 0.03;
  const x = scaleOf(low - margin, high + margin, SIDE, width - SIDE);
  /** @param {number} index */
  const dot = (index) =>
    parts.length ? DOTS + 20 - (index * 40) / weights.length : DOTS + 18 - ((index * 7) % 5) * 9;
  const count = `${levels.length || "several"} levels`;
  setSize(svg, width, BLOCK_HEIGHT);
  svg.setAttribute("aria-label", `${weights.length} weights and their levels`);
  svg.replaceChildren(
    axisLabel(SIDE, 12, "start", "weights"),
    axisLabel(
      SIDE,
      LEVELS + 46,
      "start",
      parts.length ? `${count} in the chosen weight's sub-block` : count,
    ),
    gridLine(SIDE, width - SIDE, LEVELS),
    ...levelsOf(block, selected).map((level) =>
      s("line", { class: "level", x1: x(level), x2: x(level), y1: LEVELS - 6, y2: LEVELS + 8 }),
    ),
    ...evenTicks(low, high, width / 110).map((tick) =>
      axisLabel(x(tick), LEVELS + 26, "middle", brief(tick)),
    ),
    ...weights.map((weight, index) =>
      s("line", {
        class: index === selected ? "arrow chosen" : "arrow",
        x1: x(weight),
        y1: dot(index),
        x2: x(values[index]),
        y2: LEVELS - 7,
      }),
    ),
    ...weights.map((weight, index) =>
      s("circle", {
        class: index === selected ? "weight chosen" : "weight",
        cx: x(weight),
        cy: dot(index),
        r: index === selected ? 6 : 4,
        "data-index": index,
        onclick: () => select(index),
      }),
    ),
  );
}

/**
 * The levels that a weight could have taken: those of its sub-block where there are several.
 * @param {Block} block
 * @param {number} selected
 */
function levelsOf({ levels, sub_blocks: parts = [] }, selected) {
  const part = parts.find(({ start, length }) => selected >= start && selected < start + length);
  return part?.levels ?? levels;
}
