// The figures of the dedup Space: a run, and the rows that splits share.

import { renderer } from "../../../../shared/js/shell.js";
import { openContamination } from "./contamination.js";
import { openDeduplication } from "./deduplication.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({ dedup: openDeduplication, contamination: openContamination });
