// The kernel over layers, drawn with the mouse or keys: how strongly attention and MLP of each layer are
// edited.

import {
  axisLabel,
  gridLine,
  layerTicks,
  pointerIn,
  watchWidth,
} from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { NO_HOST, drawState, openShell } from "../../../../shared/js/shell.js";

/** @import { Failed } from "../../../../shared/js/data.js" */
/** @import { KernelEditor } from "./data.js" */

/** @typedef {"attention" | "mlp"} KernelPart */

/**
 * What the bars of a part need to know.
 * @typedef {Object} BarsOf
 * @property {KernelPart} part
 * @property {string} label
 * @property {string} colour
 * @property {number[]} values are changed in place
 * @property {number} width
 * @property {() => void} redraw
 * @property {() => void} send tells the page
 */

const STRENGTH_MAX = 2;
const [BARS_TOP, BARS_LEFT, BARS_RIGHT, BARS_HEIGHT] = [8, 40, 8, 120]; // pixels
const BARS_UNIT = (BARS_HEIGHT - 28) / STRENGTH_MAX; // pixels of a strength of 1

/** @type {[KernelPart, string, string][]} */
const KERNEL_PARTS = [
  ["attention", "Attention", "a"],
  ["mlp", "MLP", "b"],
];

/** What keys add to a strength. @type {Record<string, number>} */
const STRENGTH_STEPS = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 };

/** Kernels to begin with: strengths at each place, 0 the first layer and 1 the last. */
const PRESETS = [
  { label: "everywhere", embedding: 1, attention: () => 1, mlp: () => 1 },
  { label: "attention alone", embedding: 0, attention: () => 1, mlp: () => 0 },
  { label: "upper half", embedding: 0, attention: upperHalf, mlp: upperHalf },
];

/** @param {number} place */
function upperHalf(place) {
  return place > 0.5 ? 1 : 0;
}

/** Open the editor. */
export function openKernel() {
  const shell = openShell("abliteration", "The kernel: strength of the edit over layers");
  shell.parts.frame.classList.add("editor");
  const box = h("div", { class: "padded kernel" });
  shell.parts.panels.append(box);
  const figure = { ...shell, host: NO_HOST, show };
  /** @type {KernelEditor | null} */
  let kernel = null;
  /** @param {KernelEditor} data */
  const send = ({ embedding, attention, mlp, blocks }) =>
    figure.host.emit("kernel", {
      kernel: { embedding, attention, mlp, ...(blocks?.some(Boolean) ? { blocks } : {}) },
    });
  const draw = () => {
    if (!kernel) return;
    const data = kernel;
    const width = Math.max(260, widthNow() - 28);
    const focus = /** @type {SVGElement | null} */ (document.activeElement)?.dataset.bar;
    box.replaceChildren(
      h(
        "div",
        { class: "filters" },
        presetButtons(data, () => {
          draw();
          send(data);
        }),
        embeddingBox(data, () => send(data)),
      ),
      ...KERNEL_PARTS.map(([part, label, colour]) =>
        barsBlock({
          part,
          label,
          colour,
          values: data[part],
          width,
          redraw: draw,
          send: () => send(data),
        }),
      ),
      ...blocksNote(data),
    );
    if (focus) focusBar(box, focus);
  };
  const widthNow = watchWidth(box, draw);
  /** @param {KernelEditor | Failed} data */
  function show(data) {
    if ("error" in data) {
      drawState(figure, { error: data.error });
      return;
    }
    drawState(figure, {});
    if (kernel && fingerprint(kernel) === fingerprint(data)) return;
    kernel = structuredClone(data);
    draw();
  }
  return figure;
}

/**
 * What two kernels must have in common to be the same.
 * @param {KernelEditor} kernel
 */
function fingerprint({ embedding, attention, mlp, blocks = [] }) {
  return JSON.stringify([embedding, attention, mlp, blocks.some(Boolean) && blocks]);
}

/**
 * @param {Element} box
 * @param {string} name
 */
function focusBar(box, name) {
  /** @type {SVGElement | null} */ (box.querySelector(`[data-bar="${name}"]`))?.focus();
}

/**
 * @param {KernelEditor} kernel is changed
 * @param {() => void} changed
 */
function presetButtons(kernel, changed) {
  const places = kernel.attention.map((_, layer) => layer / Math.max(1, kernel.layers - 1));
  return PRESETS.map(({ label, embedding, attention, mlp }) => {
    const fill = () => {
      Object.assign(kernel, {
        embedding,
        attention: places.map(attention),
        mlp: places.map(mlp),
        blocks: [],
      });
      changed();
    };
    return h("button", { type: "button", onclick: fill }, label);
  });
}

