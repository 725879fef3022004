// The sampler panel's left half: the tokens before and after the chain, what keeps the selected
// one, and the rank of one that the visitor names.

import { h, visible } from "../../../../shared/js/dom.js";
import { number, percent, whole } from "../../../../shared/js/numbers.js";
import { condense } from "./chain.js";
import { fromLog } from "./paths.js";
import { keepingRanges } from "./ranges.js";

/**
 * @import {ChainOdds, StageOdds} from "./chain.js"
 * @import {Range, RangeName} from "./ranges.js"
 * @import {SamplerPanel} from "./sampler.js"
 */

/** @param {SamplerPanel} panel */
export function openOdds(panel) {
  const { view, state } = panel;
  const summary = h("p", { class: "said", "aria-live": "polite" });
  const bars = h("div", {
    class: "odds",
    role: "table",
    "aria-label": "Tokens with their probability before and after the chain",
  });
  const more = h(
    "button",
    {
      type: "button",
      class: "small",
      onclick: () => {
        state.rows += 30;
        panel.repaint();
      },
    },
    "show more",
  );
  const ranges = h("p", { class: "said ranges" });
  const field = h("input", {
    type: "text",
    value: state.named,
    "aria-label": "Probability of a token that you name",
    placeholder: "a token, for example  door",
    maxlength: 60,
    spellcheck: "false",
    oninput: () => {
      state.named = field.value;
      if (odds) drawNamed(odds);
    },
  });
  const named = h("div", { class: "named-answer", "aria-live": "polite" });
  const heading = h(
    "h2",
    {},
    "After ",
    h("bdi", { class: "token" }, visible(view.text.slice(-24))),
    ": what the chain keeps",
  );
  const element = h(
    "section",
    { class: "sampler-odds", "aria-label": "Distribution after the chain" },
    heading,
    summary,
    bars,
    more,
    ranges,
    h("label", { class: "named" }, h("span", {}, "Probability of"), field),
    named,
  );
  /** @type {ChainOdds | null} */
  let odds = null;
  let later = 0;
  let looking = 0;
  const drawNamed = (/** @type {ChainOdds} */ result) => {
    const lookUp = () => {
      clearTimeout(looking);
      looking = setTimeout(panel.askWhole, 350);
    };
    named.replaceChildren(...namedParts(panel, result, lookUp));
  };
  return {
    element,
    /** @param {string} words */
    say(words) {
      summary.textContent = words;
    },
    /** @param {ChainOdds} result */
    paint(result) {
      odds = result;
      bars.replaceChildren(...barRows(panel, result));
      more.hidden = state.rows >= panel.distribution().ids.length;
      summary.textContent = summaryOf(panel, result);
      drawNamed(result);
      clearTimeout(later);
      later = setTimeout(() => {
        if (element.isConnected) ranges.replaceChildren(...rangeParts(panel));
      }, 60);
    },
  };
}

/**
 * @param {SamplerPanel} panel
 * @param {ChainOdds} result
 */
function barRows({ distribution, state, view }, result) {
  const { ids, texts, raw, removed } = distribution();
  const final = result.last.probabilities;
  const order = [...ids.keys()].slice(0, Math.max(state.rows, 1));
  const takenPlace = view.takenId === null ? -1 : ids.indexOf(view.takenId);
  if (takenPlace >= order.length) order.push(takenPlace);
  const largest = Math.max(1e-9, ...order.flatMap((place) => [final[place], Math.exp(raw[place])]));
  const bar = (/** @type {string} */ name, /** @type {number} */ odds) =>
    h("i", { class: name, style: { width: `${(100 * odds) / largest}%` } });
  const rows = [];
  let cut = "";
  for (const place of order) {
    const before = Math.exp(raw[place]);
    const after = final[place];
    const by = after > 0 ? undefined : removerOf(result.stages, place);
    if (by && by.name !== cut) {
      cut = by.name;
      rows.push(cutRow(by));
    }
    const taken = place === takenPlace;
    const text = texts[place];
    const token = h(
      "bdi",
      { class: "token", role: "cell", title: text.length > 14 ? text : null },
      visible(text) || "∅",
      taken ? h("span", { class: "unseen" }, " (taken)") : null,
    );
    const kind = `${by ? " removed" : ""}${taken ? " taken" : ""}`;
    const bars = [bar("raw", before), bar("final", by ? before : after)];
    rows.push(oddsRow(kind, token, bars, before, by ? "out" : percent(after), "after the chain"));
  }
  const most = removed[0]?.by === "constraint" ? removed.length : 3;
  const barred = removed.slice(0, most).map(({ text, raw: logprob, by }) => {
    const odds = fromLog(logprob);
    const token = h("bdi", { class: "token", role: "cell" }, visible(text));
    return oddsRow(
      " removed barred",
      token,
      [bar("final", odds)],
      odds,
      "barred",
      `removed by ${by}`,
    );
  });
  const head = h(
    "div",
    { class: "odd head", role: "row" },
    h("span", { role: "columnheader" }, "token"),
    h("span", {}),
    h("span", { class: "num", role: "columnheader" }, "model"),
    h("span", { class: "num", role: "columnheader" }, "chain"),
  );
  return [head, ...barred, ...rows];
}

