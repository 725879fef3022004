// What the same text would have cost with other numbers of draft tokens a round.

import {
  axisLabel,
  baseAxis,
  pathThrough,
  scaleOf,
  setSize,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, plural } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";

/**
 * @import {Speculative} from "./data.js"
 * @import {Guesses} from "./speculative.js"
 */

const LENGTHS_HEIGHT = 300;

/**
 * @param {HTMLElement} panel
 * @param {Guesses} _guesses
 * @returns {(data: Speculative) => void}
 */
export function openLengthsView(panel, _guesses) {
  const words = h("p", { class: "said" });
  const svg = s("svg", { class: "picture", role: "img" });
  const table = h("div", {});
  panel.append(h("div", { class: "padded spec-lengths" }, words, svg, table));
  /** @type {Speculative | null} */
  let data = null;
  const widthNow = watchWidth(panel, () => draw());
  const draw = () => {
    if (!data?.forecast.length) return;
    words.textContent = lengthsWords(data);
    drawLengths(svg, data, widthNow() - 28);
    table.replaceChildren(lengthsTable(data));
  };
  return (next) => {
    data = next;
    draw();
  };
}

/** @param {Speculative} data */
function lengthsWords({ request, forecast }) {
  const exact =
    request.temperature > 0
      ? "Given the text, each of its tokens was kept with chance min(1, q/p), independently: so the " +
        "expected number of passes is exact for every draft length."
      : "In greedy search the text and the draft alone decide where a draft is refused: so the " +
        "number of passes is exact for every draft length.";
  const speed = forecast.some((one) => one.speed !== null)
    ? " Times as fast: those passes by the seconds measured here, which grow with the tokens a pass reads; " +
      "beyond the longest measured pass its line is thin."
    : "";
  return exact + speed;
}

/**
 * Tokens a pass where every draft token is kept equally often.
 * @param {number} acceptance
 * @param {number} count
 */
export function equallyOften(acceptance, count) {
  let sum = 0;
  for (let power = 0; power <= count; power += 1) sum += acceptance ** power;
  return sum;
}

/**
 * @param {SVGSVGElement} svg
 * @param {Speculative} data
 * @param {number} width
 */
function drawLengths(svg, data, width) {
  const { forecast, tokens, request, rounds, tested, expected } = data;
  const [left, right, bottom] = [44, width - (width < 560 ? 16 : 170), LENGTHS_HEIGHT - 40];
  const perPass = forecast.map(({ passes }) => tokens.length / passes);
  const alpha = tested ? expected / tested : null;
  const formula =
    alpha === null ? [] : forecast.map((one) => equallyOften(alpha, one.draft_tokens));
  const speeds = forecast.map(({ speed }) => speed);
  const known = speeds.filter((one) => one !== null);
  const top = Math.max(2, ...perPass, ...formula, ...known) * 1.06;
  const x = scaleOf(1, forecast.length, left + 8, right);
  const y = scaleOf(0, top, bottom, 12);
  const points = (/** @type {(number | null)[]} */ values) =>
    values.flatMap((value, at) => (value === null ? [] : [[x(at + 1), y(value)]]));
  const measured = forecast.filter((one) => one.measured).length;
  const fast = points(speeds);
  setSize(svg, width, LENGTHS_HEIGHT);
  svg.setAttribute(
    "aria-label",
    "Tokens a pass and times as fast, by the number of draft tokens a round; " +
      "the table below has the numbers.",
  );
  const real = tokens.length / Math.max(1, rounds.length);
  const own = x(Math.min(request.draft_tokens, forecast.length));
  const labels = /** @type {[string, string, number[] | undefined][]} */ ([
    ["a", "tokens a pass", points(perPass).at(-1)],
    ["b", "times as fast", fast.at(-1)],
    ["c", "if all were kept equally often", points(formula).at(-1)],
  ]).filter(([, , end]) => end);
  const heights = setApart(labels.map(([, , end]) => end?.[1] ?? 0));
  svg.replaceChildren(
    ...valueAxis(y, y.ticks(5), [left, right], (value) => `${number(value, value % 1 ? 1 : 0)}×`),
    ...baseAxis(
      x,
      forecast.map((one) => one.draft_tokens).filter((count) => width > 560 || count % 2),
      bottom + 20,
      String,
    ),
    axisLabel(right, bottom + 36, "end", "draft tokens a round (γ)"),
    s("line", { class: "spec-one", x1: left, x2: right, y1: y(1), y2: y(1) }),
    s("line", { class: "spec-own", x1: own, x2: own, y1: 12, y2: bottom }),
    s("path", { class: "spec-line c", d: pathThrough(points(formula)) }),
    s("path", { class: "spec-line b thin", d: pathThrough(fast.slice(Math.max(0, measured - 1))) }),
    s("path", { class: "spec-line b", d: pathThrough(fast.slice(0, measured)) }),
    s("path", { class: "spec-line a", d: pathThrough(points(perPass)) }),
    s(
      "circle",
      { class: "spec-run", cx: own, cy: y(real), r: 4.5 },
      s("title", {}, `this run: ${number(real, 2)} tokens a pass`),
    ),
    ...(width < 560
      ? []
      : labels.map(([kind, words], at) =>
          axisLabel(right + 10, heights[at] + 4, "start", words, {
            class: `axis spec-label ${kind}`,
          }),
        )),
  );
}

/**
 * Heights of labels, moved until none covers another.
 * @param {number[]} heights
 */
function setApart(heights) {
  const order = heights.map((_, at) => at).toSorted((one, other) => heights[one] - heights[other]);
  const moved = [...heights];
  for (const [place, at] of order.entries()) {
    if (place) moved[at] = Math.max(moved[at], moved[order[place - 1]] + 16);
  }
  return moved;
}

/** @param {Speculative} data */
function lengthsTable({ forecast, tokens, request, tested, expected }) {
  const alpha = tested ? expected / tested : null;
  return scrollTable(
    "Costs by draft length",
    ["draft tokens", "passes", "tokens a pass", "if kept equally often", "times as fast"],
    forecast.map(({ draft_tokens: count, passes, speed }) => {
      const row = headedRow(count === request.draft_tokens ? `${count}, this run` : String(count), [
        number(passes, request.temperature > 0 ? 2 : 0),
        number(tokens.length / passes, 2),
        alpha === null ? "–" : number(equallyOften(alpha, count), 2),
        speed === null ? "–" : `${number(speed, 2)}×`,
      ]);
      if (count === request.draft_tokens) row.classList.add("current");
      row.title = plural(count, "draft token");
      return row;
    }),
  );
}
