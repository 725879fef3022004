// The comparison of formats: size against quality, the table, the token microscope, sensitivity, and answers.

import { brief, megabytes, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openAnswers } from "./answers.js";
import { openTable } from "./comparetable.js";
import { measuredRows, nameOfRow } from "./measures.js";
import { fileRows, openFits, takenWords } from "./fits.js";
import { openFlips } from "./flips.js";
import { openMicroscope } from "./microscope.js";
import { openPareto } from "./pareto.js";
import { openSensitivity } from "./sensitivity.js";
import { openTextKinds } from "./textkinds.js";
import { openTypes } from "./types.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { Compare } from "./data.js" */

/** Open the figure. */
export function openCompare() {
  return openTabbed(
    "quantization",
    "Formats of a quantized model compared",
    "Choose formats and press Compare.",
    [
      { name: "size", label: "Size against quality", picture: true, open: openPareto },
      {
        name: "fits",
        label: "Which to take",
        hidden: (data) => !data.memory || !fileRows(data).length,
        open: openFits,
      },
      { name: "table", label: "Table", open: openTable },
      {
        name: "types",
        label: "Types",
        hidden: (data) => !fileRows(data).length,
        open: openTypes,
      },
      {
        name: "kinds",
        label: "Kinds of text",
        hidden: ({ kinds }) => !kinds,
        open: openTextKinds,
      },
      {
        name: "flips",
        label: "Flipped answers",
        hidden: ({ questions }) => !questions,
        open: openFlips,
      },
      {
        name: "tokens",
        label: "Token microscope",
        hidden: ({ microscope }) => !microscope,
        open: openMicroscope,
      },
      {
        name: "layers",
        label: "Sensitivity",
        picture: true,
        hidden: ({ sensitivity }) => !sensitivity,
        open: openSensitivity,
      },
      {
        name: "answers",
        label: "Answers",
        hidden: ({ answers }) => !answers,
        open: openAnswers,
      },
    ],
    compareFacts,
  );
}

/**
 * What stands above the views.
 * @param {Compare} data
 * @returns {Facts}
 */
function compareFacts(data) {
  const rows = measuredRows(data);
  const { base, model, provenance } = data;
  const taken = data.done ? takenWords(data) : "";
  const key = taken ? [taken] : [];
  key.push(`${rows.length} of ${plural(data.rows.length, "format")} measured`);
  if (rows.length) {
    const best = rows.reduce((one, other) => (other.kld.mean < one.kld.mean ? other : one));
    key.push(
      `closest to the base: ${nameOfRow(best)}, ${megabytes(best.file_bytes)} MB, ` +
        `KLD ${brief(best.kld.mean)}`,
    );
  }
  if (base) key.push(`base: ${megabytes(base.file_bytes)} MB, perplexity ${brief(base.ppl)}`);
  const tags = data.example ? ["stored example"] : [];
  if (data.done)
    tags.push(
      `${provenance.seconds} s on ${provenance.device}, ${plural(provenance.threads, "thread")}`,
    );
  return {
    title: data.title,
    key,
    provenance: [
      model.id,
      model.source,
      `${model.scored} scored tokens in ${model.windows} windows of ${model.context}`,
      `text: ${provenance.text}`,
      `torch ${provenance.torch}`,
    ].join(" · "),
    tags,
    warnings: data.warnings,
  };
}
