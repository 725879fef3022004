// The tab "Beams": the picture of lattice.js with its player, mouse and keys, and the candidates of
// a step as a table.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { focusOn, h } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { tableHead } from "../../../../shared/js/tables.js";
import { LATTICE_COLUMN, LATTICE_PILL, columnX, drawLattice, openLattice } from "./lattice.js";
import { runLabel } from "./lines.js";
import { fateOf, fromLog, isBeamRun, keyOf, nodesById, pathTo } from "./paths.js";
import { tailOf, tokenLabel } from "./pill.js";

/**
 * @import {Node, Run} from "./data.js"
 * @import {Session} from "./figure.js"
 * @import {LatticeView} from "./lattice.js"
 */

const LATTICE_PACE = 700; // milliseconds a step while playing

/**
 * @param {HTMLElement} panel
 * @param {Session} session
 */
export function openLatticeView(panel, session) {
  const hatch = `${session.id}-lattice-hatch`;
  /** @type {LatticeView} */
  const view = { run: -1, step: null, active: null };
  let timer = 0;
  const chooser = h("select", {
    "aria-label": "Beam run",
    onchange: () => choose(Number(chooser.value)),
  });
  const play = h("button", { type: "button", onclick: () => (timer ? stop() : start()) }, "Play");
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
    session.zoomed,
  );
  panel.append(caption, list);
  const lattice = openLattice(canvas);
  const { layer } = lattice;

  const choose = (/** @type {number} */ index) => {
    view.run = index;
    view.step = null;
    update();
  };
  const go = (/** @type {number} */ step) => {
    view.step = step >= lastStep() ? null : Math.max(1, step);
    update();
    canvas.reveal(columnX(view.step ?? lastStep()), 0, LATTICE_COLUMN, 40);
  };
  const runNow = () => session.trace.runs[view.run];
  const lastStep = () => Math.max(0, ...runNow().nodes.map((node) => node.step));
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const start = () => {
    if (view.step === null) go(1);
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (view.step === null || !panel.isConnected || panel.hidden) stop();
      else go(view.step + 1);
    }, LATTICE_PACE);
  };

  const update = () => {
    const { trace } = session;
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
    const run = runNow();
    const last = lastStep();
    const step = Math.min(view.step ?? last, last);
    slider.max = String(Math.max(1, last));
    slider.value = String(step);
    slider.setAttribute("aria-valuetext", `step ${step} of ${last}`);
    slider.disabled = play.disabled = last < 2;
    label.textContent = `step ${step} of ${last}`;
    drawLattice(canvas, lattice, session, view, step, last, `url(#${hatch})`);
    caption.textContent = latticeCaption(run);
    list.replaceChildren(...candidatesOf(session, view.run, step));
  };

  const groupAt = (/** @type {EventTarget | null} */ target) =>
    target instanceof Element ? target.closest("[data-node]") : null;
  const nodeOf = (/** @type {Element} */ group) =>
    runNow().nodes.find(({ id }) => id === Number(group.getAttribute("data-node")));
  const keyOfGroup = (/** @type {Element} */ group) => group.getAttribute("data-key") ?? "";
  const groupOf = (/** @type {number | null} */ id) => layer.querySelector(`[data-node="${id}"]`);
  const focus = (/** @type {Element | null | undefined} */ group) => {
    if (!group) return;
    layer.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    group.setAttribute("tabindex", "0");
    view.active = Number(group.getAttribute("data-node"));
    focusOn(group);
    const [x, y] = (group.getAttribute("transform") ?? "").match(/[\d.]+/g) ?? [];
    canvas.reveal(Number(x), Number(y), LATTICE_COLUMN, LATTICE_PILL);
  };
  const select = (/** @type {Element} */ group, /** @type {Node} */ node) => {
    view.active = node.id;
    session.select(keyOfGroup(group), view.run);
    focus(groupOf(node.id));
  };
  const explain = (/** @type {Element} */ group) => {
    const node = nodeOf(group);
    const fate = group.getAttribute("data-fate") ?? "";
    if (node) session.explainWith(group, hintOfNode(node, fate));
  };
  layer.addEventListener("click", (event) => {
    const group = groupAt(event.target);
    const node = group && nodeOf(group);
    if (node) select(group, node);
  });
  layer.addEventListener("keydown", (event) => {
    const group = groupAt(event.target);
    const node = group && nodeOf(group);
    if (!node || event.ctrlKey || event.metaKey || event.altKey) return;
    const groups = [...layer.querySelectorAll("[data-node]")];
    const column = groups.filter((other) => nodeOf(other)?.step === node.step);
    const place = session.forest.places.get(keyOfGroup(group));
    if (event.key === "Enter" || event.key === " ") select(group, node);
    else if (event.key === "b" || event.key === "B") {
      if (place) session.branch(place);
    } else if (event.key === "ArrowUp") focus(column[column.indexOf(group) - 1]);
    else if (event.key === "ArrowDown") focus(column[column.indexOf(group) + 1]);
    else if (event.key === "ArrowLeft") focus(groupOf(node.parent));
    else if (event.key === "ArrowRight")
      focus(groups.find((other) => nodeOf(other)?.parent === node.id));
    else return;
    event.preventDefault();
  });
  layer.addEventListener("pointerover", (event) => {
    const group = groupAt(event.target);
    if (group && event.pointerType === "mouse") explain(group);
    else session.hush();
  });
  layer.addEventListener("pointerleave", session.hush);
  layer.addEventListener("focusin", (event) => {
    const group = groupAt(event.target);
    if (group?.matches(":focus-visible")) explain(group);
  });
  layer.addEventListener("focusout", session.hush);
  return { update, canvas };
}

