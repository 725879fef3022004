// The same prompt answered by every row: differences marked, or blind.

import { h } from "../../../../shared/js/dom.js";
import { nameOfFormat } from "./measures.js";

/** @import { Answer, Answers, Compare } from "./data.js" */

/**
 * A blind comparison: pairs of answers, the one that is shown, and the votes.
 * @typedef {{pairs: [Answer, Answer][], at: number, votes: (0 | 1 | null)[]}} Blind
 */

const MOST_PAIRS = 6;

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openAnswers(_figure, panel) {
  let run = "";
  /** @type {Blind | null} */
  let blind = null;
  const body = h("div", { class: "padded" });
  panel.append(body);
  /** @param {Answers} answers */
  const draw = (answers) => {
    if (!blind) body.replaceChildren(...allAnswers(answers, () => begin(answers)));
    else if (blind.at >= blind.pairs.length)
      body.replaceChildren(
        ...revealed(blind),
        h(
          "div",
          { class: "actions" },
          backButton(() => leave(answers)),
        ),
      );
    else body.replaceChildren(...blindPair(answers, blind));
  };
  /** @param {Answers} answers */
  const begin = (answers) => {
    blind = { pairs: pairsOf(answers.items, run), at: 0, votes: [] };
    draw(answers);
  };
  /** @param {Answers} answers */
  const leave = (answers) => {
    blind = null;
    draw(answers);
  };
  /**
   * @param {Answers} answers
   * @param {Blind} test
   */
  const blindPair = (answers, test) => {
    const { pairs, at, votes } = test;
    /**
     * @param {string} label
     * @param {0 | 1 | null} preference
     * @param {string} [kind]
     */
    const voteButton = (label, preference, kind) => {
      const vote = () => {
        votes.push(preference);
        test.at += 1;
        draw(answers);
        body.querySelector("button")?.focus();
      };
      return h("button", { type: "button", class: kind, onclick: vote }, label);
    };
    const reveal = () => {
      test.at = pairs.length;
      draw(answers);
    };
    return [
      promptLine(answers),
      h(
        "div",
        { class: "answers" },
        pairs[at].map(({ pieces }, index) =>
          h(
            "article",
            { class: "facts" },
            h("h2", {}, "AB"[index]),
            h("p", {}, h("bdi", {}, pieces.join(""))),
          ),
        ),
      ),
      h(
        "div",
        { class: "actions" },
        voteButton("A is better", 0, "action"),
        voteButton("B is better", 1, "action"),
        voteButton("No difference", null),
        h("button", { type: "button", onclick: reveal }, "Reveal"),
        backButton(() => leave(answers)),
      ),
      h("p", { class: "said", role: "status" }, `Pair ${at + 1} of ${pairs.length}.`),
    ];
  };
  return ({ run_id: id, answers, rows }) => {
    if (run !== id) blind = null;
    run = id;
    if (!answers || blind) return;
    const items = answers.items.map((item) => ({
      ...item,
      format: nameOfFormat(rows, item.format),
    }));
    draw({ ...answers, items });
  };
}

/** @param {Answers} answers */
function promptLine({ prompt }) {
  return h("p", {}, h("b", {}, "Prompt: "), h("bdi", {}, prompt));
}

/** @param {() => void} leave */
function backButton(leave) {
  return h("button", { type: "button", onclick: leave }, "Back to all answers");
}

/**
 * @param {Answers} answers
 * @param {() => void} begin a blind comparison
 */
function allAnswers(answers, begin) {
  const { items, sampled, seed } = answers;
  return [
    promptLine(answers),
    h(
      "p",
      { class: "said" },
      sampled
        ? `Sampled with seed ${seed} for every row. `
        : "Greedy: the likeliest token each time. ",
      "Underlined: the answer from the first token that differs from the base's.",
    ),
    h(
      "div",
      { class: "answers" },
      items.map((item) =>
        h(
          "article",
          { class: "facts" },
          h("h2", {}, item.format),
          answerText(item),
          h("p", { class: "said" }, partingWords(item)),
        ),
      ),
    ),
    h(
      "div",
      { class: "actions", hidden: items.length < 2 },
      h("button", { type: "button", class: "action", onclick: begin }, "Compare blind"),
    ),
  ];
}

/** @param {Answer} answer */
function partingWords({ format, parts_at: at }) {
  if (format === "base") return "The unquantized model.";
  return at === null ? "The same answer as the base." : `Differs from token ${at + 1} on.`;
}

/** @param {Answer} answer */
function answerText({ pieces, parts_at: at }) {
  if (at === null) return h("p", {}, h("bdi", {}, pieces.join("")));
  const difference = h("ins", {}, pieces.slice(at).join("") || "(ends)");
  return h("p", {}, h("bdi", {}, pieces.slice(0, at).join(""), difference));
}

/** @param {Blind} blind */
function revealed({ pairs, votes }) {
  /** @type {Map<string, number>} */
  const tally = new Map();
  const lines = votes.map((vote, index) => {
    const [a, b] = pairs[index];
    const names = `A was ${a.format}, B was ${b.format}: `;
    if (vote === null) return `${names}no difference.`;
    const { format } = pairs[index][vote];
    tally.set(format, (tally.get(format) ?? 0) + 1);
    return `${names}you preferred ${"AB"[vote]}, ${format}.`;
  });
  const preferences = [...tally].map(([name, count]) => `${name}: ${count}`);
  const undecided = votes.filter((vote) => vote === null).length;
  return [
    h("h2", {}, "Revealed"),
    h(
      "ol",
      { class: "revealed" },
      lines.map((line) => h("li", {}, line)),
    ),
    h(
      "p",
      { role: "status" },
      preferences.join(", ") || "No preference",
      undecided ? `; no difference: ${undecided}. ` : ". ",
      `${votes.length} pairs say little: many more would be needed for a ranking.`,
    ),
  ];
}

/**
 * Pairs of neighbours in a shuffled order, each in a random order; the same for the same run.
 * @param {Answer[]} items
 * @param {string} seed
 * @returns {[Answer, Answer][]}
 */
function pairsOf(items, seed) {
  let state = [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const order = items
    .map((item) => ({ item, place: random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ item }) => item);
  return order
    .slice(1, 1 + MOST_PAIRS)
    .map((item, index) => (random() < 0.5 ? [order[index], item] : [item, order[index]]));
}
