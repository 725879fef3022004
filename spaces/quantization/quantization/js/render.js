// The figures of the quantization Space: the comparison of formats, the weight lab, a model to take home,
// and several files of one.

import { renderer } from "../../../../shared/js/shell.js";
import { openCompare } from "./compare.js";
import { openLab } from "./lab.js";
import { openSet } from "./set.js";
import { openTake } from "./take.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({
  compare: openCompare,
  lab: openLab,
  take: openTake,
  set: openSet,
});
