// A merge: parents and child side by side, and what each layer holds of whom.

import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openAnswers } from "./answers.js";
import { openAtlas } from "./atlasview.js";
import { openBehaviours } from "./behaviours.js";
import { openCarriers } from "./carriersview.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { Merge } from "./data.js" */

/** Open the figure. */
export function openMerge() {
  return openTabbed(
    "merging",
    "A merge: parents and child",
    "Choose a recipe and press Merge and compare.",
    [
      { name: "behaviours", label: "Before and after", picture: true, open: openBehaviours },
      { name: "answers", label: "Answers", open: openAnswers },
      {
        name: "carriers",
        label: "Which layers carry it",
        picture: true,
        hidden: ({ done, carriers }) => done && !carriers.length,
        open: openCarriers,
      },
      {
        name: "atlas",
        label: "Atlas of task vectors",
        picture: true,
        hidden: ({ done, atlas }) => done && !atlas,
        open: openAtlas,
      },
    ],
    mergeFacts,
  );
}

/**
 * What stands above the views.
 * @param {Merge} data
 * @returns {Facts}
 */
function mergeFacts(data) {
  const { report } = data;
  const weights = Object.entries(report.files).filter(([name]) => name.endsWith(".safetensors"));
  const size = weights.reduce((sum, [, bytes]) => sum + bytes, 0);
  const child = data.models.find(({ role }) => role === "child");
  const key = [`${plural(data.models.length, "model")} measured`];
  if (child) {
    const { perplexity: mean, sigma } = child;
    key.push(`child: perplexity ${estimateWords({ mean, sigma })}`);
  }
  return {
    title: data.title,
    key,
    provenance: [
      report.models.map(({ name, revision }) => `${name} (${revision})`).join(", "),
      `mergekit ${report.versions.mergekit}, seed ${report.seed}`,
      `merged in ${brief(report.seconds)} s, ${Math.round(size / 1e6).toLocaleString("en-GB")} MB`,
      data.seconds ? `measured in ${brief(data.seconds)} s on ${data.device}` : null,
    ]
      .filter(Boolean)
      .join(" · "),
    tags: data.example ? ["stored example"] : [],
    warnings: [
      ...report.findings
        .filter(({ level }) => level === "warning")
        .map(({ message, fix }) => `${message} ${fix}`),
      ...data.skipped,
    ],
  };
}
