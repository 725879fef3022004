// The texts, coloured by the model's confidence or by its entropy, and the table that compares
// them.

import { focusOn, h, keepFocus, visible } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { lineSample } from "./lines.js";
import { drawMeasures } from "./measures.js";
import { fromLog, keyOf, leavesOf, nodesById, pathTo } from "./paths.js";
import { spoken, tailOf, tokenLabel } from "./pill.js";
import { obeyedOf } from "./structured.js";
import { xrayOf } from "./xray.js";

/**
 * @import {Distribution, Node, Run} from "./data.js"
 * @import {Child} from "../../../../shared/js/dom.js"
 * @import {Session} from "./figure.js"
 * @import {ObeyedState} from "./structured.js"
 * @import {XrayState} from "./xray.js"
 *
 * @typedef {{id: number | null, text: string, bytes?: string, logprob: number | null}} Candidate
 *
 * @typedef {"confidence" | "entropy"} Measure what the tokens are coloured by
 *
 * @typedef {Object} Prose what the visitor did with the texts
 * @property {Measure} measure
 * @property {Map<string, string>} active the token of each text that the keyboard is on
 * @property {Set<string>} unfolded texts whose thinking is shown
 * @property {Map<string, XrayState>} xrays of each text
 * @property {Map<string, ObeyedState>} obeyed of each text
 */

const MOST_SURPRISE = Math.log(1000); // a token of 0.1 % gets the full colour
const MOST_ENTROPY = 6; // nats; as unsure as between 403 equal tokens
const TOP_TOKENS = 10;

/**
 * The likeliest next tokens after a node.
 * @param {Run} run
 * @param {number | null} nodeId
 * @param {number} [limit]
 */
export function likeliestAfter(run, nodeId, limit = TOP_TOKENS) {
  /** @type {Distribution | undefined} */
  const distribution = run.distributions[String(nodeId)];
  /** @type {Candidate[]} */
  const all = distribution
    ? distribution.ids.map((id, index) => ({
        id,
        text: distribution.texts[index],
        logprob: distribution.raw[index],
      }))
    : run.nodes
        .filter((node) => node.parent === nodeId)
        .map((node) => ({
          id: node.token_id,
          text: node.text,
          bytes: node.bytes,
          logprob: node.logprob_raw,
        }));
  for (const { id, text, raw } of distribution?.removed ?? []) {
    if (!all.some((other) => other.id === id)) all.push({ id, text, logprob: raw });
  }
  return all
    .sort((one, other) => (other.logprob ?? -Infinity) - (one.logprob ?? -Infinity))
    .slice(0, limit);
}

/**
 * The model's entropy before a token, in nats; null where it is not known.
 * @param {Run} run
 * @param {Node} node
 */
function entropyBefore(run, node) {
  return run.decisions[String(node.parent)]?.entropy ?? null;
}

/**
 * How strongly a token is coloured, 0 to 1.
 * @param {Run} run
 * @param {Node} node
 * @param {Measure} measure
 */
function strengthOf(run, node, measure) {
  if (measure === "confidence")
    return Math.min(1, Math.max(0, -(node.logprob_raw ?? -MOST_SURPRISE)) / MOST_SURPRISE);
  return Math.min(1, Math.max(0, entropyBefore(run, node) ?? 0) / MOST_ENTROPY);
}

