// A group: answers to one prompt as rows, with what each is paid, its advantage, and how far each of
// its tokens was pushed.

import { h, keepFocus, visible } from "../../../../shared/js/dom.js";
import { brief, number, percent, plural } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";
import { stepSlider } from "./trainsteps.js";

/**
 * @import {Grpo, Group, Round, Sampled} from "./data.js"
 * @import {GrpoSession} from "./grpo.js"
 */

/** A change of ln p, in nats, at which a token's colour is full. */
const FULL_PUSH = 1;

/**
 * @param {HTMLElement} panel
 * @param {GrpoSession} session
 * @returns {(data: Grpo) => void}
 */
export function openGroup(panel, session) {
  const bar = h("div", {});
  const body = h("div", { class: "grpo-group" });
  panel.append(bar, body);
  return (data) => {
    const last = data.rounds.length - 1;
    const at = session.round < 0 || session.round > last ? last : session.round;
    const round = data.rounds[at];
    if (!round) {
      body.replaceChildren(h("p", { class: "message" }, "No answer has been sampled yet."));
      return;
    }
    const group = round.groups[Math.min(session.group, round.groups.length - 1)];
    keepFocus(bar, () => bar.replaceChildren(roundBar(data, at, session)));
    body.replaceChildren(
      ...(group
        ? groupOf(data, round, group)
        : [h("p", { class: "message" }, "No answer has been sampled yet.")]),
    );
  };
}

/**
 * The controls above a group: which step, which of its prompts.
 * @param {Grpo} data
 * @param {number} at
 * @param {GrpoSession} session
 */
function roundBar(data, at, session) {
  const last = data.rounds.length - 1;
  const { groups, step } = data.rounds[at];
  const choose = (/** @type {number} */ place) => session.choose({ round: place });
  const slider = stepSlider({ key: "grpo-round", label: "Step", at, last, step, choose });
  const prompts =
    groups.length < 2
      ? null
      : groups.map((group, place) =>
          h(
            "button",
            {
              type: "button",
              class: "plain",
              "data-key": `grpo-prompt-${place}`,
              "aria-pressed": String(place === Math.min(session.group, groups.length - 1)),
              onclick: () => session.choose({ group: place }),
            },
            `prompt ${group.number}`,
          ),
        );
  return h(
    "div",
    { class: "train-bar" },
    h("label", {}, "step ", slider, h("output", {}, String(step))),
    prompts && h("span", { class: "train-runs" }, prompts),
  );
}

/**
 * @param {Grpo} data
 * @param {Round} round
 * @param {Group} group
 */
function groupOf(data, round, group) {
  const most = Math.max(1e-9, ...group.answers.map(({ advantage }) => Math.abs(advantage ?? 0)));
  const several = data.parts.length > 1;
  const heads = several
    ? data.parts.map(({ words, weight }) =>
        h(
          "th",
          { scope: "col", class: "num" },
          h("bdi", {}, words),
          weight === 1 ? null : ` × ${brief(weight)}`,
        ),
      )
    : [];
  const rows = group.answers.map((answer, place) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, String(place + 1)),
      h("td", { class: "num" }, brief(answer.reward)),
      h("td", {}, advantageBar(answer.advantage, most)),
      h("td", { class: "grpo-answer" }, pushedTokens(answer)),
      several ? data.parts.map((_, at) => h("td", { class: "num" }, brief(answer.parts[at]))) : [],
    ),
  );
  return [
    h(
      "p",
      { class: "grpo-prompt" },
      h("span", { class: "said" }, "prompt "),
      h("bdi", {}, group.prompt || "(no words)"),
      group.wanted ? h("span", { class: "said" }, " answer ", h("bdi", {}, group.wanted)) : null,
    ),
    scrollTable(
      "Answers of a group",
      [
        "answer",
        h(
          "th",
          { scope: "col", class: "num" },
          "reward",
          several ? null : h("span", { class: "said" }, " ", h("bdi", {}, data.parts[0].words)),
        ),
        "advantage",
        "tokens, by what the step did to each",
        ...heads,
      ],
      rows,
      "grpo-table",
    ),
    h("p", { class: "train-note" }, ...groupWords(data, round, group)),
  ];
}

