// How the runs' log-probability falls with every token: where the lines cross, the greedy start was
// no bargain.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  pathThrough,
  scaleOf,
  setSize,
  valueAxis,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { strokesOf } from "./lines.js";
import { seriesOf } from "./paths.js";
import { fitText } from "./pill.js";

/** @import {Session} from "./figure.js" */

const RACE_LEFT = 52;
const RACE_TOP = 12;
const RACE_HEIGHT = 150;
const RACE_NAMES = 190; // room for the runs' names at the right

/**
 * @param {HTMLElement} element
 * @param {Session} session
 */
export function drawRace(element, { trace, forest }) {
  const series = trace.runs.flatMap((run, index) => {
    const path = forest.lanes.find((lane) => lane.run === index)?.path ?? [];
    return path.length > 1 ? [{ run, index, path, joint: path[path.length - 1].joint }] : [];
  });
  if (!series.length) {
    element.replaceChildren();
    return;
  }
  const steps = Math.max(...series.map(({ path }) => path.length - 1));
  const lowest = Math.min(-1, ...series.map(({ joint }) => joint).filter(Number.isFinite));
  const bottom = RACE_TOP + RACE_HEIGHT;
  const right = RACE_LEFT + steps * Math.max(16, Math.min(46, 800 / steps));
  const x = scaleOf(0, steps, RACE_LEFT, right);
  const down = scaleOf(0, lowest, RACE_TOP, bottom);
  const y = (/** @type {number} */ joint) => down(Math.max(joint, lowest));
  const every = Math.max(1, Math.ceil(steps / 12));
  const counts = Array.from({ length: Math.floor(steps / every) + 1 }, (_, at) => at * every);
  const whole = (/** @type {number} */ value) => number(value, 0);
  const svg = s(
    "svg",
    {
      class: "race-chart",
      role: "img",
      "aria-label": "Log-probability of each text so far, by token",
    },
    valueAxis(y, evenTicks(lowest, 0, 4, true), [RACE_LEFT, right], whole),
    baseAxis(x, counts, bottom + 16, String),
    axisLabel(right + 10, bottom + 16, "start", "tokens"),
    series.map(({ run, index, path }) =>
      strokesOf(run, index, pathThrough(path.map(({ joint }, step) => [x(step), y(joint)]))),
    ),
  );
  let floor = 0;
  const ends = series.map(({ run, path, joint }) => ({
    run,
    joint,
    x: x(path.length - 1) + 8,
    y: y(joint) + 4,
  }));
  for (const end of ends.sort((one, other) => one.y - other.y)) {
    const at = Math.max(end.y, floor);
    floor = at + 14;
    const words = `${fitText(end.run.name, 14)} ${number(end.joint, 1)}`;
    svg.append(
      s(
        "text",
        { class: "lane-label", x: end.x, y: at },
        s("tspan", { class: seriesOf(end.run).name }, words),
      ),
    );
  }
  setSize(svg, right + RACE_NAMES, Math.max(bottom + 30, floor + 4));
  const best = series.reduce((one, other) => (other.joint > one.joint ? other : one));
  const title = h(
    "p",
    {},
    h("b", {}, "Log-probability so far"),
    ` (nats, under the model alone). Likeliest whole text here: ${best.run.name}.`,
  );
  element.replaceChildren(
    title,
    h(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Log-probability by step" },
      svg,
    ),
  );
}
