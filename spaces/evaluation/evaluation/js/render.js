// The figure of the evaluation Space.

import { renderer } from "../../../../shared/js/shell.js";
import { openArena } from "./arena.js";
import { openCompare } from "./compare.js";
import { openFollow } from "./follow.js";
import { openFragile } from "./fragile.js";
import { openTask } from "./task.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({
  compare: openCompare,
  fragile: openFragile,
  follow: openFollow,
  judge: openArena,
  task: openTask,
});
