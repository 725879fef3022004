// Two texts side by side: words that only one of them has are marked, words in a shingle of both
// are underlined softly.

import { h } from "../../../../shared/js/dom.js";
import { number, whole } from "../../../../shared/js/numbers.js";
import { compareShingles, shinglesOf, showHidden, unitsOf, words } from "./words.js";

const MOST_WORDS = 600; // a side; the alignment's cost is their product
const SENTENCE_END = /[.!?…。！？]["'”’)\]]*\s|\n|[。！？]/;
const MOST_CHARACTERS = 2_000; // a side
/** @type {Record<Request["unit"], [string, string]>} */
export const UNIT_NAMES = {
  auto: ["unit", "units"],
  word: ["word", "words"],
  symbol: ["word or symbol", "words and symbols"],
  code: ["token of code", "tokens of code"],
  whitespace: ["piece between spaces", "pieces between spaces"],
  character: ["character", "characters"],
  turn: ["turn", "turns"],
};

// Units of which signs are a part; others are shown word by word.
const SIGNS_COUNT = ["symbol", "code", "whitespace"];

/**
 * @import {Request} from "./data.js"
 * @import {Shingle, Unit} from "./words.js"
 */

/**
 * @typedef {Object} Side
 * @property {string} label what the text is, such as "row 12, kept"
 * @property {string | undefined} text
 *
 * @typedef {Unit & {shared: boolean}} Word shared: wholly in shingles that the other text has too
 *
 * @typedef {Object} Reading of a side
 * @property {string} text
 * @property {Word[]} words
 * @property {boolean} cut whether there are more
 * @property {number} end where the words end in the text
 * @property {Shingle[]} shingles
 *
 * @typedef {{place: number, only: boolean}[]} Part one text's words in a line of the alignment
 */

/**
 * The longest common subsequence of two lists of words, as a list of what to put beside what.
 * @param {string[]} left
 * @param {string[]} right
 * @returns {[number|null, number|null][]} places in `left` and `right`; both where the words are
 *   the same
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
  /** @type {[number | null, number | null][]} */
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
 * @param {number | null} options.verified the similarity that the server verified
 * @param {Request["measure"]} [options.measure] what `verified` is
 * @param {number} options.ngram
 * @param {Request["unit"]} options.unit
 * @param {string[]} [options.notes] sentences below the counts
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
  let [one, other] = [readSide(left.text, ngram, unit), readSide(right.text, ngram, unit)];
  const common = compareShingles(one.shingles, other.shingles);
  // The same units under another text: its characters tell what differs.
  const signs = left.text !== right.text && sameUnits(one, other) && !one.cut && !other.cut;
  if (signs) [one, other] = [one, other].map(byCharacters);
  for (const side of [one, other]) markShared(side, common.shared);
  const [these, those] = [one, other].map((side) => side.words.map((word) => word.text));
  const lines = linesOf(alignWords(these, those), one, other);
  return h(
    "section",
    { class: "diff", "aria-label": heading },
    title,
    h(
      "p",
      { class: "counts" },
      measure !== "jaccard"
        ? meaningOf(common, verified)
        : countsOf(common, verified, ngram, unit, [left.text, right.text]),
    ),
    left.text === right.text
      ? h("p", { class: "said" }, "The two texts are equal.")
      : signs
        ? h("p", { class: "said" }, SIGNS_DIFFER)
        : null,
    notes.map((note) => h("p", { class: "said" }, note)),
    one.cut || other.cut
      ? h(
          "p",
          { class: "said" },
          signs
            ? `Only the first ${whole(MOST_CHARACTERS)} characters of each text are aligned.`
            : `Only the first ${MOST_WORDS} words of each text are aligned.`,
        )
      : null,
    legendElement(left, right, unit, signs),
    h(
      "div",
      { class: "sides" },
      h("p", { class: "side-name keeps" }, left.label),
      h("p", { class: "side-name goes" }, right.label),
      lines.map((line) => [
        cellOf(line[0], one, "keeps", left.label),
        cellOf(line[1], other, "goes", right.label),
      ]),
    ),
  );
}

const SIGNS_DIFFER =
  "The same words; what differs is signs, case or white space, marked character by character.";

/**
 * Whether two texts consist of the same units.
 * @param {Reading} one
 * @param {Reading} other
 */
function sameUnits(one, other) {
  const key = (/** @type {Reading} */ side) => side.words.map((word) => word.text).join("\u0000");
  return one.words.length === other.words.length && key(one) === key(other);
}

/**
 * A text character by character, as it is written.
 * @param {Reading} side
 * @returns {Reading}
 */
function byCharacters(side) {
  const characters = [];
  let start = 0;
  for (const character of side.text) {
    if (characters.length === MOST_CHARACTERS) break;
    const end = start + character.length;
    characters.push({ text: character, start, end, shared: false });
    start = end;
  }
  return { ...side, words: characters, cut: start < side.text.length, end: start };
}

/**
 * @param {string} text
 * @param {number} ngram
 * @param {Request["unit"]} unit
 * @returns {Reading}
 */
