// The view of the bands: how surely a pair of each similarity becomes a candidate, for the run's
// bands and for others.

import {
  axisLabel,
  baseAxis,
  hatchPattern,
  pathThrough,
  scaleOf,
  setSize,
  valueAxis,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { askedOf, recallAt } from "./run.js";

/**
 * @import {RunPlan} from "./data.js"
 * @import {Run, Session} from "./run.js"
 */

const LEFT_EDGE = 50;
const RIGHT_EDGE = 16;
const CHART_TOP = 42;
const CHART_HEIGHT = 230;

/** @typedef {{bands: number, rows: number}} Bands how many, and how many values each has */

/**
 * Probability that a pair of this similarity shares at least one band.
 * @param {number} similarity
 * @param {number} bands
 * @param {number} rowsPerBand
 */
export function candidateChance(similarity, bands, rowsPerBand) {
  return 1 - (1 - similarity ** rowsPerBand) ** bands;
}

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openBandsView(panel, session) {
  const view = { runId: "", bands: 1, rows: 1 };
  /** @type {Run | null} */
  let run = null;
  const svg = s("svg", { class: "picture bands-chart", role: "img" });
  const place = h("div", { class: "chart" }, svg);
  const sliders = {
    bands: labelledSlider("bands", "bands"),
    rows: labelledSlider("rows", "values per band"),
  };
  const back = h(
    "button",
    { type: "button", onclick: () => ((view.runId = ""), draw()) },
    "Back to the run’s bands",
  );
  const said = h("p", { class: "said", role: "status" });
  const measured = h("p", { class: "measured" });
  const explained = h(
    "p",
    { class: "said" },
    "Every row gets a signature, cut into bands of equal length. Two rows that agree in one band " +
      "become a candidate pair, and every candidate is compared exactly. So a pair can be missed, " +
      "but no pair is wrong.",
  );
  const caption = h("p", { class: "picture-caption" });
  panel.append(
    place,
    h(
      "div",
      { class: "padded" },
      h("div", { class: "sliders" }, sliders.bands.element, sliders.rows.element, back),
      said,
      measured,
      explained,
    ),
    caption,
  );

  /**
   * @param {keyof Bands} name
   * @param {string} label
   */
  function labelledSlider(name, label) {
    const output = h("output", {});
    const field = h("input", {
      type: "range",
      "aria-label": label,
      min: 1,
      step: 1,
      oninput: () => {
        view[name] = Number(field.value);
        draw();
      },
    });
    return { field, output, element: h("label", {}, h("span", {}, label), field, output) };
  }
  const draw = () => {
    if (!run?.data.plan) return;
    const { data } = run;
    const { plan } = run.data;
    if (view.runId !== data.run_id)
      Object.assign(view, { runId: data.run_id, bands: plan.num_bands, rows: plan.rows_per_band });
    const limits = { bands: Math.max(256, plan.num_bands), rows: Math.max(20, plan.rows_per_band) };
    for (const name of /** @type {(keyof Bands)[]} */ (["bands", "rows"])) {
      const { field, output } = sliders[name];
      field.max = String(limits[name]);
      field.value = String(view[name]);
      output.textContent = String(view[name]);
    }
    const differ = view.bands !== plan.num_bands || view.rows !== plan.rows_per_band;
    const other = differ ? view : null;
    back.hidden = !differ;
    drawBands(svg, `${session.id}-bands-hatch`, run, plan, other, widthNow());
    said.textContent = other
      ? otherSentence(run, other)
      : "Move the sliders to see what other bands would find.";
    measured.textContent = measuredSentence(run);
    caption.textContent =
      `${plural(plan.num_bands, "band")} of ${plural(plan.rows_per_band, "value")} ` +
      `(${whole(plan.num_perm)} permutations): a pair at ${number(askedOf(run))} is found with a ` +
      `probability of ${percent(plan.expected_recall)}.`;
  };
  const widthNow = watchWidth(place, draw);
  return (/** @type {Run} */ next) => {
    run = next;
    draw();
  };
}

/**
 * @param {SVGSVGElement} svg
 * @param {string} hatch id of the pattern for what was not looked for
 * @param {Run} run
 * @param {RunPlan} plan
 * @param {Bands | null} other than the run's
 * @param {number} width
 */
function drawBands(svg, hatch, run, plan, other, width) {
  const { request } = run.data;
  const asked = askedOf(run);
  const bottom = CHART_TOP + CHART_HEIGHT;
  const x = scaleOf(0, 1, LEFT_EDGE, width - RIGHT_EDGE);
  const y = scaleOf(0, 1, bottom, CHART_TOP);
  setSize(svg, width, bottom + 40);
  svg.setAttribute(
    "aria-label",
    "Probability that a pair becomes a candidate against its similarity; " +
      `${percent(plan.expected_recall)} at ${number(asked)}.`,
  );
  /** @type {SVGElement[]} */
  const parts = [
    s("defs", {}, hatchPattern(hatch)),
    s("rect", {
      class: "unknown",
      x: x(0),
      y: CHART_TOP,
      width: x(request.floor) - x(0),
      height: CHART_HEIGHT,
      fill: `url(#${hatch})`,
    }),
  ];
  const share = (/** @type {number} */ value) => `${100 * value}\u202f%`;
  const tenths = (/** @type {number} */ value) => number(value, 1);
  parts.push(
    ...valueAxis(y, [0, 0.25, 0.5, 0.75, 1], [x(0), x(1)], share),
    ...baseAxis(x, [0, 0.2, 0.4, 0.6, 0.8, 1], bottom + 16, tenths),
    axisLabel(x(1), bottom + 34, "end", "similarity of a pair (Jaccard)"),
    s("text", { class: "series-name", x: x(0), y: 14 }, "probability of becoming a candidate"),
  );
  const upright = (/** @type {number} */ value, /** @type {string} */ name) =>
    s("line", { class: name, x1: x(value), x2: x(value), y1: CHART_TOP - 4, y2: bottom });
  const left = request.floor > 0.25;
  parts.push(
    upright(request.floor, "asked"),
    s(
      "text",
      {
        class: "reading quiet",
        x: x(request.floor) + (left ? -6 : 6),
        y: CHART_TOP + 16,
        "text-anchor": left ? "end" : "start",
      },
      `floor ${number(request.floor)}`,
    ),
    upright(asked, "cut-line"),
    s(
      "text",
      { class: "reading", x: x(asked) - 8, y: bottom - 10, "text-anchor": "end" },
      `threshold ${number(asked)}`,
    ),
  );
  parts.push(
    s("path", {
      class: "stroke run-curve",
      d: pathThrough(plan.curve.map(([similarity, chance]) => [x(similarity), y(chance)])),
    }),
  );
  // The S-curve leaves room above it on the left and below it on the right; there the label has two
  // short lines.
  const room = width - x(asked) > 64;
  /**
   * @param {number} chance
   * @param {string} name
   * @param {string} label
   * @param {boolean} below
   */
  const end = (chance, name, label, below) => {
    const right = below && room;
    const at = { x: x(asked) + (right ? 9 : -9), "text-anchor": right ? "start" : "end" };
    const words = below ? [`${label}:`, percent(chance)] : [`${label}: ${percent(chance)}`];
    const top = y(chance) + (below ? (right ? 20 : 40) : -8);
    return [
      s("circle", { class: `dot ${name}-dot`, cx: x(asked), cy: y(chance), r: 4 }),
      ...words.map((text, line) =>
        s("text", { class: `reading ${name}-name`, ...at, y: top + 15 * line }, text),
      ),
    ];
  };
  if (other) {
    const points = Array.from({ length: 101 }, (_, step) => [
      x(step / 100),
      y(candidateChance(step / 100, other.bands, other.rows)),
    ]);
    const chance = candidateChance(asked, other.bands, other.rows);
    parts.push(s("path", { class: "stroke other-curve", d: pathThrough(points) }));
    parts.push(
      ...end(
        chance,
        "other",
        `${other.bands} × ${other.rows}`,
        chance <= plan.expected_recall || y(plan.expected_recall) - y(chance) < 30,
      ),
    );
  }
  parts.push(
    ...end(plan.expected_recall, "run", `${plan.num_bands} × ${plan.rows_per_band}`, false),
  );
  svg.replaceChildren(...parts);
}

/**
 * What other bands would cost and find, by the similarities of the pairs of this run.
 * @param {Run} run
 * @param {Bands} bands
 */
function otherSentence(run, { bands, rows }) {
  const asked = askedOf(run);
  const chanceAt = (/** @type {number} */ similarity) => candidateChance(similarity, bands, rows);
  const pairs = run.edges.filter((edge) => edge[2] >= asked);
  const expected = pairs.reduce((sum, edge) => sum + chanceAt(edge[2]), 0);
  const of = pairs.length
    ? ` Of the ${plural(pairs.length, "verified pair")} here they would find about ` +
      `${whole(Math.round(expected))}.`
    : "";
  return (
    `${bands} × ${rows} = ${plural(bands * rows, "permutation")} find a pair at ${number(asked)} ` +
    `with a probability of ${percent(chanceAt(asked))}.${of}`
  );
}

/**
 * The recall that was measured at the line, with its interval and the sample that it rests on; and
 * that of removed rows.
 * @param {Run} run
 */
export function measuredSentence(run) {
  const { recall_sample: sample, removed_recall: gone, ...data } = run.data;
  const { at, recall, interval, pairs, found } = recallAt(run);
  const rows = sample.complete
    ? `all ${whole(sample.rows)} rows that differ were compared with one another`
    : `n = ${whole(sample.rows)} rows compared with all`;
  if (!pairs || recall === null)
    return `Measured recall at ${number(at)}: no true pair in the sample (${rows}).`;
  const range = (/** @type {number[]} */ ends) =>
    `95\u202f% interval ${ends.map((end) => number(end, 3)).join(" to ")}`;
  const own = !sample.complete && interval ? `, ${range(interval)}` : "";
  const removed =
    gone === undefined || gone === null || at !== data.threshold
      ? ""
      : ` Of the rows that would go if all were compared, ${percent(gone)} go` +
        (sample.complete || !data.removed_recall_interval
          ? "."
          : ` (${range(data.removed_recall_interval)}).`);
  return (
    `Measured recall at ${number(at)}: ${whole(found)} of ${plural(pairs, "true pair")} ` +
    `found${own} (${rows}).${removed}`
  );
}
