// The plane through three models, or the line through two: loss and behaviours side by side, and a point
// to merge.

import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { shortName } from "./models.js";
import { openPlane } from "./planeview.js";
import { openPoints } from "./pointstable.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { Between } from "./data.js" */

/** Open the figure. */
export function openExplore() {
  return openTabbed(
    "merging",
    "Merges between models, measured",
    "Choose two or three models and press Measure.",
    [
      { name: "plane", label: "Picture", picture: true, open: openPlane },
      { name: "points", label: "Table", open: openPoints },
    ],
    exploreFacts,
  );
}

/**
 * What stands above the views.
 * @param {Between} data
 * @returns {Facts}
 */
function exploreFacts(data) {
  const { models, text, each, search, points, seconds } = data;
  const [origin, ...others] = models.map(({ name }) => shortName(name));
  const key = [
    `${points.length || search?.candidates.length || 0} merges measured`,
    `loss on ${text.tokens} tokens`,
  ];
  if (data.behaviours.length) key.push(`behaviours on ${each} prompts each`);
  return {
    title: [origin, ...others.map((name, index) => `${"uv"[index]} · ${name}`)].join(" + "),
    key,
    provenance: [
      models.map(({ name, revision }) => `${name} (${revision})`).join(", "),
      "task_arithmetic in float32",
      search ? `CMA-ES, seed ${search.seed}` : null,
      seconds ? `measured in ${brief(seconds)} s on ${data.device}` : null,
    ]
      .filter(Boolean)
      .join(" · "),
    tags: data.example ? ["stored example"] : [],
    warnings: search?.warnings ?? [],
  };
}
