// That the edited weights do what the edit says: matrix by matrix, and against the run-time edit.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { factList, headedRow, scrollTable } from "../../../../shared/js/tables.js";

/** @import { Certificate, CertificateData, Export } from "./data.js" */

const ROUNDING = 1e-4; // of the stream's norm, above which something else must write too

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Certificate | Export) => void}
 */
export function openCertificate(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return (data) => {
    const { certificate } = data;
    box.replaceChildren(
      factList([
        ...certificateFacts(certificate),
        ...(data.kind === "export" ? exportFacts(data) : []),
      ]),
      scrollTable(
        "Edited matrices",
        ["matrix", "strength", "‖r̂ᵀW‖ before", "after", "bias before", "after"],
        certificate.matrices
          .filter(({ strength }) => strength)
          .map(({ name, folded, strength, before, after, ...bias }) =>
            headedRow(
              folded ? `${name} (norm folded)` : name,
              [strength, before, after, bias.bias_before, bias.bias_after].map((value) =>
                brief(value),
              ),
            ),
          ),
      ),
    );
  };
}

/** @param {CertificateData} certificate */
function certificateFacts({ verdict, reason, gap, scale, in_stream: rest, audit, head }) {
  return [
    ["verdict", `${verdict}: ${reason}`],
    [
      "hook against weights",
      `logits differ by ${brief(gap)} at most; their standard deviation is ${brief(scale)}`,
    ],
    [
      "left in the stream",
      rest === null
        ? "the kernel does not remove the direction everywhere"
        : `at most ${brief(rest)} of any token's norm`,
    ],
    [
      "stream = sum of its writes",
      `to ${brief(audit)} of its norm: ` +
        (audit < ROUNDING
          ? "no write was overlooked"
          : "something else writes too, and is not edited"),
    ],
    ["head", head],
  ];
}

/** @param {Export} data */
function exportFacts({ left_out: missing = [], files = {}, base, rank, dtype, reopened }) {
  const sizes = Object.entries(files).map(
    ([name, bytes]) => `${name} (${bytes.toLocaleString("en-GB")} bytes)`,
  );
  return [
    ...(base
      ? [
          [
            "right on",
            `${base}; rank ${rank}${rank === 1 ? "" : ", the expert's own adapter included"}`,
          ],
        ]
      : []),
    ...(missing.length ? [["not in the adapter", missing.join(", ")]] : []),
    ...(reopened === undefined
      ? []
      : [
          [
            "opened again",
            `as the files' own configuration says: ${dtype}, logits within ${brief(reopened)} of ` +
              "the edited model in memory",
          ],
        ]),
    ...(sizes.length ? [["files", sizes.join(", ")]] : []),
  ];
}
