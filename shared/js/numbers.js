// Numbers as words.

/**
 * A probability in words: "29 %", "9.2 %", "0.04 %", "< 0.01 %", "> 99.9 %".
 * @param {number|null} probability 0 to 1
 * @returns {string}
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
 * @param {number|null} value
 * @param {number} [digits] after the point
 * @returns {string}
 */
export function number(value, digits = 2) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
}

/** A small number with two or three digits that count. */
export function brief(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-GB");
  if (Math.abs(value) < 1e-4)
    return value
      .toExponential(1)
      .replace("-", "−")
      .replace("e", "·10^")
      .replace("·10^−", "·10⁻")
      .replace(/⁻(\d+)/, (_, n) => `⁻${[...n].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`);
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** Megabytes of 10⁶ bytes. */
export function megabytes(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const size = bytes / 1e6;
  return size >= 100 ? Math.round(size).toLocaleString("en-GB") : size.toFixed(1);
}
