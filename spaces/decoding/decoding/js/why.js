// Why a token: what the model would have said after each of its layers, and how likely the token
// is without each of the tokens before it. The page's server computes both when it is asked.

import { h, keepFocus, scrollBox, visible } from "../../../../shared/js/dom.js";
import { number, percent, plural, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { fromLog } from "./paths.js";
import { tokenElement } from "./pill.js";

/**
 * @import {Failure} from "../../../../shared/js/data.js"
 * @import {Why} from "./data.js"
 * @import {Session} from "./figure.js"
 * @import {OddsPlace} from "./origin.js"
 * @import {Entry} from "./paths.js"
 *
 * @typedef {{asking: boolean, said: string, answer: Why | null}} WhyState
 */

const WEAK_CHANGE = 0.05; // nats: a difference that is not worth a number

/** @type {Map<string, WhyState>} by the odds and the token */
const whyStates = new Map();

/**
 * Draw the section of the selected token; empty where nothing can be asked.
 * @param {HTMLElement} element
 * @param {Session} session
 * @param {Entry} entry
 * @param {OddsPlace} odds
 */
export function showWhy(element, session, entry, odds) {
  const token = entry.node.token_id;
  const able = session.host.fetch && !session.running && token !== null;
  const key = able ? `${odds.key} ${token}` : "";
  const state = whyStates.get(key) ?? { asking: false, said: "", answer: null };
  const mark = JSON.stringify([key, state.asking, state.said, Boolean(state.answer)]);
  if (element.dataset.mark === mark) return;
  element.dataset.mark = mark;
  element.hidden = !able;
  if (!able) return element.replaceChildren();
  const again = () => {
    if (element.isConnected) showWhy(element, session, entry, odds);
  };
  const press = () => {
    if (whyStates.size > 100) whyStates.clear();
    whyStates.set(key, { asking: true, said: "", answer: null });
    again();
    askWhy(session, entry, odds).then((found) => {
      whyStates.set(key, found);
      again();
    });
  };
  keepFocus(element, () =>
    element.replaceChildren(
      ...(state.answer ? whyParts(state.answer, entry) : whyButton(state, press)),
    ),
  );
}

/**
 * @param {WhyState} state
 * @param {() => void} press
 */
function whyButton({ asking, said }, press) {
  return [
    h(
      "p",
      { class: "actions" },
      h(
        "button",
        { type: "button", class: "action", "data-key": "why", disabled: asking, onclick: press },
        "Why this token?",
      ),
      h(
        "span",
        { class: "said", role: "status" },
        asking
          ? " Reading the text without each of its tokens …"
          : said || " asks every layer, and every token before it",
      ),
    ),
  ];
}

/**
 * @param {Session} session
 * @param {Entry} entry
 * @param {OddsPlace} odds
 * @returns {Promise<WhyState>}
 */
async function askWhy({ trace, host }, entry, { path }) {
  const failed = (/** @type {string} */ said) => ({
    asking: false,
    said: ` ${said}`,
    answer: null,
  });
  try {
    const answer =
      /** @type {(Why & {error?: undefined}) | {error: Failure} | null | undefined} */ (
        await host.fetch?.("why", {
          model: trace.request.model,
          token_ids: [...trace.prompt.token_ids, ...path.map((node) => node.token_id)],
          token: entry.node.token_id,
          config: trace.runs[entry.run].config,
        })
      );
    if (answer?.error) return failed(`${answer.error.what} ${answer.error.remedy}`);
    if (answer) return { asking: false, said: "", answer };
  } catch {
    // the sentence below
  }
  return failed("The server did not answer. Press it again.");
}

/**
 * @param {Why} answer
 * @param {Entry} entry
 */
function whyParts(answer, { node }) {
  const token = tokenElement(node);
  return [
    h("h2", {}, "Why ", token),
    h("p", { class: "said" }, lensSentence(answer), " ", contextSentence(answer)),
    h(
      "div",
      { class: "why-parts" },
      answer.layers.length ? lensPart(answer) : null,
      answer.context.length ? contextPart(answer) : null,
    ),
  ];
}

/**
 * From which layer on the token is the likeliest.
 * @param {Why} answer
 */
function lensSentence({ layers }) {
  if (!layers.length)
    return "This model has no norm between its layers and its head, so its layers cannot be asked.";
  const last = layers.length - 1;
  if (layers[last].rank > 1) {
    const led = layers.findLastIndex(({ rank }) => rank === 1);
    const end = `the whole model ranks it ${whole(layers[last].rank)}.`;
    return led < 0
      ? `After no layer is it the likeliest; ${end}`
      : `Layer ${led} led with it; ${end}`;
  }
  const from = layers.findLastIndex(({ rank }) => rank > 1) + 1;
  return from === last
    ? `Only the last of ${last} layers makes it the likeliest.`
    : `It is the likeliest from layer ${from} of ${last} on.`;
}

/**
 * The token whose absence matters most.
 * @param {Why} answer
 */
function contextSentence({ context, without, logprob, length }) {
  const changes = changesOf(logprob, without);
  if (!changes.length) return "Nothing stands before it that could be left out.";
  const at = changes.reduce(
    (best, change, place) => (Math.abs(change) > Math.abs(changes[best]) ? place : best),
    0,
  );
  const before = context.length < length ? `Of the last ${plural(context.length, "token")}, ` : "";
  const words = `${before}“${visible(context[at])}” matters most: without it`;
  return (
    `${words[0].toUpperCase()}${words.slice(1)} the model gives ${percent(fromLog(without[at]))} ` +
    `instead of ${percent(fromLog(logprob))}.`
  );
}

/**
 * What each token adds to the token's log-probability, in nats.
 * @param {number | null} logprob
 * @param {readonly (number | null)[]} without
 */
function changesOf(logprob, without) {
  return without.map((other) => Math.max(-99, logprob ?? -99) - Math.max(-99, other ?? -99));
}

/** @param {Why} answer */
function lensPart({ layers, dola, token }) {
  const last = layers.length - 1;
  const rows = layers.map(({ logprob, rank, likeliest, best }, layer) => {
    const contrasted = dola?.chosen === layer ? "contrasted" : "candidate";
    const note = dola?.candidates.includes(layer) ? ` (DoLa: ${contrasted})` : "";
    const name = layer === 0 ? "embedding" : layer === last ? `${layer}, the model` : `${layer}`;
    return h(
      "tr",
      { class: rank === 1 ? "current" : null },
      h("th", { scope: "row" }, name, note && h("span", { class: "said" }, note)),
      h(
        "td",
        { class: "lens-bar" },
        h("i", { style: { width: `${100 * fromLog(logprob)}%` }, "aria-hidden": "true" }),
        h("span", {}, percent(fromLog(logprob))),
      ),
      h("td", { class: "num" }, whole(rank)),
      h("td", {}, h("bdi", { class: "token" }, visible(likeliest)), ` ${percent(fromLog(best))}`),
    );
  });
  return h(
    "section",
    { class: "lens" },
    h("h3", {}, "By layer"),
    scrollBox(
      "Odds by layer",
      "lens-rows",
      h(
        "table",
        {},
        tableHead(
          [
            "layer",
            h("th", { scope: "col" }, "odds of ", h("bdi", { class: "token" }, visible(token))),
            "rank",
            "likeliest there",
          ],
          [2],
        ),
        h("tbody", {}, rows.reverse()),
      ),
    ),
    h(
      "p",
      { class: "said" },
      "The logit lens: the model’s last norm and head, read after each layer. They were trained for " +
        "the last one, so what early layers seem to say is a hint.",
    ),
  );
}

/** @param {Why} answer */
function contextPart({ context, without, logprob, length }) {
  const changes = changesOf(logprob, without);
  const most = Math.max(1, ...changes.map(Math.abs));
  const tokens = context.map((label, at) => {
    const change = changes[at];
    const weak = Math.abs(change) < WEAK_CHANGE;
    const words = `${change < 0 ? "−" : "+"}${number(Math.abs(change), Math.abs(change) < 1 ? 2 : 1)}`;
    return [
      h(
        "span",
        {
          class: `why-token${weak ? "" : change > 0 ? " for" : " against"}`,
          style: { "--weight": `${Math.round((70 * Math.abs(change)) / most)}%` },
          title: `without it ${percent(fromLog(without[at]))}`,
        },
        h("bdi", { class: "token" }, visible(label)),
        h("small", {}, weak ? "0" : words),
      ),
      label.includes("\n") ? h("br", {}) : " ",
    ];
  });
  const left = length - context.length;
  return h(
    "section",
    { class: "without" },
    h("h3", {}, "By the text before it"),
    h(
      "p",
      { class: "said" },
      h("span", { class: "why-key for" }, "for it"),
      " ",
      h("span", { class: "why-key against" }, "against it"),
      " The number is how many nats of log-probability the token has from each token of the text: " +
        "its log-probability with the text as it is, minus that without this one token.",
      left ? ` ${plural(left, "earlier token")} stay untried: that would take too long here.` : "",
    ),
    h("p", { class: "why-text", dir: "auto" }, tokens),
  );
}
