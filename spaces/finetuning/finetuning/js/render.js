// The figures of the fine-tuning Space.

import { renderer } from "../../../../shared/js/shell.js";
import { openGrpo } from "./grpo.js";
import { openMask } from "./mask.js";
import { openPlan } from "./plan.js";
import { openTrain } from "./train.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({
  mask: openMask,
  train: openTrain,
  grpo: openGrpo,
  plan: openPlan,
});
