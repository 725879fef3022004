// The text of a speculative run, each token by who wrote it.

import { h, keepFocus, visible } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";

/**
 * @import {Author, Speculative} from "./data.js"
 * @import {Guesses} from "./speculative.js"
 */

/** @type {Record<Author, string>} */
const AUTHOR_WORDS = {
  draft: "the draft’s, kept",
  replaced: "the model’s, in the place of a refused one",
  bonus: "the model’s, after a draft kept whole",
  model: "the model’s, nothing was proposed",
};

/**
 * @param {HTMLElement} panel
 * @param {Guesses} guesses
 * @returns {(data: Speculative) => void}
 */
export function openSpeculativeText(panel, guesses) {
  const key = h("ul", { class: "spec-authors", "aria-label": "Who wrote how many tokens" });
  const text = h("p", { class: "spec-text", dir: "auto" });
  panel.append(key, text);
  return (data) => {
    const { tokens, rounds } = data;
    /** @type {[Author, number][]} */
    const counts = /** @type {Author[]} */ (Object.keys(AUTHOR_WORDS))
      .map(
        (by) =>
          /** @type {[Author, number]} */ ([by, tokens.filter((one) => one.by === by).length]),
      )
      .filter(([, count]) => count);
    key.replaceChildren(
      ...counts.map(([by, count]) =>
        h(
          "li",
          {},
          h("span", { class: `authored ${by}` }, AUTHOR_WORDS[by]),
          ` ${plural(count, "token")}, ${percent(count / tokens.length)}`,
        ),
      ),
    );
    const homes = rounds.flatMap(({ places }, round) =>
      places.flatMap(({ written }, place) => (written ? [{ round, place }] : [])),
    );
    const words = tokens.flatMap(({ text: piece, bytes, by }, at) => {
      const home = homes[at];
      const [, line = "", rest = piece] = /^([^]*\n)([^\n]*)$/.exec(piece) ?? [];
      const shown = (line || rest).split(" ").map(visible).join(" ");
      const token = h(
        "button",
        {
          type: "button",
          class: `authored ${by}`,
          "data-key": String(at),
          "aria-label": `${visible(piece)}: ${AUTHOR_WORDS[by]}`,
          "aria-pressed": String(
            guesses.selected?.round === home?.round && guesses.selected?.place === home?.place,
          ),
          onclick: () => home && guesses.select(home.round, home.place),
        },
        shown || (bytes ? "" : "∅"),
        bytes ? h("small", { class: "bytes" }, bytes) : null,
      );
      return line ? [token, h("br", {}), h("span", { class: `authored ${by}` }, rest)] : [token];
    });
    keepFocus(text, () =>
      text.replaceChildren(h("span", { class: "said" }, data.prompt.text.slice(-400)), ...words),
    );
  };
}
