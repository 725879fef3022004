// Where the models stand by the visitor's votes and by the judge's verdicts.

import { axisLabel, baseAxis, scaleOf } from "../../../../shared/js/axes.js";
import { openChart } from "../../../../shared/js/chart.js";
import { s } from "../../../../shared/js/dom.js";
import { number, percent, plural } from "../../../../shared/js/numbers.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { votedPairs, winnerOf } from "./booth.js";
import { mark, sample, whisker } from "./marks.js";
import { kappaOf, signP, strengthsOf } from "./strengths.js";
import { pWords, sentenceList, shortened } from "./words.js";

/**
 * @import {Arena} from "./data.js"
 * @import {Booth} from "./booth.js"
 * @import {Strength} from "./strengths.js"
 */

const STANDING_TOP = 34;
const SIGMAS = 1.959963984540054;
const CHANCES = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98];

/**
 * @param {HTMLElement} panel
 * @param {Booth} booth
 * @returns {(data: Arena) => void}
 */
export function openStanding(panel, booth) {
  return openChart(panel, {
    name: "Standing",
    kind: "eval-chart",
    words: "eval-words",
    draw: (data, width) => drawStanding(data, booth, width),
    say: (data) => [...standingWords(data, booth), standingTable(data, booth)],
  });
}

/**
 * Who judged, and the models by it.
 * @param {Arena} data
 * @param {Booth} booth
 * @returns {{judge: string, ranks: Strength[]}[]}
 */
function standings(data, booth) {
  const own = votedPairs(data, booth);
  return [
    { judge: "your votes", ranks: own.length ? strengthsOf(own, data.models.length) : [] },
    ...(data.judge ? [{ judge: `judge ${data.judge}`, ranks: data.ranks }] : []),
  ];
}

/**
 * @param {Arena} data
 * @param {Booth} booth
 * @param {number} wide
 * @returns {import("../../../../shared/js/chart.js").Drawing}
 */
function drawStanding(data, booth, wide) {
  const width = Math.max(320, wide);
  const left = width < 520 ? 96 : 190;
  const groups = standings(data, booth);
  const tall = 22;
  const group = 24 + tall * data.models.length + 10;
  const height = STANDING_TOP + groups.length * group + 4;
  const ends = groups.flatMap(({ ranks }) =>
    ranks.flatMap(({ strength, sigma }) =>
      strength === null || sigma === null ? [] : [Math.abs(strength) + SIGMAS * sigma],
    ),
  );
  const most = Math.min(6, Math.max(1.5, ...ends)) + 0.2;
  const x = scaleOf(-most, most, left, width - 16);
  const inside = (/** @type {number} */ value) => x(Math.max(-most, Math.min(most, value)));
  const logit = (/** @type {number} */ chance) => Math.log(chance / (1 - chance));
  const ticks = CHANCES.map(logit).filter((value) => Math.abs(value) <= most);
  const fewer = width < 520 ? ticks.filter((_, at) => at % 2 === (ticks.length >> 1) % 2) : ticks;
  const parts = [
    axisLabel(
      10,
      12,
      "start",
      `wins against ${shortened(data.models[0].name, 24)}, 95 % intervals`,
    ),
    ...baseAxis(x, fewer, STANDING_TOP - 8, (value) => percent(1 / (1 + Math.exp(-value)))),
    ...fewer.map((tick) =>
      s("line", {
        class: tick ? "grid-line" : "eval-zero",
        x1: x(tick),
        x2: x(tick),
        y1: STANDING_TOP,
        y2: height - 4,
      }),
    ),
  ];
  groups.forEach(({ judge, ranks }, at) => {
    const top = STANDING_TOP + at * group;
    parts.push(
      s(
        "text",
        { class: "eval-task eval-whole", x: 10, y: top + 15 },
        shortened(judge, width < 520 ? 13 : 26),
      ),
    );
    data.models.forEach(({ name }, model) => {
      const y = top + 24 + tall * (model + 0.5);
      parts.push(
        s(
          "text",
          { class: `eval-end series-${model}`, x: 10, y: y + 4 },
          shortened(name, width < 520 ? 12 : 28),
        ),
      );
      const rank = ranks[model];
      if (!rank || rank.strength === null || rank.sigma === null || !rank.of) return;
      const [low, high] = [-1, 1].map(
        (sign) => Number(rank.strength) + sign * SIGMAS * Number(rank.sigma),
      );
      const words = `${name}, ${judge}: ${rankWords(rank)}`;
      if (!model)
        parts.push(s("g", { class: "series-0" }, s("title", {}, words), mark(0, x(0), y)));
      else
        parts.push(
          whisker(
            model,
            { low: inside(low), high: inside(high), at: inside(rank.strength), y },
            words,
          ),
        );
    });
    if (!ranks.length) parts.push(axisLabel(x(0) + 8, top + 15, "start", "none yet"));
  });
  return { width, height, label: data.verdicts.join(" "), parts };
}