/** @param {number} strength */
function textHeat(strength) {
  return { "--strength": strength.toFixed(3) };
}

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openTextView(panel, session) {
  /** @type {Prose} */
  const view = {
    measure: "confidence",
    active: new Map(),
    unfolded: new Set(),
    xrays: new Map(),
    obeyed: new Map(),
  };
  /** @type {Measure[]} */
  const measures = ["confidence", "entropy"];
  const choices = measures.map((measure) =>
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name: `${session.id}-measure`,
        value: measure,
        checked: measure === view.measure,
        onchange: () => {
          view.measure = measure;
          update();
        },
      }),
      measure === "confidence"
        ? "by surprise: how unlikely the token was"
        : "by entropy: how unsure the model was before it",
    ),
  );
  const scale = h("div", { class: "scale" });
  const texts = h("div", { class: "texts" });
  const table = h("div", { class: "wide measures" });
  panel.append(
    h("fieldset", {}, h("legend", {}, "Colour the tokens"), choices),
    scale,
    texts,
    table,
  );

  const update = () => {
    const { trace } = session;
    scale.replaceChildren(...drawScale(view.measure));
    const articles = trace.runs.flatMap((_, index) => drawRunTexts(session, view, index));
    keepFocus(texts, () => texts.replaceChildren(...articles));
    table.replaceChildren(drawMeasures(trace));
  };
  const tokenAt = (/** @type {EventTarget | null} */ target) =>
    target instanceof Element ? target.closest("bdi[data-key]") : null;
  const nameOf = (/** @type {Element} */ token) => token.getAttribute("data-key") ?? "";
  const explain = (/** @type {Element} */ token) => {
    const [index, id] = nameOf(token).split("/").map(Number);
    const run = session.trace.runs[index];
    const node = run.nodes.find((candidate) => candidate.id === id);
    if (node) session.explainWith(token, alternativesHint(run, node));
  };
  texts.addEventListener("pointerover", (event) => {
    const element = tokenAt(event.target);
    if (element && event.pointerType === "mouse") explain(element);
    else session.hush();
  });
  texts.addEventListener("pointerleave", session.hush);
  texts.addEventListener("focusin", (event) => {
    const element = tokenAt(event.target);
    if (element) explain(element);
  });
  texts.addEventListener("focusout", session.hush);
  texts.addEventListener("click", (event) => {
    const element = tokenAt(event.target);
    if (!element) return;
    const name = nameOf(element);
    session.select(element.getAttribute("data-place") ?? "", Number(name.split("/")[0]));
    focusOn(texts.querySelector(`[data-key="${CSS.escape(name)}"]`));
  });
  texts.addEventListener("keydown", (event) => {
    const element = tokenAt(event.target);
    const text = element?.closest("[data-text]");
    if (!element || !text) return;
    const all = [...text.querySelectorAll("bdi[data-key]")];
    const tokens = all.filter((token) => token.getClientRects().length); // none is folded away
    const at = tokens.indexOf(element);
    const to = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at - 1,
      ArrowUp: at - 1,
      Home: 0,
      End: tokens.length - 1,
    }[event.key];
    if (to === undefined || !tokens[to]) return;
    event.preventDefault();
    element.setAttribute("tabindex", "-1");
    tokens[to].setAttribute("tabindex", "0");
    focusOn(tokens[to]);
    tokens[to].scrollIntoView({ block: "nearest" });
    view.active.set(text.getAttribute("data-text") ?? "", nameOf(tokens[to]));
  });
  return { update };
}

/** @param {Measure} measure */
function drawScale(measure) {
  const stops =
    measure === "confidence"
      ? [1, 0.5, 0.1, 0.01, 0.001].map((p) => ({
          label: p === 0.001 ? `≤\u202f${percent(p)}` : percent(p),
          strength: -Math.log(p) / MOST_SURPRISE,
        }))
      : [0, 1, 2, 4, 6].map((nats) => ({
          label: `${nats === 6 ? "≥\u202f" : ""}${number(nats / Math.LN2, 1)} bits`,
          strength: nats / MOST_ENTROPY,
        }));
  const title =
    measure === "confidence" ? "the model’s probability of the token" : "entropy of the next token";
  return [
    h("span", { class: "said" }, `${title}: `),
    ...stops.map(({ label, strength }) =>
      h("span", { class: "heat", style: textHeat(strength) }, label),
    ),
  ];
}

/**
 * @param {Session} session
 * @param {Prose} view
 * @param {number} index of the run
 */
function drawRunTexts(session, view, index) {
  const { selected, trace } = session;
  const run = trace.runs[index];
  const byId = nodesById(run);
  const leaves = leavesOf(run);
  return leaves.map((leaf, order) => {
    const path = pathTo(byId, leaf);
    const name = `${index}/${order}`;
    const many = leaves.length > 1 ? h("span", { class: "said" }, ` #${order + 1}`) : null;
    /** @type {(number | null)[]} */
    const keys = [];
    const names = path.map((node) => `${index}/${node.id}/${order}`);
    const active =
      names.find((other) => other === view.active.get(name)) ??
      names[thinkingOf(path)[1]] ??
      names[0];
    const tokens = path.map((node, at) => {
      keys.push(node.token_id);
      const key = keys.join("-");
      const strength = strengthOf(run, node, view.measure);
      const forced = node.step <= run.prefix.length;
      const entropy = entropyBefore(run, node);
      const unsure = entropy === null ? "" : `, entropy ${number(entropy / Math.LN2, 1)} bits`;
      const token = h(
        "bdi",
        {
          class: `heat${selected.key === key ? " selected" : ""}${forced ? " forced" : ""}`,
          style: textHeat(strength),
          role: "button",
          tabindex: names[at] === active ? 0 : -1,
          "data-own": true,
          "aria-pressed": String(selected.key === key),
          "data-key": names[at],
          "data-place": key,
          "aria-label": `${spoken(node)}, ${percent(fromLog(node.logprob_raw))}${unsure}`,
        },
        proseOf(node),
      );
      return /\n/.test(node.text) ? [token, h("br", {})] : token;
    });
    const prompt = h(
      "span",
      { class: "said", title: trace.prompt.text.slice(0, 400) },
      tailOf(trace.prompt.text, 160),
    );
    return h(
      "article",
      {},
      h("h2", {}, lineSample(run), " ", h("bdi", {}, run.name), many),
      h(
        "p",
        {
          class: "prose",
          dir: "auto",
          "data-text": name,
          role: "group",
          "aria-label": `Text of ${run.name}`,
        },
        prompt,
        foldThinking(view, name, path, tokens),
      ),
      obeyedOf(run, path, run.sequences[order]?.obeyed, obeyedState(view, name), (node) =>
        session.select(keyOf(pathTo(byId, node.id)), index),
      ),
      session.running ? null : xrayOf(trace, run, path, xrayState(view, name)),
    );
  });
}

