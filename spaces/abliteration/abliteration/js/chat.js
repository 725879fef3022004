// A conversation with the model as it is and with one or two edits: answers side by side, each marked where
// it parts from the first.

import { h, visible } from "../../../../shared/js/dom.js";
import { brief, plural } from "../../../../shared/js/numbers.js";

/** @import { Chat, Edit, Reply, Turn } from "./data.js" */

/** @type {("base" | "edited" | "second")[]} */
const CHAT_SIDES = ["base", "edited", "second"];

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Chat & {cancelled?: boolean}) => void}
 */
export function openChat(_figure, panel) {
  const box = h("div", { class: "padded chat-turns" });
  panel.append(box);
  return ({ turns, edit, second, mark, request, cancelled }) => {
    const end = cancelled ? ": cut, and left out of what follows" : " …";
    const names = {
      base: "the model as it is",
      edited: second ? `${mark}: ${chatEditWords(edit, request)}` : mark,
      second: second ? `second ${mark}: ${chatEditWords(second, request.second)}` : "",
    };
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `${howChosen(request)} Each model goes on with its own answers. The frame marks the first token ` +
          "that is not the unedited model's; KL is of the first token, both reading its conversation.",
      ),
      ...turns.map((turn, at) =>
        h(
          "section",
          { class: "chat-turn", "aria-label": `Message ${at + 1}` },
          h("h2", {}, h("bdi", {}, turn.message)),
          h(
            "div",
            { class: "chat-answers" },
            CHAT_SIDES.map((side) => chatAnswer(side, names[side], turn, at > 0, end)),
          ),
        ),
      ),
    );
  };
}

/** @param {Chat["request"]} request */
function howChosen({ temperature = 0, chat_seed: seed = 0 }) {
  return temperature
    ? `Drawn at temperature ${brief(temperature)}, seed ${seed}, with the same noise for every model.`
    : "The likeliest token each time (greedy).";
}

/**
 * @param {Edit} edit
 * @param {{vector?: string, layer?: number | null}} asked the settings that it is of
 */
function chatEditWords({ method, projection, layer, strength }, asked) {
  const isEvery = projection === "causal" || (asked.vector && (asked.layer ?? null) === null);
  const where = isEvery ? "every layer its own" : `layer ${layer}`;
  return `${method}, ${projection}, ${where}, strength ${brief(strength)}`;
}

/**
 * @param {"base" | "edited" | "second"} side
 * @param {string} name
 * @param {Turn} turn
 * @param {boolean} isLater whether the answers before may differ
 * @param {string} end what is said behind an unfinished answer's tokens
 */
function chatAnswer(side, name, turn, isLater, end) {
  const reply = turn[side];
  if (!reply) return null;
  return h(
    "article",
    { class: `answer answer-${side === "base" ? "base" : "edited"} chat-${side}` },
    h(
      "p",
      { class: "answer-head" },
      h("b", {}, name),
      " ",
      h("span", { class: "tag" }, reply.grade),
    ),
    h("p", { class: "chat-text" }, chatText(reply)),
    side === "base"
      ? h("p", { class: "chat-facts" }, endWords(turn, reply, end))
      : h("p", { class: "chat-facts" }, partWords(turn, reply, isLater, end)),
  );
}

/** @param {Reply} reply */
function chatText({ text, parts, same = "", token = "", rest = "" }) {
  if (parts === undefined || parts === null) return h("bdi", {}, text || "…");
  const word = token.trimStart(); // a frame around a space at a line's end would fall apart
  return h(
    "bdi",
    {},
    `${same}${word ? token.slice(0, token.length - word.length) : ""}`,
    h(
      "mark",
      { class: "chat-part", title: "the first token that differs" },
      word || visible(token) || "∎",
    ),
    rest,
  );
}

/**
 * @param {Turn} turn
 * @param {Reply} reply
 * @param {string} end
 */
function endWords(turn, { tokens, ended }, end) {
  if (!turn.done) return `${plural(tokens, "token")}${end}`;
  return `${plural(tokens, "token")}${ended ? "" : ", cut there"}`;
}

/**
 * @param {Turn} turn
 * @param {Reply} reply
 * @param {boolean} isLater
 * @param {string} end
 */
function partWords(turn, reply, isLater, end) {
  const { parts, kl } = reply;
  const where =
    parts === null || parts === undefined
      ? turn.done
        ? "the same answer"
        : "the same so far"
      : `parts at token ${parts + 1}`;
  const far =
    kl === undefined ? "" : ` · KL ${brief(kl)} nats${isLater ? " on the left one's text" : ""}`;
  return `${endWords(turn, reply, end)} · ${where}${far}`;
}
