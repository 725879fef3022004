// The columns of the table of formats, and the rows as comma-separated values.

import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";

/** @import { Row } from "./data.js" */

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
    ({ rank, tied }) => `${rank}${tied.length ? " =" : ""}`,
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
    (row) => `${row.ratio.toFixed(3)} (${row.ratio_low.toFixed(3)}–${row.ratio_high.toFixed(3)})`,
  ),
  column(
    "same top, %",
    "same_top",
    (row) => row.same_top,
    (row) => `${(100 * row.same_top).toFixed(1)} ± ${(100 * row.same_top_sigma).toFixed(1)}`,
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
 * @param {{ppl: number, ppl_sigma: number}} row
 */
export function perplexityWords({ ppl, ppl_sigma: sigma }) {
  return `${brief(ppl, 4)} ± ${brief(sigma, 2)}`;
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
