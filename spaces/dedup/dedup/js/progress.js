// A run without a result yet: its stage, and what it has counted so far.

import { h } from "../../../../shared/js/dom.js";
import { whole } from "../../../../shared/js/numbers.js";

/** @import {ContaminationWaiting, Waiting} from "./data.js" */

/** @param {Waiting | ContaminationWaiting} data */
export function progressElement({ title, cancelled, progress }) {
  if (cancelled) return "The run was stopped before there was anything to show.";
  const { label, value, max, counts } = progress;
  const facts = Object.entries(counts).map(([name, count]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, whole(count))),
  );
  return h(
    "div",
    { class: "going" },
    h("p", {}, h("bdi", {}, title)),
    h(
      "p",
      { class: "stage", role: "status" },
      h("b", {}, label),
      max ? ` ${whole(value)} of ${whole(max)}` : "",
    ),
    h("progress", { "aria-label": label, max: max || 1, value: max ? value : null }),
    h("dl", { class: "readout" }, facts),
  );
}
