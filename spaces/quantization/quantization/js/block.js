// One block under the microscope: every weight as a dot, the levels as ticks, and a line from each weight to its level.

import { axisLabel, evenTicks, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief, number } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";
import { kldText } from "./lab.js";

const SIDE = 22,
  DOTS = 62,
  LEVELS = 210,
  BLOCK_HEIGHT = 262;
const PAUSE = 300; // milliseconds: the model is asked when a handle rests

/** Codes and values on an affine grid, as the methods compute them: round half to even, then clamp. */
export function onGrid(weights, { scale, zero, low, high }) {
  const codes = weights.map((weight) =>
    Math.max(low, Math.min(high, scale ? halfEven(weight / scale) + zero : zero)),
  );
  return { codes, values: codes.map((code) => scale * (code - zero)) };
}

/** Rounding half to even, as torch does. */
export function halfEven(value) {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

/** Mean squared error of a block. */
export function meanSquare(weights, values) {
  return (
    weights.reduce((sum, weight, index) => sum + (weight - values[index]) ** 2, 0) / weights.length
  );
}

/** Open the view. */
export function openBlock(figure, panel) {
  const state = {
    run: null,
    block: null,
    grid: null,
    clip: 1,
    selected: 0,
    timer: 0,
    asked: 0,
    fetched: 0,
  };
  let data = null;
  const bar = h("div", { class: "filters padded-row" });
  const svg = s("svg", { class: "picture block-picture", role: "img" });
  const frame = h(
    "div",
    {
      class: "chart scroll",
      tabindex: 0,
      role: "region",
      "aria-label": "Block under the microscope",
    },
    svg,
  );
  const handles = h("div", { class: "filters padded-row" });
  const said = h("p", { class: "picture-caption", role: "status" });
  const codes = h("div", {
    class: "codes padded-row",
    role: "group",
    "aria-label": "Codes; choose a weight",
  });
  const detail = h("div", { class: "padded" });
  const whole = h("p", { class: "padded-row said", role: "status" });
  panel.append(bar, frame, handles, said, codes, detail, whole);
  // The grid is in float16, and ggml rounds before it is: only a grid that was moved may say what the codes are.
  const moved = ({ affine }, grid) =>
    grid &&
    (grid.zero !== affine.zero ||
      Math.abs(grid.scale - affine.scale) > Math.abs(affine.scale) / 1000);
  const current = () => {
    const { block, grid } = state;
    return moved(block, grid)
      ? {
          ...block,
          ...onGrid(block.weights, grid),
          levels: Array.from(
            { length: grid.high - grid.low + 1 },
            (_, code) => grid.scale * (code + grid.low - grid.zero),
          ),
        }
      : block;
  };
  const choose = (block) => {
    clearTimeout(state.timer);
    state.asked += 1; // what was asked of another block is stale
    state.fetched += 1;
    whole.textContent = "";
    state.block = block;
    state.grid = block.affine ? { ...block.affine } : null;
    state.clip = 1;
    state.selected = Math.min(state.selected, block.weights.length - 1);
    drawBar();
    drawHandles();
    draw();
  };
  const fetchBlock = async (row, block) => {
    if (!canAsk(figure)) return;
    state.fetched += 1;
    const mine = state.fetched;
    const found = await figure.host
      .fetch("block", { ...labRequest(data.request), row, block })
      .catch(() => null);
    if (mine !== state.fetched) return;
    if (found?.error) said.textContent = `${found.error.what} ${found.error.remedy}`;
    else if (found) choose(found);
  };
  const drawBar = () => {
    const known = data.blocks.map(({ label }, index) => [String(index), label]);
    const inputs = ["row", "block"].map((name) =>
      h("input", {
        type: "number",
        min: 0,
        value: state.block[name],
        "aria-label": name,
        class: "place",
        onchange: () => fetchBlock(Number(inputs[0].value), Number(inputs[1].value)),
      }),
    );
    bar.replaceChildren(
      choice(
        "Show",
        [
          ...known,
          ...(data.blocks.includes(state.block)
            ? []
            : [["other", state.block.label ?? "another block"]]),
        ],
        data.blocks.includes(state.block) ? String(data.blocks.indexOf(state.block)) : "other",
        (value) => value !== "other" && choose(data.blocks[Number(value)]),
      ),
      ...(canAsk(figure)
        ? [h("label", {}, "row ", inputs[0]), h("label", {}, "block ", inputs[1])]
        : [h("span", {}, `row ${state.block.row}, block ${state.block.block}`)]),
    );
  };
  const drawHandles = () => {
    const { grid, block } = state;
    if (!grid) {
      handles.replaceChildren(...(block.note ? [h("span", {}, block.note)] : []));
      return;
    }
    const start = block.affine;
    const slide = (label, low, high, step, value, put) => {
      const out = h("output", {}, brief(value));
      return h(
        "label",
        { class: "grow" },
        `${label} `,
        h("input", {
          type: "range",
          min: low,
          max: high,
          step,
          value,
          "aria-label": label,
          oninput: (event) => {
            put(Number(event.target.value));
            out.textContent = brief(Number(event.target.value));
            draw();
          },
        }),
        out,
      );
    };
    const [size, sign] = [Math.abs(start.scale) || 1e-6, start.scale < 0 ? -1 : 1]; // Q4_0 has scales below 0
    const parts = [
      slide(sign < 0 ? "−scale" : "scale", size / 4, size * 2.5, size / 200, size, (value) => {
        grid.scale = sign * value;
        ask();
      }),
    ];
    if (start.low === 0)
      parts.push(
        slide(
          "zero point, block alone",
          start.low,
          start.high,
          1,
          start.zero,
          (value) => (grid.zero = value),
        ),
      );
    parts.push(
      slide("clip", 0.2, 1, 0.01, 1, (value) => {
        state.clip = value;
        grid.scale = start.scale * value;
        ask();
      }),
    );
    parts.push(h("button", { type: "button", onclick: () => choose(block) }, "Reset"));
    handles.replaceChildren(...parts);
  };
  const ask = () => {
    clearTimeout(state.timer);
    const settable = data.settings && "scale_factor" in data.settings;
    if (!settable || !canAsk(figure)) return;
    state.timer = setTimeout(async () => {
      state.asked += 1;
      const mine = state.asked;
      whole.textContent = "Asking the model …";
      const ratio = state.grid.scale / (state.block.affine.scale * state.clip || 1);
      const { settings } = data.request;
      const changed = {
        ...settings,
        clip: Math.max(0.05, Math.min(1, (settings.clip ?? 1) * state.clip)),
        scale_factor: Math.max(0.25, Math.min(4, (settings.scale_factor ?? 1) * ratio)),
      };
      const found = await figure.host
        .fetch("adjust", { ...labRequest(data.request), settings: changed })
        .catch(() => null);
      if (mine !== state.asked) return;
      const before = data.summary;
      whole.textContent = !found
        ? ""
        : found.error
          ? `${found.error.what} ${found.error.remedy}`
          : `The whole tensor with clip ${number(changed.clip)} and scale × ${number(changed.scale_factor)}: SQNR ${before.sqnr?.toFixed(1) ?? "lossless"} → ${found.sqnr?.toFixed(1) ?? "lossless"} dB; ${kldText(before.kld)} → ${brief(found.kld.mean)} ± ${brief(found.kld.sigma, 2)}.`;
    }, PAUSE);
  };
  const draw = () => {
    const block = current();
    const width = widthNow();
    const all = [...block.weights, ...block.values, ...(block.levels ?? [])];
    const span = Math.max(...all) - Math.min(...all) || 1;
    const x = scaleOf(
      Math.min(...all) - span * 0.03,
      Math.max(...all) + span * 0.03,
      SIDE,
      width - SIDE,
    );
    svg.setAttribute("viewBox", `0 0 ${width} ${BLOCK_HEIGHT}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", BLOCK_HEIGHT);
    svg.setAttribute("aria-label", `${block.weights.length} weights and their levels`);
    const bands = (block.sub_blocks ?? []).length;
    const dot = (index) =>
      DOTS - (bands ? (index * 40) / block.weights.length - 20 : ((index * 7) % 5) * 9 - 18);
    const places = evenTicks(Math.min(...all), Math.max(...all), width / 110);
    svg.replaceChildren(
      axisLabel(SIDE, 12, "start", "weights"),
      axisLabel(
        SIDE,
        LEVELS + 46,
        "start",
        `${block.levels?.length ?? "several"} levels${bands ? " in the chosen weight's sub-block" : ""}`,
      ),
      s("line", { class: "grid-line", x1: SIDE, x2: width - SIDE, y1: LEVELS, y2: LEVELS }),
      ...levelsFor(block, state.selected).map((level) =>
        s("line", { class: "level", x1: x(level), x2: x(level), y1: LEVELS - 6, y2: LEVELS + 8 }),
      ),
      ...places.map((tick) => axisLabel(x(tick), LEVELS + 26, "middle", brief(tick))),
      ...block.weights.map((weight, index) =>
        s("line", {
          class: `arrow${index === state.selected ? " chosen" : ""}`,
          x1: x(weight),
          y1: dot(index),
          x2: x(block.values[index]),
          y2: LEVELS - 7,
        }),
      ),
      ...block.weights.map((weight, index) =>
        s("circle", {
          class: `weight${index === state.selected ? " chosen" : ""}`,
          cx: x(weight),
          cy: dot(index),
          r: index === state.selected ? 6 : 4,
          "data-index": index,
          onclick: () => select(index),
        }),
      ),
    );
    const [mse, before] = [
      meanSquare(block.weights, block.values),
      meanSquare(state.block.weights, state.block.values),
    ];
    const square = meanSquare(
      block.weights,
      block.weights.map(() => 0),
    );
    const decibel = (error) =>
      error ? `${(10 * Math.log10(square / error)).toFixed(1)} dB` : "lossless";
    said.textContent =
      Math.abs(mse - before) > 1e-15
        ? `This block: mean squared error ${brief(before)} → ${brief(mse)}, SQNR ${decibel(before)} → ${decibel(mse)}.`
        : `This block: mean squared error ${brief(mse)}, SQNR ${decibel(mse)}, ${new Set(block.codes).size} codes in use.`;
    const [low, high] = [Math.min(...block.codes), Math.max(...block.codes)];
    codes.replaceChildren(
      ...block.codes.map((code, index) =>
        h(
          "button",
          {
            type: "button",
            class: "code",
            "aria-pressed": String(index === state.selected),
            tabindex: index === state.selected ? 0 : -1,
            "aria-label": `weight ${block.start + index}: code ${code}`,
            style: { "--share": high > low ? ((code - low) / (high - low)).toFixed(3) : "0.5" },
            onclick: () => select(index),
          },
          code,
        ),
      ),
    );
    drawDetail(block);
  };
  const drawDetail = (block) => {
    const index = state.selected;
    const [weight, code, value] = [block.weights[index], block.codes[index], block.values[index]];
    const { grid } = state;
    const arithmetic = grid
      ? `${brief(weight, 4)} / ${brief(grid.scale, 4)}${grid.zero ? ` + ${grid.zero}` : ""} = ${brief((grid.scale ? weight / grid.scale : 0) + grid.zero, 4)} → ${code};  ${brief(grid.scale, 4)} · ${grid.zero ? `(${code} − ${grid.zero})` : code} = ${brief(value, 4)}`
      : `${brief(weight, 4)} → code ${code} → ${brief(value, 4)}`;
    detail.replaceChildren(
      h(
        "p",
        { class: "token arithmetic" },
        `weight ${block.start + index}: ${arithmetic}; error ${brief(value - weight, 3)}`,
      ),
      h("p", {}, h("b", {}, block.formula), "  ", block.steps.join(" ")),
      h(
        "p",
        { class: "said" },
        block.parameters
          .map(({ name, value: known, stored }) => `${name} = ${brief(known, 5)} (${stored})`)
          .join(", "),
      ),
      ...(block.note ? [h("p", { class: "said" }, block.note)] : []),
    );
  };
  const select = (index) => {
    const held = codes.contains(document.activeElement); // the buttons are made anew: the focus goes along
    state.selected = index;
    draw();
    if (held) codes.children[index].focus();
  };
  codes.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 16, ArrowUp: -16 }[event.key];
    if (!move) return;
    event.preventDefault();
    select(Math.max(0, Math.min(state.block.weights.length - 1, state.selected + move)));
  });
  const widthNow = watchWidth(frame, () => state.block && draw());
  return (next) => {
    data = next;
    if (state.run !== next.run_id) {
      Object.assign(state, { run: next.run_id, selected: 0 });
      choose(next.blocks[0]);
    } else if (figure.wanted) fetchBlock(figure.wanted.row, figure.wanted.block);
    figure.wanted = null;
  };
}

/** Whether the page's functions can be asked; an exported figure has what it has. */
export function canAsk({ host }) {
  return Boolean(host.fetch) && !host.exported;
}

/** What the page's functions have to know of the figure's request. */
function labRequest({ model, tensor, method, settings, rotation }) {
  return { model, tensor, method, settings, rotation };
}

/** The levels that the chosen weight could have taken: those of its sub-block where there are several. */
function levelsFor(block, selected) {
  const part = (block.sub_blocks ?? []).find(
    ({ start, length }) => selected >= start && selected < start + length,
  );
  return part ? part.levels : (block.levels ?? []);
}
