// Every candidate of every run as a plain table: the picture for those who read, search or use a
// screen reader.

import { h } from "../../../../shared/js/dom.js";
import { number, percent, whole } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { runLabel } from "./lines.js";
import { fateOf, fromLog, keyOf, nodesById, pathTo } from "./paths.js";
import { tokenElement } from "./pill.js";

/**
 * @import {Node, Run} from "./data.js"
 * @import {Session} from "./figure.js"
 *
 * @typedef {{run: Run, index: number, node: Node, fate: string}} Line index: of the run
 */

const PAGE = 200;

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openTableView(panel, session) {
  const wanted = { run: "", step: "", fate: "" };
  let page = 0;
  const filter = (/** @type {string} */ label, /** @type {keyof typeof wanted} */ name) => {
    const field = h("select", {
      "aria-label": label,
      onchange: () => {
        wanted[name] = field.value;
        page = 0;
        update();
      },
    });
    return { field, element: h("label", {}, `${label} `, field) };
  };
  const filters = {
    run: filter("strategy", "run"),
    step: filter("step", "step"),
    fate: filter("fate", "fate"),
  };
  const count = h("span", { class: "said", role: "status" });
  const turn = (/** @type {string} */ label, /** @type {number} */ by) =>
    h("button", { type: "button", onclick: () => ((page += by), update()) }, label);
  const [back, forth] = [turn("Previous", -1), turn("Next", 1)];
  const body = h("tbody", {});
  const columns = ["strategy", "step", "token", "model", "with settings", "sum", "fate", "reason"];
  const table = h(
    "table",
    {},
    h(
      "caption",
      {},
      "Every token that a strategy considered. Sum: log-probability of the text so far, in nats, " +
        "with the settings.",
    ),
    tableHead(columns, [1, 3, 4, 5]),
    body,
  );
  panel.append(
    h(
      "div",
      { class: "filters" },
      Object.values(filters).map(({ element }) => element),
      count,
      back,
      forth,
    ),
    h("div", { class: "wide" }, table),
  );

  const update = () => {
    const { runs } = session.trace;
    /** @type {Line[]} */
    const all = runs.flatMap((run, index) =>
      run.nodes
        .filter((node) => node.parent !== null)
        .map((node) => ({ run, index, node, fate: fateOf(run, node) })),
    );
    const steps = [...new Set(all.map(({ node }) => node.step))].sort((a, b) => a - b);
    const fates = [...new Set(all.map(({ fate }) => fate))];
    fillOptions(
      filters.run.field,
      runs.map((run, index) => [String(index), run.name]),
      wanted.run,
    );
    fillOptions(
      filters.step.field,
      steps.map((step) => [String(step), String(step)]),
      wanted.step,
    );
    fillOptions(
      filters.fate.field,
      fates.map((fate) => [fate, fate]),
      wanted.fate,
    );
    const lines = all.filter(
      ({ index, node, fate }) =>
        (wanted.run === "" || index === Number(wanted.run)) &&
        (wanted.step === "" || node.step === Number(wanted.step)) &&
        (wanted.fate === "" || fate === wanted.fate),
    );
    const pages = Math.max(1, Math.ceil(lines.length / PAGE));
    page = Math.min(Math.max(0, page), pages - 1);
    const from = page * PAGE;
    const shown = lines.slice(from, from + PAGE);
    count.textContent = lines.length
      ? `${from + 1}–${from + shown.length} of ${whole(lines.length)}`
      : "no token fits these filters";
    back.disabled = page === 0;
    forth.disabled = page >= pages - 1;
    back.hidden = forth.hidden = pages === 1;
    const byIds = runs.map(nodesById);
    body.replaceChildren(
      ...shown.map((line) =>
        tableRow(line, () => {
          session.select(keyOf(pathTo(byIds[line.index], line.node.id)), line.index);
        }),
      ),
    );
  };
  return { update };
}

/**
 * Fill a menu, where its choices changed; the first of them is all.
 * @param {HTMLSelectElement} field
 * @param {[value: string, label: string][]} options
 * @param {string} value
 */
function fillOptions(field, options, value) {
  const mark = JSON.stringify(options);
  if (field.dataset.mark !== mark) {
    field.dataset.mark = mark;
    const all = [["", "all"], ...options];
    field.replaceChildren(...all.map(([key, label]) => h("option", { value: key }, label)));
  }
  field.value = value;
}

/**
 * @param {Line} line
 * @param {() => void} choose
 */
function tableRow({ run, node, fate }, choose) {
  return h(
    "tr",
    { class: node.status },
    h("td", {}, runLabel(run)),
    h("td", { class: "num" }, String(node.step)),
    h(
      "th",
      { scope: "row" },
      h("button", { type: "button", class: "plain", onclick: choose }, tokenElement(node)),
    ),
    h("td", { class: "num" }, percent(fromLog(node.logprob_raw))),
    h(
      "td",
      { class: "num" },
      node.status === "filtered" ? "removed" : percent(fromLog(node.logprob_processed)),
    ),
    h("td", { class: "num" }, number(node.cumulative_logprob, 3)),
    h("td", {}, fate),
    h("td", { class: "why" }, node.reason),
  );
}
