// A mixture of experts: its gates, where every token goes, and what each gate mode changes.

import { brief, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openGates } from "./gatesview.js";
import { openModes } from "./modesview.js";
import { openRouting } from "./routingview.js";

/** @import { Facts, Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Gates, Mixture } from "./data.js" */

/** Open the figure. */
export function openMixture() {
  const state = { run: "", waits: false };
  /** @type {Figure<Mixture>} */
  const figure = openTabbed(
    "merging",
    "A mixture of experts: gates and routing",
    "Write a mixture and press Mix and route.",
    [
      { name: "routing", label: "Which token goes where", picture: true, open: openRouting },
      { name: "gates", label: "Gates", picture: true, open: openGates },
      { name: "modes", label: "What each gate mode changes", picture: true, open: openModes },
    ],
    mixtureFacts,
    {
      // The gates are there long before the routing: they are shown until it comes.
      take: ({ run_id: run, done, routed }) => {
        if (state.run !== run && !done && !routed.length) {
          state.waits = true;
          figure.current = "gates";
        } else if (state.waits && routed.length) {
          state.waits = false;
          if (figure.current === "gates") figure.current = "routing";
        }
        state.run = run;
      },
    },
  );
  return figure;
}

/**
 * What stands above the views.
 * @param {Mixture} data
 * @returns {Facts}
 */
function mixtureFacts(data) {
  const { gates, report } = data;
  const size = Object.entries(report?.files ?? {})
    .filter(([name]) => name.endsWith(".safetensors"))
    .reduce((sum, [, bytes]) => sum + bytes, 0);
  return {
    title: data.title,
    key: [
      `${data.per_token} of ${plural(gates.routed, "expert")} a token`,
      `gates: ${gates.own}`,
      ...(data.tokens.length ? [`${plural(data.tokens.length, "token")} routed`] : []),
    ],
    provenance: [
      `gates of ${gates.model.name} (${gates.model.revision})`,
      report ? `mergekit ${report.versions.mergekit}, seed ${report.seed}` : null,
      report ? `${Math.round(size / 1e6).toLocaleString("en-GB")} MB` : null,
      data.seconds ? `routed in ${brief(data.seconds)} s on ${data.device ?? "cpu"}` : null,
    ]
      .filter(Boolean)
      .join(" · "),
    tags: data.example ? ["stored example"] : [],
    warnings: data.skipped,
  };
}

/** Open the figure of gates alone, as they follow what is typed. */
export function openGatesAlone() {
  return openTabbed(
    "merging",
    "Gates of the recipe as it stands",
    "The gates of a mixture stand here as soon as its recipe can be read.",
    [{ name: "gates", label: "Gates", picture: true, open: openGates }],
    (/** @type {Gates} */ { gates }) => ({
      title: "Gates of the recipe as it stands",
      key: [
        `${gates.own}: ${gates.experts.length} gates of ${gates.width} numbers in ${gates.layers} layers`,
      ],
      provenance: `computed by ${gates.model.name} (${gates.model.revision})`,
      tags: [],
      warnings: gates.skipped,
    }),
  );
}
