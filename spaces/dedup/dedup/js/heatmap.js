// Every split against every split as a map of one hue.

import { s } from "../../../../shared/js/dom.js";
import { percent } from "../../../../shared/js/numbers.js";
import { plural, whole } from "./axes.js";

const CELL = { width: 108, height: 64 };
const NAMES = { width: 90, height: 46 };
const DARKEST = 0.5; // opacity of the largest share: words on it stay readable

/**
 * @param {Object} data of kind "contamination"
 * @param {[number, number]|null} chosen
 * @param {(first: number, second: number) => void} choose
 * @returns {SVGElement}
 */
export function drawHeatmap(data, chosen, choose) {
  const { splits, matrix } = data;
  const shares = matrix.flat().map((cell) => cell?.share ?? 0);
  const most = Math.max(...shares) || 1;
  const [width, height] = [
    NAMES.width + splits.length * CELL.width + 8,
    NAMES.height + splits.length * CELL.height + 62,
  ];
  const svg = s("svg", {
    class: "picture heatmap",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: "group",
    "aria-label": "Shared rows of every split with every split",
  });
  const columnX = (place) => NAMES.width + place * CELL.width;
  const rowY = (place) => NAMES.height + place * CELL.height;
  svg.append(
    s("text", { class: "axis", x: NAMES.width, y: 16 }, "has a match in"),
    s("text", { class: "axis", x: 12, y: NAMES.height - 8 }, "a row of"),
  );
  splits.forEach((name, place) => {
    svg.append(
      s(
        "text",
        {
          class: "split-name",
          x: columnX(place) + CELL.width / 2,
          y: NAMES.height - 10,
          "text-anchor": "middle",
        },
        shortName(name),
        s("title", {}, name),
      ),
      s(
        "text",
        { class: "split-name", x: 12, y: rowY(place) + CELL.height / 2 },
        shortName(name),
        s("title", {}, name),
      ),
      s(
        "text",
        { class: "axis", x: 12, y: rowY(place) + CELL.height / 2 + 15 },
        `n = ${whole(data.rows[place])}`,
      ),
    );
  });
  matrix.forEach((line, first) =>
    line.forEach((cell, second) => {
      const isChosen = Boolean(chosen && chosen[0] === first && chosen[1] === second);
      svg.append(
        drawMapCell(
          data,
          cell,
          first,
          second,
          columnX(second),
          rowY(first),
          most,
          isChosen,
          choose,
        ),
      );
    }),
  );
  drawScale(svg, most, NAMES.width, NAMES.height + splits.length * CELL.height + 18);
  return svg;
}

function drawMapCell(data, cell, first, second, x, y, most, chosen, choose) {
  const box = { x: x + 1.5, y: y + 1.5, width: CELL.width - 3, height: CELL.height - 3, rx: 5 };
  const middle = x + CELL.width / 2;
  const word = (dy, name, text) =>
    s("text", { class: name, x: middle, y: y + dy, "text-anchor": "middle" }, text);
  if (!cell)
    return s(
      "g",
      { class: "map-cell empty" },
      s("rect", { class: "cell-edge", ...box }),
      word(36, "note", "not compared"),
    );
  const interval =
    cell.low === undefined || cell.low === null
      ? null
      : `${percent(cell.low)} to ${percent(cell.high)}`;
  const act = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(first, second);
  };
  const names = `rows of ${data.splits[first]} with a match in ${first === second ? "the same split" : data.splits[second]}`;
  return s(
    "g",
    {
      class: `map-cell${chosen ? " chosen" : ""}${first === second ? " own" : ""}`,
      role: "button",
      tabindex: 0,
      "aria-pressed": String(chosen),
      "aria-label": `${whole(cell.rows)} ${names}, ${percent(cell.share)}`,
      onclick: act,
      onkeydown: act,
    },
    s("rect", {
      class: "cell-heat",
      ...box,
      style: { "fill-opacity": (DARKEST * cell.share) / most },
    }),
    s("rect", { class: "cell-edge", ...box }),
    word(interval ? 24 : 30, "cell-count", plural(cell.rows, "row")),
    word(interval ? 40 : 48, "cell-share", percent(cell.share)),
    interval ? word(54, "note cell-interval", interval) : null,
  );
}

function shortName(name) {
  return name.length > 11 ? `${name.slice(0, 5)}…${name.slice(-5)}` : name;
}

/** What a shade means, in steps: a gradient would not survive in every viewer of the exported picture. */
function drawScale(svg, most, x, y) {
  const [steps, length] = [8, 128];
  svg.append(s("text", { class: "axis", x, y: y + 4 }, "share of the split’s rows"));
  for (let step = 0; step < steps; step += 1) {
    svg.append(
      s("rect", {
        class: "cell-heat",
        x: x + (step * length) / steps,
        y: y + 10,
        width: length / steps,
        height: 9,
        style: { "fill-opacity": (DARKEST * (step + 0.5)) / steps },
      }),
    );
  }
  svg.append(
    s("rect", { class: "cell-edge", x, y: y + 10, width: length, height: 9 }),
    s("text", { class: "axis", x, y: y + 32 }, percent(0)),
    s("text", { class: "axis", x: x + length, y: y + 32, "text-anchor": "end" }, percent(most)),
  );
}
