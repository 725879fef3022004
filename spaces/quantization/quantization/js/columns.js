// The columns of the table of formats, and the rows as comma-separated values.

import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";

/** @import { Base, Row } from "./data.js" */

/**
 * One column.
 * @typedef {Object} Column
 * @property {string} title
 * @property {string} key in the file
 * @property {(row: Row) => number | null} value
 * @property {(row: Row) => string} write
 * @property {1 | -1} better 1 where more is better
 */

/**
 * @param {string} title
 * @param {string} key
 * @param {(row: Row) => number | null} value
 * @param {(row: Row) => string} write
 * @param {1 | -1} [better]
 * @returns {Column}
 */
function column(title, key, value, write, better = -1) {
  return { title, key, value, write, better };
}

/** All columns. */
export const COLUMNS = [
  column(
    "rank",
    "rank",
    ({ rank }) => rank,
    ({ rank, tied }) => (rank === null ? "–" : `${rank}${tied.length ? " =" : ""}`),
  ),
  column(
    "file, MB",
    "file_mb",
    (row) => row.file_bytes,
    (row) => megabytes(row.file_bytes),
  ),
  column(
    "bits/weight",
    "bits",
    ({ bits }) => bits,
    ({ bits }) => bits.toFixed(2),
  ),
  column(
    "quantized part",
    "bits_quantized",
    (row) => row.bits_quantized,
    (row) => row.bits_quantized.toFixed(2),
  ),
  column(
    "KLD mean ± σ, nats",
    "kld",
    ({ kld }) => kld.mean,
    ({ kld }) => estimateWords(kld),
  ),
  column(
    "median",
    "kld_median",
    ({ kld }) => kld.median,
    ({ kld }) => brief(kld.median),
  ),
  column(
    "p99",
    "kld_p99",
    ({ kld }) => kld.p99,
    ({ kld }) => brief(kld.p99),
  ),
  column(
    "max",
    "kld_max",
    ({ kld }) => kld.max,
    ({ kld }) => brief(kld.max),
  ),
  column(
    "PPL ± σ",
    "ppl",
    ({ ppl }) => ppl,
    (row) => perplexityWords(row),
  ),
  column(
    "PPL ratio, 95 %",
    "ratio",
    ({ ratio }) => ratio,
    (row) => ratioWords(row),
  ),
  column(
    "same top, %",
    "same_top",
    (row) => row.same_top,
    (row) => sameTopWords(row),
    1,
  ),
  column(
    "RMS Δp",
    "rms_dp",
    (row) => row.rms_dp,
    (row) => brief(row.rms_dp),
  ),
  column(
    "prefill, tok/s",
    "prefill",
    ({ prefill }) => prefill,
    ({ prefill }) => brief(prefill),
    1,
  ),
  column(
    "decode, tok/s",
    "decode",
    ({ decode }) => decode,
    ({ decode }) => brief(decode),
    1,
  ),
  column(
    "resident, MB",
    "resident_mb",
    (row) => row.resident_bytes,
    (row) => megabytes(row.resident_bytes),
  ),
  column(
    "to quantize, s",
    "seconds",
    ({ seconds }) => seconds,
    ({ seconds }) => brief(seconds, 2),
  ),
];

/**
 * Perplexity and its standard error.
 * @param {{ppl: number, ppl_sigma: number | null}} row
 */
function perplexityWords({ ppl, ppl_sigma: sigma }) {
  return estimateWords({ mean: ppl, sigma }, 4);
}

/**
 * The perplexity's ratio and its interval.
 * @param {Row} row
 */
function ratioWords({ ratio, ratio_low: low, ratio_high: high }) {
  const interval = low === null || high === null ? "" : ` (${low.toFixed(3)}–${high.toFixed(3)})`;
  return `${ratio.toFixed(3)}${interval}`;
}

/**
 * The share of equal top tokens and its standard error, in percent.
 * @param {Row} row
 */
function sameTopWords({ same_top: share, same_top_sigma: sigma }) {
  return `${(100 * share).toFixed(1)}${sigma === null ? "" : ` ± ${(100 * sigma).toFixed(1)}`}`;
}

/**
 * What is known of the base, by the key of the column.
 * @param {Base} base
 * @returns {Record<string, string>}
 */
export function baseCells(base) {
  return {
    file_mb: megabytes(base.file_bytes),
    bits: base.bits.toFixed(2),
    ppl: perplexityWords(base),
    prefill: brief(base.prefill),
    decode: brief(base.decode),
    resident_mb: megabytes(base.resident_bytes),
  };
}

/**
 * How good a row is in a column: the best has the most.
 * @param {Column} of
 * @param {Row} row
 */
export function worthOf({ value, better }, row) {
  return better * (value(row) ?? -better * Infinity);
}

/**
 * The rows as comma-separated values; a cell that a spreadsheet would compute is quoted as text.
 * @param {Row[]} rows
 */
export function csvOf(rows) {
  const head = ["format", "engine", "version", ...COLUMNS.map(({ key }) => key)];
  const lines = rows.map((row) => [
    row.format,
    row.engine,
    row.version,
    ...COLUMNS.map(({ value }) => value(row)),
  ]);
  return [head, ...lines].map((line) => line.map(csvCell).join(",")).join("\r\n");
}

/** @param {string | number | null} value */
function csvCell(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
