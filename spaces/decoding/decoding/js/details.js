// Below the picture: what each run did with the selected token, and the sampler panel of the step that chose it.

import { h, s } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { fateOf, fromLog, nodesById, pathTo, seriesOf, textOf } from "./paths.js";
import { spoken, tailOf, tokenLabel } from "./pill.js";
import { drawSampler } from "./sampler.js";

/** A token in running text: isolated, so that its direction cannot reorder the words around it. */
export function tokenElement(text, extra = "") {
  return h(
    "bdi",
    { class: `token ${extra}`.trim(), title: text.length > 40 ? text.slice(0, 400) : null },
    tokenLabel(text),
  );
}

/** A short sample of a run's line. */
export function lineSample(run, index) {
  const { name, thin, double } = seriesOf(run, index);
  const weight = thin ? " thin" : "";
  const svg = s("svg", { class: "sample", viewBox: "0 0 26 8", "aria-hidden": "true" });
  svg.append(s("path", { class: `stroke ${name}${weight}`, d: "M2 4H24" }));
  if (double) svg.append(s("path", { class: `stroke gap${weight}`, d: "M2 4H24" }));
  return svg;
}

/** A run's line sample and name. */
export function runLabel(run, index) {
  return h("span", { class: "run-label" }, lineSample(run, index), h("bdi", {}, run.name));
}

/** The entry of the selected place whose run the details speak of: the visitor's choice, else one that stored the odds. */
export function entryOf(figure, place) {
  const chosen = place.entries.find(({ run }) => run === figure.selected.run);
  if (chosen) return chosen;
  const stored = ({ run, node }) =>
    figure.trace.runs[run].distributions?.[String(node.parent ?? node.id)];
  const users = place.entries.filter(({ run }) => place.users.includes(run));
  return users.find(stored) ?? place.entries.find(stored) ?? users[0] ?? place.entries[0] ?? null;
}

/**
 * Draw the details of the selected place.
 * @param {HTMLElement} element
 * @param {Object} figure the figure's state, see figure.js
 */
export function drawDetails(element, figure) {
  const { trace, forest, selected } = figure;
  const place = forest.places.get(selected.key) ?? forest.root;
  const entry = entryOf(figure, place);
  if (!entry) {
    element.replaceChildren();
    return;
  }
  const run = trace.runs[entry.run];
  const odds = oddsOf(trace, run, entry);
  const mark = detailsMark(figure, place, entry, odds);
  let facts = element.querySelector(":scope > .facts");
  let sampler = element.querySelector(":scope > .sampler");
  if (!facts) {
    facts = h("section", { class: "facts", "aria-label": "Selected token" });
    sampler = h("div", { class: "sampler" });
    element.append(facts, sampler);
  }
  if (facts.dataset.mark === mark) return;
  facts.dataset.mark = mark;
  const focusKept = facts.contains(document.activeElement)
    ? document.activeElement.dataset.keep
    : null;
  facts.replaceChildren(...factsOf(figure, place, entry).filter(Boolean));
  if (focusKept)
    facts.querySelector(`[data-keep="${CSS.escape(focusKept)}"]`)?.focus({ preventScroll: true });
  showSampler(sampler, figure, place, entry, run, odds);
}

/** What the odds at the end of a prompt depend on: the model's very copy, and the prompt as it read it. */
export function originOf(trace) {
  const { model, revision } = trace.provenance ?? {};
  return JSON.stringify([model, revision, trace.prompt.token_ids]);
}

/** Where the selected token was chosen, or the place after the prompt: its node, the path to it, and a name that no other odds have. */
function oddsOf(trace, run, entry) {
  const source = entry.node.parent ?? entry.node.id;
  const byId = nodesById(run);
  const path = pathTo(byId, byId.get(source));
  const key = JSON.stringify([originOf(trace), run.config, path.map((node) => node.token_id)]);
  return { source, path, key };
}

