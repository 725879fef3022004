// The loop X-ray: where the end of a text stands earlier in it, and what DRY would take off the
// tokens that go on with the repetition.

import { h } from "../../../../shared/js/dom.js";
import { number, plural } from "../../../../shared/js/numbers.js";
import { breakersOf, dryPenalty, dryReach, dryRepeats } from "./dry.js";
import { tokenElement, tokenLabel } from "./pill.js";

/**
 * @import {Node, Run, Trace} from "./data.js"
 * @import {Breakers, DrySettings, Repeat} from "./dry.js"
 * @import {Token} from "./pill.js"
 *
 * @typedef {Object} LoopText a text as DRY reads it
 * @property {number[]} ids prompt and new tokens
 * @property {Token[]} tokens
 * @property {number} prompt how many of them are the prompt's
 * @property {Breakers} breakers
 * @property {DrySettings} settings
 * @property {boolean} own whether the run itself used DRY
 *
 * @typedef {{open: boolean, at: number | null}} XrayState what the visitor did; `at` is how many
 *   tokens of the text are read, null for where the longest repetition is
 */

const DRY_MULTIPLIER = 0.8;
const BREAKERS = ["\n", ":", '"', "*"]; // llama.cpp's defaults

/**
 * @param {Trace} trace
 * @param {Run} run
 * @param {Node[]} path
 * @returns {LoopText}
 */
function loopText(trace, run, path) {
  const { prompt } = trace;
  const tokens = [
    ...prompt.tokens.map((text, at) => ({ text, bytes: prompt.bytes[at] })),
    ...path.map(({ text, bytes }) => ({ text, bytes })),
  ];
  const ids = [...prompt.token_ids, ...path.flatMap((node) => node.token_id ?? [])];
  const own = run.processors.includes("dry");
  const set = own ? run.config : {};
  /** @type {Breakers} */
  const byText = new Map();
  ids.forEach((id, at) => {
    if (BREAKERS.some((breaker) => tokens[at].text.includes(breaker))) byText.set(id, [[]]);
  });
  return {
    ids,
    tokens,
    prompt: prompt.tokens.length,
    breakers: run.breakers ? breakersOf(run.breakers) : byText,
    own,
    settings: {
      dry_multiplier: set.dry_multiplier ?? DRY_MULTIPLIER,
      dry_base: set.dry_base ?? 1.75,
      dry_allowed_length: set.dry_allowed_length ?? 2,
      dry_penalty_last_n: set.dry_penalty_last_n ?? 64,
    },
  };
}

/**
 * The longest repetition that the next token could go on with.
 * @param {Map<number, Repeat>} repeats
 */
function longestOf(repeats) {
  /** @type {{token: number, length: number, at: number} | null} */
  let best = null;
  for (const [token, one] of repeats)
    if (one.length > (best?.length ?? 0)) best = { token, ...one };
  return best;
}

/**
 * The X-ray of one text.
 * @param {Trace} trace
 * @param {Run} run
 * @param {Node[]} path
 * @param {XrayState} state
 */
