// Scores with their intervals, and beside them the differences to the first model.

import {
  axisLabel,
  baseAxis,
  evenTicks,
  hatchPattern,
  scaleOf,
} from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { buttonLike, s } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";
import { asPoints, whisker } from "./marks.js";
import { fitted, sentenceList } from "./words.js";

/**
 * @import {Compare, Difference, Score} from "./data.js"
 * @import {Session} from "./compare.js"
 */

const LEFT = 112;
const TOP = 34;
const GAP = 46;
const BESIDE = 660; // pixels in which scores and differences fit side by side
let scoreCharts = 0;

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 * @param {() => void} toItems opens the view of the items
 * @returns {(data: Compare) => void}
 */
export function openScores(panel, session, toItems) {
  const id = `eval-hatch-${(scoreCharts += 1)}`;
  return openChart(panel, {
    name: "Scores and differences",
    kind: "eval-chart",
    words: "eval-words",
    role: "group",
    draw: (data, width) => drawScores(data, width, id, session, toItems),
    say: scoreWords,
  });
}

/**
 * @param {Compare} data
 * @param {number} wide
 * @param {string} id of the hatching
 * @param {Session} session
 * @param {() => void} toItems
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawScores(data, wide, id, session, toItems) {
  const several = data.models.length > 1;
  const below = several && wide < BESIDE;
  const width = Math.max(below ? 320 : 360, wide);
  const tasks = ["", ...data.tasks.map(({ name }) => name)];
  const tall = Math.max(26, 15 * data.models.length + 6);
  const height = TOP + tasks.length * tall + 8;
  const beside = several && !below;
  const split = beside ? LEFT + (width - LEFT) * 0.5 : width - 20;
  const x = scaleOf(0, 1, LEFT, split - (beside ? GAP / 2 : 0));
  const rowTop = (/** @type {number} */ row) => TOP + row * tall + (row ? 6 : 0);
  const parts = [
    s("defs", {}, hatchPattern(id, 6)),
    axisLabel(below ? 10 : LEFT, 12, "start", "right answers, 95 % intervals; dotted: guessing"),
    ...baseAxis(x, evenTicks(0, 1, 4), TOP - 8, percent),
    ...evenTicks(0, 1, 4).map((tick) =>
      s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: TOP, y2: height - 4 }),
    ),
  ];
  tasks.forEach((task, row) => {
    const top = rowTop(row);
    parts.push(taskLabel(task, top + tall / 2));
    const guess = x(guessing(data, task));
    parts.push(
      s("line", { class: "eval-chance", x1: guess, x2: guess, y1: top + 2, y2: top + tall - 2 }),
    );
    data.models.forEach(({ name }, model) => {
      const score = scoreOf(data, model, task);
      if (!score) return;
      const y = top + (tall * (model + 0.5)) / data.models.length;
      const share = score.count / score.of;
      parts.push(
        whisker(
          model,
          { low: x(score.low), high: x(score.high), at: x(share), y },
          `${name}, ${task || "all items"}: ${score.count} of ${score.of}, ${percent(share)} ` +
            `(95 %: ${percent(score.low)} to ${percent(score.high)})`,
        ),
      );
    });
  });
  const rule = () =>
    s("line", { class: "eval-rule", x1: 10, x2: width - 10, y1: rowTop(1) - 3, y2: rowTop(1) - 3 });
  parts.push(rule());
  if (!several) return { width, height, label: data.verdicts[0], parts };
  const differences = differencePanel(data, {
    left: beside ? split + GAP / 2 : LEFT,
    right: width - 74,
    bottom: height - 4,
    tall,
    id,
    rowTop,
    tasks,
    session,
    toItems,
  });
  if (beside) return { width, height, label: data.verdicts[0], parts: [...parts, ...differences] };
  const labels = tasks.map((task, row) => taskLabel(task, rowTop(row) + tall / 2));
  parts.push(
    s("g", { transform: `translate(0 ${height + 10})` }, ...differences, ...labels, rule()),
  );
  return { width, height: 2 * height + 10, label: data.verdicts[0], parts };
}

/**
 * @param {string} task "" for all
 * @param {number} y its middle
 */
function taskLabel(task, y) {
  const kind = task ? "eval-task" : "eval-task eval-whole";
  return s("text", { class: kind, x: 10, y: y + 4 }, fitted(task || "all items", 8.5));
}

/**
 * @param {Compare} data
 * @param {{left: number, right: number, bottom: number, tall: number, id: string, tasks: string[],
 *   rowTop: (row: number) => number, session: Session, toItems: () => void}} place
 */
