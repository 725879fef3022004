// What the views of a run share: which of the runs, after which step.

import { h } from "../../../../shared/js/dom.js";

/** @import {Mark, Run, Train} from "./data.js" */

/**
 * What the views share.
 * @typedef {Object} TrainSession
 * @property {number} mark place of the mark that is looked at; -1 for the last
 * @property {number} run which of them
 * @property {(change: {mark?: number, run?: number}) => void} choose
 */

/**
 * The mark that a view shows.
 * @param {Run} run
 * @param {TrainSession} session
 * @returns {Mark | undefined}
 */
export function markOf(run, session) {
  return run.marks[session.mark] ?? run.marks.at(-1);
}

/**
 * The run that a view shows.
 * @param {Train} data
 * @param {TrainSession} session
 * @returns {Run}
 */
export function runOf(data, session) {
  return data.runs[session.run] ?? data.runs[0];
}

/**
 * A slider over the steps of which something is known.
 * @param {{key: string, label: string, at: number, last: number, step: number,
 *   choose: (at: number) => void}} asked `at` and `last` are places among them, `step` is a number
 */
export function stepSlider({ key, label, at, last, step, choose }) {
  return h("input", {
    type: "range",
    min: 0,
    max: Math.max(1, last),
    step: 1,
    value: at,
    disabled: last < 1,
    "data-key": key,
    "aria-label": label,
    "aria-valuetext": `step ${step}`,
    oninput: (event) => choose(Number(event.currentTarget.value)),
  });
}

/**
 * The controls above a view: which run, after which step.
 * @param {Train} data
 * @param {TrainSession} session
 */
export function stepBar(data, session) {
  const run = runOf(data, session);
  const last = run.marks.length - 1;
  const at = session.mark < 0 || session.mark > last ? last : session.mark;
  const step = run.marks[at]?.step ?? 0;
  const choose = (/** @type {number} */ mark) => session.choose({ mark });
  const slider = stepSlider({ key: "train-step", label: "After step", at, last, step, choose });
  const names = data.runs.map((one, place) =>
    h(
      "button",
      {
        type: "button",
        class: `plain series-${place}`,
        "data-key": `train-run-${place}`,
        "aria-pressed": String(place === session.run),
        onclick: () => session.choose({ run: place }),
      },
      one.name || `run ${place + 1}`,
    ),
  );
  return h(
    "div",
    { class: "train-bar" },
    h("label", {}, "after step ", slider, h("output", {}, String(step))),
    names.length > 1 ? h("span", { class: "train-runs" }, names) : null,
  );
}
