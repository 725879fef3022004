// What a visitor has voted, and what may be shown of it.

import { h } from "../../../../shared/js/dom.js";

/**
 * @import {Arena, Pair} from "./data.js"
 * @import {Met} from "./strengths.js"
 */

/** @typedef {"left" | "right" | "tie" | "bad"} Vote */

/**
 * What the views of one figure share.
 * @typedef {Object} Booth
 * @property {string} run whose pairs are voted on
 * @property {Map<number, Vote>} votes by the pair's place
 * @property {number[]} order places in the order of the votes
 * @property {boolean} names whether names are shown before a vote
 * @property {() => void} changed
 */

/** @type {Record<Vote, string>} */
export const VOTES = { left: "Left", right: "Right", tie: "Tie", bad: "Both bad" };

/**
 * The model that a vote lets win; -1 for none.
 * @param {Pair} pair
 * @param {Vote} vote
 */
export function winnerOf(pair, vote) {
  return vote === "left" ? pair.left : vote === "right" ? pair.right : -1;
}

/**
 * The pairs that were voted on; two answers that are the same text are a tie once there is a vote.
 * @param {Arena} data
 * @param {Booth} booth
 * @returns {Met[]}
 */
export function votedPairs(data, { votes }) {
  if (!votes.size) return [];
  return data.pairs.flatMap((pair, at) => {
    const vote = pair.same ? "tie" : votes.get(at);
    if (!vote) return [];
    const { left, right, prompt } = pair;
    return [{ first: left, second: right, winner: winnerOf(pair, vote), prompt }];
  });
}

/**
 * A model's name, or what stands for it before the vote.
 * @param {Arena} data
 * @param {Booth} booth
 * @param {number} at place of the pair
 * @param {"left" | "right"} side
 */
export function nameOf(data, booth, at, side) {
  const pair = data.pairs[at];
  const known = booth.names || pair.same || booth.votes.has(at);
  return known ? h("bdi", {}, data.models[pair[side]].name) : "?";
}
