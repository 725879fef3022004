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
