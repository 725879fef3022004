// The figure of every Space: a frame with tabs, one view each, that follows the data as it grows.

import { h } from "./dom.js";
import { openSeen } from "./seen.js";
import {
  NO_HOST,
  drawState,
  drawTabs,
  exportButtons,
  hideHint,
  openShell,
  panelOf,
  pictureButtons,
} from "./shell.js";

/**
 * @import {Child} from "./dom.js"
 * @import {Failure, Progress} from "./data.js"
 * @import {Host, Shell} from "./shell.js"
 */

/**
 * What a figure can draw: `drawable` is the word of who made the data.
 * @typedef {{drawable: true, done: boolean, cancelled?: boolean, progress?: Progress | null}}
 *   Drawable
 *
 * A run that has nothing to draw yet.
 * @typedef {{drawable?: false, cancelled?: boolean, progress?: Progress | null}} Undrawable
 */

/**
 * What stands in the place of data: a failure, a run that has nothing yet, or null before the first
 * one.
 * @typedef {(Undrawable & {error?: Failure | null}) | null} Nothing
 */

/**
 * @template {Drawable} D
 * @typedef {Object} Tabbed
 * @property {Host} host
 * @property {D | null} data
 * @property {string} current name of the open view
 * @property {(name: string) => void} open a view
 * @property {(name: string, read: () => unknown, restore: (value: unknown) => boolean) => void} hold
 *   lets a link hold what no control, pressed button or frame tells, as small JSON: `read` gives
 *   undefined while it is as the figure opens; `restore` gets the value of a link, and says whether
 *   it fits. What a view holds while it opens is seen in that view alone
 * @property {() => void} refresh what stands above the views, and the open view
 * @property {(data: D | Nothing) => void} show
 */

/**
 * @template {Drawable} D
 * @typedef {Shell & Tabbed<D>} Figure
 */

/**
 * @template {Drawable} D
 * @typedef {Object} View
 * @property {string} name
 * @property {string} label
 * @property {boolean} [picture] whether it can be saved as SVG
 * @property {(data: D) => boolean} [hidden]
 * @property {(figure: Figure<D>, panel: HTMLElement) => (data: D) => void} open returns what brings
 *   the view up to date
 */

/**
 * What stands above the views.
 * @typedef {Object} Facts
 * @property {Node | string} title
 * @property {Child[]} [key] where it is left out, the figure draws its own
 * @property {string} provenance
 * @property {string[]} tags
 * @property {string[]} [warnings]
 */

/**
 * What a figure does beside that.
 * @template {Drawable} D
 * @typedef {Object} Extras
 * @property {(data: D) => void} [take] gets new data ready, before anything is drawn
 * @property {(data: Nothing) => void} [forget] is told that there is nothing to draw; without it
 *   the last picture stays
 * @property {boolean} [keeps] whether the last picture stays at an error, although there is `forget`
 * @property {(data: Undrawable) => Child} [waiting] in place of a picture that is to come
 * @property {(data: D) => Progress | null} [progress] where the data does not say it
 * @property {(view: string) => {mark: string, buttons: () => Node[]}} [tools] are made again when
 *   `mark` changes
 * @property {(data: D) => object} [exported] the data for an export
 */

/**
 * Whether two results are of the same run, as far as they tell.
 * @param {object | null} one
 * @param {object} other
 */
function isSameRun(one, other) {
  const marks = [one, other].map((data) => {
    const { run_id: run, request } = /** @type {{run_id?: string, request?: unknown}} */ (
      data ?? {}
    );
    return JSON.stringify([run, request]);
  });
  return marks[0] === marks[1];
}

/**
 * How far a run has come, in words.
 * @param {Progress} progress
 */
function whereOf({ label, value, max }) {
  return /\d/.test(label) ? label : `step ${value} of ${max}`;
}

/**
 * Whether a figure's own tag says it too.
 * @param {string} tag
 * @param {Progress} progress
 */
function saysWhere(tag, { label, value, max }) {
  return tag === label || tag.includes(`${value} of ${max}`);
}

const UNFIT =
  "The link's view does not fit this figure, so part of it is as the figure opens. " +
  "Choose what you want to see, and copy the link below.";

/**
 * Open a figure with tabs.
 * @template {Drawable} D
 * @param {string} kind the Space's name
 * @param {string} label for a screen reader
 * @param {string} empty words before the first run
 * @param {View<D>[]} views
 * @param {(data: D) => Facts} facts
 * @param {Extras<D>} [extras]
 * @returns {Figure<D>}
 */
