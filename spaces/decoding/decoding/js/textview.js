// The texts, coloured by the model's confidence or by its entropy, and the table that compares them.

import { lineSample, runLabel } from "./details.js";
import { h } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { fromLog, nodesById, pathTo } from "./paths.js";
import { spoken, tailOf, tokenLabel } from "./pill.js";

const MOST_SURPRISE = Math.log(1000); // a token of 0.1 % gets the full colour
const MOST_ENTROPY = 6; // nats; as unsure as between 403 equal tokens
const TOP_TOKENS = 10;

/**
 * Figures of one returned sequence, from the raw log-probabilities of its tokens.
 * @param {Object[]} path its nodes
 * @returns {Object} `logprob` in nats; `distinct` shares of different 1-, 2- and 3-grams; `repeated` share of 4-grams
 *   that occurred before; null where the text is too short
 */
export function measureText(path) {
  const ids = path.map((node) => node.token_id);
  const different = (size) => {
    const count = ids.length - size + 1;
    if (count < 1) return null;
    return (
      new Set(Array.from({ length: count }, (_, at) => ids.slice(at, at + size).join())).size /
      count
    );
  };
  const logprob = path.reduce((sum, node) => sum + (node.logprob_raw ?? -Infinity), 0);
  const distinct4 = different(4);
  return {
    tokens: ids.length,
    logprob,
    perToken: ids.length ? logprob / ids.length : null,
    perplexity: ids.length ? Math.exp(-logprob / ids.length) : null,
    distinct: [1, 2, 3].map(different),
    repeated: distinct4 === null ? null : 1 - distinct4,
  };
}

/**
 * The likeliest next tokens after a node.
 * @returns {{id: number, text: string, logprob: number}[]}
 */
export function likeliestAfter(run, nodeId, limit = TOP_TOKENS) {
  const distribution = run.distributions?.[String(nodeId)];
  const all = distribution
    ? distribution.ids.map((id, index) => ({
        id,
        text: distribution.texts[index],
        logprob: distribution.raw[index],
      }))
    : run.nodes
        .filter((node) => node.parent === nodeId)
        .map((node) => ({ id: node.token_id, text: node.text, logprob: node.logprob_raw }));
  for (const { id, text, raw } of distribution?.removed ?? []) {
    if (!all.some((other) => other.id === id)) all.push({ id, text, logprob: raw });
  }
  return all
    .sort((one, other) => (other.logprob ?? -Infinity) - (one.logprob ?? -Infinity))
    .slice(0, limit);
}

/** How strongly a token is coloured, 0 to 1. */
function strengthOf(run, node, measure) {
  if (measure === "confidence")
    return Math.min(1, Math.max(0, -(node.logprob_raw ?? -MOST_SURPRISE)) / MOST_SURPRISE);
  const entropy = run.decisions?.[String(node.parent)]?.entropy;
  return entropy === null || entropy === undefined
    ? 0
    : Math.min(1, Math.max(0, entropy) / MOST_ENTROPY);
}

function textHeat(strength) {
  return { "--strength": strength.toFixed(3) };
}

/**
 * @param {HTMLElement} panel
 * @param {Object} figure the figure's state, see figure.js
 */
