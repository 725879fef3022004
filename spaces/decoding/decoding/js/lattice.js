// Beam search as it happened: at every step the hypotheses by rank, which went on, which ended, and why the others died.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { runLabel } from "./details.js";
import { fateOf, fromLog, isBeamRun, nodesById, pathTo } from "./paths.js";
import { fillPill, spoken, tailOf, tokenLabel } from "./pill.js";
import { strokesOf } from "./tree.js";

const LATTICE_COLUMN = 122;
const LATTICE_GAP = 46;
const LATTICE_ROW = 26;
const LATTICE_PILL = 21;
const LATTICE_TOP = 24;
const LATTICE_LEFT = 54;
const LATTICE_PACE = 700; // milliseconds a step while playing

/**
 * The candidates of a beam run, step by step.
 * @param {Object} run
 * @returns {{node: Object, step: number, row: number, key: string}[]} ranked candidates with their row (0 is the best of
 *   the step); the root is step 0, row 0
 */
export function layOutLattice(run) {
  const byId = nodesById(run);
  const keyOf = (node) =>
    pathTo(byId, node)
      .map((other) => other.token_id)
      .join("-");
  const steps = [];
  for (const node of run.nodes) (steps[node.step] ??= []).push(node);
  const items = [];
  steps.forEach((nodes, step) => {
    const ranked = nodes.filter(
      (node) =>
        node.parent === null || node.rank !== null || ["kept", "finished"].includes(node.status),
    );
    ranked.sort(
      (one, other) =>
        (one.rank ?? 1e9) - (other.rank ?? 1e9) || (other.score ?? -1e9) - (one.score ?? -1e9),
    );
    ranked.forEach((node, row) => items.push({ node, step, row, key: keyOf(node) }));
  });
  return items;
}

/** Ids of the nodes that a kept hypothesis of `step`, or a finished one up to it, goes through. */
function livingAt(run, step) {
  const byId = nodesById(run);
  const living = new Set([0]);
  for (const node of run.nodes) {
    const counts =
      node.status === "finished" ? node.step <= step : node.status === "kept" && node.step === step;
    if (counts) for (const other of pathTo(byId, node)) living.add(other.id);
  }
  return living;
}

/**
 * @param {HTMLElement} panel
 * @param {Object} figure the figure's state, see figure.js
 */