export function openTabbed(kind, label, empty, views, facts, extras = {}) {
  const warnings = h("ul", { class: "warnings", "aria-label": "Warnings", hidden: true });
  /** @type {Map<string, (data: D) => void>} */
  const updates = new Map();
  let unfit = false; // whether what a link says of the view does not fit
  let aside = ""; // what the page says of this figure
  const viewNamed = (/** @type {string} */ name) =>
    views.find((view) => view.name === name) ?? views[0];

  /** @type {Figure<D>} */
  const figure = {
    ...openShell(kind, label),
    host: NO_HOST,
    data: null,
    current: views[0].name,
    open(name) {
      figure.current = name;
      if (figure.data) drawViews(figure.data);
      seen.later();
    },
    hold: (name, read, restore) =>
      seen.hold(name, () => (figure.data ? read() : undefined), restore),
    refresh() {
      if (!figure.data) return;
      drawFacts(figure.data);
      drawView(figure.data);
    },
    show(data) {
      hideHint(figure);
      unfit = false;
      aside = "";
      if (!data?.drawable || !data.done || !isSameRun(figure.data, data)) seen.renew();
      Object.assign(figure.root, { shows: data });
      if (data?.drawable) showData(data);
      else showNothing(data);
    },
  };
  const { parts, root } = figure;
  parts.frame.querySelector("figcaption")?.append(warnings);
  const seen = openSeen(root, () => figure.current);
  const restore = (/** @type {unknown} */ values) => {
    if (!figure.data) return;
    unfit = !seen.restore(values);
    drawFacts(figure.data);
  };
  root.addEventListener("figure-seen", (event) => {
    restore(/** @type {CustomEvent} */ (event).detail);
  });

  root.addEventListener("figure-aside", (event) => {
    const { detail } = /** @type {CustomEvent<string>} */ (event);
    if (detail === aside) return;
    aside = detail;
    if (figure.data) drawFacts(figure.data);
  });

  const showNothing = (/** @type {Nothing} */ data) => {
    if (extras.forget && !(extras.keeps && data?.error)) {
      figure.data = null;
      for (const part of [parts.title, parts.key, parts.provenance, parts.tags, warnings])
        part.replaceChildren();
      extras.forget(data);
    }
    const progress = data?.progress;
    const begun = data && !data.error && (progress || data.cancelled);
    const waiting = begun ? (extras.waiting?.(data) ?? progress?.label) : null;
    drawState(figure, {
      error: data?.error,
      empty: figure.data ? null : (waiting ?? empty),
      progress,
    });
    if (progress) announce(progress.label);
  };
  const showData = (/** @type {D} */ data) => {
    figure.data = data;
    extras.take?.(data);
    const progress = progressOfRun(data);
    // nothing goes on in a file
    drawState(figure, { progress: figure.host.exported ? null : progress });
    drawFacts(data);
    announce(data.done ? "Done." : (progress?.label ?? ""));
    drawViews(data);
    const { opened } = /** @type {{opened?: {view: string, seen: unknown}}} */ (data);
    if (opened && figure.host.exported) {
      figure.open(opened.view);
      if (opened.seen) restore(opened.seen);
    }
    seen.later();
  };
  const progressOfRun = (/** @type {D} */ data) =>
    data.done || data.cancelled ? null : (extras.progress?.(data) ?? data.progress ?? null);
  const announce = (/** @type {string} */ words) => {
    if (parts.live.textContent !== words) parts.live.textContent = words;
  };

  const drawFacts = (/** @type {D} */ data) => {
    const { title, key, provenance, tags, warnings: texts = [] } = facts(data);
    parts.title.replaceChildren(title);
    if (key) {
      parts.key.classList.add("joined");
      parts.key.replaceChildren(...key.map((item) => h("li", {}, item)));
    }
    parts.provenance.textContent = provenance;
    const progress = progressOfRun(data);
    parts.frame.dataset.saved = progress ? `saved at ${whereOf(progress)}` : ""; // by a picture too
    const shown =
      progress && figure.host.exported
        ? [`saved at ${whereOf(progress)}`, ...tags.filter((tag) => !saysWhere(tag, progress))]
        : tags;
    parts.tags.replaceChildren(...shown.map((tag) => h("span", { class: "tag" }, tag)));
    const said = [aside, ...texts, unfit ? UNFIT : ""].filter(Boolean);
    warnings.replaceChildren(...said.map((text) => h("li", {}, text)));
    warnings.hidden = !said.length;
  };
  const drawViews = (/** @type {D} */ data) => {
    const tabs = views.map((view) => ({ ...view, hidden: view.hidden?.(data) }));
    if (tabs.find(({ name }) => name === figure.current)?.hidden) figure.current = views[0].name;
    drawTabs(figure, tabs, figure.current, figure.open);
    drawView(data);
    drawTools();
  };
  const drawView = (/** @type {D} */ data) => {
    const { name, open } = viewNamed(figure.current);
    const update =
      updates.get(name) ?? seen.within(name, () => open(figure, panelOf(figure, name)));
    updates.set(name, update);
    update(data);
  };
  const drawTools = () => {
    const { host, current } = figure;
    const exportable = Boolean(host.fetch) && !host.exported;
    const own = extras.tools?.(current);
    const mark = [current, exportable, own?.mark].join();
    if (parts.tools.dataset.mark === mark) return;
    parts.tools.dataset.mark = mark;
    /** @type {NonNullable<Host["fetch"]>} */
    const ask = async (name, argument) => figure.host.fetch?.(name, argument) ?? null;
    const opened = () => {
      const values = seen.now(Infinity).text; // a file has room for all of it
      if (!values && figure.current === views[0].name) return {};
      return { opened: { view: figure.current, seen: values ? JSON.parse(values) : null } };
    };
    const data = () => (figure.data && extras.exported?.(figure.data)) ?? figure.data ?? {};
    parts.tools.replaceChildren(
      ...(own?.buttons() ?? []),
      ...(viewNamed(current).picture ? pictureButtons(figure) : []),
      ...(exportable ? exportButtons(figure, ask, data, opened) : []),
    );
  };
  return figure;
}
