// What the texts measure, as a table that compares them.

import { h } from "../../../../shared/js/dom.js";
import { number } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { runLabel } from "./lines.js";
import { nodesById, pathTo } from "./paths.js";

/** @import {Node, Trace} from "./data.js" */

/**
 * Figures of one returned sequence, from the raw log-probabilities of its tokens: `logprob` in
 * nats, `distinct` shares of different 1-, 2- and 3-grams, `repeated` the share of 4-grams that
 * occurred before; null where the text is too short.
 * @param {Node[]} path
 */
export function measureText(path) {
  const ids = path.map((node) => node.token_id);
  const different = (/** @type {number} */ size) => {
    const count = ids.length - size + 1;
    if (count < 1) return null;
    const grams = Array.from({ length: count }, (_, at) => ids.slice(at, at + size).join());
    return new Set(grams).size / count;
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

/** @param {Trace} trace */
export function drawMeasures(trace) {
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
    "rows",
    "seconds",
  ];
  /** @type {Record<string, string>} */
  const titles = { "-2": "distinct-2", "-3": "distinct-3" };
  const rows = trace.runs.flatMap((run) => {
    const byId = nodesById(run);
    return run.sequences.map((sequence, order) => ({
      run,
      order,
      measures: measureText(pathTo(byId, sequence.node)),
    }));
  });
  const best = Math.max(...rows.map(({ measures }) => measures.logprob));
  const written = (/** @type {number | null} */ value) =>
    value === null ? "–" : `${Math.round(100 * value)}\u202f%`;
  const body = rows.map(({ run, order, measures }) => {
    const many = run.sequences.length > 1;
    const values = [
      number(measures.logprob, 2),
      number(measures.perToken, 3),
      number(measures.perplexity, 2),
      ...measures.distinct.map(written),
      written(measures.repeated),
      String(measures.tokens),
      order ? "″" : String(run.forward_passes),
      order ? "″" : String(run.rows),
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
      h("th", { scope: "row" }, runLabel(run), many ? ` #${order + 1}` : ""),
      cells,
    );
  });
  const head = columns.map((text, at) =>
    h("th", { scope: "col", class: at ? "num" : null, "aria-label": titles[text] }, text),
  );
  const caption = h(
    "caption",
    {},
    "Under the model alone, without any setting. Bold: the likeliest text. " +
      "distinct-n: share of different n-grams. Passes and rows: what the strategy takes alone. " +
      "Seconds: the pass over the prompt, of each later pass the share of its rows, and its choices.",
  );
  return h("table", {}, caption, tableHead(head), h("tbody", {}, body));
}
