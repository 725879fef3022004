// What a picture of several runs, or of DPO, says in words: each sentence is read off the numbers drawn.

import { h } from "../../../../shared/js/dom.js";
import { brief, plural } from "../../../../shared/js/numbers.js";

/** @import {Mark, Run, Spread, Train} from "./data.js" */

/**
 * What DPO follows, and why both answers may fall.
 * @param {Train} data
 * @param {Mark} mark the first run's last
 * @param {{chosen: Spread, rejected: Spread, margin: Spread}} now
 */
export function marginWords(data, mark, { chosen, rejected, margin }) {
  const both = chosen.mean < 0 && rejected.mean < 0;
  return h(
    "p",
    {},
    h("b", {}, both ? "Why do both fall? " : "What DPO follows. "),
    `The chosen answers changed by ${brief(chosen.mean)} nats, the rejected by `,
    `${brief(rejected.mean)}; the margin is ${brief(margin.mean)}. The loss sees the margin `,
    "alone: it sinks as well when both become less likely and the rejected one falls further. ",
    both
      ? "What they lose goes to answers that are in no pair. "
      : "So watch both lines, not the loss. ",
    highestWords(data.runs[0], mark),
    textWords(data.runs[0].marks[0], mark),
    ...data.runs.slice(1).map(besideWords),
  );
}

/**
 * Until which step the chosen answers rose, where they fell again.
 * @param {Run} run
 * @param {Mark} last
 */
function highestWords({ marks }, last) {
  let best = last;
  for (const mark of marks)
    if (mark.chosen && best.chosen) if (mark.chosen.mean > best.chosen.mean) best = mark;
  if (best === last || !best.chosen || !best.margin || best.step === 0) return null;
  return (
    `After step ${best.step} the chosen ones stood highest, at ${changeOf(best.chosen.mean)} ` +
    `with a margin of ${brief(best.margin.mean)}: stopping there keeps them. `
  );
}

/**
 * What became of a plain text, where the intervals say that it is read worse.
 * @param {Mark} first
 * @param {Mark} last
 */
function textWords({ text: before }, { text: after }) {
  if (!before || !after) return null;
  const worse = before.high !== null && after.low !== null && after.low > before.high;
  const told = `${brief(before.mean)} to ${brief(after.mean)} nats a token`;
  return worse
    ? `A plain text is read worse than before: its loss went from ${told}. `
    : `The loss of a plain text went from ${told}. `;
}

/** @param {Run} run one beside the first */
function besideWords({ name, marks }) {
  const last = marks.at(-1);
  if (!last?.chosen || !last.rejected || last.step === 0) return null;
  return (
    `With ${name}: chosen ${changeOf(last.chosen.mean)}, rejected ${changeOf(last.rejected.mean)} ` +
    `after ${plural(last.step, "step")}. `
  );
}

/** @param {number} value */
function changeOf(value) {
  return value > 0 ? `+${brief(value)}` : brief(value);
}

/**
 * How far runs part that differ in their seed alone, and whether another setting does more than that.
 * @param {Train} data
 */
export function seedWords({ runs, request, objective }) {
  const steps = Number(request.steps);
  /** @param {Run} run */
  const end = ({ marks }) => {
    const last = marks.at(-1);
    if (!last || last.step !== steps) return null;
    return (
      (objective === "dpo" || objective === "orpo" ? last.margin : last.held_out)?.mean ?? null
    );
  };
  const ended = runs.flatMap((run) => {
    const value = end(run);
    return value === null ? [] : [{ run, value }];
  });
  if (ended.length < 2) return null;
  const alike = ended.filter(({ run }) => Object.keys(run.changes).every((key) => key === "seed"));
  const others = ended.filter((one) => !alike.includes(one));
  const what =
    objective === "dpo" ? "the margin" : objective === "orpo" ? "the log odds" : "the loss";
  if (alike.length < 2)
    return others.length
      ? "One seed each: seeds alone part runs too. Add “seed=1 | seed=2” beside it to see by how much."
      : null;
  const values = alike.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spread = `${alike.length} seeds end with ${what} between ${brief(low)} and ${brief(high)}`;
  const told = others.map(({ run, value }) => {
    const inside = value >= low && value <= high;
    return (
      `with ${run.name} it is ${brief(value)}, ` +
      (inside ? "no further away than seeds are" : "outside what these seeds did")
    );
  });
  const few = others.length ? " Few seeds show less than there is: the more, the wider." : "";
  return `${[spread, ...told].join("; ")}.${few}`;
}