export function xrayOf(trace, run, path, state) {
  const text = loopText(trace, run, path);
  const places = [...Array(path.length + 1).keys()].map((step) => text.prompt + step);
  const longest = places.map((count) =>
    longestOf(dryRepeats(text.settings, text.ids.slice(0, count), text.breakers)),
  );
  const lengths = longest.map((one) => one?.length ?? 0);
  const most = Math.max(...lengths);
  const found = places[lengths.indexOf(most)];
  const body = h("div", { class: "xray-body" });
  const draw = () => {
    const count = Math.min(state.at ?? found, text.ids.length);
    const strip = places.map((place, at) =>
      h(
        "button",
        {
          type: "button",
          class: `xray-bar${place === count ? " current" : ""}`,
          title: `before token ${at + 1}: ${plural(lengths[at], "token")} repeated`,
          "aria-label": `Before token ${at + 1}: ${lengths[at]} repeated`,
          "aria-pressed": String(place === count),
          onclick: () => {
            state.at = place;
            draw();
            const now = body.querySelector(".xray-bar.current");
            if (now instanceof HTMLElement) now.focus();
          },
        },
        h("i", { style: { height: `${most ? (100 * lengths[at]) / most : 0}%` } }),
      ),
    );
    body.replaceChildren(
      h(
        "p",
        { class: "said" },
        "How many tokens at the end stand earlier too, before each new token:",
      ),
      h("div", { class: "xray-strip", role: "group", "aria-label": "Repeated tokens" }, strip),
      ...readParts(text, count),
    );
  };
  const summary = most
    ? `Loop X-ray: up to ${plural(most, "token")} repeated in a row`
    : "Loop X-ray: nothing is repeated";
  const fold = h(
    "details",
    {
      class: "xray",
      open: state.open,
      ontoggle: () => {
        state.open = fold.open;
        if (fold.open && !body.childElementCount) draw();
      },
    },
    h("summary", {}, summary),
    body,
  );
  if (state.open) draw();
  return fold;
}

/**
 * The text up to a place, its repetition marked, and what would go on with it.
 * @param {LoopText} text
 * @param {number} count tokens that are read
 */
function readParts({ breakers, ids, own, prompt, settings, tokens }, count) {
  const read = ids.slice(0, count);
  const repeats = dryRepeats(settings, read, breakers);
  const longest = longestOf(repeats);
  const reach = dryReach(read, settings.dry_penalty_last_n, breakers);
  const length = longest?.length ?? 0;
  const marks = read.map((id, at) => {
    const then = longest && at >= longest.at - length && at < longest.at;
    const now = longest && at >= count - length;
    const next = longest && at === longest.at;
    const breaks = (breakers.get(id) ?? []).some((tail) => !tail.length);
    const kinds = [
      at < prompt ? "given" : "",
      then ? "then" : "",
      now ? "now" : "",
      next ? "next" : "",
      breaks ? "breaks" : "",
      at < count - settings.dry_penalty_last_n ? "far" : "",
    ];
    return h("bdi", { class: `token ${kinds.filter(Boolean).join(" ")}` }, tokenLabel(tokens[at]));
  });
  const ordered = [...repeats].sort(([, one], [, other]) => other.length - one.length);
  const rows = ordered
    .slice(0, 6)
    .map(([token, one]) =>
      h(
        "li",
        {},
        tokenElement(tokens[one.at]),
        ` would make ${one.length} repeated tokens ${one.length + 1}: `,
        h("b", {}, `−${number(dryPenalty(settings, one.length), 2)} nats`),
        ` = ${settings.dry_multiplier} × ${settings.dry_base}`,
        h("sup", {}, `${one.length} − ${settings.dry_allowed_length}`),
        token === ids[count] ? h("span", { class: "said" }, " and it came next") : null,
      ),
    );
  const whose = own
    ? "With this strategy's DRY"
    : `With llama.cpp's DRY (multiplier ${DRY_MULTIPLIER}, its other defaults)`;
  const barred =
    reach < Math.min(count, settings.dry_penalty_last_n)
      ? ` A sequence breaker lets it compare no more than the last ${plural(reach, "token")}.`
      : "";
  return [
    h("p", { class: "xray-text", dir: "auto" }, marks),
    h(
      "p",
      { class: "said xray-key" },
      h("bdi", { class: "token now" }, "the end"),
      " stands earlier as ",
      h("bdi", { class: "token then" }, "this"),
      ", before ",
      h("bdi", { class: "token next" }, "this token"),
      "; ",
      h("bdi", { class: "token breaks" }, "sequence breaker"),
      ".",
    ),
    rows.length
      ? h("p", { class: "said" }, `${whose} the next token would lose:`)
      : h("p", { class: "said" }, `${whose} no next token would lose anything.`, barred),
    rows.length ? h("ul", { class: "xray-next" }, rows) : null,
    rows.length && barred ? h("p", { class: "said" }, barred.trim()) : null,
  ].filter((part) => part !== null);
}
