// A run of deduplication, with what the visitor chose in it.

import { h } from "../../../../shared/js/dom.js";
import { number, plural, whole } from "../../../../shared/js/numbers.js";
import { isWithin } from "../../../../shared/js/seen.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openBandsView } from "./bandsview.js";
import { openClusterView } from "./clusterview.js";
import { UNIT_NAMES } from "./diff.js";
import { labelsOf, writtenLabels } from "./labels.js";
import { openLabelView } from "./labelview.js";
import { openMapView } from "./mapview.js";
import { progressElement } from "./progress.js";
import { openRemovedView } from "./removedview.js";
import {
  decide,
  goalStands,
  openRun,
  recallAt,
  sameWords,
  sentenceOf,
  thresholdOf,
} from "./run.js";
import { openThresholdView } from "./threshold.js";

/**
 * @import {Deduplication, Waiting} from "./data.js"
 * @import {Nothing} from "../../../../shared/js/tabbed.js"
 * @import {Run, Session} from "./run.js"
 */

const EMPTY =
  "Nothing has been compared yet: choose the rows and press the button, and what is alike appears here.";
const CHOICE_DELAY = 150; // milliseconds: a drag is one choice

/** Open the figure; its threshold, pins and selection stay while `run_id` is the same. */
export function openDeduplication() {
  /** @type {Run | null} */
  let run = null;
  let timer = 0;
  const isRunning = () => Boolean(run && !run.data.done && !run.data.cancelled);

  /**
   * @type {(open: (panel: HTMLElement, session: Session) => (run: Run) => void) => {open: (figure:
   * object, panel: HTMLElement) => () => void}}
   */
  const view = (open) => ({
    open(_figure, panel) {
      const update = open(panel, session);
      return () => run && update(run);
    },
  });
  const figure = openTabbed(
    "dedup",
    "Near-duplicate rows",
    EMPTY,
    [
      { name: "threshold", label: "Threshold", picture: true, ...view(openThresholdView) },
      { name: "clusters", label: "Clusters", picture: true, ...view(openClusterView) },
      {
        name: "bands",
        label: "Bands",
        picture: true,
        hidden: (/** @type {Deduplication} */ data) => !data.plan,
        ...view(openBandsView),
      },
      {
        name: "labels",
        label: "Your labels",
        hidden: (/** @type {Deduplication} */ data) => !data.vectors,
        ...view(openLabelView),
      },
      {
        name: "map",
        label: "Map",
        picture: true,
        hidden: (/** @type {Deduplication} */ data) => !data.vectors,
        ...view(openMapView),
      },
      { name: "table", label: "Table", ...view(openRemovedView) },
    ],
    () => factsOf(/** @type {Run} */ (run)),
    {
      take(data) {
        if (run?.data.run_id !== data.run_id) {
          session.selected = { row: null, member: null };
          clearTimeout(timer);
          for (const [name, same] of labelsOf(data.choice?.labels ?? data.request.labels ?? []))
            session.labels.set(name, same);
        }
        run = openRun(run, data);
      },
      forget(data) {
        if (!data || data.error) run = null;
      },
      waiting: (data) => progressElement(/** @type {Waiting} */ (data)),
      exported: (data) => ({
        ...data,
        choice: run && {
          threshold: run.moved,
          pinned: [...run.pins],
          ...(session.labels.size ? { labels: writtenLabels(session.labels) } : {}),
        },
      }),
    },
  );

  /**
   * After a choice everything follows at once; the page hears of it when the choice has settled.
   */
  const follow = (/** @type {Run} */ chosen) => {
    decide(chosen);
    figure.refresh();
    clearTimeout(timer);
    if (!session.canEmit()) return;
    timer = setTimeout(() => {
      if (run !== chosen || !session.canEmit()) return;
      const pinned = [...chosen.pins].sort((one, other) => one - other);
      session.emit("choice", {
        threshold: goalStands(chosen) ? null : thresholdOf(chosen),
        pinned,
      });
    }, CHOICE_DELAY);
  };
  /** @type {Session} */
  const session = {
    id: figure.id,
    selected: { row: null, member: null },
    labels: new Map(),
    canEmit: () => !figure.host.exported && !isRunning(),
    canPin: () => !isRunning(),
    emit: (name, detail) => figure.host.emit(name, detail),
    moveThreshold(threshold) {
      if (!run || run.moved === threshold) return;
      run.moved = threshold;
      follow(run);
    },
    pin(row) {
      if (!run) return;
      if (!run.pins.delete(row)) run.pins.add(row);
      follow(run);
      const fate = run.pins.has(row) ? "always kept" : "no longer pinned";
      figure.parts.live.textContent = `Row ${row} is ${fate}. ${sentenceOf(run)}`;
    },
    judge(name, same) {
      if (same === null) session.labels.delete(name);
      else session.labels.set(name, same);
      figure.refresh();
      if (session.canEmit()) session.emit("labels", { labels: writtenLabels(session.labels) });
    },
    select(row, member) {
      session.selected = { row, member };
      figure.refresh();
    },
  };
  figure.hold(
    "threshold",
    () => run?.moved ?? undefined,
    (value) => {
      const fits = isWithin(value, run?.data.request.floor ?? 1, 1);
      if (fits) session.moveThreshold(value);
      return fits;
    },
  );
  figure.hold(
    "pins",
    () =>
      run && String([...run.pins]) !== String(run.data.request.pinned) ? [...run.pins] : undefined,
    (value) => {
      const rows = Array.isArray(value) ? value.filter((row) => run?.nodeOf.has(row)) : [];
      for (const row of rows) if (!run?.pins.has(row)) session.pin(row);
      return Array.isArray(value) && rows.length === value.length;
    },
  );
  figure.hold(
    "row",
    () =>
      session.selected.row === null ? undefined : [session.selected.row, session.selected.member],
    (value) => {
      const [row, member] = Array.isArray(value) ? value : [];
      const fits = Boolean(run?.nodeOf.has(row)) && (member === null || run?.nodeOf.has(member));
      if (fits) session.select(row, member);
      return Boolean(fits);
    },
  );
  return figure;
}

