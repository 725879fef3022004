// The view of the threshold: the chart, a slider, what one step changes, and the pairs nearest to
// the line.

import { h } from "../../../../shared/js/dom.js";
import { number, plural, whole } from "../../../../shared/js/numbers.js";
import { candidateChance } from "./bandsview.js";
import { openFoldList } from "./foldlist.js";
import { openKindsView } from "./kindsview.js";
import {
  askedOf,
  diffOfRows,
  excerptOf,
  goalStands,
  sentenceOf,
  thresholdOf,
  totalsNear,
} from "./run.js";
import { openThresholdChart } from "./thresholdchart.js";

/**
 * @import {Pair} from "./data.js"
 * @import {FoldItem} from "./foldlist.js"
 * @import {Run, Session} from "./run.js"
 */

const NEAREST = 5; // pairs on each side of the line

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openThresholdView(panel, session) {
  const readout = h("dl", { class: "readout" });
  const chartPlace = h("div", {});
  const slider = h("input", {
    type: "range",
    step: 0.01,
    "data-own": true,
    "aria-label": "Threshold",
    oninput: () => session.moveThreshold(Number(slider.value)),
  });
  const track = h("div", { class: "track" }, slider);
  const step = h("p", { class: "said step" });
  const use = h(
    "button",
    {
      type: "button",
      class: "action",
      onclick: () => session.emit("threshold", { threshold: at }),
    },
    "Use this threshold",
  );
  const back = h("button", { type: "button", onclick: () => session.moveThreshold(null) });
  const actions = h("p", { class: "actions" }, use, back);
  const lists = {
    above: openFoldList("Pairs just above the line"),
    below: openFoldList("Pairs just below the line"),
  };
  const divider = h("p", { class: "divider" });
  const near = h(
    "section",
    { class: "near" },
    h("h2", {}, "Pairs nearest to the line"),
    lists.above.element,
    divider,
    lists.below.element,
  );
  const kinds = h("div", {});
  const drawKinds = openKindsView(kinds, session);
  const caption = h("p", { class: "picture-caption" });
  panel.append(
    readout,
    chartPlace,
    track,
    h("div", { class: "padded" }, step, actions, kinds, near),
    caption,
  );
  const chart = openThresholdChart(chartPlace, session.id, session.moveThreshold);
  track.style.setProperty("--from", `${chart.insets[0]}px`);
  track.style.setProperty("--to", `${chart.insets[1]}px`);
  let runId = "";
  let at = 0;

  return (/** @type {Run} */ run) => {
    const { data, totals } = run;
    const asked = askedOf(run);
    at = thresholdOf(run);
    if (runId !== data.run_id) for (const list of Object.values(lists)) list.reset();
    runId = data.run_id;
    drawReadout(readout, run);
    chart.update({
      curve: run.curve,
      floor: data.request.floor,
      asked,
      at,
      kept: totals.kept,
      pairs: totals.pairs,
    });
    slider.min = String(data.request.floor);
    slider.max = "1";
    if (Number(slider.value) !== at) slider.value = String(at);
    track.style.setProperty("--floor", String(unknownShare(data.request.floor)));
    slider.setAttribute("aria-valuetext", sentenceOf(run));
    step.textContent = stepSentence(run, at);
    const moved = run.moved !== null && run.moved !== asked;
    use.hidden = !session.canEmit() || !moved;
    back.hidden = run.moved === null;
    back.textContent = data.request.goal
      ? `Back to ${whole(data.request.goal)} rows`
      : `Back to ${number(asked)}`;
    actions.hidden = use.hidden && back.hidden;
    drawKinds(run);
    drawNear(run, at, divider, lists);
    caption.textContent =
      sentenceOf(run) +
      (data.graph.complete
        ? ""
        : " Clusters were too many to send all: the numbers are of all rows, the lists of those " +
          "that were sent.");
  };
}

/**
 * The hatched share of the chart's width, left of the slider's first value.
 * @param {number} floor
 */