/**
 * @param {KernelEditor} kernel is changed
 * @param {() => void} changed
 */
function embeddingBox(kernel, changed) {
  const box = h("input", {
    type: "checkbox",
    checked: kernel.embedding > 0,
    onchange: () => {
      kernel.embedding = box.checked ? 1 : 0;
      changed();
    },
  });
  return h("label", {}, box, " embedding too");
}

/** @param {KernelEditor} kernel */
function blocksNote({ blocks = [], layers }) {
  const count = blocks.filter(Boolean).length;
  if (!count) return [];
  return [
    h(
      "p",
      { class: "said" },
      `The stream is also edited at the input of ${count} of ${layers} blocks: `,
      "the part “blocks” of the kernel, under Advanced.",
    ),
  ];
}

/** @param {number} strength */
function barTop(strength) {
  return BARS_TOP + (STRENGTH_MAX - strength) * BARS_UNIT;
}

/** @param {BarsOf} bars */
function barsBlock(bars) {
  const { label, colour, values, width, send } = bars;
  const wide = (width - BARS_LEFT - BARS_RIGHT) / values.length;
  const rects = values.map((_, layer) => bar(bars, layer, wide));
  const svg = s(
    "svg",
    {
      class: "kernel-bars",
      width,
      height: BARS_HEIGHT,
      viewBox: `0 0 ${width} ${BARS_HEIGHT}`,
      role: "group",
      "aria-label": `${label}: strength over ${values.length} layers; drag to draw`,
    },
    [0, 0.5, 1, 1.5, 2].map((level) => [
      gridLine(BARS_LEFT, width - BARS_RIGHT, barTop(level)),
      axisLabel(BARS_LEFT - 6, barTop(level) + 4, "end", level),
    ]),
    rects,
    layerTicks(values.length).map((layer) =>
      axisLabel(BARS_LEFT + (layer + 0.5) * wide, BARS_HEIGHT - 4, "middle", layer),
    ),
  );
  /** @param {PointerEvent} event */
  const paint = (event) => {
    const { x, y } = pointerIn(svg, event);
    const layer = Math.floor((x - BARS_LEFT) / wide);
    if (layer < 0 || layer >= values.length) return;
    values[layer] = strengthOf(STRENGTH_MAX - (y - BARS_TOP) / BARS_UNIT);
    for (const [name, value] of Object.entries(heightOf(values[layer])))
      rects[layer].setAttribute(name, String(value));
  };
  svg.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    paint(event);
    const end = () => {
      window.removeEventListener("pointermove", paint);
      send();
    };
    window.addEventListener("pointermove", paint);
    window.addEventListener("pointerup", end, { once: true });
  });
  return h(
    "div",
    {},
    h(
      "h2",
      {},
      h("span", { class: `swatch swatch-${colour}`, "aria-hidden": "true" }),
      ` ${label}`,
    ),
    svg,
  );
}

/**
 * One layer's bar.
 * @param {BarsOf} bars
 * @param {number} layer
 * @param {number} wide pixels from a bar to the next
 */
function bar({ part, label, colour, values, redraw, send }, layer, wide) {
  const rect = s("rect", {
    class: `bar bar-${colour}`,
    tabindex: 0,
    role: "slider",
    "data-bar": `${part}-${layer}`,
    "aria-label": `${label}, layer ${layer}`,
    "aria-valuemin": 0,
    "aria-valuemax": STRENGTH_MAX,
    x: BARS_LEFT + layer * wide + 0.5,
    width: Math.max(1, wide - 1),
    ...heightOf(values[layer]),
    onkeydown: (event) => {
      const neighbour = { ArrowLeft: layer - 1, ArrowRight: layer + 1 }[event.key];
      const step = STRENGTH_STEPS[event.key];
      if (neighbour === undefined && !step) return;
      event.preventDefault();
      if (neighbour !== undefined && rect.parentElement)
        focusBar(rect.parentElement, `${part}-${neighbour}`);
      if (!step) return;
      values[layer] = strengthOf(values[layer] + step);
      redraw();
      send();
    },
  });
  return rect;
}

/**
 * A strength within its range, in steps of 0.05.
 * @param {number} value
 */
function strengthOf(value) {
  return Math.round(20 * Math.max(0, Math.min(STRENGTH_MAX, value))) / 20;
}

/**
 * A bar's attributes that say its strength.
 * @param {number} strength
 */
function heightOf(strength) {
  const y = barTop(strength);
  return { y, height: Math.max(2, barTop(0) - y), "aria-valuenow": strength };
}