function detailsMark(figure, place, entry, odds) {
  const fates = place.entries.map(({ run, node }) =>
    [figure.trace.runs[run].name, node.id, node.status, node.reason].join(),
  );
  const decision = figure.trace.runs[entry.run].distributions?.[
    String(entry.node.parent ?? entry.node.id)
  ]
    ? 1
    : 0;
  return [
    place.key,
    entry.run,
    figure.running,
    place.users.join(),
    decision,
    odds.key,
    ...fates,
  ].join("|");
}

function factsOf(figure, place, entry) {
  const { trace } = figure;
  const before = place.parent ? trace.prompt.text + textOf(place.parent) : trace.prompt.text;
  const heading = place.parent
    ? h("h2", {}, "Token ", String(place.depth), ": ", tokenElement(place.text))
    : h("h2", {}, "The end of the prompt");
  const context = h(
    "p",
    { class: "context" },
    place.parent ? "after " : "",
    h("bdi", { class: "said-text" }, `“${tailOf(before, 70)}”`),
  );
  if (!place.parent) {
    const hint = "Select any token: what every strategy did with it, and why, stands here.";
    return [
      heading,
      context,
      h("p", { class: "said" }, hint),
      decisionLine(trace.runs[entry.run], "0"),
    ];
  }
  const rows = place.entries.map(({ run, node }) => factRow(figure, place, entry, run, node));
  const columns = ["strategy", "model", "with settings", "log p so far", "fate and reason"];
  const head = columns.map((text, at) =>
    h("th", { scope: "col", class: at && at < 4 ? "num" : null }, text),
  );
  const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows));
  const joint = Number.isFinite(place.joint) ? Math.exp(place.joint) : 0;
  const story =
    place.depth > 1
      ? h(
          "p",
          { class: "said" },
          `The model gives these ${place.depth} tokens together ${oneIn(joint)}.`,
        )
      : null;
  return [
    heading,
    context,
    h("div", { class: "wide" }, table),
    decisionLine(trace.runs[entry.run], String(entry.node.parent)),
    story,
    actionsOf(figure, place),
  ];
}

/** A small probability as people say it: "1.1 %, one in 94". */
export function oneIn(probability) {
  if (!(probability > 0)) return "no chance";
  const odds = 1 / probability;
  if (odds < 10) return percent(probability);
  const words =
    odds < 1e6
      ? Math.round(odds).toLocaleString("en-GB")
      : odds.toExponential(1).replace(/e\+(\d+)/, (_, power) => ` × 10${superscript(power)}`);
  return `${percent(probability)}, one in ${words}`;
}

