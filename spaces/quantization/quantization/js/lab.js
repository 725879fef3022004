// The weight lab: one tensor, one method.

import { h, scrollBox } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openBlock } from "./block.js";
import { openErrorMap } from "./errormap.js";
import { openHistogram } from "./histogram.js";
import { effectWords, sqnrWords } from "./measures.js";
import { openMethods } from "./methodchart.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { Wish } from "./block.js" */
/** @import { Lab } from "./data.js" */

/** Open the figure. */
export function openLab() {
  /** @type {Wish} */
  const wish = { place: null, shown: null };
  return openTabbed(
    "quantization",
    "A weight before and after quantization",
    "Choose a tensor and a method.",
    [
      {
        name: "block",
        label: "One block",
        picture: true,
        open: (figure, panel) => openBlock(figure, panel, wish),
      },
      { name: "histogram", label: "Histogram", picture: true, open: openHistogram },
      {
        name: "map",
        label: "Error map",
        picture: true,
        open: (figure, panel) => openErrorMap(figure, panel, wish),
      },
      {
        name: "methods",
        label: "All methods",
        picture: true,
        hidden: ({ methods }) => !methods,
        open: openMethods,
      },
      {
        name: "rotation",
        label: "Rotation",
        hidden: ({ rotation }) => !rotation,
        open: openRotation,
      },
      { name: "facts", label: "Table", open: openLabTable },
    ],
    labFacts,
    {
      // an exported file shows the block that stood there
      exported(data) {
        const { shown } = wish;
        const blocks =
          shown && !data.blocks.includes(shown) ? [...data.blocks, shown] : data.blocks;
        return { ...data, blocks };
      },
    },
  );
}

/**
 * What stands above the views.
 * @param {Lab} data
 * @returns {Facts}
 */
function labFacts({ title, summary, provenance, type, example, warnings }) {
  const key = [
    type,
    `${summary.bits.toFixed(3)} bits per weight`,
    summary.sqnr === null
      ? "lossless: every weight lies on the grid"
      : `SQNR ${sqnrWords(summary.sqnr)}`,
    `${summary.distinct_codes} codes in use`,
  ];
  if (summary.kld) key.push(effectWords(summary.kld));
  return {
    title,
    key,
    provenance: `${provenance.model} · ${provenance.source} · torch ${provenance.torch}`,
    tags: example ? ["stored example"] : [],
    warnings,
  };
}

/**
 * Open the view of what the rotation changes.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Lab) => void}
 */
function openRotation(_figure, panel) {
  const body = h("div", { class: "padded" });
  panel.append(body);
  return ({ rotation }) => {
    if (!rotation) return;
    body.replaceChildren(
      h(
        "p",
        {},
        "An orthogonal rotation of the input basis mixes every column with all others: outliers are spread ",
        "out, the weights look more like a normal distribution (kurtosis 3), and a grid wastes fewer ",
        "levels. In a model the rotation is undone by the layer before, so that the function stays the ",
        "same (QuaRot).",
      ),
      rotationPair("Kurtosis", [rotation.kurtosis_before, rotation.kurtosis_after], ""),
      rotationPair("SQNR", [rotation.sqnr_before, rotation.sqnr_after], "dB"),
      h("p", { class: "said" }, "The other views show the rotated weight."),
    );
  };
}

/**
 * @param {string} name
 * @param {(number | null)[]} values before and after; null where nothing is lost
 * @param {string} unit
 */
function rotationPair(name, values, unit) {
  const most = Math.max(...values.map((value) => value ?? 0), 1e-9);
  return h(
    "div",
    { class: "pair" },
    h("h2", {}, name),
    values.map((value, index) =>
      h(
        "div",
        { class: "pair-line" },
        h("span", {}, ["as it is", "rotated"][index]),
        h(
          "span",
          {
            class: `bar-cell bar-${index}`,
            style: { "--share": ((value ?? most) / most).toFixed(4) },
          },
          value === null ? "lossless" : `${brief(value)} ${unit}`,
        ),
      ),
    ),
  );
}

/**
 * Open the table of the tensor's numbers.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Lab) => void}
 */
function openLabTable(_figure, panel) {
  const body = scrollBox("Facts", "padded wide");
  panel.append(body);
  return (data) => {
    const { summary, provenance } = data;
    const rows = [
      ["method", `${data.method_title}: ${data.sentence}`],
      ["settings", JSON.stringify(data.settings)],
      ["type", data.type],
      ["shape", data.shape.join(" × ")],
      ["weights", summary.elements.toLocaleString("en-GB")],
      ["bits per weight, scales included", summary.bits.toFixed(4)],
      ["stored bytes", summary.stored_bytes.toLocaleString("en-GB")],
      ["different codes in use", summary.distinct_codes],
      ["mean squared error", brief(summary.mse)],
      ["SQNR", sqnrWords(summary.sqnr, 2)],
      ["largest error", brief(summary.max_error)],
      ["root mean square weight", brief(summary.weight_rms)],
      ["error weighted by E[x²] of the inputs", brief(summary.weighted_mse)],
      ["kurtosis", brief(summary.kurtosis)],
      ["model", effectWords(summary.kld) || "–"],
      ["copy", `${provenance.model}, ${provenance.source}, revision ${provenance.revision}`],
    ];
    body.replaceChildren(
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          rows.map(([name, value]) =>
            h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)),
          ),
        ),
      ),
    );
  };
}