/**
 * @param {string} kind class names
 * @param {Node} token
 * @param {Node[]} bars
 * @param {number} before under the model
 * @param {string} after in words
 * @param {string} title of these words
 */
function oddsRow(kind, token, bars, before, after, title) {
  return h(
    "div",
    { class: `odd${kind}`, role: "row" },
    token,
    h("span", { class: "track", role: "presentation" }, bars),
    h(
      "span",
      { class: "num raw-number", role: "cell", title: "the model's own probability" },
      percent(before),
    ),
    h("span", { class: "num", role: "cell", title }, after),
  );
}

/** @param {StageOdds} stage */
function cutRow({ name, value, kept, keptMass }) {
  const at = Number.isNaN(value) ? "" : ` ${value}`;
  const words = `cut by ${name}${at}: ${whole(kept)} kept, ${percent(keptMass)} of the mass before it`;
  return h("div", { class: "cut-line", role: "row" }, h("span", { role: "cell" }, words));
}

/**
 * The stage that removed a listed token.
 * @param {StageOdds[]} stages
 * @param {number} place
 */
function removerOf(stages, place) {
  return stages.find((stage) => !stage.off && !(stage.probabilities[place] > 0));
}

/**
 * @param {SamplerPanel} panel
 * @param {ChainOdds} result
 */
function summaryOf({ distribution, state, live }, result) {
  const { ids, vocab_size: size } = distribution();
  const cut = result.stages.at(-1);
  if (!result.exact && cut) {
    const rest = live
      ? "Asking for the whole vocabulary …"
      : `This file stores the ${ids.length} likeliest tokens; open the demo for the rest.`;
    return `${cut.name}: ${cut.text}. ${state.failed ?? rest}`;
  }
  const { kept, tailMass } = result.last;
  const rest = tailMass > 0 ? `; the ones not listed here hold ${percent(tailMass)}.` : ".";
  return `${whole(kept)} of ${whole(size)} tokens stay${rest}`;
}

/** @param {SamplerPanel} panel */
function rangeParts({ distribution, active, least, state, view }) {
  if (view.takenId === null || state.llama) return [];
  const few = state.whole ? condense(distribution(), 400) : distribution();
  const place = few.ids.indexOf(view.takenId);
  if (place < 0) return ["The selected token is not among the tokens at hand."];
  const ranges = keepingRanges(few, active(), view.takenId, { minTokensToKeep: least });
  const names = /** @type {RangeName[]} */ (Object.keys(ranges));
  const words = names.flatMap((name) => rangeWords(name, ranges[name]) ?? []);
  return [
    h("bdi", { class: "token" }, visible(few.texts[place])),
    ` stays in with ${words.join(", ")}`,
    h("span", { class: "said" }, " (one at a time, the others as set)"),
  ];
}

/**
 * @param {RangeName} name
 * @param {Range[] | null} list
 */
function rangeWords(name, list) {
  if (list === null) return null;
  if (!list.length) return `no ${name}`;
  const digits = name === "top_k" ? 0 : name === "temperature" ? 2 : 3;
  return list
    .map(({ from, to }) => {
      if (from === -Infinity && to === Infinity) return `any ${name}`;
      if (from === -Infinity) return `${name} ≤ ${number(to, digits)}`;
      if (to === Infinity) return `${name} ≥ ${number(from, digits)}`;
      return `${name} ${number(from, digits)} to ${number(to, digits)}`;
    })
    .join(" or ");
}

/**
 * What is known of the token that the visitor named.
 * @param {SamplerPanel} panel
 * @param {ChainOdds} result
 * @param {() => void} lookUp asks for the whole vocabulary
 */
function namedParts({ distribution, state, live }, result, lookUp) {
  if (!state.named) return [];
  const { ids, texts, raw, tail } = distribution();
  const places = [state.named, ` ${state.named}`]
    .map((text) => texts.indexOf(text))
    .filter((place) => place >= 0);
  if (!places.length) {
    const say = (/** @type {string} */ words) => [h("span", { class: "said" }, words)];
    if (state.whole || !tail)
      return say("No single token reads like this; longer words are several tokens.");
    if (!live)
      return say(`This file stores the ${ids.length} likeliest tokens; it is not among them.`);
    if (state.failed) return say(state.failed);
    lookUp();
    return say("Looking through the whole vocabulary …");
  }
  return places.map((place) =>
    h(
      "p",
      {},
      h("bdi", { class: "token" }, visible(texts[place])),
      `: rank ${whole(place + 1)}, model ${percent(Math.exp(raw[place]))}`,
      result.stages
        .filter((stage) => !stage.off)
        .map((stage) => `, after ${stage.name} ${percent(stage.probabilities[place])}`),
    ),
  );
}
