// Shares and means with their uncertainty, in words.

import { brief } from "./numbers.js";

/** @import {Share} from "./data.js" */

/**
 * A share in whole percent.
 * @param {number} share 0 to 1
 */
export function percentage(share) {
  return `${Math.round(100 * share)} %`;
}

/**
 * A count with its interval.
 * @param {Share} share
 */
export function shareWords({ count, of, low, high }) {
  return `${count} of ${of} (95 %: ${Math.round(100 * low)} to ${percentage(high)})`;
}

/**
 * A mean with its standard error, where that is known.
 * @param {{mean: number, sigma: number | null}} estimate
 * @param {number} [digits] of the mean
 */
export function estimateWords({ mean, sigma }, digits = 3) {
  const words = brief(mean, digits);
  return sigma === null ? words : `${words} ± ${brief(sigma, 2)}`;
}
