// One block under the microscope: its picture, the handles of its grid, its codes and their arithmetic.

import { watchWidth } from "../../../../shared/js/axes.js";
import { h, s, scrollBox } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { isPlace } from "../../../../shared/js/seen.js";
import { choice } from "../../../../shared/js/shell.js";
import { regridded } from "./affine.js";
import { drawBlock } from "./blockpicture.js";
import { arithmetic, errorWords, wholeWords } from "./blockwords.js";

/** @import { Failed } from "../../../../shared/js/data.js" */
/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Adjustment, Block, Grid, Lab } from "./data.js" */

/**
 * A block that one view asks another to show, null once it is shown; and the one that stands there.
 * @typedef {{place: {row: number, block: number} | null, shown: Block | null}} Wish
 */

const PAUSE = 300; // milliseconds: the model is asked when a handle rests

/** Weights that a key moves on by. @type {Record<string, number>} */
const WEIGHT_STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 16, ArrowUp: -16 };

/**
 * What is under the microscope.
 * @typedef {Object} Stage
 * @property {Block} block as it is stored
 * @property {Grid | null} grid that the handles have moved; null where the block is on none
 * @property {number} clip
 */

/**
 * Open the view.
 * @param {Figure<Lab>} figure
 * @param {HTMLElement} panel
 * @param {Wish} wish a block that another view asks for
 * @returns {(data: Lab) => void}
 */
