// One place of a speculative run: the two distributions on top of each other, what they share, and
// why the token that comes out is the model's.

import { h, visible } from "../../../../shared/js/dom.js";
import { brief, number, percent, whole } from "../../../../shared/js/numbers.js";
import { guessWords } from "./speculativerounds.js";

/**
 * @import {Child} from "../../../../shared/js/dom.js"
 * @import {Meeting, Speculative, SpeculativePlace} from "./data.js"
 * @import {Guesses} from "./speculative.js"
 */

/**
 * Draw what is known of the selected place.
 * @param {HTMLElement} element
 * @param {Speculative | null} data
 * @param {Guesses} guesses
 */
export function drawMeetingDetails(element, data, { selected }) {
  const place = data && selected ? data.rounds[selected.round]?.places[selected.place] : null;
  if (!data || !selected || !place) {
    element.replaceChildren();
    return;
  }
  const drawn = data.request.temperature > 0;
  const title = `Round ${selected.round + 1}, token ${place.at + 1} of the text`;
  const body = place.meeting
    ? [drawMeeting(place, place.meeting, drawn), ...proofOf(data, place, drawn)]
    : [h("p", { class: "said" }, waitingWords(data, place))];
  element.replaceChildren(
    h(
      "section",
      { class: "facts", "aria-label": title },
      h("h2", {}, title),
      h("p", { class: "spec-sentence" }, guessWords(place, drawn)),
      ...body,
    ),
  );
}

/**
 * @param {Speculative} data
 * @param {SpeculativePlace} place
 */
function waitingWords({ done }, { tested }) {
  if (!tested) return "The rule stops at a refused token: what the draft wrote after it is lost.";
  return done ? "" : "The distributions come when the run is done.";
}

/**
 * The likeliest tokens of either distribution as bars, and all others as one.
 * @param {SpeculativePlace} place
 * @param {Meeting} meeting
 * @param {boolean} drawn
 */
function drawMeeting(place, meeting, drawn) {
  const { ids, texts, p, q, others, others_p, others_q, others_kept } = meeting;
  const others_most = q ? others_p + others_q - others_kept : others_p; // both sums beside what they share
  const most = Math.max(...p, ...(q ?? []), others_most, 1e-9);
  const missing = place.overlap === null ? 0 : 1 - place.overlap;
  const rows = ids.map((id, at) => {
    const [own, theirs] = [p[at], q?.[at] ?? null];
    const marks = [
      id === place.proposed ? "proposed" : "",
      id === place.written?.id ? "written" : "",
    ].filter(Boolean);
    const kept = Math.min(own, theirs ?? own);
    return meetingRow(
      h("bdi", { class: "token" }, visible(texts[at])),
      marks,
      { own, theirs, kept, most },
      drawn,
      missing,
    );
  });
  if (others)
    rows.push(
      meetingRow(
        `${whole(others)} others`,
        [],
        { own: others_p, theirs: q ? others_q : null, kept: q ? others_kept : others_p, most },
        drawn,
        missing,
      ),
    );
  const heads = ["token", "", "p", ...(q ? ["q"] : []), ...(q && drawn ? ["replacement"] : [])];
  return h(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": "The two distributions" },
    h(
      "table",
      { class: "spec-meeting" },
      h("caption", {}, meetingCaption(place, q !== null, drawn)),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head, at) =>
            head ? h("th", { scope: "col", class: at > 1 ? "num" : null }, head) : h("td", {}),
          ),
        ),
      ),
      h("tbody", {}, rows),
    ),
  );
}

/**
 * @param {SpeculativePlace} place
 * @param {boolean} asked whether the draft said something here
 * @param {boolean} drawn
 * @returns {Child[]}
 */
function meetingCaption({ overlap }, asked, drawn) {
  const swatch = (/** @type {string} */ kind) =>
    h("i", { class: `spec-swatch ${kind}`, "aria-hidden": "true" });
  if (!asked) return ["The model’s own distribution p; the draft was not asked here."];
  if (!drawn)
    return [
      swatch("kept"),
      " p, the model; ",
      swatch("excess"),
      " what the draft’s q has more. Greedy search takes the likeliest of each: " +
        "the draft’s token is kept where they are the same.",
    ];
  return [
    swatch("kept"),
    ` min(p, q): proposed and kept, ${percent(overlap)} in all; `,
    swatch("excess"),
    ` q above p: proposed too often and refused, ${percent(1 - (overlap ?? 1))}; `,
    swatch("missing"),
    " p above q: what replacements are drawn from, as much.",
  ];
}

/**
 * @param {Child} label
 * @param {string[]} marks
 * @param {{own: number, theirs: number | null, kept: number, most: number}} odds
 * @param {boolean} drawn
 * @param {number} missing the mass that replacements make up
 */
function meetingRow(label, marks, { own, theirs, kept, most }, drawn, missing) {
  const part = (/** @type {string} */ kind, /** @type {number} */ share) =>
    share > 0
      ? h("i", {
          class: `spec-part ${kind}`,
          style: { width: `${((100 * share) / most).toFixed(2)}%` },
        })
      : null;
  const solid = drawn ? kept : own;
  const bars = [
    part("kept", solid),
    drawn ? part("missing", own - kept) : null,
    theirs === null ? null : part("excess", drawn ? theirs - kept : Math.max(0, theirs - own)),
  ];
  const residual = missing > 0 ? (own - kept) / missing : 0;
  return h(
    "tr",
    { class: marks.length ? "marked" : null },
    h("th", { scope: "row" }, label, marks.length ? h("small", {}, ` ${marks.join(", ")}`) : null),
    h("td", { class: "spec-track" }, h("span", {}, bars)),
    h("td", { class: "num" }, percent(own)),
    theirs === null ? null : h("td", { class: "num" }, percent(theirs)),
    theirs === null || !drawn ? null : h("td", { class: "num" }, percent(residual)),
  );
}

/**
 * Why what comes out is p, with the numbers of this place.
 * @param {Speculative} data
 * @param {SpeculativePlace} place
 * @param {boolean} drawn
 */
function proofOf({ vocabulary, exactness, tested }, { overlap, error }, drawn) {
  if (overlap === null || !drawn || error === null) return [];
  const refused = percent(1 - overlap);
  return [
    h(
      "p",
      { class: "spec-proof" },
      h("b", {}, "Nothing changed. "),
      "A token comes out either because the draft drew it and it was kept, min(p, q), or as a replacement " +
        `after a refusal, ${refused} × max(0, p − q) / ${refused}. The two add up to p: a draft can be ` +
        "wrong, and costs time then, but it cannot change the odds.",
    ),
    h(
      "p",
      { class: "said" },
      h("code", {}, "q · min(1, p/q) + (1 − Σ min(p, q)) · residual − p"),
      `, with the numbers of this run: at most ${brief(error, 1)} over all ${whole(vocabulary)} ` +
        `tokens here, ${brief(exactness.error, 1)} at all ${number(tested, 0)} places. What is left ` +
        "is the rounding of float64.",
    ),
  ];
}
