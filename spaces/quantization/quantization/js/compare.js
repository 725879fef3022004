// The comparison of formats: size against quality, the table, the token microscope, sensitivity, and answers.

import { openAnswers } from "./answers.js";
import { openTable } from "./comparetable.js";
import { openMicroscope } from "./microscope.js";
import { openPareto } from "./pareto.js";
import { openSensitivity } from "./sensitivity.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";

/**
 * @typedef {Object} Row
 * @property {string} format engine:label
 * @property {string} engine
 * @property {string} label
 * @property {"waiting"|"running"|"done"|"failed"} status
 * @property {number} [rank] 1 + the rows that are better beyond doubt
 * @property {string[]} [tied] the rows that it cannot be told from
 * @property {boolean} [front]
 * @property {Object} [kld] mean, sigma, median, p90, p95, p99, p999, max
 */

/** @returns the figure */
export function openCompare() {
  return openTabbed(
    "quantization",
    "Formats of a quantized model compared",
    "Choose formats and press Compare.",
    [
      { name: "size", label: "Size against quality", picture: true, open: openPareto },
      { name: "table", label: "Table", open: openTable },
      {
        name: "tokens",
        label: "Token microscope",
        hidden: (data) => !data.microscope,
        open: openMicroscope,
      },
      {
        name: "layers",
        label: "Sensitivity",
        picture: true,
        hidden: (data) => !data.sensitivity,
        open: openSensitivity,
      },
      { name: "answers", label: "Answers", hidden: (data) => !data.answers, open: openAnswers },
    ],
    factsOf,
  );
}

/** The rows that were measured, in the order asked for. */
export function doneRows(data) {
  return data.rows.filter(({ status }) => status === "done");
}

function factsOf(data) {
  const rows = doneRows(data);
  const { model, provenance } = data;
  const best = rows.length
    ? rows.reduce((one, other) => (other.kld.mean < one.kld.mean ? other : one))
    : null;
  const key = [`${rows.length} of ${data.rows.length} formats measured`];
  if (best)
    key.push(
      `closest to the base: ${best.format}, ${megabytes(best.file_bytes)} MB, KLD ${brief(best.kld.mean)}`,
    );
  if (data.base?.ppl)
    key.push(`base: ${megabytes(data.base.file_bytes)} MB, perplexity ${brief(data.base.ppl)}`);
  const tags = [];
  if (data.example) tags.push("stored example");
  if (data.done && provenance?.seconds)
    tags.push(`${provenance.seconds} s on ${provenance.device}, ${provenance.threads} threads`);
  return {
    title: data.title ?? "Comparison",
    key,
    provenance: model
      ? `${model.id} · ${model.source} · ${model.scored} scored tokens in ${model.windows} windows of ${model.context} · text: ${provenance?.text ?? ""} · torch ${provenance?.torch ?? ""}`
      : "",
    tags,
    warnings: data.warnings ?? [],
  };
}
