// Measured rows and the model's divergence in words.

import { estimateWords } from "../../../../shared/js/estimates.js";

/** @import { Compare, Effect, Row } from "./data.js" */

/**
 * The rows that are measured, in the request's order.
 * @param {Compare} data
 */
export function measuredRows({ rows }) {
  return rows.filter(isMeasured);
}

/**
 * @param {Compare["rows"][number]} row
 * @returns {row is Row}
 */
function isMeasured(row) {
  return row.status === "done";
}

/**
 * What a row is called: a published file by its short name, a format by its whole one.
 * @param {Pick<Row, "engine" | "format" | "label">} row
 */
export function nameOfRow({ engine, format, label }) {
  return engine === "published" ? label : format;
}

/**
 * What the row of a format is called.
 * @param {Compare["rows"]} rows
 * @param {string} format
 */
export function nameOfFormat(rows, format) {
  const row = rows.find((one) => one.format === format);
  return row ? nameOfRow(row) : format;
}

/**
 * The model's divergence with one weight quantized.
 * @param {Effect | null} kld
 */
export function effectWords(kld) {
  if (!kld) return "";
  const count = kld.sigma === null ? "tokens of one window, so no σ" : "tokens";
  return `model KLD ${estimateWords(kld)} nats, n = ${kld.tokens} ${count}`;
}

/**
 * Signal to quantization noise.
 * @param {number | null} sqnr decibel; null where nothing is lost
 * @param {number} [digits] after the point
 */
export function sqnrWords(sqnr, digits = 1) {
  return sqnr === null ? "lossless" : `${sqnr.toFixed(digits)} dB`;
}