function superscript(digits) {
  return Array.from(digits, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
}

function factRow(figure, place, entry, index, node) {
  const run = figure.trace.runs[index];
  const many = new Set(place.entries.map((other) => other.run)).size > 1;
  const name = many
    ? h(
        "button",
        {
          type: "button",
          class: "plain",
          "data-keep": `run-${index}`,
          "aria-pressed": String(entry.run === index),
          title: "Show the odds below under this strategy's settings",
          onclick: () => figure.select(place.key, index),
        },
        runLabel(run, index),
      )
    : runLabel(run, index);
  const score =
    node.score !== null && node.score !== node.cumulative_logprob
      ? `, score ${number(node.score, 3)}`
      : "";
  return h(
    "tr",
    { class: many && entry.run === index ? "current" : null },
    h("th", { scope: "row" }, name),
    h("td", { class: "num" }, percent(fromLog(node.logprob_raw))),
    h(
      "td",
      { class: "num" },
      node.status === "filtered" ? "removed" : percent(fromLog(node.logprob_processed)),
    ),
    h(
      "td",
      { class: "num", title: `sum of log-probabilities, nats${score}` },
      number(node.cumulative_logprob, 2),
    ),
    h(
      "td",
      {},
      h("b", {}, fateOf(run, node)),
      node.reason ? `. ${node.reason}` : "",
      stagesLine(run, node),
    ),
  );
}

/** The token's odds after each processor, where a run has any. */
function stagesLine(run, node) {
  if (!run.processors?.length || !node.stages?.length) return null;
  const steps = run.processors.map((name, index) => {
    const value = node.stages[index];
    return ` → ${name} ${value === null || value === undefined ? "removed" : percent(Math.exp(value))}`;
  });
  return h("span", { class: "stages" }, `model ${percent(fromLog(node.logprob_raw))}`, steps);
}

function decisionLine(run, parentId) {
  const decision = run.decisions?.[parentId];
  if (!decision) return null;
  const bits = decision.entropy / Math.LN2;
  const kept =
    decision.kept === 1 ? "one token" : `${decision.kept.toLocaleString("en-GB")} tokens`;
  const cut =
    decision.kept_mass > 0.99999
      ? "removes nothing"
      : `leaves ${kept} with ${percent(decision.kept_mass)} of its odds`;
  const text = `Here the model is as unsure as between ${Math.max(1, Math.exp(decision.entropy)).toFixed(1)} equal tokens (${number(bits, 2)} bits). ${run.name} ${cut}.`;
  return h("p", { class: "said" }, text);
}

function actionsOf(figure, place) {
  if (!figure.canBranch(place)) return null;
  const button = h(
    "button",
    { type: "button", class: "action", "data-keep": "branch", onclick: () => figure.branch(place) },
    "Continue from here",
  );
  return h(
    "p",
    { class: "actions" },
    button,
    h("span", { class: "said" }, " grows a new line from this token"),
  );
}

/** The odds in which the selected token was chosen, or those after the prompt; asks for them where they are not stored. */
function showSampler(element, figure, place, entry, run, { source, path, key }) {
  const { host, trace } = figure;
  const stored = run.distributions?.[String(source)] ?? figure.fetched.get(key) ?? null;
  const taken = place.children.find((child) => child.users.includes(entry.run));
  const text = trace.prompt.text + path.map((node) => node.text).join("");
  const argument = {
    run: entry.run,
    node: source,
    model: trace.request.model,
    token_ids: [...trace.prompt.token_ids, ...path.map((node) => node.token_id)],
    prompt_length: trace.prompt.token_ids.length,
    config: run.config,
  };
  const ask = host.fetch && ((name, extra) => host.fetch(name, { ...argument, ...extra }));
  const view = {
    distribution: stored,
    run: { ...run, index: entry.run },
    node: source,
    takenId: entry.node.token_id ?? taken?.tokenId ?? null, // the token that the panel follows through the chain
    nodeText: tailOf(text, 40),
    key,
    stored: !host.fetch,
  };
  // A redraw would take the visitor's hand off the sliders: none unless there is something else to show.
  const mark = [
    key,
    entry.run,
    view.takenId,
    Boolean(stored),
    Boolean(ask),
    figure.running && !stored,
  ].join("|");
  if (element.dataset.mark === mark) return;
  element.dataset.mark = mark;
  const show = (distribution) =>
    drawSampler(element, { ...view, distribution }, { ...host, fetch: ask });
  if (stored) {
    show(stored);
    return;
  }
  if (!ask || figure.running) {
    const why = figure.running
      ? "The odds at this step come when the run is done."
      : "This file stores the odds along the returned texts only.";
    element.replaceChildren(h("p", { class: "said empty" }, why));
    return;
  }
  element.replaceChildren(
    h("p", { class: "said empty", role: "status" }, "Asking the model for the odds at this step …"),
  );
  ask("distribution", { limit: 60 })
    .then((distribution) => {
      if (distribution?.error)
        throw new Error(`${distribution.error.what} ${distribution.error.remedy}`);
      figure.fetched.set(key, distribution);
      if (element.dataset.mark === mark) show(distribution);
    })
    .catch((error) => {
      if (element.dataset.mark !== mark) return;
      element.replaceChildren(
        h(
          "p",
          { class: "said empty", role: "alert" },
          error.message || "The odds could not be computed. Select another token.",
        ),
      );
    });
}

/** What is said when the selection moves. */
export function announcement(figure, place) {
  if (!place.parent) return "The end of the prompt is selected.";
  const users = place.users.map((index) => figure.trace.runs[index].name).join(" and ");
  return `Selected ${spoken(place.text)}, token ${place.depth}, ${percent(fromLog(place.logprob))}${users ? `, taken by ${users}` : ""}.`;
}
