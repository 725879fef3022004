// Curves of training by rewards: the reward, what becomes of the answers, KL, entropy, clip, loss.

import { openChart } from "../../../../shared/js/chart.js";
import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { measuredCurve, stackedCharts } from "./curves.js";

/** @import {Grpo, GrpoMark, Round} from "./data.js" */

/**
 * @param {HTMLElement} panel
 * @returns {(data: Grpo) => void}
 */
export function openGrpoCurves(panel) {
  return openChart(panel, {
    name: "Curves",
    kind: "train-charts",
    words: "train-why",
    draw: (/** @type {Grpo} */ data, wide) =>
      stackedCharts(grpoCharts(data), Number(data.request.steps) || 1, wide),
    say: grpoReasons,
  });
}

/**
 * @param {Grpo} data
 * @param {string} name
 * @param {(round: Round) => number | null | undefined} value
 * @param {string} [kind]
 * @returns {import("./curves.js").Curve}
 */
function perRound(data, name, value, kind = "train-thin series-0") {
  return {
    name,
    kind,
    points: data.rounds.flatMap((round) => {
      const found = value(round);
      return found === null || found === undefined
        ? []
        : [/** @type {const} */ ([round.step - 1, found])];
    }),
  };
}

/**
 * @param {Grpo} data
 * @returns {{title: string, curves: import("./curves.js").Curve[], tall: number}[]}
 */
function grpoCharts(data) {
  const some = [
    {
      title: "Reward",
      tall: 170,
      curves: [
        perRound(data, "sampled", ({ reward }) => reward?.mean),
        measuredCurve(data.marks, "held out", "reward", 0),
      ],
    },
    {
      title: "Loss of a plain text, nats a token",
      tall: 90,
      curves: [measuredCurve(data.marks, "plain text", "text", 1)],
    },
    {
      title: "KL from the model before training, nats a token",
      tall: 100,
      curves: [
        perRound(data, "own answers", ({ kl }) => kl),
        measuredCurve(data.marks, "other questions", "elsewhere", 1),
      ],
    },
    {
      title: "Repeated runs of three tokens, share",
      tall: 80,
      curves: [
        perRound(data, "sampled", ({ repeated }) => repeated),
        measuredCurve(data.marks, "held out", "repeated", 1),
      ],
    },
    {
      title: "Length of an answer, tokens",
      tall: 80,
      curves: [perRound(data, "sampled", ({ tokens }) => tokens)],
    },
    {
      title: "Entropy of the next token, nats",
      tall: 80,
      curves: [perRound(data, "sampled", ({ entropy }) => entropy)],
    },
    {
      title: "Clipped tokens in the last optimizer step, share",
      tall: 60,
      curves: [perRound(data, "", ({ clipped }) => clipped.at(-1))],
    },
    {
      title: "Loss of the last optimizer step: it shows no progress",
      tall: 60,
      curves: [perRound(data, "", ({ losses }) => losses.at(-1))],
    },
    {
      title: "Gradient norm, before clipping to 1",
      tall: 60,
      curves: [perRound(data, "", ({ norms }) => norms[0])],
    },
  ];
  return some;
}

/** @param {Grpo} data */
function grpoReasons(data) {
  /** @type {GrpoMark | undefined} */
  const mark = data.marks.at(-1);
  return [
    h(
      "p",
      { class: "train-note" },
      "Thin: the answers sampled in each step, before it is learnt from. Dots and ribbons: greedy answers ",
      "to held-out prompts, and texts that nothing is trained on, with 95 % intervals.",
    ),
    mark
      ? h(
          "p",
          {},
          h("b", {}, "Why does the loss say nothing? "),
          "Advantages of a group sum to 0, so that the loss begins near 0 in every step, whatever has ",
          "been learnt. Follow the reward, and beside it what the reward does not see: the text’s loss, ",
          `now ${brief(mark.text?.mean)} nats a token, and the KL divergence.`,
        )
      : h("p", {}),
  ];
}
