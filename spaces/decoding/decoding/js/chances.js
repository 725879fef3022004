// A small probability in words.

import { percent, whole } from "../../../../shared/js/numbers.js";

/**
 * A small probability as people say it: "1.1 %, one in 94".
 * @param {number} log its natural logarithm: a long text's probability is below the smallest number
 */
export function oneIn(log) {
  if (!(log > -Infinity)) return "no chance";
  const odds = Math.exp(-log);
  if (odds < 10) return percent(Math.exp(log));
  const words = odds < 1e6 ? whole(Math.round(odds)) : powerOfTen(-log / Math.LN10);
  return `${percent(Math.exp(log) || Number.MIN_VALUE)}, one in ${words}`;
}

/** @param {number} exponent */
function powerOfTen(exponent) {
  const lead = (10 ** (exponent % 1)).toFixed(1);
  return lead === "10.0"
    ? `1.0 × 10${superscript(String(Math.floor(exponent) + 1))}`
    : `${lead} × 10${superscript(String(Math.floor(exponent)))}`;
}

/** @param {string} digits */
function superscript(digits) {
  return Array.from(digits, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
}
