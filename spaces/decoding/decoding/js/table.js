// Every candidate of every run as a plain table: the picture for those who read, search or use a screen reader.

import { runLabel, tokenElement } from "./details.js";
import { h } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { fateOf, fromLog, nodesById, pathTo } from "./paths.js";

const PAGE = 200;

/**
 * @param {HTMLElement} panel
 * @param {Object} figure the figure's state, see figure.js
 */
export function openTableView(panel, figure) {
  const view = { run: "", step: "", fate: "", page: 0, mark: "" };
  const filter = (label, name) => {
    const field = h("select", {
      "aria-label": label,
      onchange: () => {
        view[name] = field.value;
        view.page = 0;
        view.update();
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
  const turn = (label, by) =>
    h("button", { type: "button", onclick: () => ((view.page += by), view.update()) }, label);
  const [back, forth] = [turn("Previous", -1), turn("Next", 1)];
  const body = h("tbody", {});
  const columns = ["strategy", "step", "token", "model", "with settings", "sum", "fate", "reason"];
  const head = columns.map((text, at) =>
    h("th", { scope: "col", class: [1, 3, 4, 5].includes(at) ? "num" : null }, text),
  );
  const table = h(
    "table",
    {},
    h(
      "caption",
      {},
      "Every token that a strategy considered. Sum: log-probability of the text so far, in nats, with the settings.",
    ),
    h("thead", {}, h("tr", {}, head)),
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

  view.update = () => {
    const { trace } = figure;
    const all = trace.runs.flatMap((run, index) =>
      run.nodes
        .filter((node) => node.parent !== null)
        .map((node) => ({ run, index, node, fate: fateOf(run, node) })),
    );
    const options = (list) => [
      ["", "all"],
      ...list.map((value) => (Array.isArray(value) ? value : [String(value), String(value)])),
    ];
    fillOptions(
      filters.run.field,
      options(trace.runs.map((run, index) => [String(index), run.name])),
      view.run,
    );
    fillOptions(
      filters.step.field,
      options([...new Set(all.map(({ node }) => node.step))].sort((one, other) => one - other)),
      view.step,
    );
    fillOptions(filters.fate.field, options([...new Set(all.map(({ fate }) => fate))]), view.fate);
    const rows = all.filter(
      ({ index, node, fate }) =>
        (view.run === "" || index === Number(view.run)) &&
        (view.step === "" || node.step === Number(view.step)) &&
        (view.fate === "" || fate === view.fate),
    );
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    view.page = Math.min(Math.max(0, view.page), pages - 1);
    const from = view.page * PAGE;
    const shown = rows.slice(from, from + PAGE);
    count.textContent = rows.length
      ? `${from + 1}–${from + shown.length} of ${rows.length.toLocaleString("en-GB")}`
      : "no token fits these filters";
    back.disabled = view.page === 0;
    forth.disabled = view.page >= pages - 1;
    back.hidden = forth.hidden = pages === 1;
    const byIds = trace.runs.map(nodesById);
    body.replaceChildren(
      ...shown.map(({ run, index, node, fate }) =>
        tableRow(figure, byIds[index], run, index, node, fate),
      ),
    );
  };
  return view;
}

function fillOptions(field, options, value) {
  const mark = JSON.stringify(options);
  if (field.dataset.mark !== mark) {
    field.dataset.mark = mark;
    field.replaceChildren(...options.map(([key, label]) => h("option", { value: key }, label)));
  }
  field.value = value;
}

function tableRow(figure, byId, run, index, node, fate) {
  const choose = () =>
    figure.select(
      pathTo(byId, node)
        .map((other) => other.token_id)
        .join("-"),
      index,
    );
  return h(
    "tr",
    { class: node.status },
    h("td", {}, runLabel(run, index)),
    h("td", { class: "num" }, String(node.step)),
    h(
      "th",
      { scope: "row" },
      h("button", { type: "button", class: "plain", onclick: choose }, tokenElement(node.text)),
    ),
    h("td", { class: "num" }, percent(fromLog(node.logprob_raw))),
    h(
      "td",
      { class: "num" },
      node.status === "filtered" ? "removed" : percent(fromLog(node.logprob_processed)),
    ),
    h("td", { class: "num" }, number(node.cumulative_logprob, 3)),
    h("td", {}, fate),
    h("td", { class: "why" }, node.reason ?? ""),
  );
}