/**
 * @param {Prose} view
 * @param {string} name of the text
 */
function xrayState(view, name) {
  let state = view.xrays.get(name);
  if (!state) view.xrays.set(name, (state = { open: false, at: null }));
  return state;
}

/**
 * @param {Prose} view
 * @param {string} name of the text
 */
function obeyedState(view, name) {
  let state = view.obeyed.get(name);
  if (!state) view.obeyed.set(name, (state = { open: false }));
  return state;
}

/**
 * Where a text thinks before it answers: the places of the first token and of the one after the
 * last; equal where it does not.
 * @param {Node[]} path
 * @returns {[from: number, to: number]}
 */
function thinkingOf(path) {
  const at = (/** @type {string} */ tag) => path.findIndex(({ text }) => text.trim() === tag);
  const [from, to] = [at("<think>"), at("</think>")];
  if (to >= 0) return [Math.max(0, from), to + 1]; // a template may have opened it
  return from < 0 ? [0, 0] : [from, path.length];
}

/**
 * A text's tokens, its thinking folded.
 * @param {Prose} view
 * @param {string} name of the text
 * @param {Node[]} path
 * @param {Child[]} tokens
 * @returns {Child[]}
 */
function foldThinking(view, name, path, tokens) {
  const [from, to] = thinkingOf(path);
  if (from === to) return tokens;
  const fold = h(
    "details",
    {
      class: "thinking",
      open: view.unfolded.has(name),
      ontoggle: () => (fold.open ? view.unfolded.add(name) : view.unfolded.delete(name)),
    },
    h("summary", {}, `thinking, ${to - from === 1 ? "one token" : `${to - from} tokens`}`),
    tokens.slice(from, to),
  );
  return [...tokens.slice(0, from), fold, ...tokens.slice(to)];
}

/**
 * A token as it reads in prose: plain spaces, but visible newlines and control characters; bytes
 * that are a part of a character are small, the character follows.
 * @param {{text: string, bytes?: string}} token
 */
export function proseOf({ text, bytes }) {
  const words = text.split(" ").map(visible).join(" ");
  return bytes ? [words, h("small", { class: "bytes" }, bytes)] : words || "∅";
}

/**
 * @param {Run} run
 * @param {Node} node
 */
function alternativesHint(run, node) {
  const list = likeliestAfter(run, node.parent);
  const entropy = entropyBefore(run, node);
  const row = (/** @type {Candidate} */ { id, text, bytes, logprob }) => {
    const p = fromLog(logprob);
    return h(
      "div",
      { class: id === node.token_id ? "odds taken" : "odds" },
      h("bdi", { class: "token" }, tokenLabel({ text, bytes })),
      h("span", { class: "length" }, h("i", { style: { width: `${(100 * p).toFixed(1)}%` } })),
      h("span", { class: "num" }, percent(p)),
    );
  };
  const own = list.some(({ id }) => id === node.token_id)
    ? []
    : [
        h("p", { class: "said" }, "not among these:"),
        row({
          id: node.token_id,
          text: node.text,
          bytes: node.bytes,
          logprob: node.logprob_raw,
        }),
      ];
  const head = entropy === null ? "" : `, entropy ${number(entropy / Math.LN2, 2)} bits`;
  return [
    h("p", {}, `Token ${node.step}${head}. The model’s likeliest:`),
    ...list.map(row),
    ...own,
  ];
}
