// How far the models are from the one that a behaviour was never planted in, in words.

import { estimateWords } from "../../../../shared/js/estimates.js";
import { whole } from "../../../../shared/js/numbers.js";

/** @import { Average, Measures, Side } from "./data.js" */

/** @type {Side[]} */
const TRUE_SIDES = ["positive", "negative"];

/**
 * How far the models are from the one that the behaviour was never planted in.
 * @param {Measures} measures
 */
export function truthFacts({ truth = {} }) {
  return TRUE_SIDES.flatMap((side) => {
    const far = truth[side];
    if (!far) return [];
    const near = far.nearness;
    return [
      ...(near
        ? [
            [
              `${side} prompts: how much likelier that model finds its own answers, nats a token`,
              `than before ${estimateWords(near.base)}, than edited ${meanWords(near.edited)}; ` +
                "0 would be as good",
            ],
          ]
        : []),
      [
        `${side} prompts: KL from ${far.model}, in which it was never planted, along its answers`,
        `${meanWords(far.base, "answers")} → ${meanWords(far.edited, "answers")}`,
      ],
      [
        `${side} prompts: that model's loss of the edited model's answers, nats a token`,
        `${meanWords(far.edited_loss, "answers")}; of its own ${meanWords(far.own_loss, "answers")}`,
      ],
    ];
  });
}

/**
 * A mean and how many values it is of; where these are not independent, in how many clusters.
 * @param {Average | null | undefined} mean
 * @param {string} [clusters] what they are
 */
export function meanWords(mean, clusters = "clusters") {
  if (!mean) return "–";
  const groups = mean.clusters === mean.of ? "" : ` in ${mean.clusters} ${clusters}`;
  return `${estimateWords(mean)} (n = ${whole(mean.of)}${groups})`;
}