export function openBlock(figure, panel, wish) {
  let run = "";
  let selected = 0;
  let timer = 0;
  let adjustment = 0; // the last question about the whole tensor
  let reading = 0; // the last question about a block
  /** @type {Stage | null} */
  let stage = null;
  const bar = h("div", { class: "filters padded-row", "data-own": true });
  const svg = s("svg", { class: "picture block-picture", role: "img" });
  const frame = scrollBox("Block under the microscope", "chart scroll", svg);
  const handles = h("div", { class: "filters padded-row", "data-own": true });
  const caption = h("p", { class: "picture-caption", role: "status" });
  const codes = h("div", {
    class: "codes padded-row",
    role: "group",
    "data-own": true,
    "aria-label": "Codes; choose a weight",
  });
  const detail = h("div", { class: "padded" });
  const whole = h("p", { class: "padded-row said", role: "status" });
  panel.append(bar, frame, handles, caption, codes, detail, whole);

  /**
   * @param {Lab} data
   * @param {Block} block
   */
  const choose = (data, block) => {
    clearTimeout(timer);
    adjustment += 1; // what was asked of another block is stale
    reading += 1;
    whole.textContent = "";
    wish.shown = block;
    const current = { block, grid: block.affine && { ...block.affine }, clip: 1 };
    stage = current;
    selected = Math.min(selected, block.weights.length - 1);
    drawBar(data, block);
    handles.replaceChildren(
      ...(current.grid
        ? gridHandles(current, current.grid, {
            draw,
            ask: () => askLater(data, current),
            reset: () => choose(data, block),
          })
        : block.note
          ? [h("span", {}, block.note)]
          : []),
    );
    draw();
  };

  /**
   * Read another block of the tensor.
   * @param {Lab} data
   * @param {number} row
   * @param {number} block
   */
  const read = async (data, row, block) => {
    reading += 1;
    const mine = reading;
    const answer = /** @type {Block | Failed | null} */ (
      await ask(figure, "block", { ...requestOf(data), row, block })
    );
    if (mine !== reading || !answer) return;
    if ("error" in answer) caption.textContent = `${answer.error.what} ${answer.error.remedy}`;
    else choose(data, answer);
  };

  /**
   * @param {Lab} data
   * @param {Block} block
   */
  const drawBar = (data, block) => {
    const { blocks } = data;
    const place = blocks.indexOf(block);
    const fields = [block.row, block.block].map((value, index) =>
      h("input", {
        type: "number",
        min: 0,
        value,
        "aria-label": ["row", "block"][index],
        class: "place",
        onchange: () => read(data, Number(fields[0].value), Number(fields[1].value)),
      }),
    );
    /** @type {[string, string][]} */
    const options = blocks.map(({ label }, index) => [String(index), label]);
    if (place < 0) options.push(["-1", block.label]);
    bar.replaceChildren(
      choice("Show", options, String(place), (value) => {
        const chosen = blocks.at(Number(value));
        if (chosen && value !== "-1") choose(data, chosen);
      }),
      ...(isLive(figure)
        ? [h("label", {}, "row ", fields[0]), h("label", {}, "block ", fields[1])]
        : [h("span", {}, `row ${block.row}, block ${block.block}`)]),
    );
  };

  /**
   * Ask what the handles do to the whole tensor, once they rest.
   * @param {Lab} data
   * @param {Stage} current
   */
  const askLater = (data, current) => {
    clearTimeout(timer);
    if (!("scale_factor" in data.settings) || !isLive(figure)) return;
    timer = setTimeout(async () => {
      adjustment += 1;
      const mine = adjustment;
      const settings = movedSettings(data, current);
      whole.textContent = "Asking the model …";
      const answer = /** @type {Adjustment | Failed | null} */ (
        await ask(figure, "adjust", { ...requestOf(data), settings })
      );
      if (mine === adjustment) whole.textContent = answer ? wholeWords(data, settings, answer) : "";
    }, PAUSE);
  };

  const draw = () => {
    if (!stage) return;
    const block = blockNow(stage);
    drawBlock(svg, block, selected, widthNow(), select);
    caption.textContent = errorWords(stage.block, block);
    codes.replaceChildren(...codeButtons(block, selected, select));
    detail.replaceChildren(...arithmetic(block, stage.grid, selected));
  };

  /** @param {number} index */
  const select = (index) => {
    // The buttons are made anew: the focus goes along.
    const hadFocus = codes.contains(document.activeElement);
    selected = index;
    draw();
    if (hadFocus) /** @type {HTMLElement} */ (codes.children[index]).focus();
  };
  codes.addEventListener("keydown", (event) => {
    const step = WEIGHT_STEPS[event.key];
    if (!step || !stage) return;
    event.preventDefault();
    select(Math.max(0, Math.min(stage.block.weights.length - 1, selected + step)));
  });
  /** @type {Lab | null} */
  let shown = null;
  const slidersNow = () => [...handles.querySelectorAll("input")];
  const movedHandles = () => {
    const sliders = slidersNow();
    const isMoved = sliders.some(
      ({ value, defaultValue }) => Number(value) !== Number(defaultValue),
    );
    return isMoved ? sliders.map(({ value }) => Number(value)) : [];
  };
  const moveHandles = (/** @type {unknown[]} */ values) => {
    slidersNow().forEach((slider, index) => {
      if (values.at(index) === undefined || Number(slider.value) === values[index]) return;
      slider.value = String(values[index]);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    });
  };
  figure.hold(
    "block",
    () => {
      if (!stage || !shown) return undefined;
      const { block } = stage;
      const [moved, first] = [movedHandles(), shown.blocks[0]];
      const isFirst = block.row === first.row && block.block === first.block && selected === 0;
      return isFirst && !moved.length ? undefined : [block.row, block.block, selected, ...moved];
    },
    (value) => {
      const data = shown;
      const fits = Array.isArray(value) && value.length >= 3 && value.every(Number.isFinite);
      if (!data || !fits) return false;
      const [row, place, weight, ...moved] = value;
      const known = data.blocks.find((one) => one.row === row && one.block === place);
      const put = () => {
        if (stage && isPlace(weight, stage.block.weights.length)) select(weight);
        moveHandles(moved);
      };
      if (known) choose(data, known);
      else if (isLive(figure)) read(data, row, place).then(put);
      if (known) put();
      return Boolean(known) || isLive(figure);
    },
  );
  const widthNow = watchWidth(frame, draw);
  return (data) => {
    shown = data;
    const { place } = wish;
    wish.place = null;
    if (run !== data.run_id) {
      run = data.run_id;
      selected = 0;
      choose(data, data.blocks[0]);
    } else if (place) read(data, place.row, place.block);
  };
}

