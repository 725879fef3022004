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
