// How a text is cut into units and shingles, as `shingles.py` does it, with each unit's place in
// the original text.

const BORDER = "\u001e"; // between the columns of a row: a unit of its own
const IN_WORD = new RegExp(`[\\p{L}\\p{N}\\p{M}_${BORDER}]`, "u");
// Scripts written without spaces: each of their characters is a word.
const ALONE = new RegExp(
  "[" +
    ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"]
      .map((script) => `\\p{Script=${script}}`)
      .join("") +
    "]",
  "u",
);
const MARK = /^\p{M}/u;
const SPACE = /[\t\n\f\r ]/;
const ANY_SPACE = /[\t-\r \u0085\p{Z}]/u;
const UNSEEN = new RegExp(`(?!${BORDER})[\\p{Z}\\p{Cf}\\p{Cc}]`, "u");
// Choose a picture for a sign and count nowhere.
const VARIATION = /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
const OPERATOR = /[-+*/%=<>!&|^~?:.@#$\\]/;

/** @import {Request} from "./data.js" */

/**
 * @typedef {Object} Unit
 * @property {string} text as it is compared
 * @property {number} start where it begins in the original text
 * @property {number} end where it ends there
 *
 * @typedef {{key: string, start: number, end: number}} Shingle
 */

/**
 * The words of a text: compatible forms made one, lower case, without punctuation.
 * @param {string} text
 * @returns {Unit[]}
 */
export function words(text) {
  /** @type {Unit[]} */
  const found = [];
  /** @type {Unit | null} */
  let open = null;
  let afterSign = true; // a mark there belongs to the sign
  for (const { character, start, end } of normalCharacters(text)) {
    if (VARIATION.test(character) || (afterSign && MARK.test(character))) continue;
    const alone = ALONE.test(character);
    afterSign = !IN_WORD.test(character);
    if (alone || afterSign) open = null;
    if (alone) found.push({ text: character, start, end });
    else if (!afterSign) {
      if (!open) found.push((open = { text: "", start, end }));
      open.text += character;
      open.end = end;
    }
  }
  return found;
}

/**
 * The units that shingles are made of.
 * @param {string} text
 * @param {Request["unit"]} unit
 * @returns {Unit[]}
 */
export function unitsOf(text, unit) {
  const found = partsOf(text, unit);
  if (found.some((item) => item.text !== BORDER) || unit === "character" || unit === "turn")
    return found;
  const whole = withoutRuns(text);
  if (!whole.replaceAll(BORDER, "").trim()) return found;
  return [{ text: whole, start: 0, end: text.length }, ...found];
}

/**
 * @param {string} text
 * @param {Request["unit"]} unit
 */
function partsOf(text, unit) {
  if (unit === "turn") return turnsOf(text);
  if (unit === "character") return charactersOf(text);
  if (unit === "whitespace") return piecesBetweenSpaces(text);
  return unit === "symbol" || unit === "code" ? tokensOf(text, unit) : words(text);
}

/**
 * A text in compatible forms and lower case, with every run of white space as one space.
 * @param {string} text
 */
function withoutRuns(text) {
  let whole = "";
  for (const { character } of normalCharacters(text))
    whole += /[\t\n\f\r \p{Z}]/u.test(character) ? " " : character;
  return whole.replace(/ +/g, " ").replace(/^ | $/g, "");
}

/**
 * Words and every sign; of code with its case, and operators side by side as one.
 * @param {string} text
 * @param {"symbol" | "code"} unit
 */
function tokensOf(text, unit) {
  /** @type {Unit[]} */
  const found = [];
  /** @type {Unit | null} */
  let open = null;
  let kind = ""; // of the open unit
  for (const { character, start, end } of normalCharacters(text, "NFC", unit === "symbol")) {
    if (VARIATION.test(character)) continue;
    if (UNSEEN.test(character)) {
      open = null;
      continue;
    }
    const mark = MARK.test(character);
    const plain = character < "\u0080";
    const now = ALONE.test(character)
      ? "alone"
      : mark && open && (kind === "word" || kind === "sign")
        ? kind
        : IN_WORD.test(character)
          ? "word"
          : plain && unit === "code" && OPERATOR.test(character)
            ? "operator"
            : plain
              ? "single"
              : "sign";
    const runsOn =
      open && now === kind && (now === "word" || now === "operator" || (now === "sign" && mark));
    if (open && runsOn) {
      open.text += character;
      open.end = end;
    } else found.push((open = { text: character, start, end }));
    kind = now;
  }
  return found;
}

/**
 * What stands between white space, as it is written.
 * @param {string} text
 */
function piecesBetweenSpaces(text) {
  /** @type {Unit[]} */
  const found = [];
  let start = 0;
  for (const piece of text.split(new RegExp(`(${ANY_SPACE.source})`, "u"))) {
    const end = start + piece.length;
    if (piece && !ANY_SPACE.test(piece)) found.push({ text: piece, start, end });
    start = end;
  }
  return found;
}

/**
 * Every window of `size` units; a text of fewer units has one shingle, the whole text.
 * @param {Unit[]} units
 * @param {number} size
 * @returns {Shingle[]}
 */
export function shinglesOf(units, size) {
  if (!units.length) return [];
  const count = Math.max(1, units.length - size + 1);
  return Array.from({ length: count }, (_, first) => {
    const window = units.slice(first, first + size);
    return {
      key: window.map((item) => item.text).join("\u0000"),
      start: window[0].start,
      end: window[window.length - 1].end,
    };
  });
}

/**
 * How many shingles two texts share.
 * @param {{key: string}[]} one
 * @param {{key: string}[]} other
 * @returns {{shared: Set<string>, all: number, jaccard: number}}
 */
export function compareShingles(one, other) {
  const [left, right] = [one, other].map((list) => new Set(list.map(({ key }) => key)));
  const shared = new Set([...left].filter((key) => right.has(key)));
  const all = left.size + right.size - shared.size;
  return { shared, all, jaccard: all ? shared.size / all : 0 };
}

/**
 * A text whose control and direction characters, which could hide or reorder what stands around
 * them, are named.
 * @param {string} text
 */
export function showHidden(text) {
  return text
    .replaceAll(BORDER, "———")
    .replace(
      /(?![\t\n\r])[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
      (character) => `‹U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}›`,
    );
}

/**
 * Characters, with every run of white space as one space and none at the ends.
 * @param {string} text
 */
function charactersOf(text) {
  /** @type {Unit[]} */
  const found = [];
  for (const { character, start, end } of normalCharacters(text)) {
    const last = found[found.length - 1];
    if (!SPACE.test(character)) found.push({ text: character, start, end });
    else if (last?.text === " ") last.end = end;
    else if (last) found.push({ text: " ", start, end });
  }
  if (found[found.length - 1]?.text === " ") found.pop();
  return found;
}

/**
 * Lines, one for each turn of a conversation.
 * @param {string} text
 */
function turnsOf(text) {
  /** @type {Unit[]} */
  const found = [];
  /** @type {Unit | null} */
  let open = null;
  for (const { character, start, end } of normalCharacters(text)) {
    if (character === "\n") {
      open = null;
      continue;
    }
    if (!open) found.push((open = { text: "", start, end }));
    const space = SPACE.test(character);
    if (!space || !open.text.endsWith(" ")) open.text += space ? " " : character;
    open.end = end;
  }
  return found;
}

/**
 * The characters of the text in a normal form and lower case, each with the piece of the original that it
 * comes from. Normalising piece by piece (a character with its marks) gives what normalising the
 * whole gives, and keeps the places.
 * @param {string} text
 * @param {"NFKC" | "NFC"} [form]
 * @param {boolean} [lower]
 */
function* normalCharacters(text, form = "NFKC", lower = true) {
  for (const { piece, start } of piecesOf(text)) {
    const end = start + piece.length;
    for (const character of piece.normalize(form)) {
      // One character for one, as the engine does: no final sigma, no dot of its own on a Turkish
      // i.
      const [small] = character.toLowerCase();
      yield { character: lower ? small : character, start, end };
    }
  }
}

/**
 * A text cut into characters with their marks.
 * @param {string} text
 */
function* piecesOf(text) {
  let piece = "";
  let start = 0;
  for (const character of text) {
    if (piece && !continuesPiece(character)) {
      yield { piece, start };
      start += piece.length;
      piece = "";
    }
    piece += character;
  }
  if (piece) yield { piece, start };
}

/**
 * Whether normalising may join a character with the one before: a mark in any form, or a Hangul
 * vowel or final.
 * @param {string} character
 */
function continuesPiece(character) {
  if (character < "\u0300") return false;
  const plain = character.normalize("NFKD");
  return (
    MARK.test(plain) ||
    (plain[0] >= "\u1160" && plain[0] <= "\u11ff" && !/[\uac00-\ud7a3]/.test(character))
  );
}
