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
import { fitted, pWords, sentenceList } from "./words.js";

/**
 * @import {Difference, FollowScore, SeenFrom} from "./data.js"
 */

/**
 * What the picture draws of a comparison of models on the same items or prompts.
 * @typedef {Object} Scoring
 * @property {string} kind
 * @property {boolean} done
 * @property {string[]} verdicts
 * @property {string[]} notes
 * @property {readonly {name: string}[]} models
 * @property {readonly {name: string, planned: number, chance?: number}[]} tasks
 * @property {number} planned
 * @property {number} [planned_groups] as many as planned where nothing else is said
 * @property {readonly Omit<FollowScore, "other">[]} scores
 * @property {Difference[]} differences
 * @property {SeenFrom[]} power
 */

/** @typedef {{other: number, task: string}} Pressed what was pressed: the second model, and a set or "" */

const LEFT = 112;
const TOP = 34;
const GAP = 46;
const BESIDE = 660; // pixels in which scores and differences fit side by side
let scoreCharts = 0;

/**
 * @param {HTMLElement} panel
 * @param {(pressed: Pressed) => void} toItems opens the view of these items
 * @returns {(data: Scoring) => void}
 */
export function openScores(panel, toItems) {
  const id = `eval-hatch-${(scoreCharts += 1)}`;
  return openChart(panel, {
    name: "Scores and differences",
    kind: "eval-chart",
    words: "eval-words",
    role: "group",
    draw: (data, width) => drawScores(data, width, id, toItems),
    say: scoreWords,
  });
}

/**
 * @param {Scoring} data
 * @param {number} wide
 * @param {string} id of the hatching
 * @param {(pressed: Pressed) => void} toItems
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawScores(data, wide, id, toItems) {
  const whole = wholeOf(data);
  const guessed = data.tasks.some(({ chance }) => chance !== undefined);
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
    axisLabel(
      below ? 10 : LEFT,
      12,
      "start",
      guessed ? "right answers, 95 % intervals; dotted: guessing" : "all followed, 95 % intervals",
    ),
    ...baseAxis(x, evenTicks(0, 1, 4), TOP - 8, percent),
    ...evenTicks(0, 1, 4).map((tick) =>
      s("line", { class: "grid-line", x1: x(tick), x2: x(tick), y1: TOP, y2: height - 4 }),
    ),
  ];
  tasks.forEach((task, row) => {
    const top = rowTop(row);
    parts.push(taskLabel(task || whole, !task, top + tall / 2));
    const guess = x(guessing(data, task));
    if (guessed)
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
          `${name}, ${task || whole}: ${score.count} of ${score.of}, ${percent(share)} ` +
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
    toItems,
  });
  if (beside) return { width, height, label: data.verdicts[0], parts: [...parts, ...differences] };
  const labels = tasks.map((task, row) => taskLabel(task || whole, !task, rowTop(row) + tall / 2));
  parts.push(
    s("g", { transform: `translate(0 ${height + 10})` }, ...differences, ...labels, rule()),
  );
  return { width, height: 2 * height + 10, label: data.verdicts[0], parts };
}

/**
 * What all sets together are called.
 * @param {Scoring} data
 */
function wholeOf({ kind }) {
  return kind === "follow" ? "all prompts" : "all items";
}

/**
 * @param {string} task
 * @param {boolean} whole whether it is all of them
 * @param {number} y its middle
 */
function taskLabel(task, whole, y) {
  const kind = whole ? "eval-task eval-whole" : "eval-task";
  return s("text", { class: kind, x: 10, y: y + 4 }, fitted(task, 8.5));
}

/**
 * @param {Scoring} data
 * @param {{left: number, right: number, bottom: number, tall: number, id: string, tasks: string[],
 *   rowTop: (row: number) => number, toItems: (pressed: Pressed) => void}} place
 */
function differencePanel(data, place) {
  const { left, right, bottom, tall, id, rowTop, tasks, toItems } = place;
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
      `points against the first; gained, lost${blind === null ? "" : "; hatched: too small"}`,
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
      const words = differenceWords(one, name, task || wholeOf(data));
      const press = buttonLike(() => toItems({ other: one.model, task }));
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
    `${name}, ${task}: ${asPoints(one.mean)} points (95 %: ${asPoints(one.low)} to ` +
    `${asPoints(one.high)}), ${one.gained} gained, ${one.lost} lost, ${one.changed} other answers of ` +
    `${one.of}, p ${pWords(one.p)}`
  );
}

/**
 * @param {Scoring} data
 * @param {number} model
 * @param {string} task
 */
function scoreOf(data, model, task) {
  return data.scores.find((one) => one.model === model && one.task === task);
}

/**
 * The score of guessing.
 * @param {Scoring} data
 * @param {string} task
 */
function guessing(data, task) {
  if (task) return data.tasks.find(({ name }) => name === task)?.chance ?? 0;
  const all = data.tasks.reduce((sum, one) => sum + one.planned * (one.chance ?? 0), 0);
  return all / Math.max(1, data.planned);
}

/** @param {Scoring} data */
function scoreWords(data) {
  const sets = data.kind === "follow" ? "groups" : "sets";
  const { verdicts, notes, power, done, planned_groups: groups = data.planned } = data;
  const before = power
    .filter(({ smallest }) => smallest !== null)
    .map(
      ({ discordant, smallest }) =>
        `${asPoints(smallest ?? 0).slice(1)} points where ${percent(discordant)} change sides` +
        (discordant === data.power[1].discordant ? " (hatched: smaller ones go unseen)" : ""),
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
            `p-values are exact and corrected for the number of models, those of ${sets} for all ${sets}; ` +
              "intervals are not, so that of twenty about one misses by chance.",
          ]
        : []),
    ]),
  ];
}