function unknownShare(floor) {
  const low = Math.max(0, Math.round(100 * floor - 10) / 100);
  return (floor - low) / (1 - low);
}

/**
 * @param {HTMLElement} readout
 * @param {Run} run
 */
function drawReadout(readout, run) {
  const { totals } = run;
  const facts = [
    ["threshold", goalStands(run) ? `≈ ${number(thresholdOf(run))}` : number(thresholdOf(run))],
    ["rows kept", whole(totals.kept)],
    ["removed", whole(totals.removed)],
    ["pairs", whole(totals.pairs)],
    ["clusters", whole(totals.clusters)],
  ];
  readout.replaceChildren(
    ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/**
 * What the next step of the line down and up would change.
 * @param {Run} run
 * @param {number} at
 */
function stepSentence(run, at) {
  const { floor } = run.data.request;
  const said = [];
  const steps = [
    ...(at - 0.005 > floor ? [Math.ceil(100 * at - 1.001) / 100] : []),
    ...(at < 1 ? [Math.floor(100 * at + 1.001) / 100] : []),
  ];
  for (const threshold of steps) {
    const there = totalsNear(run, Math.min(1, Math.max(floor, threshold)));
    const rows = there.kept - run.totals.kept;
    const clusters =
      there.clusters === null || run.totals.clusters === null
        ? 0
        : there.clusters - run.totals.clusters;
    const changes = [];
    if (rows) changes.push(`${plural(Math.abs(rows), "row")} ${rows < 0 ? "fewer" : "more"}`);
    if (clusters)
      changes.push(`${plural(Math.abs(clusters), "cluster")} ${clusters < 0 ? "fewer" : "more"}`);
    said.push(`At ${number(threshold)}: ${changes.length ? changes.join(", ") : "no change"}.`);
  }
  const { plan } = run.data;
  if (plan && at < askedOf(run)) {
    const chance = candidateChance(at, plan.num_bands, plan.rows_per_band);
    said.push(
      `The bands were planned for ${number(askedOf(run))}; a pair at ${number(at)} was found with ` +
        `probability ${number(chance, chance > 0.995 ? 4 : 2)}.`,
    );
  }
  return said.join(" ");
}

/**
 * @param {Run} run
 * @param {number} at
 * @param {HTMLElement} divider
 * @param {Record<"above" | "below", ReturnType<typeof openFoldList>>} lists
 */
function drawNear(run, at, divider, lists) {
  const { edges } = run;
  let first = edges.findIndex((edge) => edge[2] >= at);
  if (first < 0) first = edges.length;
  const below = edges.slice(Math.max(0, first - NEAREST), first).reverse();
  const above = edges.slice(first, first + NEAREST).reverse();
  const said = [
    above.length ? "↑ joined" : "no pair above",
    number(at),
    below.length ? "not joined ↓" : "no pair below",
  ];
  divider.replaceChildren(...said.map((text) => h("span", {}, text)));
  const version = `${at} ${[...run.pins].join()}`;
  lists.below.update(
    below.map((edge) => nearItem(run, edge)),
    version,
  );
  lists.above.update(
    above.map((edge) => nearItem(run, edge)),
    version,
  );
}

/**
 * @param {Run} run
 * @param {Pair} pair
 * @returns {FoldItem}
 */
function nearItem(run, [first, second, jaccard]) {
  const { nodes } = run.data.graph;
  const rows = [first, second]
    .sort((one, other) => nodes[one].rank - nodes[other].rank)
    .map((node) => nodes[node].rows[0]);
  // The row that goes stands on the right, whatever the ranks say.
  if (run.removedRows.get(rows[0])?.keeperRow === rows[1]) rows.reverse();
  const label = () => [
    h("b", { class: "value" }, number(jaccard, 3)),
    h("span", { class: "who" }, `rows ${rows[0]} and ${rows[1]}`),
    h("bdi", { class: "excerpt" }, excerptOf(run, rows[1])),
  ];
  return { key: `${first}-${second}`, label, content: () => diffOfRows(run, rows[0], rows[1]) };
}
