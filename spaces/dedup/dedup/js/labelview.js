// The view in which a visitor judges pairs: one after the other, and what follows from it.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { number, plural, whole } from "../../../../shared/js/numbers.js";
import { WANTED, labelPoints, proposedPoint } from "./labels.js";
import { rowName, thresholdOf, totalsNear } from "./run.js";
import { showHidden } from "./words.js";

/**
 * @import {Drawn} from "./data.js"
 * @import {LabelPoint} from "./labels.js"
 * @import {Run, Session} from "./run.js"
 */

const LABEL_WORDS = { true: "same", false: "different", undefined: "not judged" };

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openLabelView(panel, session) {
  const intro = h("p", { class: "said" });
  const pair = h("section", { class: "judged-pair" });
  const dots = h("ol", { class: "label-dots", "aria-label": "Drawn pairs" });
  const verdict = h("p", { class: "label-verdict", role: "status" });
  const use = h("button", { type: "button", class: "action" });
  const table = h("div", {});
  panel.append(h("div", { class: "padded" }, intro, dots, pair, verdict, h("p", {}, use), table));
  let at = 0;
  let runId = "";
  /** @type {Run | null} */
  let shown = null;

  use.addEventListener("click", () => {
    const best = shown && proposedPoint(labelPoints(drawnOf(shown), session.labels));
    if (best) session.moveThreshold(best.threshold);
  });
  const go = (/** @type {number} */ place) => {
    at = place;
    if (shown) draw(shown);
  };
  const judge = (/** @type {string} */ name, /** @type {boolean} */ same) => {
    const before = session.labels.get(name);
    const drawn = shown ? drawnOf(shown) : [];
    // a second press takes the label back; a first one goes on to the next pair without one
    const next = drawn.findIndex(
      (one, place) => place > at && !session.labels.has(one.name) && one.name !== name,
    );
    if (before !== same && next >= 0) at = next;
    session.judge(name, before === same ? null : same);
  };
  const draw = (/** @type {Run} */ run) => {
    const drawn = drawnOf(run);
    if (runId !== run.data.run_id) {
      const first = drawn.findIndex(({ name }) => !session.labels.has(name));
      at = Math.max(0, first);
    }
    runId = run.data.run_id;
    shown = run;
    intro.textContent = drawn.length
      ? `Do these rows say the same? ${plural(drawn.length, "pair")} of ` +
        `${whole(run.edges.length)}, one drawn from each of as many equal parts, by similarity. ` +
        "What you press stays for the next run."
      : "There is no pair to judge.";
    keepFocus(panel, () => {
      dots.replaceChildren(...drawn.map((one, place) => dotOf(one, place, at, session, go)));
      pair.replaceChildren(...(drawn.length ? pairOf(run, drawn, at, session, judge) : []));
    });
    const points = labelPoints(drawn, session.labels);
    const best = proposedPoint(points);
    verdict.textContent = drawn.length ? verdictOf(run, points, best) : "";
    use.hidden = !best || best.threshold === thresholdOf(run);
    if (best) use.textContent = `Move the line to ${number(best.threshold, 3)}`;
    table.replaceChildren(...(points.length ? [tableOf(points, best)] : []));
  };
  return draw;
}

/** @param {Run} run */
function drawnOf(run) {
  return run.data.vectors?.drawn ?? [];
}

/**
 * @param {Drawn} one
 * @param {number} place
 * @param {number} at
 * @param {Session} session
 * @param {(place: number) => void} go
 */
function dotOf({ name }, place, at, session, go) {
  const label = session.labels.get(name);
  const word = LABEL_WORDS[`${label}`];
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: `label-dot ${word.replace(" ", "-")}`,
        "data-key": `dot-${place}`,
        "aria-current": place === at ? "true" : null,
        "aria-label": `Pair ${place + 1}, ${word}`,
        onclick: () => go(place),
      },
      label === undefined ? String(place + 1) : label ? "=" : "≠",
    ),
  );
}

/**
 * @param {Run} run
 * @param {Drawn[]} drawn
 * @param {number} at
 * @param {Session} session
 * @param {(name: string, same: boolean) => void} judge
 */
function pairOf(run, drawn, at, session, judge) {
  const one = drawn[at];
  const label = session.labels.get(one.name);
  const press = (/** @type {string} */ text, /** @type {boolean} */ same) =>
    h(
      "button",
      {
        type: "button",
        class: "action",
        "data-key": `judge-${same}`,
        "data-own": true, // a judgement is no view
        "aria-pressed": String(label === same),
        onclick: () => judge(one.name, same),
      },
      text,
    );
  // The numbers would sway the eye: they come after the label.
  const numbers =
    label === undefined
      ? ""
      : `Cosine ${number(one.similarity, 3)}` +
        (one.nats === null ? "." : `; the model: ${number(one.nats, 2)} nats a token.`);
  return [
    h("h2", {}, `Pair ${at + 1} of ${drawn.length}`),
    h(
      "div",
      { class: "judged-texts" },
      one.texts.map((text, side) =>
        h(
          "figure",
          {},
          h("figcaption", {}, rowName(run, one.rows[side])),
          h("blockquote", { dir: "auto" }, showHidden(text)),
        ),
      ),
    ),
    h(
      "p",
      { class: "actions" },
      press("They say the same", true),
      press("They differ", false),
      h("span", { class: "said" }, numbers),
    ),
  ];
}

/**
 * @param {Run} run
 * @param {LabelPoint[]} points
 * @param {LabelPoint | null} best
 */
function verdictOf(run, points, best) {
  if (!points.length)
    return "Pair 1 has no label yet; labels count from pair 1 up to the first gap.";
  if (!best)
    return (
      `At no threshold do ${number(100 * WANTED, 0)} % of the labelled pairs say the same: ` +
      "none of them is safe."
    );
  const there = totalsNear(run, best.threshold);
  const [low, high] = best.interval.map((end) => number(end, 2));
  return (
    `At ${number(best.threshold, 3)} and above, ${best.same} of ${plural(best.n, "labelled pair")} ` +
    "say the same. " +
    `The share among all ${plural(there.pairs, "pair")} there lies between ${low} and ${high} (95 %, ` +
    `Clopper and Pearson). ${plural(there.removed, "row")} of ${whole(run.data.rows)} would go.`
  );
}

/**
 * @param {LabelPoint[]} points
 * @param {LabelPoint | null} best
 */
function tableOf(points, best) {
  const head = ["similarity from", "labelled", "same", "share", "95 % interval"];
  const rows = points.map((point) =>
    h(
      "tr",
      { class: point === best ? "best" : "" },
      [
        number(point.threshold, 3),
        whole(point.n),
        whole(point.same),
        number(point.same / point.n, 2),
        point.interval.map((end) => number(end, 2)).join(" to "),
      ].map((cell) => h("td", { class: "num" }, cell)),
    ),
  );
  return h(
    "details",
    {},
    h("summary", {}, "Every threshold that the labels speak of"),
    h(
      "div",
      { class: "label-table" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            head.map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h("tbody", {}, rows),
      ),
    ),
  );
}
