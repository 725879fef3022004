// Which file to take: what each needs in llama.cpp for a context, against the memory that there is.

import { h } from "../../../../shared/js/dom.js";
import { estimateWords } from "../../../../shared/js/estimates.js";
import { brief, whole } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";
import { measuredRows, nameOfFormat, nameOfRow } from "./measures.js";

/** @import { Compare, Memory, Row } from "./data.js" */

/** @typedef {{row: Row, weights: number, cache: number, compute: number, sum: number}} Need in bytes */

/** Engines whose rows are GGUF files. */
const FILES = ["gguf", "published"];
const CONTEXTS = [2048, 4096, 8192, 16384, 32768, 65536, 131072]; // tokens
const CACHE_STEP = 256; // tokens: a cache has room for a multiple of them
const GIGABYTE = 1e9;
const MEMORY = 8; // GB, before the visitor says

/**
 * The measured rows that are files for llama.cpp.
 * @param {Compare} data
 */
export function fileRows(data) {
  return measuredRows(data).filter(({ engine }) => FILES.includes(engine));
}

/** @param {number} tokens */
function stepped(tokens) {
  return Math.ceil(tokens / CACHE_STEP) * CACHE_STEP;
}

/**
 * Bytes of keys and values, and of what llama.cpp computes in.
 * @param {Memory} memory
 * @param {number} context tokens
 * @param {string} cache its format
 */
export function besideWeights(memory, context, cache) {
  const tokens = stepped(context);
  const near = Math.min(tokens, stepped(memory.window + memory.at_once));
  const numbers = memory.numbers * tokens + memory.windowed_numbers * near;
  return {
    cache: Math.floor((numbers * memory.cache_bits[cache]) / 8),
    compute: memory.compute_bytes + memory.mask_bytes * tokens,
  };
}

/**
 * Contexts to choose from, of those that the model reads.
 * @param {Memory} memory
 */
function contextsOf(memory) {
  const lengths = CONTEXTS.filter((tokens) => tokens <= memory.longest);
  return lengths.length ? lengths : [memory.longest];
}

/**
 * The context before the visitor chooses.
 * @param {Memory} memory
 */
function usualContext(memory) {
  const lengths = contextsOf(memory);
  return lengths.includes(4096) ? 4096 : lengths[lengths.length - 1];
}

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openFits(_figure, panel) {
  const state = { gigabytes: MEMORY, context: 4096, cache: "f16" };
  const controls = h("div", { class: "filters padded-row" });
  const verdict = h("p", { class: "picture-caption verdict", role: "status" });
  const list = h("div", { class: "fits padded" });
  const formula = h("p", { class: "picture-caption quiet-row" });
  panel.append(controls, verdict, list, formula);
  /** @type {Compare | null} */
  let shown = null;
  const draw = () => {
    if (!shown?.memory) return;
    const { memory, rows } = shown;
    const beside = besideWeights(memory, state.context, state.cache);
    const needs = fileRows(shown)
      .map((row) => {
        const weights = row.file_bytes;
        return { row, weights, ...beside, sum: weights + beside.cache + beside.compute };
      })
      .toSorted((one, other) => one.sum - other.sum);
    const limit = state.gigabytes * GIGABYTE;
    const taken = choose(needs, limit);
    verdict.textContent = sentence(needs, limit, taken, state.context, rows);
    list.replaceChildren(...bars(needs, limit, taken));
    formula.textContent = formulaWords(memory, state.context, state.cache);
  };
  const gigabytes = h("input", {
    type: "number",
    min: 0.1,
    max: 1000,
    step: "any",
    value: state.gigabytes,
    oninput: () => {
      const value = Number(gigabytes.value);
      if (value > 0) state.gigabytes = value;
      draw();
    },
  });
  return (data) => {
    const { memory } = data;
    if (!memory) return;
    if (!shown) {
      const lengths = contextsOf(memory);
      state.context = usualContext(memory);
      controls.append(
        h("label", {}, "Memory, GB ", gigabytes),
        choice(
          "Context, tokens",
          lengths.map((tokens) => [String(tokens), whole(tokens)]),
          String(state.context),
          (tokens) => {
            state.context = Number(tokens);
            draw();
          },
        ),
        choice(
          "Cache format",
          Object.keys(memory.cache_bits).map((name) => [name, name]),
          state.cache,
          (cache) => {
            state.cache = cache;
            draw();
          },
        ),
      );
    }
    shown = data;
    draw();
  };
}

/**
 * The file to take: of those that fit, the smallest that cannot be told from the closest to the base.
 * @param {Need[]} needs the smallest first
 * @param {number} limit bytes
 */
export function choose(needs, limit) {
  const fitting = needs.filter(({ sum }) => sum <= limit);
  if (!fitting.length) return null;
  const best = fitting.reduce((one, other) =>
    other.row.kld.mean < one.row.kld.mean ? other : one,
  ).row;
  return fitting.find(({ row }) => row === best || best.tied.includes(row.format)) ?? null;
}

