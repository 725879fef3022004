// A cell of a map with its value: reached by the keyboard, explained by a hint.

import { s } from "../../../../shared/js/dom.js";
import { hintListeners } from "../../../../shared/js/hints.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */

/**
 * A cell of a map.
 * @param {Shell} figure
 * @param {string} words what it says
 * @param {{x: number, y: number, width: number, height: number}} box
 * @param {string} fill
 * @param {string | number | null} text in its middle, null where it is too narrow
 * @param {boolean} dark whether the text stands on a dark colour
 */
export function shadedCell(figure, words, { x, y, width, height }, fill, text, dark) {
  return s(
    "g",
    {
      class: "carrier",
      tabindex: 0,
      role: "img",
      "aria-label": words,
      ...hintListeners(figure, () => [words]),
    },
    s("rect", { class: "cell", x, y, width, height, rx: 3, style: { fill } }),
    text === null
      ? null
      : s(
          "text",
          {
            class: `share-text${dark ? " on-dark" : ""}`,
            x: x + width / 2,
            y: y + height / 2 + 4,
            "text-anchor": "middle",
          },
          text,
        ),
  );
}
