// The figures of the abliteration Space: one for every room, and the kernel's editor.

import { renderer } from "../../../../shared/js/shell.js";
import { openForensicsRoom } from "./forensics.js";
import { openKernel } from "./kernel.js";
import {
  openAblateRoom,
  openCertificateRoom,
  openChatRoom,
  openFeatureRoom,
  openFeaturesRoom,
  openFindRoom,
  openMeasureRoom,
  openOptimiseRoom,
} from "./rooms.js";
import { openTruthRoom } from "./truthbench.js";

/** Draw a figure, or bring it up to date. */
export const render = renderer({
  find: openFindRoom,
  ablate: openAblateRoom,
  measure: openMeasureRoom,
  optimise: openOptimiseRoom,
  features: openFeaturesRoom,
  feature: openFeatureRoom,
  certificate: openCertificateRoom,
  export: openCertificateRoom,
  forensics: openForensicsRoom,
  bench: openTruthRoom,
  chat: openChatRoom,
  kernel: openKernel,
});
