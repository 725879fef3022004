// DRY, llama.cpp's penalty on what would go on with a repetition. No DOM here.

/**
 * @import {Breaker, Run} from "./data.js"
 *
 * @typedef {Map<number, number[][]>} Breakers by the first token of a sequence breaker, the tokens
 *   that follow; none where it is a token of its own
 *
 * @typedef {Object} DrySettings
 * @property {number} dry_multiplier
 * @property {number} dry_base
 * @property {number} dry_allowed_length
 * @property {number} dry_penalty_last_n
 *
 * @typedef {{length: number, at: number}} Repeat how long the end of the text is that stands before
 *   the same token earlier, and where that token stands
 */

/**
 * @param {Breaker[]} list
 * @returns {Breakers}
 */
export function breakersOf(list) {
  return new Map(list.map(({ token, tails }) => [token, tails]));
}

/**
 * How many tokens at the end of a text may be compared: none of them may lie before a breaker.
 * @param {number[]} tokens
 * @param {number} last how many tokens DRY looks at
 * @param {Breakers} breakers
 */
export function dryReach(tokens, last, breakers) {
  const from = Math.max(0, tokens.length - last);
  for (let at = tokens.length - 1; at >= from; at--) {
    const back = tokens.length - 1 - at;
    let longest = -1;
    for (const tail of breakers.get(tokens[at]) ?? []) {
      const fits = tail.length <= back && tail.every((token, i) => token === tokens[at + 1 + i]);
      if (fits) longest = Math.max(longest, tail.length);
    }
    if (longest >= 0) return back - longest;
  }
  return tokens.length - from;
}

/**
 * The tokens that would go on with a repetition, by id.
 * @param {DrySettings} settings
 * @param {number[]} tokens of the text so far
 * @param {Breakers} breakers
 * @returns {Map<number, Repeat>}
 */
export function dryRepeats(settings, tokens, breakers) {
  const last = settings.dry_penalty_last_n;
  const allowed = settings.dry_allowed_length;
  /** @type {Map<number, Repeat>} */
  const longest = new Map();
  const from = Math.max(0, tokens.length - last);
  const limit = dryReach(tokens, last, breakers);
  if (tokens.length - from <= allowed || limit < allowed) return longest;
  for (let at = from + 1; at < tokens.length; at++) {
    let length = 0;
    while (
      length < Math.min(at - from, limit) &&
      tokens[at - 1 - length] === tokens[tokens.length - 1 - length]
    )
      length++;
    const known = longest.get(tokens[at])?.length ?? -1;
    if (length >= allowed && length > known) longest.set(tokens[at], { length, at });
  }
  for (const token of longest.keys())
    if (breakers.get(token)?.some((tail) => !tail.length)) longest.delete(token);
  return longest;
}

/**
 * What DRY takes off a logit: multiplier · base^(length − allowed).
 * @param {DrySettings} settings
 * @param {number} length
 */
export function dryPenalty(settings, length) {
  const { dry_base: base, dry_multiplier: multiplier } = settings;
  const most = base > 1.000001 ? Math.trunc(88.7228391 / Math.log(base)) : 0;
  const exponent = length - settings.dry_allowed_length;
  return multiplier * base ** (most ? Math.min(exponent, most) : exponent);
}
