// The first sentence of a run: what became of it.

import { brief, plural } from "../../../../shared/js/numbers.js";

/** @import {Mark, Run, Train} from "./data.js" */

/** @param {Train} data */
export function trainTitle(data) {
  const [run, ...others] = data.runs;
  if (!run) return "Before the first step";
  const unit = run.stopped ? " nats a token" : ""; // else the first run has said it
  const beside = others.map((other) => `with ${besideTold(data, other, unit)}`);
  if (run.stopped)
    return others.length ? [`With ${run.name} it broke`, ...beside].join("; ") : run.stopped;
  const [first, last] = [run.marks[0], run.marks.at(-1)];
  if (!first || !last || last === first)
    return `Held-out loss ${brief(first?.held_out.mean)} nats a token before the first step`;
  const told = `${trainOutcome(data, first, last)}${sharesTold(first, last)}`;
  return [told, ...beside].join("; ");
}

/**
 * What became of the held-out rows in a run.
 * @param {Train} data
 * @param {Mark} first
 * @param {Mark} last
 */
function trainOutcome({ objective, trained }, first, last) {
  const { chosen, rejected, margin } = last;
  const steps = `in ${plural(last.step, "step")}`;
  if (objective === "dpo" && chosen && rejected && margin) {
    const grew = `The margin ${margin.mean < 0 ? "fell" : "grew"} by ${brief(Math.abs(margin.mean))}`;
    const both = rejected.mean < 0 && (chosen.high ?? chosen.mean) < 0;
    return both
      ? `${grew} nats ${steps}, and both answers fell: chosen by ${brief(-chosen.mean)}, ` +
          `rejected by ${brief(-rejected.mean)}`
      : `${grew} nats ${steps}: chosen ${signed(chosen.mean)}, rejected ${signed(rejected.mean)}`;
  }
  const words = trained.separate ? "Held-out loss" : "Loss";
  const [before, after] = [first.held_out, last.held_out];
  const went = `${brief(before.mean)} → ${brief(after.mean)} nats a token ${steps}`;
  const rose = before.high !== null && after.low !== null && after.low > before.high;
  return rose ? `It unlearns: ${words.toLowerCase()} ${went}` : `${words} ${went}`;
}

/** @param {number} value */
function signed(value) {
  return value > 0 ? `+${brief(value)}` : brief(value);
}

/**
 * The first behaviour's answers, before and after; "" where none are counted.
 * @param {Mark} first
 * @param {Mark} last
 */
function sharesTold(first, last) {
  const [before, after] = [first.shares?.[0], last.shares?.[0]];
  return before && after ? `; ${after.name} ${before.count} → ${after.count} of ${after.of}` : "";
}

/**
 * What became of the second run.
 * @param {Train} data
 * @param {Run} run
 * @param {string} unit of its loss
 */
function besideTold({ objective }, run, unit) {
  if (run.stopped) return `${run.name} it broke`;
  const last = run.marks.at(-1);
  if (!last || last.step === 0) return `${run.name} nothing yet`;
  const said =
    objective === "dpo" && last.margin
      ? `a margin of ${brief(last.margin.mean)}`
      : `${brief(last.held_out.mean)}${unit}`;
  return `${run.name} ${said}${sharesTold(run.marks[0], last)}`;
}