/** @param {Run} run */
function latticeCaption({ config, settings, prefix }) {
  const { num_beams: beams = "", num_beam_groups: groups = 1 } = config;
  const penalty = String(settings.length_penalty?.value ?? 1);
  const after = prefix.length ? ", both counted from where the branch begins" : "";
  const within = groups > 1 ? ` Ranks count within each of ${groups} groups.` : "";
  return (
    `${beams} beams; rows are ranks, a pill’s filling its probability relative to the best of its ` +
    `step, its number the score: log p ÷ length^${penalty}${after}.${within}`
  );
}

/**
 * @param {Node} node
 * @param {string} fate
 */
function hintOfNode(node, fate) {
  return [
    h(
      "p",
      {},
      h("bdi", { class: "token" }, tokenLabel(node)),
      ` ${percent(fromLog(node.logprob_raw))} of the model's odds`,
    ),
    node.rank === null
      ? null
      : h(
          "p",
          {},
          `Rank ${node.rank}, sum ${number(node.cumulative_logprob, 3)}, ` +
            `score ${number(node.score, 3)}`,
        ),
    h("p", {}, h("b", {}, fate), node.reason ? `. ${node.reason}` : ""),
  ];
}

/**
 * The candidates of a step, and how many more were recorded.
 * @param {Session} session
 * @param {number} index of the run
 * @param {number} step
 */
function candidatesOf(session, index, step) {
  const run = session.trace.runs[index];
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
    const path = pathTo(byId, node.id);
    const text = path.map((other) => other.text).join("");
    const key = keyOf(path);
    const choose = () => session.select(key, index);
    const current = session.selected.key === key ? "current " : "";
    return h(
      "tr",
      { class: current + node.status },
      h("td", { class: "num" }, node.rank ?? "–"),
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          { type: "button", class: "plain", title: text.slice(0, 400), onclick: choose },
          h("bdi", { class: "token" }, tokenLabel({ text: tailOf(text, 44), bytes: node.bytes })),
        ),
      ),
      h("td", { class: "num" }, number(node.cumulative_logprob, 3)),
      h("td", { class: "num" }, number(node.score, 3)),
      h("td", {}, h("b", {}, fateOf(run, node))),
      h("td", { class: "why" }, node.reason),
    );
  });
  const table = h(
    "table",
    {},
    h("caption", {}, "Candidates of step ", String(step), " of ", runLabel(run)),
    tableHead(["rank", "text so far", "sum", "score", "fate", "why"], [0, 2, 3]),
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
  return [h("div", { class: "wide" }, table), ...(rest ? [rest] : [])];
}