/**
 * What to take at the view's defaults, where published files were compared; "" elsewhere.
 * @param {Compare} data
 */
export function takenWords(data) {
  const { memory } = data;
  const files = fileRows(data);
  if (!memory || !files.some(({ engine }) => engine === "published")) return "";
  const context = usualContext(memory);
  const { cache, compute } = besideWeights(memory, context, "f16");
  const needs = files
    .map((row) => {
      const weights = row.file_bytes;
      return { row, weights, cache, compute, sum: weights + cache + compute };
    })
    .toSorted((one, other) => one.sum - other.sum);
  const taken = choose(needs, MEMORY * GIGABYTE);
  const room = `${MEMORY} GB and ${whole(context)} tokens of context`;
  return taken
    ? `For ${room} take ${nameOfRow(taken.row)}, ${gigabytesWords(taken.sum)}`
    : `Nothing fits in ${room}`;
}

/** @param {number} bytes */
function gigabytesWords(bytes) {
  return `${brief(bytes / GIGABYTE)} GB`;
}

/**
 * @param {Need[]} needs
 * @param {number} limit
 * @param {Need | null} taken
 * @param {number} context
 * @param {Compare["rows"]} rows
 */
function sentence(needs, limit, taken, context, rows) {
  if (!needs.length) return "No file has been measured yet.";
  const room = `${gigabytesWords(limit)} and ${whole(context)} tokens of context`;
  if (!taken) {
    const least = needs[0];
    return `Nothing fits in ${room}: ${nameOfRow(least.row)} needs ${gigabytesWords(least.sum)}.`;
  }
  const { row, sum } = taken;
  const fitting = new Set(needs.filter((need) => need.sum <= limit).map((need) => need.row.format));
  const like = row.tied.filter((name) => fitting.has(name));
  const words =
    `For ${room} take ${nameOfRow(row)}: it needs ${gigabytesWords(sum)}, ` +
    `KLD ${estimateWords(row.kld)} nats.`;
  if (row.rank === null) return `${words} With fewer than four windows no rank is sure.`;
  if (!like.length) return words;
  const names = like.map((name) => nameOfFormat(rows, name));
  return (
    `${words} Of the files that fit it is the smallest that cannot be told from the best; ` +
    `nor can ${names.join(", ")}.`
  );
}

/**
 * A line for each file: what it needs, part by part, and the memory as a mark.
 * @param {Need[]} needs
 * @param {number} limit
 * @param {Need | null} taken
 */
function bars(needs, limit, taken) {
  const most = Math.max(0, ...needs.map(({ sum }) => sum));
  const end = Math.max(most, Math.min(limit, 1.25 * most)) || 1;
  return needs.map((need) => {
    const { row, sum, weights, cache, compute } = need;
    const fits = sum <= limit;
    /** @type {[string, number][]} */
    const parts = [
      ["weights", weights],
      ["keys and values", cache],
      ["to compute in", compute],
    ];
    const words = parts.map(([name, bytes]) => `${name} ${gigabytesWords(bytes)}`).join(", ");
    return h(
      "div",
      {
        class: `fit${fits ? "" : " too-large"}${need === taken ? " taken" : ""}`,
        "data-fit": row.format,
      },
      h("span", { class: "fit-name" }, nameOfRow(row)),
      h(
        "span",
        { class: "fit-bar", role: "img", "aria-label": words, title: words },
        parts.map(([, bytes], index) =>
          h("span", { class: `fit-part fit-${index}`, style: `width:${(100 * bytes) / end}%` }),
        ),
        limit <= end
          ? h("span", { class: "fit-limit", style: `left:${(100 * limit) / end}%` })
          : [],
      ),
      h("span", { class: "fit-words" }, `${gigabytesWords(sum)}${fits ? "" : ", too large"}`),
      h("span", { class: "fit-words" }, `KLD ${estimateWords(row.kld, 2)}`),
    );
  });
}

/**
 * The formula with its numbers.
 * @param {Memory} memory
 * @param {number} context
 * @param {string} cache
 */
function formulaWords(memory, context, cache) {
  const beside = besideWeights(memory, context, cache);
  const window = memory.windowed_numbers
    ? `, of layers with a sliding window for ${whole(stepped(memory.window + memory.at_once))} tokens at most`
    : "";
  return (
    `Needed = file (solid) + keys and values (striped): ` +
    `${whole(memory.numbers + memory.windowed_numbers)} numbers a token of ` +
    `${brief(memory.cache_bits[cache])} bits${window}, ${gigabytesWords(beside.cache)} + ` +
    `what llama.cpp computes ${whole(memory.at_once)} tokens in (outlined), ` +
    `${gigabytesWords(beside.compute)}. The system and the program come on top.`
  );
}
