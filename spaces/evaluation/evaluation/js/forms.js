// What every item became in every form and what was answered; and the numbers as a table.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { percent, plural } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { choiceField } from "./listed.js";
import { asPoints, sample } from "./marks.js";
import { pNumber, shortened } from "./words.js";

/** @import {Fragile} from "./data.js" */

/**
 * @param {HTMLElement} panel
 * @returns {(data: Fragile) => void}
 */
export function openFormItems(panel) {
  const chosen = { model: 0, item: 0 };
  const controls = h("div", { class: "filters eval-filters" });
  const body = h("div", { class: "eval-items" });
  panel.append(controls, body);
  /** @param {Fragile} data */
  const draw = (data) => {
    if (chosen.model >= data.models.length) chosen.model = 0;
    if (chosen.item >= data.items.length) chosen.item = 0;
    const choose = (/** @type {Partial<typeof chosen>} */ change) => {
      Object.assign(chosen, change);
      draw(data);
    };
    keepFocus(panel, () => {
      controls.replaceChildren(
        choiceField(
          "Model",
          "form-model",
          String(chosen.model),
          data.models.map(({ name }, at) => [String(at), name]),
          (value) => choose({ model: Number(value) }),
        ),
        h("span", { class: "said" }, steadyWords(data, chosen.model)),
      );
      body.replaceChildren(
        answerTable(data, chosen.model, (item) => choose({ item })),
        h("div", { class: "eval-detail" }, inForms(data, chosen.item)),
      );
    });
  };
  return draw;
}

/**
 * @param {Fragile} data
 * @param {number} model
 */
function steadyWords(data, model) {
  const read = data.answers[model].filter((some) => some !== null);
  if (read.length < 2) return "";
  const steady = data.items.filter((_, at) => read.every((some) => some[at] === read[0][at]));
  const items = plural(data.items.length, "item");
  return `${steady.length} of ${items} answered alike in ${plural(read.length, "form")}`;
}

/**
 * @param {Fragile} data
 * @param {number} model
 * @param {(item: number) => void} open
 */
function answerTable(data, model, open) {
  const rows = data.items.map(({ prompt, gold, choices }, at) =>
    headedRow(
      h(
        "button",
        { type: "button", class: "plain", "data-key": `form-item-${at}`, onclick: () => open(at) },
        h("bdi", {}, shortened(prompt, 60)),
      ),
      data.forms.map((_, form) => {
        const answer = data.answers[model][form]?.[at];
        if (answer === undefined) return "–";
        return answer === gold ? "✓" : h("bdi", {}, `✗ ${shortened(choices[answer], 14)}`);
      }),
    ),
  );
  return scrollTable(
    "Answers by form",
    ["item", ...data.forms.map(({ name }) => name)],
    rows,
    "numbers eval-table",
  );
}

/**
 * An item in every form.
 * @param {Fragile} data
 * @param {number} at
 */
function inForms(data, at) {
  return data.forms.map(({ name, says, asked, sent }) => {
    const { prompt, choices, gold } = asked[at];
    return h(
      "section",
      { class: "eval-form" },
      h(
        "p",
        {},
        h("b", {}, name),
        ` ${says}; choices: `,
        h("bdi", {}, choices.join(" | ")),
        "; right: ",
        h("bdi", {}, choices[gold]),
      ),
      h("pre", { tabindex: 0 }, sent[at] ?? prompt),
    );
  });
}

/**
 * @param {HTMLElement} panel
 * @returns {(data: Fragile) => void}
 */
export function openFormNumbers(panel) {
  const body = h("div", { class: "eval-words" });
  panel.append(body);
  return (data) => body.replaceChildren(formTable(data));
}

/** @param {Fragile} data */
function formTable(data) {
  const rows = data.scores.map(({ model, form, count, of, low, high }) => {
    const against = data.differences.find((one) => one.model === model && one.form === form);
    return headedRow(sample(model, data.models[model].name), [
      data.forms[form].name,
      `${count} of ${of}`,
      `${percent(count / of)} (${percent(low)} to ${percent(high)})`,
      ...(against ? differenceCells(against) : ["–", "–", "–"]),
    ]);
  });
  const whole = data.differences
    .filter(({ form }) => form < 0)
    .map((one) =>
      headedRow(sample(one.model, data.models[one.model].name), [
        "all forms",
        `${plural(one.of, "answer")} each`,
        "–",
        ...differenceCells(one),
      ]),
    );
  return scrollTable(
    "Scores and differences by form",
    [
      "model",
      "form",
      "right",
      "score (95 %)",
      "to the first, points (95 %)",
      "gained, lost",
      "p, corrected",
    ],
    [...whole, ...rows],
  );
}

/** @param {import("./data.js").FormDifference} one */
function differenceCells({ mean, low, high, gained, lost, p }) {
  return [
    `${asPoints(mean)} (${asPoints(low)} to ${asPoints(high)})`,
    `+${gained} −${lost}`,
    pNumber(p),
  ];
}