/**
 * What stands above the views: the key numbers at the visitor's threshold among it.
 * @param {Run} run
 */
function factsOf(run) {
  const { data } = run;
  const going = !data.done && !data.cancelled && data.progress;
  const tags = [
    ...(going ? [going.label] : []),
    ...(data.example ? ["stored example"] : []),
    ...(data.cancelled ? ["stopped early"] : []),
  ];
  return {
    title: h("bdi", { title: data.title }, data.title),
    key: keyOf(run).map((fact) => h("span", {}, fact)),
    provenance: provenanceOf(data),
    tags,
    warnings: data.warnings,
  };
}

/** @param {Deduplication} data */
function provenanceOf({ request, provenance, plan, seconds, example }) {
  const meaning = request.measure === "cosine" || request.measure === "meaning";
  const facts = [
    meaning
      ? `cosine of static vectors (${provenance.embedding})`
      : `shingles of ${request.ngram} ${UNIT_NAMES[request.unit][request.ngram === 1 ? 0 : 1]}` +
        (provenance.guessed && request.unit === "symbol" ? " (signs tell rows apart here)" : ""),
    provenance.schema && `columns of ${provenance.schema}`,
    provenance.held?.length && `${provenance.held.join(", ")} must be equal`,
    meaning ? provenance.verification.replace(/^.*?, /, "") : "exact Jaccard",
    provenance.reader,
    plan && `${whole(plan.num_perm)} permutations`,
    provenance.rensa && `rensa ${provenance.rensa}`,
    provenance.seed !== undefined && `seed ${provenance.seed}`,
    `n = ${plural(provenance.rows, "row")}` +
      (provenance.files ? ` of ${plural(provenance.files.length, "file")}` : ""),
    `keep ${request.keep}`,
    { leader: "compared with kept rows", components: "connected components" }[request.method],
    // a stored example's were another machine's, and say nothing of this one
    !example && `${number(seconds.total, seconds.total < 10 ? 1 : 0)}\u202fs`,
  ];
  return facts.filter(Boolean).join(", ");
}

/** @param {Run} run */
function keyOf(run) {
  const { data, totals, pins } = run;
  const { at, recall, interval } = recallAt(run);
  const sample = data.recall_sample;
  const same = run.outcome.removed.filter(
    (item) => !item.copy && sameWords(run, item.row, item.keeperRow),
  ).length;
  const copies = totals.copies ? ` (${plural(totals.copies, "exact copy", "exact copies")})` : "";
  const facts = [
    [h("b", {}, whole(totals.kept)), ` of ${plural(data.rows, "row")} kept`],
    [`${whole(totals.removed)} removed${copies}`],
  ];
  if (same) facts.push([`${whole(same)} with the same words, other signs`]);
  if (data.precision === null)
    facts.push([
      data.request.measure === "meaning"
        ? "read by a model that errs"
        : "by vectors: look at the pairs",
    ]);
  else {
    facts.push([`precision of pairs ${number(data.precision, 0)} (each verified)`]);
    const ends =
      interval && !sample.complete ? ` [${interval.map((end) => number(end, 2)).join(", ")}]` : "";
    if (recall !== null)
      facts.push([
        `recall of pairs ${number(recall, recall === 1 ? 0 : 3)}${ends} at ${number(at)}`,
      ]);
    const gone = data.removed_recall ?? null;
    if (gone !== null && !sample.complete && at === data.threshold)
      facts.push([`recall of removed rows ${number(gone, gone === 1 ? 0 : 3)}`]);
  }
  if (goalStands(run)) facts.push([`wanted: ${plural(data.request.goal ?? 0, "row")}`]);
  if (pins.size) facts.push([`${whole(pins.size)} pinned`]);
  return facts;
}
