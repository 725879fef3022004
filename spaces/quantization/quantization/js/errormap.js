// Where in the tensor the error is: root mean squares over cells of neighbouring rows and columns.

import { axisLabel, heat, heatLegend, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Wish } from "./block.js" */
/** @import { ErrorMap, Lab } from "./data.js" */

const [ERRORS_LEFT, ERRORS_RIGHT, ERRORS_TOP, ERRORS_HEIGHT] = [56, 16, 14, 520]; // pixels

/**
 * Open the view.
 * @param {Figure<Lab>} figure
 * @param {HTMLElement} panel
 * @param {Wish} wish is told the block of a cell that is clicked
 * @returns {(data: Lab) => void}
 */
export function openErrorMap(figure, panel, wish) {
  /** @type {Lab | null} */
  let lab = null;
  const svg = s("svg", { class: "picture map", role: "img" });
  const frame = h("div", { class: "chart" }, svg);
  const legend = h("div", { class: "padded-row" });
  const isLive = !figure.host.exported;
  const caption = h(
    "p",
    { class: "picture-caption", role: "status" },
    `Point at a cell${isLive ? "; click it to open its block" : ""}.`,
  );
  const relative = h("input", { type: "checkbox", onchange: () => draw() });
  panel.append(
    h(
      "div",
      { class: "filters padded-row" },
      h("label", {}, relative, "relative to the weights of the cell"),
    ),
    frame,
    legend,
    caption,
  );
  const draw = () => {
    if (!lab) return;
    const shares = sharesOf(lab.error_map, relative.checked);
    const most = Math.max(...shares.flat(), 1e-30);
    drawErrors(svg, lab.shape, shares, most, widthNow());
    legend.replaceChildren(
      heatLegend(
        "0",
        brief(most, 2),
        relative.checked
          ? "of the cell's root mean square weight"
          : "root mean square error, weight units",
      ),
    );
  };
  /**
   * @param {Event} event
   * @returns {{row: number, column: number} | null}
   */
  const cellOf = ({ target }) => {
    const cell = /** @type {SVGElement | null} */ (
      /** @type {Element} */ (target).closest("rect[data-r]")
    );
    return cell && { row: Number(cell.dataset.r), column: Number(cell.dataset.c) };
  };
  svg.addEventListener("pointerover", (event) => {
    const cell = cellOf(event);
    if (cell && lab) caption.textContent = cellWords(lab, cell.row, cell.column);
  });
  svg.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (!cell || !lab || !isLive) return;
    const { row_step: rows, column_step: columns } = lab.error_map;
    const block = Math.floor((cell.column * columns) / lab.blocks[0].weights.length);
    wish.place = { row: cell.row * rows, block: Math.min(lab.blocks_per_row - 1, block) };
    figure.open("block");
  });
  const widthNow = watchWidth(frame, draw);
  return (data) => {
    lab = data;
    draw();
  };
}

/**
 * Values of the cells: errors, or errors over weights.
 * @param {ErrorMap} map
 * @param {boolean} isRelative
 */
function sharesOf({ values, weights }, isRelative) {
  return isRelative
    ? values.map((row, r) => row.map((value, c) => value / (weights[r][c] || 1)))
    : values;
}

/**
 * @param {SVGSVGElement} svg
 * @param {number[]} shape of the tensor
 * @param {number[][]} cells
 * @param {number} most value of the full colour
 * @param {number} width
 */
function drawErrors(svg, [rows, columns], cells, most, width) {
  const room = width - ERRORS_LEFT - ERRORS_RIGHT;
  const size = Math.max(3, Math.min(14, room / cells[0].length, ERRORS_HEIGHT / cells.length));
  const bottom = ERRORS_TOP + size * cells.length;
  setSize(svg, ERRORS_LEFT + size * cells[0].length + ERRORS_RIGHT, bottom + 34);
  svg.setAttribute(
    "aria-label",
    `Root mean square error in ${cells.length} × ${cells[0].length} cells.`,
  );
  svg.replaceChildren(
    s(
      "g",
      { class: "cells" },
      cells.map((row, r) =>
        row.map((value, c) =>
          s("rect", {
            x: ERRORS_LEFT + c * size,
            y: ERRORS_TOP + r * size,
            width: size,
            height: size,
            "data-r": r,
            "data-c": c,
            style: { fill: heat(value / most) },
          }),
        ),
      ),
    ),
    axisLabel(ERRORS_LEFT, bottom + 16, "start", `input columns 0 … ${columns - 1}`),
    axisLabel(ERRORS_LEFT - 6, ERRORS_TOP + 10, "end", "row 0"),
    axisLabel(ERRORS_LEFT - 6, bottom, "end", rows - 1),
  );
}

/**
 * @param {Lab} lab
 * @param {number} row
 * @param {number} column
 */
function cellWords({ shape, error_map: map }, row, column) {
  /**
   * @param {number} place
   * @param {number} step
   * @param {number} end
   */
  const span = (place, step, end) => `${place * step} to ${Math.min(end, (place + 1) * step) - 1}`;
  return (
    `Rows ${span(row, map.row_step, shape[0])}, columns ${span(column, map.column_step, shape[1])}: ` +
    `error ${brief(map.values[row][column])}, weights ${brief(map.weights[row][column])} (root mean squares).`
  );
}
