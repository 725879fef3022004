// Below the sampler panel: what the same settings give in transformers and in llama.cpp.

import { h, visible } from "../../../../shared/js/dom.js";
import { percent, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { llamaMemoryOf, llamaSettingsOf } from "./llamasettings.js";
import { compareRuntimes } from "./runtimes.js";

/**
 * @import {Distribution} from "./data.js"
 * @import {ChainOdds} from "./chain.js"
 * @import {Common, Compared} from "./runtimes.js"
 * @import {SamplerPanel} from "./sampler.js"
 */

/** @param {SamplerPanel} panel */
export function openRuntimes(panel) {
  const { kind } = panel.view.run;
  const body = h("div", { "aria-live": "polite" });
  const element = h(
    "section",
    { class: "runtimes", "aria-label": "The same settings in two runtimes" },
    h("h2", {}, "The same settings in two runtimes"),
    body,
  );
  let later = 0;
  const draw = () => {
    const { distribution, compared } = comparedIn(panel);
    body.replaceChildren(...runtimesParts(panel, distribution, compared));
  };
  return {
    element: kind === "sample" || kind === "llama_cpp" ? element : null,
    paint() {
      clearTimeout(later);
      later = setTimeout(() => element.isConnected && draw(), 60);
    },
  };
}

/**
 * @param {SamplerPanel} panel
 * @returns {{distribution: Distribution, compared: Compared}}
 */
function comparedIn(panel) {
  const { state, view } = panel;
  const given = panel.distribution();
  if (state.llama) {
    const own = llamaSettingsOf(state.llama);
    const memory = llamaMemoryOf(state.llama, view.memory);
    return { distribution: given, compared: compareRuntimes(given, own, memory, own) };
  }
  // penalties were applied by transformers already: both chains go on from there
  const distribution = given.base ? { ...given, raw: given.base, base: null, log_sum: 0 } : given;
  const set = Object.fromEntries(panel.active().map(({ name, value }) => [name, value]));
  /** @type {Common} */
  const common = {
    temperature: set.temperature ?? 1,
    top_k: set.top_k ?? 0,
    top_p: set.top_p ?? 1,
    min_p: set.min_p ?? 0,
    typical_p: set.typical_p ?? 1,
    repeat_penalty: 1,
  };
  const compared = compareRuntimes(distribution, common, view.memory, undefined, panel.active());
  return { distribution, compared };
}

/**
 * @param {SamplerPanel} panel
 * @param {Distribution} distribution
 * @param {Compared} compared
 */
function runtimesParts(panel, distribution, compared) {
  if (!compared.exact) {
    const rest = panel.live
      ? h("button", { type: "button", onclick: panel.askWhole }, "Compare on the whole vocabulary")
      : "This file stores the likeliest tokens only; open the demo to compare.";
    return [h("p", { class: "said" }, rest)];
  }
  const { distance, llama, odds, orders, place, transformers, why } = compared;
  const row = (
    /** @type {string} */ name,
    /** @type {number} */ at,
    /** @type {ChainOdds} */ result,
  ) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      h("td", {}, h("code", {}, orders[at])),
      h("td", { class: "num" }, whole(result.last.kept)),
      h("td", { class: "num" }, percent(odds[at + 1])),
    );
  const token = h("bdi", { class: "token" }, visible(distribution.texts[place]) || "∅");
  const table = h(
    "table",
    {},
    tableHead(["runtime", "order", "tokens kept", "the token that differs most"], [2, 3]),
    h("tbody", {}, row("transformers", 0, transformers), row("llama.cpp", 1, llama)),
  );
  if (!why.length)
    return [
      h("div", { class: "wide" }, table),
      h("p", { class: "said" }, "Here the two give the same distribution."),
    ];
  const said = [
    `The two distributions are ${percent(distance)} apart (total variation: half the sum of all `,
    "differences). ",
    token,
    ` changes most: ${percent(odds[1])} in transformers, ${percent(odds[2])} in llama.cpp. `,
    `Why: ${why.join("; ")}.`,
  ];
  return [h("div", { class: "wide" }, table), h("p", { class: "runtimes-said" }, said)];
}
