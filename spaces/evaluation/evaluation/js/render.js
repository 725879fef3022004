// The figure of the evaluation Space.

import { renderer } from "../../../../shared/js/shell.js";
import { openCompare } from "./compare.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({ compare: openCompare });