function readSide(text, ngram, unit) {
  const all = SIGNS_COUNT.includes(unit) ? unitsOf(text, unit) : words(text);
  const kept = all.slice(0, MOST_WORDS);
  const cut = all.length > MOST_WORDS;
  return {
    text,
    words: kept.map((word) => ({ ...word, shared: false })),
    cut,
    end: cut ? all[MOST_WORDS].start : text.length,
    shingles: shinglesOf(unitsOf(text, unit), ngram),
  };
}

/**
 * Mark the words that lie wholly in shingles which the other text has as well.
 * @param {Reading} side
 * @param {Set<string>} shared
 */
function markShared(side, shared) {
  const covered = new Uint8Array(side.text.length);
  for (const { key, start, end } of side.shingles) if (shared.has(key)) covered.fill(1, start, end);
  for (const word of side.words)
    word.shared = covered.subarray(word.start, word.end).every(Boolean);
}

/**
 * The counts where texts were compared by meaning: shingles are only shown.
 * @param {ReturnType<typeof compareShingles>} common
 * @param {number | null} cosine
 */
function meaningOf({ shared, all }, cosine) {
  const counts = `${whole(shared.size)} of ${whole(all)} shingles are in both.`;
  return cosine === null ? [counts] : [h("b", {}, `Cosine ${number(cosine, 3)}. `), counts];
}

/**
 * @param {ReturnType<typeof compareShingles>} common
 * @param {number | null} verified
 * @param {number} ngram
 * @param {Request["unit"]} unit
 * @param {string[]} texts
 */
function countsOf({ shared, all, jaccard }, verified, ngram, unit, texts) {
  const [one, many] = UNIT_NAMES[unit];
  const window = ngram === 1 ? `one ${one} each` : `${ngram} ${many} each`;
  const here =
    `${whole(shared.size)} of ${whole(all)} shingles (${window}) are in both: ` +
    number(jaccard, 3);
  if (verified === null) return [h("b", {}, here), ". This pair was not among the verified ones."];
  if (Math.abs(jaccard - verified) < 5e-4) return [h("b", {}, here), ", as verified."];
  const cut = texts.some((text) => text.endsWith("…"));
  return [
    h("b", {}, `Verified similarity ${number(verified, 3)}. `),
    cut ? `Of the beginnings shown here, ${here}.` : `Counted here: ${here}.`,
  ];
}

/**
 * @param {Side} left
 * @param {Side} right
 * @param {Request["unit"]} unit
 * @param {boolean} signs whether characters are marked
 */
function legendElement(left, right, unit, signs) {
  const entry = (/** @type {string} */ name, /** @type {string} */ text) =>
    h("li", {}, h("span", { class: `part ${name}` }, "word"), " ", text);
  return h(
    "ul",
    { class: "legend", "aria-label": "Marks" },
    entry("only-keeps", `only in ${left.label}`),
    entry("only-goes", `only in ${right.label}`),
    entry("shared", "in a shingle that both have"),
    signs || SIGNS_COUNT.includes(unit)
      ? null
      : h("li", { class: "said" }, "Case and punctuation do not count."),
  );
}

/**
 * Break the alignment where a sentence ends in both texts, so that long texts stay side by side.
 * @param {[number | null, number | null][]} steps
 * @param {Reading} one
 * @param {Reading} other
 */
function linesOf(steps, one, other) {
  /** @type {[Part, Part][]} */
  const lines = [];
  /** @type {[Part, Part]} */
  let line = [[], []];
  const ends = (/** @type {Reading} */ side, /** @type {Part} */ part) => {
    const place = part.at(-1)?.place;
    if (place === undefined) return false;
    const next = side.words[place + 1]?.start ?? side.end;
    return SENTENCE_END.test(side.text.slice(side.words[place].end, next));
  };
  const ended = () => ends(one, line[0]) && ends(other, line[1]);
  const flush = () => {
    lines.push(line);
    line = [[], []];
  };
  for (const [left, right] of steps) {
    const both = left !== null && right !== null;
    if (both && ended()) flush();
    if (left !== null) line[0].push({ place: left, only: !both });
    if (right !== null) line[1].push({ place: right, only: !both });
    if (both && ended()) flush();
  }
  if (line[0].length || line[1].length || !lines.length) flush();
  return lines;
}

/**
 * One text's part of a line: its words with all that stands between them.
 * @param {Part} items
 * @param {Reading} side
 * @param {"keeps" | "goes"} name
 * @param {string} label
 */
function cellOf(items, side, name, label) {
  const cell = h("div", { class: `cell ${name}`, dir: "auto", "data-side": label });
  /** @type {HTMLElement | null} */
  let open = null; // the mark that runs on
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
    if (open) open.append(text);
    else {
      open = h(only ? (name === "keeps" ? "ins" : "del") : "span", { class: `part ${kind}` }, text);
      cell.append(open);
    }
    if (!runsOn) {
      open = null;
      cell.append(showHidden(side.text.slice(word.end, to)));
    }
  });
  if (!side.words.length) cell.append(showHidden(side.text));
  else if (!items.length) cell.append(h("span", { class: "said" }, "–"));
  else if (side.cut && items.at(-1)?.place === side.words.length - 1) cell.append("…");
  return cell;
}