/**
 * Whether the page's functions can be asked; an exported figure has what it has.
 * @param {Figure<Lab>} figure
 */
function isLive({ host }) {
  return Boolean(host.fetch) && !host.exported;
}

/**
 * Ask one of the page's functions; null where there is no answer.
 * @param {Figure<Lab>} figure
 * @param {string} name
 * @param {object} argument
 */
async function ask(figure, name, argument) {
  const { host } = figure;
  return host.fetch && isLive(figure) ? host.fetch(name, argument).catch(() => null) : null;
}

/**
 * What the page's functions have to know of the figure's request.
 * @param {Lab} data
 */
function requestOf({ request: { model, tensor, method, settings, rotation } }) {
  return { model, tensor, method, settings, rotation };
}

/**
 * The block as it is shown. The stored grid is in float16, and ggml rounds before it is: only a grid that was
 * moved may say what the codes are.
 * @param {Stage} stage
 */
function blockNow({ block, grid }) {
  const { affine } = block;
  const isMoved =
    affine &&
    grid &&
    (grid.zero !== affine.zero ||
      Math.abs(grid.scale - affine.scale) > Math.abs(affine.scale) / 1000);
  return isMoved ? regridded(block, grid) : block;
}

/**
 * Sliders for scale, zero point and clip.
 * @param {Stage} stage
 * @param {Grid} grid is moved
 * @param {{draw: () => void, ask: () => void, reset: () => void}} after
 */
function gridHandles(stage, grid, { draw, ask: askModel, reset }) {
  const { scale, zero, low, high } = grid;
  const [size, sign] = [Math.abs(scale) || 1e-6, scale < 0 ? -1 : 1]; // Q4_0 has scales below 0
  /**
   * @param {string} label
   * @param {[low: number, high: number, step: number]} range
   * @param {number} start
   * @param {(value: number) => void} put
   */
  const slide = (label, [least, most, step], start, put) => {
    const out = h("output", {}, brief(start));
    const slider = h("input", {
      type: "range",
      min: least,
      max: most,
      step,
      value: start,
      "aria-label": label,
      oninput: () => {
        put(Number(slider.value));
        out.textContent = brief(Number(slider.value));
        draw();
      },
    });
    return h("label", { class: "grow" }, `${label} `, slider, out);
  };
  const zeroPoint =
    low === 0
      ? [
          slide("zero point, block alone", [low, high, 1], zero, (value) => {
            grid.zero = value;
          }),
        ]
      : [];
  return [
    slide(sign < 0 ? "−scale" : "scale", [size / 4, size * 2.5, size / 200], size, (value) => {
      grid.scale = sign * value;
      askModel();
    }),
    ...zeroPoint,
    slide("clip", [0.2, 1, 0.01], 1, (value) => {
      stage.clip = value;
      grid.scale = scale * value;
      askModel();
    }),
    h("button", { type: "button", onclick: reset }, "Reset"),
  ];
}

/**
 * The method's settings that come nearest to the handles.
 * @param {Lab} data
 * @param {Stage} stage
 */
function movedSettings({ request: { settings } }, { block, grid, clip }) {
  const scale = block.affine?.scale ?? 0;
  const ratio = (grid?.scale ?? scale) / (scale * clip || 1);
  return {
    ...settings,
    clip: Math.max(0.05, Math.min(1, Number(settings.clip ?? 1) * clip)),
    scale_factor: Math.max(0.25, Math.min(4, Number(settings.scale_factor ?? 1) * ratio)),
  };
}

/**
 * @param {Block} block
 * @param {number} selected
 * @param {(index: number) => void} select
 */
function codeButtons({ codes, start }, selected, select) {
  const [low, high] = [Math.min(...codes), Math.max(...codes)];
  return codes.map((code, index) =>
    h(
      "button",
      {
        type: "button",
        class: "code",
        "aria-pressed": String(index === selected),
        tabindex: index === selected ? 0 : -1,
        "aria-label": `weight ${start + index}: code ${code}`,
        style: { "--share": high > low ? ((code - low) / (high - low)).toFixed(3) : "0.5" },
        onclick: () => select(index),
      },
      code,
    ),
  );
}
