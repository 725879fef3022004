// What obeying a constraint cost: below a text, token by token, what the mask left, which token the
// model wanted, and how the tokenizer alone would have cut the text.

import { h, scrollBox, visible } from "../../../../shared/js/dom.js";
import { number, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { oneIn } from "./chances.js";
import { fromLog } from "./paths.js";
import { tokenElement, tokenLabel } from "./pill.js";

/**
 * @import {Canonical, Node, Obeyed, Run} from "./data.js"
 *
 * @typedef {Object} ObeyedStep a token of a text that obeys
 * @property {Node} node
 * @property {number} allowed tokens that the constraint left
 * @property {number} mass their probability under the model
 * @property {number} cost what leaving the others out cost, −log mass in nats
 * @property {Node | null} wanted the model's likeliest token, where the constraint forbids it
 *
 * @typedef {{open: boolean}} ObeyedState whether the table is unfolded
 */

const COSTLY = 0.05; // nats: a bar that is worth a number

/** @type {Record<string, string>} */
export const CONSTRAINT_NAMES = {
  json_schema: "JSON schema",
  regex: "regular expression",
  lark: "Lark grammar",
};

/** @type {Record<Obeyed["status"], string>} */
const OUTCOMES = {
  complete: "The text fulfils the constraint.",
  unfinished: "Unfinished: max_new_tokens came before the text fulfilled the constraint.",
  stuck: "Stuck: no token was left before the text fulfilled the constraint.",
};

/**
 * The tokens of a text whose choice a constraint narrowed; none where there was no constraint.
 * @param {Run} run
 * @param {Node[]} path
 * @returns {ObeyedStep[]}
 */
export function obeyedSteps(run, path) {
  const at = run.processors.indexOf("constraint");
  return path.flatMap((node) => {
    const decision = run.decisions[String(node.parent)];
    if (decision?.allowed === undefined) return [];
    const mass = fromLog(decision.feasible ?? null);
    return [
      {
        node,
        allowed: decision.allowed,
        mass,
        cost: -(decision.feasible ?? -Infinity),
        wanted: forbiddenWish(run, node, at),
      },
    ];
  });
}

/**
 * The model's likeliest token at the place of another, where it was the constraint that removed it.
 * @param {Run} run
 * @param {Node} node
 * @param {number} at place of the constraint among the processors
 */
function forbiddenWish(run, node, at) {
  const others = run.nodes.filter((other) => other.parent === node.parent);
  const best = others.reduce((one, other) =>
    (other.logprob_raw ?? -Infinity) > (one.logprob_raw ?? -Infinity) ? other : one,
  );
  const before = at > 0 ? best.stages[at - 1] : 0;
  return best.stages[at] === null && before !== null ? best : null;
}

/**
 * What the constraint did after a node, in one sentence; "" where there is none.
 * @param {Run} run
 * @param {string} parentId
 */
export function constraintWords(run, parentId) {
  const { allowed, feasible } = run.decisions[parentId] ?? {};
  if (allowed === undefined) return "";
  const cost = feasible === null || feasible === undefined ? "" : costWords(-feasible);
  const left =
    allowed === 1
      ? "The constraint leaves one token, so it is forced; the model gives it"
      : `The constraint leaves ${whole(allowed)} tokens; the model gives them`;
  return ` ${left} ${percent(fromLog(feasible ?? null))}${cost}.`;
}

/** @param {number} cost */
const costWords = (cost) =>
  cost >= COSTLY ? `, so that obeying costs ${number(cost, 2)} nats` : "";

/**
 * The section below a text; null where the strategy obeys nothing.
 * @param {Run} run
 * @param {Node[]} path
 * @param {Obeyed | undefined} obeyed once the run is done
 * @param {ObeyedState} state
 * @param {(node: Node) => void} choose
 */
export function obeyedOf(run, path, obeyed, state, choose) {
  const steps = obeyedSteps(run, path);
  if (!steps.length) return null;
  const fold = h(
    "details",
    {
      open: state.open,
      ontoggle: () => {
        state.open = fold.open;
      },
    },
    h("summary", {}, "Every step in numbers"),
    obeyedTable(steps),
  );
  return h(
    "section",
    { class: "obeyed", "aria-label": `What the constraint cost ${run.name}` },
    h("p", {}, obeyed ? h("b", {}, OUTCOMES[obeyed.status], " ") : null, obeyedSummary(steps)),
    costStrip(steps, choose),
    h(
      "p",
      { class: "said obeyed-key" },
      "Bar: −ln of the model’s probability for all tokens that the constraint allows, in nats. ",
      h("span", { class: "obeyed-forced" }, "forced"),
      ": one token was left. ",
      h("s", {}, "struck"),
      ": the model’s likeliest token, forbidden there.",
    ),
    obeyed?.canonical ? canonicalWords(obeyed.canonical, path) : null,
    fold,
  );
}

/** @param {ObeyedStep[]} steps */
function obeyedSummary(steps) {
  const total = steps.reduce((sum, { cost }) => sum + cost, 0);
  const forced = steps.filter(({ allowed }) => allowed === 1).length;
  const wishes = steps.filter(({ wanted }) => wanted).length;
  const most = steps.reduce((one, other) => (other.cost > one.cost ? other : one));
  const share = total >= COSTLY ? percent(most.cost / total) : "";
  return [
    `Obeying cost ${number(total, 2)} nats over ${plural(steps.length, "token")}`,
    Number.isFinite(total)
      ? ": drawing freely, the model would take an allowed token at every one of these places with " +
        `${oneIn(-total)}. `
      : ". ",
    share ? [`${share} of it was paid for `, tokenElement(most.node), ". "] : null,
    wishes
      ? `At ${plural(wishes, "place")} the model’s likeliest token was forbidden`
      : "The model’s likeliest token was never forbidden",
    forced
      ? `; ${plural(forced, "token was", "tokens were")} forced, which needs no model at all.`
      : ".",
    wantsSpace(steps[0])
      ? " It wanted to begin with a space: the constraint holds right after the prompt."
      : "",
  ];
}

/**
 * Whether it is the space before a word that the constraint forbids.
 * @param {ObeyedStep} first
 */
function wantsSpace({ node, wanted }) {
  return Boolean(wanted?.text.startsWith(" ")) && !node.text.startsWith(" ");
}

/**
 * A column for every token: its cost as a bar, the token, and the one that the model wanted.
 * @param {ObeyedStep[]} steps
 * @param {(node: Node) => void} choose
 */
function costStrip(steps, choose) {
  const most = Math.max(1, ...steps.map(({ cost }) => (Number.isFinite(cost) ? cost : 0)));
  const columns = steps.map((step) => {
    const { allowed, cost, mass, node, wanted } = step;
    const left = allowed === 1 ? "forced" : `${whole(allowed)} tokens allowed`;
    const wish = wanted
      ? `; the model wanted ${tokenLabel(wanted)} with ${percent(fromLog(wanted.logprob_raw))}`
      : "";
    return h(
      "span",
      {
        class: `obeyed-step${allowed === 1 ? " one" : ""}`,
        title: `${left}, ${percent(mass)} of the odds, costs ${number(cost, 2)} nats${wish}`,
        onclick: () => choose(node),
      },
      h("small", {}, cost >= COSTLY ? number(cost, cost < 9.95 ? 1 : 0) : "\u00a0"),
      h("i", { style: { height: `${(Math.min(1, cost / most) * 34).toFixed(1)}px` } }),
      h("bdi", { class: "token" }, tokenLabel(node)),
      wanted ? h("s", {}, tokenLabel(wanted)) : h("span", {}, "\u00a0"),
    );
  });
  return h("div", { class: "obeyed-strip", "aria-hidden": "true", dir: "auto" }, columns);
}

/** @param {ObeyedStep[]} steps */
function obeyedTable(steps) {
  const rows = steps.map(({ allowed, cost, mass, node, wanted }) =>
    h(
      "tr",
      {},
      h("td", { class: "num" }, String(node.step)),
      h("th", { scope: "row" }, tokenElement(node)),
      h("td", { class: "num" }, allowed === 1 ? "1, forced" : whole(allowed)),
      h("td", { class: "num" }, percent(mass)),
      h("td", { class: "num" }, number(cost, 3)),
      h("td", { class: "num" }, percent(fromLog(node.logprob_raw))),
      h(
        "td",
        {},
        wanted
          ? [h("s", {}, tokenElement(wanted)), ` ${percent(fromLog(wanted.logprob_raw))}`]
          : "nothing else",
      ),
    ),
  );
  const columns = ["step", "token", "allowed", "their mass", "cost, nats", "model", "it wanted"];
  return scrollBox(
    "Every step in numbers",
    "wide obeyed-rows",
    h("table", {}, tableHead(columns, [0, 2, 3, 4, 5]), h("tbody", {}, rows)),
  );
}

/**
 * How the tokenizer alone would have cut the text, the tokens marked that the run does not have.
 * @param {Canonical} canonical
 * @param {Node[]} path the run's
 */
function canonicalWords({ tokens, logprob, own }, path) {
  let at = 0;
  const cuts = new Set(path.map(({ text }) => `${(at += text.length) - text.length} ${text}`));
  at = 0;
  const cut = tokens.map((text) => {
    const known = cuts.has(`${at} ${text}`);
    at += text.length;
    return [h("bdi", { class: known ? "token" : "token differs" }, visible(text)), " "];
  });
  const odds =
    logprob !== null && own !== null
      ? ` The model gives these tokens ${number(logprob, 2)} nats, the run’s ${number(own, 2)}.`
      : "";
  return h(
    "p",
    { class: "said obeyed-cut" },
    "The tokenizer alone would cut this text otherwise: ",
    cut,
    odds,
  );
}
