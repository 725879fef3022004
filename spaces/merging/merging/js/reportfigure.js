// The report on a published merge: a verdict for each part, every tensor after the replay, the roots'
// shares, and what stands behind them.

import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openReportCard } from "./reportcard.js";
import { openReportRecipe, openReportWeights } from "./reportdetails.js";
import { openReportView } from "./reportview.js";
import { openLicences } from "./treelicence.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { ModelReport } from "./data.js" */

/** Open the figure. */
export function openReport() {
  return openTabbed(
    "merging",
    "A report on a published merge",
    "Name a merged model and press Report.",
    [
      { name: "report", label: "Report", picture: true, open: openReportView },
      { name: "findings", label: "Recipe", open: openReportRecipe },
      { name: "weights", label: "Weights", open: openReportWeights },
      { name: "duties", label: "Licences", open: openLicences },
      { name: "card", label: "For the card", open: openReportCard },
    ],
    reportFacts,
  );
}

/**
 * What stands above the views.
 * @param {ModelReport} data
 * @returns {Facts}
 */
function reportFacts({ model, sha, date, badge, recipe, versions, example }) {
  const seed = recipe?.draws ? `seed ${recipe.seed}` : null;
  return {
    title: model,
    key: [badge ? badge.message : "being written"],
    provenance: [
      sha ? `commit ${sha.slice(0, 12)}` : null,
      recipe ? [recipe.method, seed].filter(Boolean).join(", ") : null,
      ...Object.entries(versions).map(([name, number]) => `${name} ${number}`),
      `read on ${date}`,
    ]
      .filter(Boolean)
      .join(" · "),
    tags: example ? ["stored example"] : [],
  };
}