export function openTextView(panel, figure) {
  const view = { measure: "confidence", mark: "", active: new Map() };
  const choice = ["confidence", "entropy"].map((measure) =>
    h(
      "label",
      {},
      h("input", {
        type: "radio",
        name: `${figure.id}-measure`,
        value: measure,
        checked: measure === view.measure,
        onchange: () => {
          view.measure = measure;
          view.update();
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
    h("fieldset", {}, h("legend", {}, "Colour the tokens"), choice),
    scale,
    texts,
    table,
  );

  view.update = () => {
    const { trace } = figure;
    scale.replaceChildren(...drawScale(view.measure));
    const held = texts.contains(document.activeElement)
      ? document.activeElement.dataset.token
      : null;
    texts.replaceChildren(
      ...trace.runs.flatMap((run, index) => drawRunTexts(figure, view, run, index)),
    );
    if (held)
      texts.querySelector(`[data-token="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
    table.replaceChildren(drawMeasures(trace));
  };
  const tokenAt = (target) => (target instanceof Element ? target.closest("[data-token]") : null);
  const explain = (element) => {
    const [index, id] = element.dataset.token.split("/").slice(0, 2).map(Number);
    const run = figure.trace.runs[index];
    const node = run.nodes.find((candidate) => candidate.id === id);
    figure.explainWith(element, alternativesHint(run, node));
  };
  texts.addEventListener("pointerover", (event) => {
    const element = tokenAt(event.target);
    if (element && event.pointerType === "mouse") explain(element);
    else figure.hush();
  });
  texts.addEventListener("pointerleave", figure.hush);
  texts.addEventListener("focusin", (event) => {
    const element = tokenAt(event.target);
    if (element) explain(element);
  });
  texts.addEventListener("focusout", figure.hush);
  texts.addEventListener("click", (event) => {
    const element = tokenAt(event.target);
    if (!element) return;
    figure.select(element.dataset.key, Number(element.dataset.token.split("/")[0]));
    texts
      .querySelector(`[data-token="${CSS.escape(element.dataset.token)}"]`)
      ?.focus({ preventScroll: true });
  });
  texts.addEventListener("keydown", (event) => {
    const element = tokenAt(event.target);
    if (!element) return;
    const tokens = [...element.parentElement.querySelectorAll("[data-token]")];
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
    element.tabIndex = -1;
    tokens[to].tabIndex = 0;
    tokens[to].focus();
    view.active.set(element.parentElement.dataset.text, tokens[to].dataset.token);
  });
  return view;
}

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

function drawRunTexts(figure, view, run, index) {
  const byId = nodesById(run);
  const leaves = run.sequences.length
    ? run.sequences.map((sequence) => sequence.node)
    : figure.forest.lanes
        .filter((lane) => lane.run === index)
        .map(
          (lane) =>
            lane.path[lane.path.length - 1].entries.find((entry) => entry.run === index)?.node.id,
        );
  return leaves.map((leaf, order) => {
    const path = pathTo(byId, byId.get(leaf));
    const name = `${index}/${order}`;
    const many = leaves.length > 1 ? h("span", { class: "said" }, ` #${order + 1}`) : null;
    const keys = [];
    const names = path.map((node) => `${index}/${node.id}/${order}`);
    const active = names.includes(view.active.get(name)) ? view.active.get(name) : names[0];
    const tokens = path.map((node, at) => {
      keys.push(node.token_id);
      const key = keys.join("-");
      const strength = strengthOf(run, node, view.measure);
      const forced = node.step <= (run.prefix?.length ?? 0);
      const entropy = run.decisions?.[String(node.parent)]?.entropy;
      const token = h(
        "bdi",
        {
          class: `heat${figure.selected.key === key ? " selected" : ""}${forced ? " forced" : ""}`,
          style: textHeat(strength),
          role: "button",
          tabindex: names[at] === active ? 0 : -1,
          "aria-pressed": String(figure.selected.key === key),
          "data-token": names[at],
          "data-key": key,
          "aria-label": `${spoken(node.text)}, ${percent(fromLog(node.logprob_raw))}${entropy === undefined ? "" : `, entropy ${number(entropy / Math.LN2, 1)} bits`}`,
        },
        proseOf(node.text),
      );
      return /\n/.test(node.text) ? [token, h("br", {})] : token;
    });
    const prompt = h(
      "span",
      { class: "said", title: figure.trace.prompt.text.slice(0, 400) },
      tailOf(figure.trace.prompt.text, 160),
    );
    return h(
      "article",
      {},
      h("h2", {}, lineSample(run, index), " ", h("bdi", {}, run.name), many),
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
        tokens,
      ),
    );
  });
}

/** A token as it reads in prose: plain spaces, but visible newlines and control characters. */
function proseOf(text) {
  const lead = /^ */.exec(text)[0];
  const rest = text.slice(lead.length);
  return (
    lead +
      (rest.includes(" ")
        ? rest.split(" ").map(tokenLabelOrNothing).join(" ")
        : tokenLabelOrNothing(rest)) || "∅"
  );
}

function tokenLabelOrNothing(text) {
  return text === "" ? "" : tokenLabel(text);
}

function alternativesHint(run, node) {
  const list = likeliestAfter(run, node.parent);
  const entropy = run.decisions?.[String(node.parent)]?.entropy;
  const row = ({ id, text, logprob }) => {
    const p = fromLog(logprob);
    return h(
      "div",
      { class: id === node.token_id ? "odds taken" : "odds" },
      h("bdi", { class: "token" }, tokenLabel(text)),
      h("span", { class: "length" }, h("i", { style: { width: `${(100 * p).toFixed(1)}%` } })),
      h("span", { class: "num" }, percent(p)),
    );
  };
  const own = list.some(({ id }) => id === node.token_id)
    ? []
    : [
        h("p", { class: "said" }, "not among these:"),
        row({ id: node.token_id, text: node.text, logprob: node.logprob_raw }),
      ];
  const head =
    entropy === undefined || entropy === null
      ? ""
      : `, entropy ${number(entropy / Math.LN2, 2)} bits`;
  return [
    h("p", {}, `Token ${node.step}${head}. The model’s likeliest:`),
    ...list.map(row),
    ...own,
  ];
}

function drawMeasures(trace) {
  const columns = [
    "strategy",
    "log p, nats",
    "per token",
    "perplexity",
    "distinct-1",
    "-2",
    "-3",
    "repeated 4-grams",
    "tokens",
    "forward passes",
    "seconds",
  ];
  const titles = { "-2": "distinct-2", "-3": "distinct-3" };
  const rows = trace.runs.flatMap((run, index) => {
    const byId = nodesById(run);
    return run.sequences.map((sequence, order) => ({
      run,
      index,
      order,
      measures: measureText(pathTo(byId, byId.get(sequence.node))),
    }));
  });
  const best = Math.max(...rows.map(({ measures }) => measures.logprob));
  const share = (value) => (value === null ? "–" : `${Math.round(100 * value)}\u202f%`);
  const body = rows.map(({ run, index, order, measures }) => {
    const many = run.sequences.length > 1;
    const values = [
      number(measures.logprob, 2),
      number(measures.perToken, 3),
      number(measures.perplexity, 2),
      ...measures.distinct.map(share),
      share(measures.repeated),
      String(measures.tokens),
      order ? "″" : String(run.forward_passes),
      order ? "″" : number(run.seconds, 2),
    ];
    const cells = values.map((value, at) =>
      h(
        "td",
        { class: at === 0 && measures.logprob === best && rows.length > 1 ? "num best" : "num" },
        value,
      ),
    );
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, runLabel(run, index), many ? ` #${order + 1}` : ""),
      cells,
    );
  });
  const head = columns.map((text, at) =>
    h("th", { scope: "col", class: at ? "num" : null, "aria-label": titles[text] ?? null }, text),
  );
  const caption = h(
    "caption",
    {},
    "Under the model alone, without any setting. Bold: the likeliest text. distinct-n: share of different n-grams.",
  );
  return h("table", {}, caption, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body));
}