function differencePanel(data, place) {
  const { left, right, bottom, tall, id, rowTop, tasks, session, toItems } = place;
  const known = data.differences;
  const reach = Math.max(0.05, ...known.flatMap(({ low, high }) => [-low, high]));
  const most = Math.min(1, reach);
  const x = scaleOf(-most, most, left, right);
  const blind = data.power[1]?.smallest ?? null;
  const below = left === LEFT;
  const ticks = evenTicks(-most, most, below ? 5 : 7);
  const parts = [
    axisLabel(
      below ? 10 : left,
      12,
      "start",
      "to the first, points; gained, lost; hatched: unseen",
    ),
    ...baseAxis(x, ticks, TOP - 8, asPoints),
    ...ticks.map((tick) =>
      s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: TOP, y2: bottom }),
    ),
  ];
  if (blind !== null) {
    const [from, to] = [x(Math.max(-most, -blind)), x(Math.min(most, blind))];
    parts.push(
      s(
        "rect",
        {
          x: from,
          y: rowTop(0),
          width: to - from,
          height: tall - 2,
          fill: `url(#${id})`,
          class: "eval-blind",
        },
        s("title", {}, "Hatched: differences that so many items mostly do not see"),
      ),
    );
  }
  parts.push(s("line", { class: "eval-zero", x1: x(0), x2: x(0), y1: TOP, y2: bottom }));
  tasks.forEach((task, row) => {
    const some = known.filter((one) => one.task === task);
    some.forEach((one, at) => {
      const y = rowTop(row) + (tall * (at + 0.5)) / some.length;
      const inside = (/** @type {number} */ value) => x(Math.max(-most, Math.min(most, value)));
      const name = data.models[one.model].name;
      const words = differenceWords(one, name, task);
      const press = buttonLike(() => {
        session.choose({ other: one.model, task, filter: "differ", item: "" });
        toItems();
      });
      parts.push(
        whisker(
          one.model,
          { low: inside(one.low), high: inside(one.high), at: inside(one.mean), y },
          words,
        ),
        s(
          "text",
          {
            class: `eval-flips series-${one.model}`,
            x: right + 68,
            y: y + 4,
            "text-anchor": "end",
            ...press,
            "aria-label": `${words}. Show these items`,
          },
          `+${one.gained} −${one.lost}`,
        ),
      );
    });
  });
  return parts;
}

/**
 * @param {Difference} one
 * @param {string} name
 * @param {string} task
 */
function differenceWords(one, name, task) {
  return (
    `${name}, ${task || "all items"}: ${asPoints(one.mean)} points (95 %: ${asPoints(one.low)} to ` +
    `${asPoints(one.high)}), ${one.gained} gained, ${one.lost} lost, ${one.changed} other answers of ` +
    `${one.of}, p ${one.p < 0.0001 ? "< .0001" : one.p.toPrecision(2)}`
  );
}

/**
 * @param {Compare} data
 * @param {number} model
 * @param {string} task
 * @returns {Score | undefined}
 */
function scoreOf(data, model, task) {
  return data.scores.find((one) => one.model === model && one.task === task);
}

/**
 * The score of guessing.
 * @param {Compare} data
 * @param {string} task
 */
function guessing(data, task) {
  if (task) return data.tasks.find(({ name }) => name === task)?.chance ?? 0;
  const all = data.tasks.reduce((sum, one) => sum + one.planned * one.chance, 0);
  return all / Math.max(1, data.planned);
}

/** @param {Compare} data */
function scoreWords(data) {
  const { verdicts, notes, power, done, planned_groups: groups } = data;
  const before = power
    .filter(({ smallest }) => smallest !== null)
    .map(
      ({ discordant, smallest }) =>
        `${asPoints(smallest ?? 0).slice(1)} points where ${percent(discordant)} change sides` +
        (discordant === data.power[1].discordant ? " (hatched)" : ""),
    );
  const foretold =
    data.models.length < 2
      ? []
      : [
          before.length
            ? `What ${plural(groups, "independent answer")} show in 4 runs of 5, said before the run: ` +
              `differences from ${before.join(", ")}.`
            : `No difference can be shown by ${plural(groups, "independent answer")}.`,
        ];
  const groupsNote =
    groups < data.planned
      ? [
          `${plural(data.planned, "item")} in ${plural(groups, "group")}: items of a passage count together.`,
        ]
      : [];
  return [
    sentenceList([
      ...(done ? verdicts.slice(1) : []),
      ...foretold,
      ...groupsNote,
      ...notes,
      ...(data.models.length > 1
        ? [
            "p-values are exact and corrected for the number of models, those of sets for all sets; " +
              "intervals are not, so that of twenty about one misses by chance.",
          ]
        : []),
    ]),
  ];
}