/**
 * @param {Grpo} data
 * @param {Round} round
 * @param {Group} group
 */
function groupWords(data, round, group) {
  if (group.mean === null || group.deviation === null)
    return ["The answers are being sampled; each is paid once all have ended."];
  const { scale, epsilon, iterations } = data.request;
  const divided = {
    group: ` over the group’s standard deviation ${brief(group.deviation)}`,
    batch: " over the standard deviation of the whole step",
  }[String(scale)];
  const words = [
    `Advantage: reward minus the group’s mean ${brief(group.mean)}${divided ?? ""}. `,
    "Every token of an answer gets that answer’s advantage, deserved or not. ",
  ];
  if (group.deviation === 0) words.push("All were paid the same, so nothing is learnt here. ");
  if (group.answers.some(({ moved }) => moved)) {
    words.push(
      "Blue, raised: likelier after the step; orange, lowered: less likely; full colour from a ",
      `factor of e on (1 nat). `,
      iterations === 1
        ? "With one optimizer step a token’s ratio is still 1, so the clip never acts."
        : `Struck through: the clip (ratio beyond 1 ± ${brief(Number(epsilon))}) took the token ` +
            "out of an optimizer step.",
    );
    const [first, last] = [round.clipped[0], round.clipped.at(-1)];
    if (last && first !== undefined)
      words.push(` Clipped in the last optimizer step: ${percent(last)} of all tokens.`);
  } else words.push("Not learnt from yet.");
  return words;
}

/**
 * An advantage as a bar to the left or the right of 0.
 * @param {number | null} value
 * @param {number} most
 */
function advantageBar(value, most) {
  if (value === null) return "–";
  const half = `${((50 * Math.abs(value)) / most).toFixed(1)}%`;
  return h(
    "span",
    { class: "grpo-advantage" },
    h("span", { class: "grpo-number" }, number(value)),
    h(
      "span",
      { class: "grpo-track", "aria-hidden": "true" },
      h("span", {
        class: value < 0 ? "grpo-below" : "grpo-above",
        style: value < 0 ? { right: "50%", width: half } : { left: "50%", width: half },
      }),
    ),
  );
}

/** @param {Sampled} answer */
function pushedTokens(answer) {
  const { tokens, moved, logs, kl, clipped, ended } = answer;
  return h(
    "span",
    { class: "grpo-tokens", dir: "auto" },
    tokens.map((token, at) => {
      const push = moved?.[at] ?? 0;
      const share = Math.round(100 * Math.min(1, Math.abs(push) / FULL_PUSH));
      const cut = clipped.includes(at);
      const way = `${push < 0 ? "lowered" : "raised"} by ${brief(Math.abs(push))} nats`;
      const [old, now] = [logs[at], logs[at] + push].map((log) => percent(Math.exp(log)));
      const words = moved
        ? `p ${old}, ${way} to ${now}; KL ${brief(kl[at])}${cut ? "; clipped" : ""}`
        : null;
      const colour = push < 0 ? "var(--b)" : "var(--a)";
      return h(
        "bdi",
        {
          class: `token grpo-token${cut ? " grpo-clipped" : ""}${push < 0 ? " grpo-down" : ""}`,
          title: words,
          style: share
            ? {
                background: `color-mix(in srgb, ${colour} ${Math.round(share * 0.45)}%, transparent)`,
                borderBottomColor: colour,
              }
            : {},
        },
        visible(token),
      );
    }),
    ended ? null : h("span", { class: "said" }, " …"),
    h("span", { class: "unseen" }, ended ? "" : `cut after ${plural(tokens.length, "token")}`),
  );
}
