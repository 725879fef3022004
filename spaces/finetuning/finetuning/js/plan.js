// What memory training takes, as a bar for each way to train, and what fits on which card.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { brief, plural, whole } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { scrollTable } from "../../../../shared/js/tables.js";

/**
 * @import {Method, Plan} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/** What a plan is looked at for.
 * @typedef {{length: number, batch: number}} PlanSession
 */

const PLAN_LENGTHS = [256, 512, 1024, 2048, 4096, 8192];
const PLAN_METHODS = { full: "full training", lora: "LoRA", qlora: "QLoRA" };
const PLAN_PARTS = {
  weights: "weights",
  states: "optimizer",
  rest: "activations, or gradients where they are more",
};

/** Open the figure. */
export function openPlan() {
  /** @type {PlanSession} */
  const session = { length: 1024, batch: 4 };
  /** @type {Figure<Plan>} */
  const figure = openTabbed(
    "finetuning",
    "What fits where",
    "Choose a model and press Plan.",
    [
      {
        name: "memory",
        label: "Memory",
        open: (_, panel) => openMemory(panel, session, () => figure.refresh()),
      },
    ],
    (data) => ({
      title: planTitle(data, session),
      key: [
        `${whole(data.parameters)} parameters`,
        `${data.shape.blocks} blocks, ${data.shape.L} from the lowest adapted one on`,
        String(data.request.dtype),
        ...(data.request.checkpointing ? ["gradient checkpointing"] : []),
      ],
      provenance: `${data.model} · computed from config.json · ${data.assumed}`,
      tags: data.example ? ["stored example"] : [],
    }),
  );
  return figure;
}

/**
 * Bytes at the peak of a step.
 * @param {Method} method
 * @param {PlanSession} session
 */
function planPeak(method, { length, batch }) {
  return (
    method.weights + method.states + Math.max(length * batch * method.a_token, method.gradients)
  );
}

/**
 * @param {Plan} data
 * @param {PlanSession} session
 */
function planTitle(data, session) {
  const told = data.methods.map(
    (method) => `${PLAN_METHODS[method.method]} ${gigabytes(planPeak(method, session))}`,
  );
  return `${plural(session.batch, "row")} of ${whole(session.length)} tokens: ${told.join(", ")}`;
}

/** @param {number} bytes */
function gigabytes(bytes) {
  return `${brief(bytes / 1e9)} GB`;
}

/**
 * @param {HTMLElement} panel
 * @param {PlanSession} session
 * @param {() => void} refresh
 * @returns {(data: Plan) => void}
 */
function openMemory(panel, session, refresh) {
  const bar = h("div", {});
  const body = h("div", { class: "train-said" });
  panel.append(bar, body);
  return (data) => {
    keepFocus(bar, () => bar.replaceChildren(planBar(session, refresh)));
    body.replaceChildren(...memoryOf(data, session));
  };
}

/**
 * @param {PlanSession} session
 * @param {() => void} refresh
 */
function planBar(session, refresh) {
  const slider = (
    /** @type {"length" | "batch"} */ name,
    /** @type {string} */ label,
    /** @type {number[]} */ values,
  ) =>
    h(
      "label",
      {},
      `${label} `,
      h("input", {
        type: "range",
        min: 0,
        max: values.length - 1,
        step: 1,
        value: Math.max(0, values.indexOf(session[name])),
        "data-key": `plan-${name}`,
        "aria-label": label,
        "aria-valuetext": whole(session[name]),
        oninput: (event) => {
          session[name] = values[Number(event.currentTarget.value)];
          refresh();
        },
      }),
      h("output", {}, whole(session[name])),
    );
  const batches = Array.from({ length: 8 }, (_, at) => 2 ** at);
  return h(
    "div",
    { class: "train-bar" },
    slider("length", "tokens of a row", PLAN_LENGTHS),
    slider("batch", "rows of a step", batches),
  );
}

/**
 * @param {Plan} data
 * @param {PlanSession} session
 */
function memoryOf(data, session) {
  const most = Math.max(...data.methods.map((method) => planPeak(method, session)));
  const bars = data.methods.map((method) => {
    const { weights, states } = method;
    const parts = { weights, states, rest: planPeak(method, session) - weights - states };
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, PLAN_METHODS[method.method]),
      h("td", { class: "num" }, gigabytes(planPeak(method, session))),
      method.fits.map(({ card, batch }) => {
        const rows = batch[String(session.length)] ?? 0;
        return h(
          "td",
          { class: rows >= session.batch ? "num plan-fits" : "num plan-not" },
          rows ? plural(rows, "row") : "none",
          h("span", { class: "unseen" }, ` on ${card} GB`),
        );
      }),
      h(
        "td",
        { class: "plan-bar" },
        h(
          "span",
          { class: "plan-track" },
          Object.entries(parts).map(([name, bytes]) =>
            h("span", {
              class: `plan-part plan-${name}`,
              title: `${PLAN_PARTS[/** @type {keyof typeof PLAN_PARTS} */ (name)]}: ${gigabytes(bytes)}`,
              style: { width: `${((100 * bytes) / most).toFixed(2)}%` },
            }),
          ),
        ),
      ),
      h(
        "td",
        { class: "said plan-sum" },
        `${gigabytes(parts.weights)} + ${gigabytes(parts.states)} + ${gigabytes(parts.rest)}`,
      ),
    );
  });
  return [
    scrollTable(
      "Memory",
      [
        "way",
        h("th", { scope: "col", class: "num" }, "peak"),
        ...data.methods[0].fits.map(({ card }) =>
          h("th", { scope: "col", class: "num" }, `most on ${card} GB`),
        ),
        h(
          "th",
          { scope: "col" },
          Object.entries(PLAN_PARTS).map(([name, words]) =>
            h("span", { class: `plan-word plan-${name}` }, words),
          ),
        ),
        "weights + optimizer + rest",
      ],
      bars,
    ),
    h("p", { class: "train-note" }, data.formula),
    h(
      "p",
      { class: "train-note" },
      "QLoRA saves weights and no activations: with long rows the three come near each other, and ",
      "gradient checkpointing, or a smaller batch, helps more.",
    ),
  ];
}
