// The noise floor in the chart of size against quality: how far the base model is from itself.

import { h, s } from "../../../../shared/js/dom.js";
import { hatchPattern } from "../../../../shared/js/axes.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { nameOfRow } from "./measures.js";
import { SIZE_FLOOR } from "./paretochart.js";

/** @import { Compare, Noise, Row } from "./data.js" */
/** @import { Plot } from "./paretochart.js" */

const NOISE_HATCH = "noise-hatch";

/**
 * The noise that moves the base model most; null where it was not held against itself.
 * @param {Compare} data
 */
export function loudest({ floor }) {
  if (!floor?.noises.length) return null;
  return floor.noises.reduce((one, other) => (other.kld.mean > one.kld.mean ? other : one));
}

/**
 * The line, and what lies below it.
 * @param {Noise | null} noise
 * @param {number} loss of it, in the unit of the chart
 * @param {Plot} plot
 */
export function noiseLine(noise, loss, { y, from, to, floor }) {
  if (!noise || loss <= 0) return [];
  const at = y(Math.max(floor, loss));
  return [
    s("defs", {}, hatchPattern(NOISE_HATCH)),
    s("rect", {
      class: "noise-band",
      x: from,
      y: at,
      width: to - from,
      height: Math.max(0, SIZE_FLOOR - at),
      fill: `url(#${NOISE_HATCH})`,
    }),
    s("line", { class: "noise-line", x1: from, x2: to, y1: at, y2: at }),
    s(
      "text",
      { class: "noise-name", x: from + 6, y: at - 5 },
      `noise floor: ${shortName(noise)}, ${brief(loss, 2)}`,
    ),
  ];
}

/** @param {Noise} noise */
function shortName({ name }) {
  return { rounding: "another rounding", threads: "other threads" }[name] ?? `in ${name}`;
}

/**
 * What was done to the base model, how far each moved it, and which rows are no further.
 * @param {Compare} data
 * @param {Row[]} rows
 */
export function noiseWords({ floor }, rows) {
  const most = floor?.noises.length ? Math.max(...floor.noises.map(({ kld }) => kld.mean)) : 0;
  if (!floor || !most) return "";
  const parts = floor.noises.map(
    ({ kld, says }) => `${kld.mean > 0 ? brief(kld.mean, 2) : "0"} with ${says}`,
  );
  // one window has no interval, and leaves a doubt
  const below = rows.filter(({ kld }) => (kld.low ?? 0) <= most).map(nameOfRow);
  return (
    `Noise floor: the base model is this far from itself, KLD in nats over ` +
    `${plural(floor.windows, "window")}: ${parts.join("; ")}. Below the line no difference is real. ` +
    (below.length
      ? `Not above it beyond doubt: ${below.join(", ")}.`
      : "All rows are above it beyond doubt.")
  );
}

/** The paragraph for `noiseWords`. */
export function noiseParagraph() {
  return h("p", { class: "picture-caption said noise-words", hidden: true });
}
