// Words of the views.

import { h } from "../../../../shared/js/dom.js";

/**
 * @param {string} text
 * @param {number} most
 */
export function shortened(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/**
 * A label shortened to a width, whatever its letters.
 * @param {string} text
 * @param {number} most widths of the letter M's square, about
 */
export function fitted(text, most) {
  const wide = (/** @type {string} */ one) =>
    /[\u1100-\uffff]|[^\0-\uffff]/u.test(one) ? 1.4 : /[mwA-Z@%…]/.test(one) ? 1 : 0.65;
  const letters = [...text];
  const widths = letters.map(wide);
  if (widths.reduce((sum, one) => sum + one, 0) <= most) return text;
  let left = most - 1;
  const end = widths.findIndex((one) => (left -= one) < 0);
  return `${letters.slice(0, end).join("")}…`;
}

/**
 * A label in lines of a width, of which none is shortened.
 * @param {string} text
 * @param {number} most as of `fitted`
 */
export function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    const longer = last ? `${last} ${word}` : word;
    if (fitted(longer, most) === longer) {
      lines[lines.length - 1] = longer;
      continue;
    }
    if (last) lines.push("");
    let rest = word;
    while (fitted(rest, most) !== rest) {
      const part = [...rest].slice(0, Math.max(1, [...fitted(rest, most)].length - 1)).join("");
      lines[lines.length - 1] = part;
      lines.push("");
      rest = rest.slice(part.length);
    }
    lines[lines.length - 1] = rest;
  }
  return lines;
}

/**
 * A p-value in a column of its own, as the sentences write it.
 * @param {number} p
 */
export function pNumber(p) {
  return p < 0.0001 ? "< .0001" : String(Number(p.toPrecision(2))).replace("0.", ".");
}

/**
 * A p-value behind the letter p.
 * @param {number} p
 */
export function pWords(p) {
  return p < 0.0001 ? pNumber(p) : `= ${pNumber(p)}`;
}

/**
 * A choice shortened to where it differs from the others, which may begin alike.
 * @param {string} choice
 * @param {readonly string[]} choices
 * @param {number} most
 */
export function apart(choice, choices, most) {
  if (choice.length <= most) return choice;
  let same = 0;
  while (same < choice.length && choices.every((one) => one[same] === choice[same])) same += 1;
  const first = Math.max(0, same - Math.floor(most / 2));
  const start = /[\udc00-\udfff]/u.test(choice[first] ?? "") ? first - 1 : first;
  return start < most / 2
    ? shortened(choice, most)
    : `…${shortened(choice.slice(start).trim(), most - 1)}`;
}

/**
 * A list of sentences; nothing is seen where there are none.
 * @param {readonly string[]} sentences
 */
export function sentenceList(sentences) {
  return h(
    "ul",
    { class: "eval-sentences", hidden: !sentences.length },
    sentences.map((one) => h("li", {}, one)),
  );
}
