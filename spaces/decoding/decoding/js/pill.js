// A token's pill: its text, and its probability as a length from the left and as a number.

import { h, s, visible } from "../../../../shared/js/dom.js";

const CELL = 0.602; // advance of one character of a monospace face, in em

/**
 * A token: the characters that it completes, and in hex its bytes that are a part of one.
 * @typedef {{text: string, bytes?: string}} Token
 */

/**
 * A token as the pictures write it: whitespace visible, ⟨E3 81⟩ for a part of a character, ∅
 * for nothing.
 * @param {Token} token
 */
export function tokenLabel({ text, bytes }) {
  return visible(text) + (bytes ? `⟨${bytes}⟩` : "") || "∅";
}

/**
 * A token as a screen reader should say it.
 * @param {Token} token
 */
export function spoken({ text, bytes }) {
  if (bytes) return `${text.trim()} bytes ${bytes}, a part of a character`.trim();
  if (text === "") return "empty";
  return (
    visible(text)
      .replace(/^·+/, "")
      .replace(/·/g, " ")
      .replace(/⏎/g, " newline ")
      .replace(/⇥/g, " tab ")
      .trim() || "space"
  );
}

/**
 * Width of monospace text in em, wide scripts and emoji counted as two cells.
 * @param {string} text
 */
export function textWidth(text) {
  let cells = 0;
  for (const character of text) cells += character >= "\u1100" ? 1.8 : 1;
  return cells * CELL;
}

/**
 * The longest beginning of `text` that fits into `em`, with "…" where something was left out.
 * @param {string} text
 * @param {number} em
 */
export function fitText(text, em) {
  if (textWidth(text) <= em) return text;
  let kept = "";
  let width = CELL;
  for (const character of text) {
    width += textWidth(character);
    if (width > em) break;
    kept += character;
  }
  return kept + "…";
}

/**
 * The last characters of a text.
 * @param {string} text
 * @param {number} length
 */
export function tailOf(text, length) {
  const characters = Array.from(text);
  return characters.length <= length ? text : `…${characters.slice(-length).join("")}`;
}

/**
 * Outline of the part of a rounded rectangle that lies left of `to`.
 * @param {number} width
 * @param {number} height
 * @param {number} radius
 * @param {number} to
 */
export function roundedShare(width, height, radius, to) {
  const end = Math.max(0, Math.min(width, to));
  const bend = (/** @type {number} */ distance) =>
    radius - Math.sqrt(Math.max(0, radius * radius - (radius - distance) ** 2));
  const start = end < radius ? bend(end) : 0;
  const near = Math.min(end, radius);
  const left =
    `M${near} ${start}A${radius} ${radius} 0 0 0 0 ${radius}V${height - radius}` +
    `A${radius} ${radius} 0 0 0 ${near} ${height - start}`;
  if (end <= width - radius) return `${left}H${end}V${start}Z`;
  const stop = bend(width - end);
  const curve =
    `A${radius} ${radius} 0 0 0 ${end} ${height - stop}V${stop}` +
    `A${radius} ${radius} 0 0 0 ${width - radius} 0`;
  return `${left}H${width - radius}${curve}Z`;
}

/**
 * Fill a group with a pill's parts. Text is cut with an ellipsis where it does not fit; the whole
 * is in the title.
 * @param {SVGElement} group
 * @param {Object} pill
 * @param {number} pill.width
 * @param {number} pill.height
 * @param {number} pill.radius
 * @param {number} pill.size of the text in pixels
 * @param {string} pill.label
 * @param {number} pill.share 0 to 1 of the width
 * @param {string} pill.note stands at the right
 * @param {boolean} pill.removed
 * @param {string} pill.hatch paint of removed shares
 */
export function fillPill(group, pill) {
  const { width, height, radius, size, label, share, note, removed, hatch } = pill;
  const noteWidth = note ? textWidth(note) * 10.5 * 0.93 + 5 : 0;
  const shown = fitText(label, (width - 15 - noteWidth) / size);
  const length = share > 0 ? Math.max(2, width * share) : 0;
  group.replaceChildren(
    s("rect", { class: "ground", width, height, rx: radius }),
    s("path", {
      class: "share",
      d: roundedShare(width, height, radius, length),
      style: removed ? { fill: hatch } : null,
    }),
    s("text", { class: "token", x: 8, y: height / 2 + size * 0.35 }, shown),
    s("text", { class: "note", x: width - 7, y: height / 2 + 3.8, "text-anchor": "end" }, note),
  );
  if (shown !== label) group.append(s("title", {}, label.slice(0, 400)));
}

/**
 * A token in running text: isolated, so that its direction cannot reorder the words around it.
 * @param {Token} token
 */
export function tokenElement(token) {
  const title = token.text.length > 40 ? token.text.slice(0, 400) : null;
  return h("bdi", { class: "token", title }, tokenLabel(token));
}
