// The same question to parents and child.

import { h } from "../../../../shared/js/dom.js";
import { choice } from "../../../../shared/js/shell.js";
import { colourOf, shortName } from "./models.js";

/** @import { Merge, Model } from "./data.js" */

const QUESTION_LENGTH = 70; // letters of a question in the menu

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Merge) => void}
 */
export function openAnswers(_figure, panel) {
  const state = { run: "", place: 0 };
  const body = h("div", { class: "padded" });
  panel.append(body);
  /** @param {Merge} data */
  const draw = (data) => {
    const { prompts, models } = data;
    const questions = [
      ...prompts.cooking,
      ...prompts.other,
      ...(prompts.own ?? []),
      ...prompts.asked,
    ];
    /** @param {number} place */
    const show = (place) => {
      state.place = (place + questions.length) % questions.length;
      draw(data);
    };
    body.replaceChildren(
      h(
        "div",
        { class: "filters" },
        choice(
          "Question",
          questions.map((text, index) => [String(index), shortened(text)]),
          String(state.place),
          (value) => show(Number(value)),
        ),
        stepButton("‹", "Previous question", () => show(state.place - 1)),
        stepButton("›", "Next question", () => show(state.place + 1)),
      ),
      h("p", {}, h("bdi", {}, questions[state.place])),
      h(
        "div",
        { class: "answers" },
        models.map((model) => answerCard(models, model, state.place)),
      ),
      h(
        "p",
        { class: "said" },
        `Greedy: the likeliest token each time, at most ${data.request.answer_tokens ?? 36}; … marks an `,
        "answer that went on.",
      ),
    );
  };
  return (data) => {
    if (state.run !== data.run_id) {
      const { cooking, other, own = [], asked } = data.prompts;
      state.run = data.run_id;
      state.place = asked.length ? cooking.length + other.length + own.length : 0;
    }
    draw(data);
  };
}

/** @param {string} text */
function shortened(text) {
  return text.length > QUESTION_LENGTH ? `${text.slice(0, QUESTION_LENGTH - 1)}…` : text;
}

/**
 * @param {string} sign
 * @param {string} name
 * @param {() => void} action
 */
function stepButton(sign, name, action) {
  return h("button", { type: "button", "aria-label": name, onclick: action }, sign);
}

/**
 * @param {Model[]} models
 * @param {Model} model
 * @param {number} place of the question
 */
function answerCard(models, model, place) {
  const answer = model.answers.at(place);
  return h(
    "article",
    { class: `facts edge series-${colourOf(models, model.name)}` },
    h("h2", {}, h("bdi", {}, shortName(model.name)), model.role === "child" ? " (the merge)" : ""),
    answer
      ? h("p", {}, h("bdi", {}, answer.text || "(nothing)"), answer.ended ? "" : " …")
      : h("p", { class: "said" }, "not asked yet"),
  );
}
