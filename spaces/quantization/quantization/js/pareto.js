// Size against quality: every row with its interval, the front that no other row beats in both, and a budget to drag.

import { axisLabel, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief, megabytes } from "../../../../shared/js/numbers.js";
import { choice, showHint } from "../../../../shared/js/shell.js";
import { doneRows } from "./compare.js";

const SIZES = {
  file: ["file size, MB", (row) => row.file_bytes / 1e6],
  bits: ["bits per weight, whole model", (row) => row.bits],
};
const LOSSES = {
  kld: [
    "mean KL divergence, nats",
    (row) => [
      row.kld.mean,
      row.kld.mean - 1.96 * row.kld.sigma,
      row.kld.mean + 1.96 * row.kld.sigma,
    ],
  ],
  ratio: [
    "perplexity over the base's, − 1",
    (row) => [row.ratio - 1, row.ratio_low - 1, row.ratio_high - 1],
  ],
  top: [
    "share of tokens with another top choice",
    (row) => [
      1 - row.same_top,
      1 - row.same_top - 1.96 * row.same_top_sigma,
      1 - row.same_top + 1.96 * row.same_top_sigma,
    ],
  ],
};
/** Engines by colour and shape. */
export const MARKS = {
  gguf: ["a", "circle"],
  own: ["b", "square"],
  bitsandbytes: ["c", "triangle"],
  hqq: ["d", "diamond"],
  torchao: ["b", "cross"],
  autoround: ["c", "ring"],
};
const SIZE_LEFT = 62,
  SIZE_RIGHT = 24,
  SIZE_TOP = 18,
  SIZE_HEIGHT = 380,
  SIZE_BOTTOM = 44;