/** @param {Strength} rank */
function rankWords({ wins, of, low, high }) {
  return `${number(wins, wins % 1 ? 1 : 0)} wins of ${of} (95 %: ${percent(low)} to ${percent(high)})`;
}

/**
 * @param {Arena} data
 * @param {Booth} booth
 */
function standingWords(data, booth) {
  const cast = data.pairs.flatMap((pair, at) => {
    const vote = booth.votes.get(at);
    return vote ? [{ pair, winner: winnerOf(pair, vote) }] : [];
  });
  const said = [];
  if (!cast.length)
    said.push("Vote on some pairs: your standing, and how far the judge agrees, come here.");
  else {
    const ps = data.models.slice(1).map(({ name }, at) => {
      const own = cast.filter(
        ({ pair }) =>
          Math.min(pair.left, pair.right) === 0 && Math.max(pair.left, pair.right) === at + 1,
      );
      const won = own.filter(({ winner }) => winner === at + 1).length;
      const lost = own.filter(({ winner }) => winner === 0).length;
      return { name, won, lost, tied: own.length - won - lost, p: signP(won, lost) };
    });
    for (const { name, won, lost, tied, p } of ps) {
      const sure = Math.min(1, p * ps.length) <= 0.05;
      const how = sure ? `are for ${won > lost ? name : data.models[0].name}` : "cannot decide";
      said.push(
        `Your votes ${how}: ${name} against ${data.models[0].name} ${won} won, ${lost} lost, ${tied} ` +
          `neither, p ${pWords(Math.min(1, p * ps.length))}.`,
      );
    }
    const judged = cast.filter(({ pair }) => pair.judge);
    said.push(
      ...agreementWords(
        "the judge",
        judged.map(({ pair, winner }) => [String(winner), String(pair.judge?.winner)]),
      ),
      ...agreementWords(
        "what is expected",
        cast
          .filter(({ pair }) => pair.known !== null)
          .map(({ pair, winner }) => [String(winner), String(pair.known)]),
      ),
    );
  }
  return [
    sentenceList([
      ...said,
      ...(data.done ? data.verdicts.slice(1) : []),
      ...data.notes,
      "A tie, and both bad, is half a win for each. Strengths are those of Bradley and Terry, with half a " +
        "win added on both sides of every pair of models: without it a perfect record would be infinite.",
    ]),
  ];
}

/**
 * @param {string} who
 * @param {[string, string][]} pairs
 */
function agreementWords(who, pairs) {
  if (!pairs.length) return [];
  const { same, of, kappa, low, high } = kappaOf(pairs);
  const words = `You and ${who} say the same of ${same} of ${plural(of, "pair")}`;
  return [
    kappa === null
      ? `${words}; κ is not defined, since each says one thing alone.`
      : `${words}: κ = ${number(kappa)} (95 %: ${number(low)} to ${number(high)}).`,
  ];
}

/**
 * @param {Arena} data
 * @param {Booth} booth
 */
function standingTable(data, booth) {
  const rows = standings(data, booth).flatMap(({ judge, ranks }) =>
    ranks.map((rank, model) =>
      headedRow(sample(model, data.models[model].name), [
        judge,
        `${number(rank.wins, rank.wins % 1 ? 1 : 0)} of ${rank.of}`,
        rank.of
          ? `${percent(rank.wins / rank.of)} (${percent(rank.low)} to ${percent(rank.high)})`
          : "–",
        rank.strength === null || rank.sigma === null
          ? "–"
          : model
            ? `${number(rank.strength)} ± ${number(rank.sigma)}`
            : "0",
      ]),
    ),
  );
  return scrollTable(
    "Standing, as numbers",
    ["model", "by", "wins", "win rate (95 %)", "strength, nats ± σ"],
    rows,
  );
}
