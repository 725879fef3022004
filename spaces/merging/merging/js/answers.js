// The same question to parents and child.

import { h } from "../../../../shared/js/dom.js";
import { choice } from "../../../../shared/js/shell.js";
import { colourOf, shortName } from "./mergefigure.js";

/** Open the view. */
export function openAnswers(figure, panel) {
  const state = { run: null, at: 0 };
  let data = null;
  const body = h("div", { class: "padded" });
  panel.append(body);
  const draw = () => {
    const { prompts, models } = data;
    const all = [...prompts.cooking, ...prompts.other, ...prompts.asked];
    const options = all.map((text, index) => [
      String(index),
      text.length > 70 ? `${text.slice(0, 69)}…` : text,
    ]);
    const turn = (step) => () => {
      state.at = (state.at + step + all.length) % all.length;
      draw();
    };
    body.replaceChildren(
      h(
        "div",
        { class: "filters" },
        choice("Question", options, String(state.at), (value) => {
          state.at = Number(value);
          draw();
        }),
        h("button", { type: "button", "aria-label": "Previous question", onclick: turn(-1) }, "‹"),
        h("button", { type: "button", "aria-label": "Next question", onclick: turn(1) }, "›"),
      ),
      h("p", {}, h("bdi", {}, all[state.at])),
      h(
        "div",
        { class: "answers" },
        models.map((model) => {
          const answer = model.answers[state.at];
          return h(
            "article",
            { class: `facts edge-${colourOf(models, model.name)}` },
            h(
              "h2",
              {},
              h("bdi", {}, shortName(model.name)),
              model.role === "child" ? " (the merge)" : "",
            ),
            answer
              ? h("p", {}, h("bdi", {}, answer.text || "(nothing)"), answer.ended ? "" : " …")
              : h("p", { class: "said" }, "not asked yet"),
          );
        }),
      ),
      h(
        "p",
        { class: "said" },
        "Greedy: the likeliest token each time, at most 36; … marks an answer that went on.",
      ),
    );
  };
  return (next) => {
    if (state.run !== next.run_id)
      Object.assign(state, {
        run: next.run_id,
        at: Math.max(
          0,
          next.prompts.asked.length ? next.prompts.cooking.length + next.prompts.other.length : 0,
        ),
      });
    data = next;
    draw();
  };
}
