// What a block, one of its weights, and the whole tensor come to, in words.

import { h } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, number, plural } from "../../../../shared/js/numbers.js";
import { meanSquare } from "./affine.js";
import { effectWords, sqnrWords } from "./measures.js";

/** @import { Failed } from "../../../../shared/js/data.js" */
/** @import { Adjustment, Block, Grid, Lab } from "./data.js" */

/**
 * The whole tensor with other settings, in words.
 * @param {Lab} data
 * @param {{clip: number, scale_factor: number}} settings
 * @param {Adjustment | Failed} answer
 */
export function wholeWords({ summary }, settings, answer) {
  if ("error" in answer) return `${answer.error.what} ${answer.error.remedy}`;
  const sqnr = `${summary.sqnr?.toFixed(1) ?? "lossless"} → ${sqnrWords(answer.sqnr)}`;
  return (
    `The whole tensor with clip ${number(settings.clip)} and scale × ${number(settings.scale_factor)}: ` +
    `SQNR ${sqnr}; ${effectWords(summary.kld)} → ${estimateWords(answer.kld)}.`
  );
}

/**
 * A block's error in words, before and after its grid was moved.
 * @param {Block} stored
 * @param {Block} block
 */
export function errorWords({ weights, values }, block) {
  const square = meanSquare(
    weights,
    weights.map(() => 0),
  );
  /** @param {number} error */
  const decibel = (error) => sqnrWords(error ? 10 * Math.log10(square / error) : null);
  const [before, now] = [meanSquare(weights, values), meanSquare(weights, block.values)];
  if (Math.abs(now - before) > 1e-15)
    return (
      `This block: mean squared error ${brief(before)} → ${brief(now)}, ` +
      `SQNR ${decibel(before)} → ${decibel(now)}.`
    );
  const codes = plural(new Set(block.codes).size, "code");
  return `This block: mean squared error ${brief(now)}, SQNR ${decibel(now)}, ${codes} in use.`;
}

/**
 * The arithmetic of one weight, and of the block.
 * @param {Block} block
 * @param {Grid | null} grid
 * @param {number} index
 */
export function arithmetic(block, grid, index) {
  const [weight, code, value] = [block.weights[index], block.codes[index], block.values[index]];
  const steps = grid
    ? gridSteps(weight, code, value, grid)
    : `${brief(weight, 4)} → code ${code} → ${brief(value, 4)}`;
  const parameters = block.parameters.map(
    ({ name, value: known, stored }) => `${name} = ${brief(known, 5)} (${stored})`,
  );
  return [
    h(
      "p",
      { class: "token arithmetic" },
      `weight ${block.start + index}: ${steps}; error ${brief(value - weight, 3)}`,
    ),
    h("p", {}, h("b", {}, block.formula), "  ", block.steps.join(" ")),
    h("p", { class: "said" }, parameters.join(", ")),
    ...(block.note ? [h("p", { class: "said" }, block.note)] : []),
  ];
}

/**
 * @param {number} weight
 * @param {number} code
 * @param {number} value
 * @param {Grid} grid
 */
function gridSteps(weight, code, value, { scale, zero }) {
  const place = brief((scale ? weight / scale : 0) + zero, 4);
  const shift = zero ? ` + ${zero}` : "";
  const level = zero ? `(${code} − ${zero})` : code;
  return (
    `${brief(weight, 4)} / ${brief(scale, 4)}${shift} = ${place} → ${code};  ` +
    `${brief(scale, 4)} · ${level} = ${brief(value, 4)}`
  );
}