export function openLatticeView(panel, figure) {
  const hatch = `${figure.id}-lattice-hatch`;
  const view = { run: null, step: null, timer: 0, active: null, drawn: new Map() };
  const chooser = h("select", {
    "aria-label": "Beam run",
    onchange: () => choose(Number(chooser.value)),
  });
  const play = h(
    "button",
    { type: "button", onclick: () => (view.timer ? stop() : start()) },
    "Play",
  );
  const slider = h("input", {
    type: "range",
    min: 1,
    step: 1,
    "aria-label": "Step of the search",
    oninput: () => go(Number(slider.value)),
  });
  const label = h("output", {});
  const caption = h("p", { class: "picture-caption said" });
  const list = h("div", { class: "candidates" });
  panel.append(h("div", { class: "scrubber" }, chooser, play, slider, label));
  const canvas = openCanvas(
    panel,
    { role: "group", "aria-label": "Hypotheses by step and rank", class: "picture lattice" },
    hatch,
    figure.zoomed,
  );
  panel.append(caption, list);
  const layer = s("g");
  canvas.svg.append(layer);
  view.canvas = canvas;

  const choose = (index) => {
    view.run = index;
    view.step = null;
    view.update();
  };
  const go = (step) => {
    view.step = step >= lastStep() ? null : Math.max(1, step); // null follows the end of a growing search
    view.update();
    canvas.reveal(
      LATTICE_LEFT + (view.step ?? lastStep()) * (LATTICE_COLUMN + LATTICE_GAP),
      0,
      LATTICE_COLUMN,
      40,
    );
  };
  const lastStep = () => Math.max(0, ...figure.trace.runs[view.run].nodes.map((node) => node.step));
  const stop = () => {
    clearInterval(view.timer);
    view.timer = 0;
    play.textContent = "Play";
  };
  const start = () => {
    if (view.step === null) go(1);
    play.textContent = "Pause";
    view.timer = setInterval(() => {
      if (view.step === null || !panel.isConnected || panel.hidden) stop();
      else go(view.step + 1);
    }, LATTICE_PACE);
  };

  view.update = () => {
    const { trace } = figure;
    const beams = trace.runs
      .map((run, index) => ({ run, index }))
      .filter(({ run }) => isBeamRun(run));
    if (!beams.some(({ index }) => index === view.run)) {
      stop();
      view.run = beams[0].index;
      view.step = null;
    }
    const names = beams.map(({ run }) => run.name).join("\u0000");
    if (chooser.dataset.names !== names) {
      chooser.dataset.names = names;
      chooser.replaceChildren(
        ...beams.map(({ run, index }) => h("option", { value: index }, run.name)),
      );
    }
    chooser.value = String(view.run);
    chooser.hidden = beams.length < 2;
    const run = trace.runs[view.run];
    const last = lastStep();
    const step = Math.min(view.step ?? last, last);
    slider.max = String(Math.max(1, last));
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", `step ${step} of ${last}`);
    slider.disabled = play.disabled = last < 2;
    label.textContent = `step ${step} of ${last}`;
    drawLattice(canvas, layer, figure, view, run, step, last, `url(#${hatch})`);
    caption.textContent = latticeCaption(run);
    drawCandidates(list, figure, view.run, run, step);
  };

  const keyAt = (target) => (target instanceof Element ? target.closest("[data-node]") : null);
  const focus = (group) => {
    if (!group) return;
    layer.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    group.setAttribute("tabindex", "0");
    view.active = Number(group.getAttribute("data-node"));
    group.focus({ preventScroll: true });
    const [x, y] = group
      .getAttribute("transform")
      .match(/[\d.]+/g)
      .map(Number);
    canvas.reveal(x, y, LATTICE_COLUMN, LATTICE_PILL);
  };
  const nodeOf = (group) =>
    figure.trace.runs[view.run].nodes.find(
      (node) => node.id === Number(group.getAttribute("data-node")),
    );
  layer.addEventListener("click", (event) => {
    const group = keyAt(event.target);
    if (!group) return;
    view.active = Number(group.getAttribute("data-node"));
    figure.select(group.getAttribute("data-key"), view.run);
    focus(layer.querySelector(`[data-node="${view.active}"]`));
  });
  layer.addEventListener("keydown", (event) => {
    const group = keyAt(event.target);
    if (!group || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = nodeOf(group);
    const groups = [...layer.querySelectorAll("[data-node]")];
    const column = groups.filter(
      (other) => other.getAttribute("data-step") === group.getAttribute("data-step"),
    );
    if (event.key === "Enter" || event.key === " ") {
      figure.select(group.getAttribute("data-key"), view.run);
      focus(layer.querySelector(`[data-node="${node.id}"]`));
    } else if (event.key === "b" || event.key === "B")
      figure.branch(figure.forest.places.get(group.getAttribute("data-key")));
    else if (event.key === "ArrowUp") focus(column[column.indexOf(group) - 1]);
    else if (event.key === "ArrowDown") focus(column[column.indexOf(group) + 1]);
    else if (event.key === "ArrowLeft") focus(layer.querySelector(`[data-node="${node.parent}"]`));
    else if (event.key === "ArrowRight")
      focus(groups.find((other) => nodeOf(other).parent === node.id));
    else return;
    event.preventDefault();
  });
  const explain = (group) => {
    const node = nodeOf(group);
    figure.explainWith(
      group,
      hintOfNode(figure.trace.runs[view.run], node, group.getAttribute("data-fate")),
    );
  };
  layer.addEventListener("pointerover", (event) => {
    const group = keyAt(event.target);
    if (group && event.pointerType === "mouse") explain(group);
    else figure.hush();
  });
  layer.addEventListener("pointerleave", figure.hush);
  layer.addEventListener("focusin", (event) => {
    const group = keyAt(event.target);
    if (group && group.matches(":focus-visible")) explain(group);
  });
  layer.addEventListener("focusout", figure.hush);
  return view;
}

function latticeCaption(run) {
  const beams = run.config?.num_beams ?? "";
  const groups =
    run.config?.num_beam_groups > 1
      ? ` Ranks count within each of ${run.config.num_beam_groups} groups.`
      : "";
  const penalty = run.config?.length_penalty ?? 1;
  return `${beams} beams; rows are ranks, a pill’s filling its probability relative to the best of its step, its number the score: log p ÷ length^${penalty}.${groups}`;
}

function hintOfNode(run, node, fate) {
  return [
    h(
      "p",
      {},
      h("bdi", { class: "token" }, tokenLabel(node.text)),
      ` ${percent(fromLog(node.logprob_raw))} of the model's odds`,
    ),
    node.rank === null
      ? null
      : h(
          "p",
          {},
          `Rank ${node.rank}, sum ${number(node.cumulative_logprob, 3)}, score ${number(node.score, 3)}`,
        ),
    h("p", {}, h("b", {}, fate), node.reason ? `. ${node.reason}` : ""),
  ];
}

function drawLattice(canvas, layer, figure, view, run, step, last, hatch) {
  if (view.drawnRun !== view.run) view.drawn.clear();
  view.drawnRun = view.run;
  if (view.shown !== run) [view.shown, view.items] = [run, layOutLattice(run)];
  const { items } = view;
  const byId = new Map(items.map((item) => [item.node.id, item]));
  const living = livingAt(run, step);
  const winner = new Set(
    step === last && run.sequences.length
      ? pathTo(nodesById(run), nodesById(run).get(run.sequences[0].node)).map((node) => node.id)
      : [],
  );
  const rows = Math.max(1, ...items.map((item) => item.row + 1));
  const columns = figure.running
    ? Math.max(last, figure.trace.request?.max_new_tokens ?? last)
    : last;
  canvas.resize(
    LATTICE_LEFT + (columns + 1) * (LATTICE_COLUMN + LATTICE_GAP),
    LATTICE_TOP + rows * LATTICE_ROW + 14,
  );
  const x = (item) =>
    LATTICE_LEFT + item.step * (LATTICE_COLUMN + LATTICE_GAP) - (item.step ? 60 : 30);
  const y = (item) => LATTICE_TOP + item.row * LATTICE_ROW;
  const best = new Map();
  for (const { node, step: at } of items)
    best.set(at, Math.max(best.get(at) ?? -Infinity, node.cumulative_logprob ?? -Infinity));
  const edges = [];
  const pills = [];
  const ranks = Array.from({ length: rows }, (_, row) =>
    s("text", { class: "axis", x: 4, y: LATTICE_TOP + row * LATTICE_ROW + 14.5 }, String(row + 1)),
  );
  const heads = Array.from({ length: last }, (_, index) =>
    s(
      "text",
      {
        class: index + 1 === step ? "step now" : "step",
        x: LATTICE_LEFT + (index + 1) * (LATTICE_COLUMN + LATTICE_GAP) - 58,
        y: 14,
      },
      String(index + 1),
    ),
  );
  const shown = items.filter((item) => item.step <= step);
  if (!shown.some((item) => item.node.id === view.active)) view.active = shown[0]?.node.id ?? null;
  for (const item of shown) {
    const { node } = item;
    const from = byId.get(node.parent);
    const past = item.step < step && !living.has(node.id);
    if (from) {
      const [x1, y1, x2, y2] = [
        x(from) + (from.step ? LATTICE_COLUMN : LATTICE_COLUMN - 30),
        y(from) + LATTICE_PILL / 2,
        x(item),
        y(item) + LATTICE_PILL / 2,
      ];
      const path = `M${x1} ${y1}C${x1 + LATTICE_GAP / 2} ${y1} ${x2 - LATTICE_GAP / 2} ${y2} ${x2} ${y2}`;
      if (winner.has(node.id)) edges.push(...strokesOf(run, view.run, path));
      else edges.push(s("path", { class: `hop ${node.status}${past ? " past" : ""}`, d: path }));
    }
    pills.push(
      drawHypothesis(item, figure, {
        run,
        drawn: view.drawn,
        past,
        winner: winner.has(node.id),
        best: best.get(item.step),
        hatch,
        active: view.active,
        x: x(item),
        y: y(item),
        living,
        step,
      }),
    );
  }
  const cut = cutBelow(shown.filter((item) => item.step === step));
  const line =
    cut === null
      ? null
      : s("path", {
          class: "cut",
          d: `M${LATTICE_LEFT + step * (LATTICE_COLUMN + LATTICE_GAP) - 66} ${LATTICE_TOP + cut * LATTICE_ROW - 2.5}h${LATTICE_COLUMN + 12}`,
        });
  // Thin lines first, so that the returned text's line lies above them.
  edges.sort((one, other) => Number(one.matches(".stroke")) - Number(other.matches(".stroke")));
  const back = s("g", { "aria-hidden": "true" }, ranks, heads, edges, line);
  const places = layer.querySelector(":scope > .places") ?? s("g", { class: "places" });
  // The pills stay in the page where they can, and with them the keyboard's focus.
  const wanted = new Set(pills);
  for (const pill of [...places.children]) if (!wanted.has(pill)) pill.remove();
  pills.forEach(
    (pill, index) =>
      places.children[index] !== pill && places.insertBefore(pill, places.children[index] ?? null),
  );
  if (places.parentNode) layer.firstChild.replaceWith(back);
  else layer.append(back, places);
}

/** The row below the last hypothesis of a step that went on; null if none did. */
function cutBelow(items) {
  const kept = items.filter(({ node }) => node.status === "kept").map(({ row }) => row);
  return kept.length && kept.length < items.length ? Math.max(...kept) + 1 : null;
}

function drawHypothesis(item, figure, options) {
  const { node, step, key } = item;
  const root = node.parent === null;
  const { run, drawn } = options;
  const ended =
    !root && node.status === "kept" && step < options.step && !options.living.has(node.id);
  const fate = ended ? "kept, but nothing that follows it survived" : fateOf(run, node);
  const selected = figure.selected.key === key;
  const mark = [
    key,
    node.reason,
    node.score,
    selected,
    options.past,
    options.winner,
    options.active === node.id,
    node.status,
    fate,
    item.row,
    options.best,
    figure.trace.prompt.text,
  ].join("|");
  const before = drawn.get(node.id);
  if (before?.mark === mark) return before.group;
  const classes = [
    "place",
    root ? "prompt" : "hypothesis",
    node.status,
    options.past && "past",
    selected && "selected",
    options.winner && "winner",
  ];
  const group = s("g", {
    class: classes.filter(Boolean).join(" "),
    role: "button",
    "aria-pressed": String(selected),
    tabindex: node.id === options.active ? 0 : -1,
    "data-node": node.id,
    "data-key": key,
    "data-step": step,
    "data-fate": fate,
    transform: `translate(${options.x} ${options.y})`,
    "aria-label": root
      ? "The prompt"
      : `Step ${step}, rank ${node.rank ?? "none"}: ${spoken(node.text)}, score ${number(node.score, 3)}, ${fate}. ${node.reason ?? ""}`,
  });
  fillPill(group, {
    width: root ? LATTICE_COLUMN - 30 : LATTICE_COLUMN,
    height: LATTICE_PILL,
    radius: 5,
    size: 11.5,
    label: root ? tailOf(figure.trace.prompt.text, 10) : tokenLabel(node.text),
    share: root ? 0 : Math.exp((node.cumulative_logprob ?? -Infinity) - options.best),
    note: root ? "" : number(node.score, 2),
    removed: node.status === "pruned" || node.status === "filtered",
    hatch: options.hatch,
  });
  if (node.status === "finished")
    group.append(
      s("path", { class: "flag", d: `M${LATTICE_COLUMN + 4} ${LATTICE_PILL - 1}V2h9l-3 4l3 4h-9` }),
    );
  drawn.set(node.id, { mark, group });
  return group;
}

function drawCandidates(element, figure, index, run, step) {
  const byId = nodesById(run);
  const nodes = run.nodes.filter((node) => node.step === step && node.parent !== null);
  nodes.sort(
    (one, other) =>
      (one.rank ?? 1e9) - (other.rank ?? 1e9) ||
      (other.cumulative_logprob ?? -1e9) - (one.cumulative_logprob ?? -1e9),
  );
  const living = nodes.filter((node) => node.rank !== null);
  const others = nodes.length - living.length;
  const shown = living.length ? living : nodes;
  const rows = shown.map((node) => {
    const path = pathTo(byId, node);
    const text = path.map((other) => other.text).join("");
    const choose = () => figure.select(path.map((other) => other.token_id).join("-"), index);
    return h(
      "tr",
      {
        class:
          figure.selected.key === path.map((other) => other.token_id).join("-")
            ? `current ${node.status}`
            : node.status,
      },
      h("td", { class: "num" }, node.rank ?? "–"),
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          { type: "button", class: "plain", title: text.slice(0, 400), onclick: choose },
          h("bdi", { class: "token" }, tokenLabel(tailOf(text, 44))),
        ),
      ),
      h("td", { class: "num" }, number(node.cumulative_logprob, 3)),
      h("td", { class: "num" }, number(node.score, 3)),
      h("td", {}, h("b", {}, fateOf(run, node))),
      h("td", { class: "why" }, node.reason ?? ""),
    );
  });
  const head = ["rank", "text so far", "sum", "score", "fate", "why"].map((text, place) =>
    h("th", { scope: "col", class: [0, 2, 3].includes(place) ? "num" : null }, text),
  );
  const table = h(
    "table",
    {},
    h("caption", {}, "Candidates of step ", String(step), " of ", runLabel(run, index)),
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, rows),
  );
  const unranked =
    others === 1 ? "One more token of this step was" : `${others} more tokens of this step were`;
  const rest = others
    ? h(
        "p",
        { class: "said" },
        `${unranked} recorded but never ranked among the candidates; the table view lists all.`,
      )
    : null;
  element.replaceChildren(h("div", { class: "wide" }, table), ...(rest ? [rest] : []));
}
