// The figures of the decoding Space.

import { renderer } from "../../../../shared/js/shell.js";
import { openDecoding } from "./figure.js";
import { openPair } from "./pairfigure.js";
import { openSpeculative } from "./speculative.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({
  decoding: openDecoding,
  pair: openPair,
  speculative: openSpeculative,
});
