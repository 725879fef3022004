// A small probability in words.

import { percent, whole } from "../../../../shared/js/numbers.js";

/**
 * A small probability as people say it: "1.1 %, one in 94".
 * @param {number} probability
 */
export function oneIn(probability) {
  if (!(probability > 0)) return "no chance";
  const odds = 1 / probability;
  if (odds < 10) return percent(probability);
  const words =
    odds < 1e6
      ? whole(Math.round(odds))
      : odds.toExponential(1).replace(/e\+(\d+)/, (_, power) => ` × 10${superscript(power)}`);
  return `${percent(probability)}, one in ${words}`;
}

/** @param {string} digits */
function superscript(digits) {
  return Array.from(digits, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
}
