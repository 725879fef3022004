// The same prompt answered by every row: differences marked, or blind.

import { h } from "../../../../shared/js/dom.js";

/** Open the view. */
export function openAnswers(figure, panel) {
  const state = { run: null, blind: null };
  let data = null;
  const body = h("div", { class: "padded" });
  panel.append(body);
  const draw = () => (state.blind ? drawBlind() : drawAll());
  const drawAll = () => {
    const { prompt, items, sampled, seed } = data.answers;
    body.replaceChildren(
      h("p", {}, h("b", {}, "Prompt: "), h("bdi", {}, prompt)),
      h(
        "p",
        { class: "said" },
        `${sampled ? `Sampled with seed ${seed} for every row.` : "Greedy: the likeliest token each time."} Underlined: tokens from the first that differs from the base's on.`,
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
            h(
              "p",
              { class: "said" },
              item.format === "base"
                ? "The unquantized model."
                : item.parts_at === null
                  ? "The same answer as the base."
                  : `Parts at token ${item.parts_at + 1}.`,
            ),
          ),
        ),
      ),
      h(
        "div",
        { class: "actions", hidden: items.length < 2 },
        h(
          "button",
          {
            type: "button",
            class: "action",
            onclick: () => {
              state.blind = { pairs: pairsOf(items, data.run_id), at: 0, votes: [] };
              draw();
            },
          },
          "Compare blind",
        ),
      ),
    );
  };
  const drawBlind = () => {
    const { pairs, at, votes } = state.blind;
    const back = h(
      "button",
      {
        type: "button",
        onclick: () => {
          state.blind = null;
          draw();
        },
      },
      "Back to all answers",
    );
    if (at >= pairs.length) {
      const tally = new Map();
      votes.forEach(
        (vote, index) =>
          vote !== null &&
          tally.set(pairs[index][vote].format, (tally.get(pairs[index][vote].format) ?? 0) + 1),
      );
      const undecided = votes.filter((vote) => vote === null).length;
      body.replaceChildren(
        h("h2", {}, "Revealed"),
        h(
          "ol",
          { class: "revealed" },
          votes.map((vote, index) =>
            h(
              "li",
              {},
              `A was ${pairs[index][0].format}, B was ${pairs[index][1].format}: ${vote === null ? "no difference" : `you preferred ${"AB"[vote]}, ${pairs[index][vote].format}`}.`,
            ),
          ),
        ),
        h(
          "p",
          { role: "status" },
          `${[...tally].map(([name, count]) => `${name}: ${count}`).join(", ") || "No preference"}${undecided ? `; no difference: ${undecided}` : ""}. ${votes.length} pairs say little: many more would be needed for a ranking.`,
        ),
        h("div", { class: "actions" }, back),
      );
      return;
    }
    const vote = (choice) => () => {
      votes.push(choice);
      state.blind.at += 1;
      draw();
      body.querySelector("button")?.focus();
    };
    body.replaceChildren(
      h("p", {}, h("b", {}, "Prompt: "), h("bdi", {}, data.answers.prompt)),
      h(
        "div",
        { class: "answers" },
        pairs[at].map((item, index) =>
          h(
            "article",
            { class: "facts" },
            h("h2", {}, "AB"[index]),
            h("p", {}, h("bdi", {}, item.pieces.join(""))),
          ),
        ),
      ),
      h(
        "div",
        { class: "actions" },
        ["A is better", "B is better"].map((name, index) =>
          h("button", { type: "button", class: "action", onclick: vote(index) }, name),
        ),
        h("button", { type: "button", onclick: vote(null) }, "No difference"),
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              state.blind.at = pairs.length;
              draw();
            },
          },
          "Reveal",
        ),
        back,
      ),
      h("p", { class: "said", role: "status" }, `Pair ${at + 1} of ${pairs.length}.`),
    );
  };
  return (next) => {
    if (state.run !== next.run_id) Object.assign(state, { run: next.run_id, blind: null });
    data = next;
    if (!state.blind) draw();
  };
}

function answerText({ pieces, parts_at: at }) {
  if (at === null || at === undefined) return h("p", {}, h("bdi", {}, pieces.join("")));
  return h(
    "p",
    {},
    h("bdi", {}, pieces.slice(0, at).join(""), h("ins", {}, pieces.slice(at).join("") || "(ends)")),
  );
}

/** Pairs of neighbours in a shuffled order, each in a random order; the same for the same run. */
function pairsOf(items, seed) {
  let state = [...String(seed)].reduce(
    (sum, character) => (sum * 31 + character.codePointAt(0)) >>> 0,
    7,
  );
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const order = items
    .map((item) => [random(), item])
    .toSorted((one, other) => one[0] - other[0])
    .map(([, item]) => item);
  const pairs = order
    .slice(1)
    .map((item, index) => (random() < 0.5 ? [order[index], item] : [item, order[index]]));
  return pairs.slice(0, 6);
}
