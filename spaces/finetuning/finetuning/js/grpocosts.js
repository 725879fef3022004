// What a reward gets and what it costs: every measure before and after, and the held-out answers.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";

/** @import {Change, Grpo} from "./data.js" */

const COST_WORDS = {
  better: "better",
  worse: "worse",
  same: "not worse",
  unsure: "cannot be told from chance",
};

/**
 * @param {HTMLElement} panel
 * @returns {(data: Grpo) => void}
 */
export function openCosts(panel) {
  const body = h("div", { class: "train-said" });
  panel.append(body);
  return (data) => body.replaceChildren(...costsOf(data));
}

/** @param {Grpo} data */
function costsOf(data) {
  const { marks, changes } = data;
  if (!marks.length) return [h("p", { class: "message" }, "Nothing has been measured yet.")];
  const [first, last] = [marks[0], marks[marks.length - 1]];
  const rows = changes.map((change) =>
    h(
      "tr",
      { class: `grpo-${change.verdict}` },
      h("th", { scope: "row" }, change.name, h("span", { class: "said" }, ` ${change.unit}`)),
      h("td", { class: "num" }, brief(change.before)),
      h("td", { class: "num" }, brief(change.after)),
      h("td", { class: "num" }, changeInterval(change)),
      h(
        "td",
        {},
        h("b", {}, COST_WORDS[change.verdict]),
        h("span", { class: "said" }, ` ${change.bound}`),
      ),
    ),
  );
  const answers = first.asked.map((before, at) => {
    const after = last.asked[at];
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, h("bdi", {}, before.prompt)),
      [before, ...(marks.length > 1 ? [after] : [])].map((one) =>
        h(
          "td",
          { class: "train-quote" },
          h("bdi", {}, one.text || "(nothing)"),
          one.ended ? null : h("span", { class: "said" }, " …"),
          h("span", { class: "said" }, ` reward ${brief(one.reward)}`),
        ),
      ),
    );
  });
  return [
    changes.length
      ? scrollTable(
          "What changed",
          [
            "measured on what is not trained on",
            ...["before", `step ${last.step}`, "difference, 95 %"].map((words) =>
              h("th", { scope: "col", class: "num" }, words),
            ),
            "",
          ],
          rows,
          "train-table",
        )
      : h("p", { class: "message" }, "Nothing has changed yet."),
    scrollTable(
      "Held-out answers",
      [
        data.questions.separate ? "prompt, not trained on" : "prompt",
        "before",
        ...(marks.length > 1 ? [`step ${last.step}`] : []),
      ],
      answers,
      "train-table",
    ),
    h(
      "p",
      { class: "train-note" },
      "A reward pays what it says and nothing else. Intervals are of paired differences, over prompts, ",
      "windows or questions (Student’s t); a wide one is no promise of harmlessness. Greedy answers of at ",
      `most ${data.request.tokens} tokens; … where the model did not end by itself.`,
    ),
  ];
}

/** @param {Change} change */
function changeInterval({ low, high }) {
  return low === null || high === null ? "–" : `${brief(low)} to ${brief(high)}`;
}
