// Numbers as words.

/** @typedef {number | null | undefined} Maybe a number that may be unknown */

/**
 * A probability in words: "29 %", "9.2 %", "0.04 %", "< 0.01 %", "> 99.9 %".
 * @param {Maybe} probability 0 to 1
 */
export function percent(probability) {
  if (probability === null || probability === undefined || Number.isNaN(probability)) return "–";
  const share = 100 * probability;
  if (share <= 0) return "0\u202f%";
  if (share < 0.01) return "<\u202f0.01\u202f%";
  if (share < 0.1) return `${share.toFixed(2)}\u202f%`;
  if (share < 9.95) return `${share.toFixed(1)}\u202f%`;
  if (share < 99) return `${share.toFixed(0)}\u202f%`;
  if (share <= 99.95) return `${share.toFixed(1)}\u202f%`;
  return share < 99.9999 ? ">\u202f99.9\u202f%" : "100\u202f%";
}

/**
 * A number with a true minus sign; "–" where there is none.
 * @param {Maybe} value
 * @param {number} [digits] after the point
 */
export function number(value, digits = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/**
 * A whole number with its thousands parted.
 * @param {Maybe} value
 */
export function whole(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en-GB");
}

/**
 * "1 row", "2 rows".
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function plural(count, one, many = `${one}s`) {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/**
 * A small number with two or three digits that count.
 * @param {Maybe} value
 * @param {number} [digits]
 */
export function brief(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-GB");
  if (Math.abs(value) < 1e-4) {
    const [head, power] = value.toExponential(1).split("e-");
    return `${head.replace("-", "−")}·10⁻${raised(power)}`;
  }
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/**
 * `brief` where there is little room: a large number by its power of ten, "10⁶" or "2.5·10⁵".
 * @param {number} value
 */
export function briefest(value) {
  if (Math.abs(value) < 100_000) return brief(value);
  const [head, power] = value.toExponential(1).split("e+");
  const times = head.replace(".0", "").replace("-", "−");
  return `${times === "1" ? "" : `${times}·`}10${raised(power)}`;
}

/**
 * An exponent's digits.
 * @param {string} power
 */
function raised(power) {
  return [...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
}

/**
 * Megabytes of 10⁶ bytes.
 * @param {Maybe} bytes
 */
export function megabytes(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const size = bytes / 1e6;
  return size >= 100 ? Math.round(size).toLocaleString("en-GB") : size.toFixed(1);
}
