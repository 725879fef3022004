// The figures of the merging Space: the recipe's form, a merge with its parents, the merges between
// models, the family tree, and the report on a published merge.

import { renderer } from "../../../../shared/js/shell.js";
import { openBehaviourForm } from "./behaviourform.js";
import { openEditor } from "./editor.js";
import { openExplore } from "./explorefigure.js";
import { openMerge } from "./mergefigure.js";
import { openGatesAlone, openMixture } from "./mixturefigure.js";
import { openReport } from "./reportfigure.js";
import { openTree } from "./treefigure.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({
  merge: openMerge,
  explore: openExplore,
  evolve: openExplore,
  tree: openTree,
  report: openReport,
  editor: openEditor,
  behaviours: openBehaviourForm,
  mixture: openMixture,
  gates: openGatesAlone,
});