/** The mark of an engine at a place. */
export function mark(engine, x, y, size = 5) {
  const [colour, shape] = MARKS[engine] ?? ["a", "circle"];
  const common = {
    class: `mark mark-${colour}${shape === "ring" || shape === "cross" ? " open" : ""}`,
  };
  if (shape === "square")
    return s("rect", { ...common, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  if (shape === "triangle")
    return s("path", {
      ...common,
      d: `M${x} ${y - size - 1}L${x + size + 1} ${y + size}H${x - size - 1}Z`,
    });
  if (shape === "diamond")
    return s("path", {
      ...common,
      d: `M${x} ${y - size - 2}L${x + size + 2} ${y}L${x} ${y + size + 2}L${x - size - 2} ${y}Z`,
    });
  if (shape === "cross")
    return s("path", {
      ...common,
      d: `M${x - size} ${y - size}L${x + size} ${y + size}M${x + size} ${y - size}L${x - size} ${y + size}`,
    });
  return s("circle", { ...common, cx: x, cy: y, r: size });
}

/** Open the view. */
export function openPareto(figure, panel) {
  const state = { size: "file", loss: "kld", budget: null, run: null };
  let data = null;
  const svg = s("svg", { class: "picture pareto", role: "img" });
  const frame = h(
    "div",
    { class: "chart", tabindex: 0, role: "group", "aria-label": "Chart of size against quality" },
    svg,
  );
  const verdict = h("p", { class: "picture-caption verdict", role: "status" });
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 1000,
    step: 1,
    value: 1000,
    "aria-label": "Budget",
    oninput: () => moveTo(Number(slider.value) / 1000),
  });
  const set = (name) => (value) => {
    state[name] = value;
    draw();
  };
  const filters = h(
    "div",
    { class: "filters padded-row" },
    choice(
      "Across",
      Object.entries(SIZES).map(([name, [text]]) => [name, text]),
      state.size,
      set("size"),
    ),
    choice(
      "Up",
      Object.entries(LOSSES).map(([name, [text]]) => [name, text]),
      state.loss,
      set("loss"),
    ),
  );
  const budget = h(
    "div",
    { class: "filters padded-row" },
    h("label", { class: "grow" }, "Budget ", slider),
  );
  const legend = h("div", { class: "filters padded-row quiet-row" });
  panel.append(filters, frame, budget, verdict, legend);
  const pen = h("canvas").getContext("2d");
  let scales = null;
  const moveTo = (share) => {
    if (!scales) return;
    state.budget =
      share >= 1 ? null : scales.x.invert(scales.from + share * (scales.to - scales.from));
    drawBudget();
  };
  const budgetLayer = s("g", { class: "budget" });
  const draw = () => {
    if (!data) return;
    const rows = doneRows(data).map((row) => ({
      row,
      x: SIZES[state.size][1](row),
      y: LOSSES[state.loss][1](row),
    }));
    const width = widthNow();
    scales = chartScales(rows, width, state);
    svg.setAttribute("viewBox", `0 0 ${width} ${SIZE_HEIGHT}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", SIZE_HEIGHT);
    svg.setAttribute(
      "aria-label",
      `${rows.length} formats: ${SIZES[state.size][0]} against ${LOSSES[state.loss][0]}.`,
    );
    svg.replaceChildren(
      ...axes(scales, state),
      front(rows, scales),
      ...points(rows, scales),
      budgetLayer,
    );
    legend.replaceChildren(
      ...[...new Set(rows.map(({ row }) => row.engine))].map((engine) =>
        h(
          "span",
          { class: "run-label" },
          s("svg", { width: 16, height: 16, "aria-hidden": "true" }, mark(engine, 8, 8)),
          engine,
        ),
      ),
      h("span", {}, "whiskers: 95 % interval over tokens"),
      h("span", {}, "step line: the front that no row beats in both"),
    );
    drawBudget();
  };
  const drawBudget = () => {
    const rows = doneRows(data ?? { rows: [] });
    if (state.budget === null || !rows.length) {
      budgetLayer.replaceChildren();
      verdict.textContent = rows.length
        ? "Drag the budget to see what fits."
        : "No format has been measured yet.";
      return;
    }
    const x = scales.x(state.budget);
    budgetLayer.replaceChildren(
      s("rect", {
        class: "over",
        x,
        y: SIZE_TOP,
        width: Math.max(0, scales.width - SIZE_RIGHT - x),
        height: SIZE_HEIGHT - SIZE_TOP - SIZE_BOTTOM,
      }),
      s("line", { class: "cut-line", x1: x, x2: x, y1: SIZE_TOP, y2: SIZE_HEIGHT - SIZE_BOTTOM }),
    );
    verdict.textContent = sentence(rows, state);
  };
  const place = (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) * scales.width) / box.width;
    slider.value = String(
      Math.round(1000 * Math.max(0, Math.min(1, (at - scales.from) / (scales.to - scales.from)))),
    );
    moveTo(Number(slider.value) / 1000);
  };
  let dragging = false;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target.closest("[data-row]")) return;
    dragging = true;
    svg.setPointerCapture(event.pointerId);
    place(event);
  });
  svg.addEventListener("pointermove", (event) => dragging && place(event));
  for (const name of ["pointerup", "pointercancel"])
    svg.addEventListener(name, () => (dragging = false));
  const points = (rows, at) => {
    pen.font = `600 11px ${getComputedStyle(figure.root).getPropertyValue("--sans")}`; // that of .point-name
    const labels = layLabels(rows, at, (text) => pen.measureText(text).width);
    return rows.map(({ row, x, y }, index) => {
      const [cx, cy] = [at.x(x), at.y(Math.max(at.low, y[0]))];
      const hint = () =>
        showHint(figure, node, [
          h("b", {}, row.format),
          h("div", {}, `${megabytes(row.file_bytes)} MB, ${brief(row.bits)} bits a weight`),
          h(
            "div",
            {},
            `KLD ${brief(row.kld.mean)} ± ${brief(row.kld.sigma, 2)} nats; perplexity × ${row.ratio.toFixed(4)}`,
          ),
          h(
            "div",
            {},
            row.tied?.length
              ? `Rank ${row.rank}, not to be told from ${row.tied.join(", ")}`
              : `Rank ${row.rank}`,
          ),
        ]);
      const whiskers = [Math.max(at.low, y[1]), Math.max(at.low, y[2])].map(at.y);
      const node = s(
        "g",
        {
          "data-row": row.format,
          tabindex: 0,
          role: "img",
          "aria-label": `${row.format}: ${megabytes(row.file_bytes)} MB, KLD ${brief(row.kld.mean)}`,
          onpointerenter: hint,
          onfocus: hint,
          onpointerleave: () => (figure.parts.hint.hidden = true),
          onblur: () => (figure.parts.hint.hidden = true),
        },
        s("line", { class: "whisker", x1: cx, x2: cx, y1: whiskers[0], y2: whiskers[1] }),
        s("line", {
          class: "leader",
          x1: cx,
          y1: cy,
          x2: labels[index].x,
          y2: labels[index].y - 4,
        }),
        mark(row.engine, cx, cy),
        s(
          "text",
          {
            class: "point-name",
            x: labels[index].x,
            y: labels[index].y,
            "text-anchor": labels[index].anchor,
          },
          labels[index].text,
        ),
      );
      return node;
    });
  };
  const widthNow = watchWidth(frame, draw);
  return (next) => {
    if (state.run !== next.run_id) Object.assign(state, { run: next.run_id, budget: null });
    data = next;
    draw();
  };
}

function chartScales(rows, width, { size, loss }) {
  const xs = rows.map(({ x }) => x);
  const ys = rows.flatMap(({ y }) => y).filter((value) => value > 0);
  const log = loss !== "ratio" || ys.every((value) => value > 0);
  const low = ys.length
    ? Math.min(...ys.map((value) => Math.max(value, Math.max(...ys) / 1e5))) / 1.3
    : 0.001;
  const high = ys.length ? Math.max(...ys) * 1.35 : 1;
  const [least, most] = xs.length ? [Math.min(...xs), Math.max(...xs)] : [1, 2];
  const pad = (most - least || most) * 0.08;
  const [from, to] = [SIZE_LEFT, width - SIZE_RIGHT];
  return {
    width,
    from,
    to,
    low,
    size,
    x: scaleOf(Math.max(0, least - pad), most + pad * 1.6, from, to),
    y: scaleOf(low, high, SIZE_HEIGHT - SIZE_BOTTOM, SIZE_TOP, log),
  };
}

function axes({ x, y, width }, { size, loss }) {
  const parts = [];
  for (const tick of y.ticks(6))
    parts.push(
      s("line", {
        class: "grid-line",
        x1: SIZE_LEFT,
        x2: width - SIZE_RIGHT,
        y1: y(tick),
        y2: y(tick),
      }),
      axisLabel(SIZE_LEFT - 8, y(tick) + 3.5, "end", brief(tick)),
    );
  for (const tick of x.ticks(width / 110))
    parts.push(axisLabel(x(tick), SIZE_HEIGHT - SIZE_BOTTOM + 16, "middle", brief(tick)));
  parts.push(
    s("line", {
      class: "grid-line",
      x1: SIZE_LEFT,
      x2: width - SIZE_RIGHT,
      y1: SIZE_HEIGHT - SIZE_BOTTOM,
      y2: SIZE_HEIGHT - SIZE_BOTTOM,
    }),
  );
  parts.push(
    axisLabel(width - SIZE_RIGHT, SIZE_HEIGHT - 8, "end", `${SIZES[size][0]} → smaller is left`),
    axisLabel(SIZE_LEFT - 54, 11, "start", `${LOSSES[loss][0]} ↓ lower is better`),
  );
  return parts;
}

function front(rows, { x, y, low }) {
  const sorted = rows.toSorted((one, other) => one.x - other.x || one.y[0] - other.y[0]);
  let best = Infinity;
  const steps = [];
  for (const point of sorted) {
    if (point.y[0] >= best) continue;
    const [px, py] = [x(point.x), y(Math.max(low, point.y[0]))];
    steps.push(
      steps.length ? `H${px.toFixed(1)}V${py.toFixed(1)}` : `M${px.toFixed(1)} ${py.toFixed(1)}`,
    );
    best = point.y[0];
  }
  return s("path", { class: "front", d: steps.join("") });
}

/** GGUF's types are known by themselves; other engines share names, and where there is no room their marks' shapes tell them apart. */
function nameOf({ engine, label }, width) {
  return engine === "gguf" || width < NARROW ? label : `${engine} ${label}`;
}

const NARROW = 560;
const DISTANCES = [0, 14, 28, 42, 58, 74, 92, 112, 134]; // pixels above or below a mark

/** Places for names inside the plot that lie on no other name or mark, the nearest first. */
function layLabels(rows, { x, y, from, to, low, width }, widthOf) {
  const marks = rows.map((point) => [x(point.x), y(Math.max(low, point.y[0]))]);
  const taken = marks.map(([cx, cy]) => ({ x: cx - 7, y: cy - 7, w: 14, h: 14 }));
  const isFree = (box) =>
    box.x > from &&
    box.x + box.w <= to &&
    box.y > 12 &&
    box.y + box.h < SIZE_HEIGHT - SIZE_BOTTOM &&
    !taken.some(
      (other) =>
        box.x < other.x + other.w &&
        other.x < box.x + box.w &&
        box.y < other.y + other.h &&
        other.y < box.y + box.h,
    );
  return rows.map(({ row }, index) => {
    const [cx, cy] = marks[index];
    const text = nameOf(row, width);
    const w = widthOf(text) + 2;
    for (const distance of DISTANCES) {
      const beside = distance
        ? []
        : [
            [10, 4, "start"],
            [-10, 4, "end"],
          ];
      for (const [dx, dy, anchor] of [
        ...beside,
        [8, -9 - distance, "start"],
        [8, 18 + distance, "start"],
        [-8, -9 - distance, "end"],
        [-8, 18 + distance, "end"],
      ]) {
        const box = { x: anchor === "end" ? cx + dx - w : cx + dx, y: cy + dy - 10, w, h: 13 };
        if (!isFree(box)) continue;
        taken.push(box);
        return { text, x: cx + dx, y: cy + dy, anchor };
      }
    }
    return { text, x: Math.max(from, Math.min(cx + 10, to - w)), y: cy + 4, anchor: "start" }; // no room at all: at least inside
  });
}

function sentence(rows, { budget, size }) {
  const within = rows.filter((row) => SIZES[size][1](row) <= budget);
  const unit = size === "file" ? "MB" : "bits per weight";
  if (!within.length) return `Nothing measured fits in ${brief(budget)} ${unit}.`;
  const best = within.reduce((one, other) => (other.kld.mean < one.kld.mean ? other : one));
  const tied = (best.tied ?? []).filter((name) => within.some((row) => row.format === name));
  const also = tied.length ? ` It cannot be told apart from ${tied.join(", ")}.` : "";
  return `Within ${brief(budget)} ${unit}: ${best.format}, KLD ${brief(best.kld.mean)} ± ${brief(best.kld.sigma, 2)} nats, the same top token ${(100 * best.same_top).toFixed(1)} % of the time.${also}`;
}
