// Two texts side by side: words that only one of them has are marked, words in a shingle of both are underlined softly.

import { h } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { compareShingles, shinglesOf, showHidden, unitsOf, words } from "./words.js";

const MOST_WORDS = 600; // a side; the alignment's cost is their product
const SENTENCE_END = /[.!?…。！？]["'”’)\]]*\s|\n|[。！？]/;
const UNIT_NAMES = {
  word: ["word", "words"],
  character: ["character", "characters"],
  turn: ["turn", "turns"],
};

/**
 * @typedef {Object} Side
 * @property {string} label what the text is, such as "row 12, kept"
 * @property {string|undefined} text
 */

/**
 * The longest common subsequence of two lists of words, as a list of what to put beside what.
 * @param {string[]} left
 * @param {string[]} right
 * @returns {[number|null, number|null][]} places in `left` and `right`; both where the words are the same
 */
export function alignWords(left, right) {
  let before = 0;
  while (before < left.length && before < right.length && left[before] === right[before])
    before += 1;
  let after = 0;
  while (
    after < left.length - before &&
    after < right.length - before &&
    left[left.length - 1 - after] === right[right.length - 1 - after]
  )
    after += 1;
  const [rows, columns] = [left.length - before - after, right.length - before - after];
  const width = columns + 1;
  // longest[i, j]: common words of left from i and right from j, both within the differing middle.
  const longest = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i -= 1) {
    for (let j = columns - 1; j >= 0; j -= 1) {
      const same = left[before + i] === right[before + j];
      longest[i * width + j] = same
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const steps = Array.from({ length: before }, (_, place) => [place, place]);
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && left[before + i] === right[before + j])
      steps.push([before + i++, before + j++]);
    else if (
      j >= columns ||
      (i < rows && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
    )
      steps.push([before + i++, null]);
    else steps.push([null, before + j++]);
  }
  for (let place = after; place > 0; place -= 1)
    steps.push([left.length - place, right.length - place]);
  return steps;
}

/**
 * The aligned difference of two texts.
 * @param {Object} options
 * @param {Side} options.left the text that stays
 * @param {Side} options.right the text that goes
 * @param {string} options.heading
 * @param {number|null} options.verified the similarity that the server verified
 * @param {"jaccard"|"cosine"} [options.measure] what `verified` is
 * @param {number} options.ngram
 * @param {"word"|"character"|"turn"} options.unit
 * @param {(Node|string)[]} [options.notes] sentences below the counts
 * @returns {HTMLElement}
 */
export function diffElement({
  left,
  right,
  heading,
  verified,
  measure = "jaccard",
  ngram,
  unit,
  notes = [],
}) {
  const title = h("h2", {}, heading);
  if (left.text === undefined || right.text === undefined) {
    return h(
      "section",
      { class: "diff", "aria-label": heading },
      title,
      h("p", { class: "said" }, "The texts of this pair were not sent to the page."),
    );
  }
  const sides = [left, right].map((side) => readSide(side.text, ngram, unit));
  const found = compareShingles(sides[0].shingles, sides[1].shingles);
  for (const side of sides) markShared(side, found.shared);
  const steps = alignWords(...sides.map((side) => side.words.map((word) => word.text)));
  const lines = linesOf(steps, sides);
  return h(
    "section",
    { class: "diff", "aria-label": heading },
    title,
    h(
      "p",
      { class: "counts" },
      measure === "cosine"
        ? meaningOf(found, verified)
        : countsOf(found, verified, ngram, unit, [left.text, right.text]),
    ),
    notes.map((note) => h("p", { class: "said" }, note)),
    sides.some((side) => side.cut)
      ? h("p", { class: "said" }, `Only the first ${MOST_WORDS} words of each text are aligned.`)
      : null,
    legendElement(left, right),
    h(
      "div",
      { class: "sides" },
      h("p", { class: "side-name keeps" }, left.label),
      h("p", { class: "side-name goes" }, right.label),
      lines.map((line) => [
        cellOf(line[0], sides[0], "keeps", left.label),
        cellOf(line[1], sides[1], "goes", right.label),
      ]),
    ),
  );
}

function readSide(text, ngram, unit) {
  const all = words(text);
  const kept = all.slice(0, MOST_WORDS);
  const cut = all.length > MOST_WORDS;
  return {
    text,
    words: kept,
    cut,
    end: cut ? all[MOST_WORDS].start : text.length,
    shingles: shinglesOf(unitsOf(text, unit), ngram),
    single: new Set(),
  };
}

/** Mark the words that lie wholly in shingles which the other text has as well. */
function markShared(side, shared) {
  const covered = new Uint8Array(side.text.length);
  for (const { key, start, end } of side.shingles) if (shared.has(key)) covered.fill(1, start, end);
  for (const word of side.words)
    word.shared = covered.subarray(word.start, word.end).every(Boolean);
}

/** The counts where texts were compared by meaning: shingles are only shown. */
function meaningOf({ shared, all }, cosine) {
  const counts = `${shared.size.toLocaleString("en-GB")} of ${all.toLocaleString("en-GB")} shingles are in both.`;
  return cosine === null || cosine === undefined
    ? [counts]
    : [h("b", {}, `Cosine ${number(cosine, 3)}. `), counts];
}

function countsOf({ shared, all, jaccard }, verified, ngram, unit, texts) {
  const [one, many] = UNIT_NAMES[unit] ?? UNIT_NAMES.word;
  const window = ngram === 1 ? `one ${one} each` : `${ngram} ${many} each`;
  const here = `${shared.size.toLocaleString("en-GB")} of ${all.toLocaleString("en-GB")} shingles (${window}) are in both: ${number(jaccard, 3)}`;
  if (verified === null || verified === undefined)
    return [h("b", {}, here), ". This pair was not among the verified ones."];
  if (Math.abs(jaccard - verified) < 5e-4) return [h("b", {}, here), ", as verified."];
  const cut = texts.some((text) => text.endsWith("…"));
  return [
    h("b", {}, `Verified similarity ${number(verified, 3)}. `),
    cut ? `Of the beginnings shown here, ${here}.` : `Counted here: ${here}.`,
  ];
}

function legendElement(left, right) {
  const entry = (name, sample, text) =>
    h("li", {}, h("span", { class: `part ${name}` }, sample), " ", text);
  return h(
    "ul",
    { class: "legend", "aria-label": "Marks" },
    entry("only-keeps", "word", `only in ${left.label}`),
    entry("only-goes", "word", `only in ${right.label}`),
    entry("shared", "word", "in a shingle that both have"),
    h("li", { class: "said" }, "Case and punctuation do not count."),
  );
}

/** Break the alignment where a sentence ends in both texts, so that long texts stay side by side. */
function linesOf(steps, sides) {
  const lines = [];
  let line = [[], []];
  const gapAfter = (side, place) =>
    side.text.slice(side.words[place].end, side.words[place + 1]?.start ?? side.end);
  const ended = ([one, other]) =>
    one.length &&
    other.length &&
    SENTENCE_END.test(gapAfter(sides[0], one[one.length - 1].place)) &&
    SENTENCE_END.test(gapAfter(sides[1], other[other.length - 1].place));
  const flush = () => {
    lines.push(line);
    line = [[], []];
  };
  for (const [left, right] of steps) {
    const both = left !== null && right !== null;
    if (both && ended(line)) flush();
    if (left !== null) line[0].push({ place: left, only: !both });
    if (right !== null) line[1].push({ place: right, only: !both });
    if (both && ended(line)) flush();
  }
  if (line[0].length || line[1].length || !lines.length) flush();
  return lines;
}

/** One text's part of a line: its words with all that stands between them. */
function cellOf(items, side, name, label) {
  const cell = h("div", { class: `cell ${name}`, dir: "auto", "data-side": label });
  items.forEach(({ place, only }, index) => {
    const word = side.words[place];
    const from = place === 0 ? 0 : word.start;
    const to = side.words[place + 1]?.start ?? side.end;
    if (from < word.start) cell.append(showHidden(side.text.slice(from, word.start)));
    const kind = only ? `only-${name}` : word.shared ? "shared" : "both";
    const next = items[index + 1];
    // A mark runs on through the space between two words of one kind.
    const runsOn =
      next && next.only === only && (only || (word.shared && side.words[next.place].shared));
    const end = runsOn ? to : word.end;
    const text = showHidden(side.text.slice(word.start, end));
    const last = cell.lastChild;
    if (last instanceof Element && last.dataset.open === kind) last.append(text);
    else
      cell.append(
        h(
          only ? (name === "keeps" ? "ins" : "del") : "span",
          { class: `part ${kind}`, "data-open": kind },
          text,
        ),
      );
    if (!runsOn) {
      cell.lastChild.removeAttribute("data-open");
      cell.append(showHidden(side.text.slice(word.end, to)));
    }
  });
  if (!side.words.length) cell.append(showHidden(side.text));
  else if (!items.length) cell.append(h("span", { class: "said" }, "–"));
  else if (side.cut && items[items.length - 1].place === side.words.length - 1) cell.append("…");
  return cell;
}
