// The kernel over layers, drawn with the mouse or keys: how strongly attention and MLP of each layer are edited.

import { axisLabel, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { drawState, openShell } from "../../../../shared/js/shell.js";

const KERNEL_TOP = 2,
  KERNEL_HIGH = 120,
  KERNEL_LEFT = 40;
const KERNEL_PARTS = [
  ["attention", "Attention", "a"],
  ["mlp", "MLP", "b"],
];

/** Open the editor. */
export function openKernel() {
  const shell = openShell("abliteration", "The kernel: strength of the edit over layers");
  shell.parts.frame.classList.add("editor");
  const box = h("div", { class: "padded kernel" });
  shell.parts.panels.append(box);
  const figure = { ...shell, host: {}, data: null };
  const inputs = () => (figure.data.blocks ?? []).filter(Boolean).length;
  const send = () => {
    const { embedding, attention, mlp, blocks } = figure.data;
    figure.host.emit?.("kernel", {
      kernel: { embedding, attention, mlp, ...(inputs() ? { blocks } : {}) },
    });
  };
  const preset = (label, fill) =>
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          const { layers } = figure.data;
          Object.assign(
            figure.data,
            { blocks: [] },
            fill(Array.from({ length: layers }, (_, layer) => layer / Math.max(1, layers - 1))),
          );
          draw();
          send();
        },
      },
      label,
    );
  const draw = () => {
    const { layers } = figure.data;
    const width = Math.max(260, widthNow() - 28);
    const focused = document.activeElement?.dataset?.bar;
    box.replaceChildren(
      h(
        "div",
        { class: "filters" },
        preset("everywhere", (at) => ({
          embedding: 1,
          attention: at.map(() => 1),
          mlp: at.map(() => 1),
        })),
        preset("attention alone", (at) => ({
          embedding: 0,
          attention: at.map(() => 1),
          mlp: at.map(() => 0),
        })),
        preset("upper half", (at) => ({
          embedding: 0,
          attention: at.map((place) => (place > 0.5 ? 1 : 0)),
          mlp: at.map((place) => (place > 0.5 ? 1 : 0)),
        })),
        h(
          "label",
          {},
          h("input", {
            type: "checkbox",
            checked: figure.data.embedding > 0,
            onchange: (event) => {
              figure.data.embedding = event.target.checked ? 1 : 0;
              send();
            },
          }),
          " embedding too",
        ),
      ),
      ...KERNEL_PARTS.map(([part, label, colour]) => bars(part, label, colour, layers, width)),
      inputs()
        ? h(
            "p",
            { class: "said" },
            `The stream is also edited at the input of ${inputs()} of ${layers} blocks: the part “blocks” of the kernel, under Advanced.`,
          )
        : "",
    );
    if (focused) box.querySelector(`[data-bar="${focused}"]`)?.focus();
  };
  const bars = (part, label, colour, layers, width) => {
    const wide = (width - KERNEL_LEFT - 8) / layers;
    const y = (value) => 8 + ((KERNEL_TOP - value) / KERNEL_TOP) * (KERNEL_HIGH - 28);
    const values = figure.data[part];
    const svg = s("svg", {
      class: "kernel-bars",
      width,
      height: KERNEL_HIGH,
      viewBox: `0 0 ${width} ${KERNEL_HIGH}`,
      role: "group",
      "aria-label": `${label}: strength over ${layers} layers; drag to draw`,
    });
    const rects = values.map((value, layer) =>
      s("rect", {
        class: `bar bar-${colour}`,
        tabindex: 0,
        role: "slider",
        "data-bar": `${part}-${layer}`,
        "aria-label": `${label}, layer ${layer}`,
        "aria-valuemin": 0,
        "aria-valuemax": KERNEL_TOP,
        "aria-valuenow": value,
        x: KERNEL_LEFT + layer * wide + 0.5,
        width: Math.max(1, wide - 1),
        y: y(value),
        height: Math.max(2, y(0) - y(value)),
        onkeydown: (event) => {
          const step = { ArrowUp: 0.05, ArrowDown: -0.05, PageUp: 0.25, PageDown: -0.25 }[
            event.key
          ];
          const next = { ArrowLeft: layer - 1, ArrowRight: layer + 1 }[event.key];
          if (next !== undefined) {
            event.preventDefault();
            svg.querySelector(`[data-bar="${part}-${next}"]`)?.focus();
          }
          if (!step) return;
          event.preventDefault();
          put(layer, value + step);
          draw();
          send();
        },
      }),
    );
    const put = (layer, value) => {
      figure.data[part][layer] = Math.round(20 * Math.max(0, Math.min(KERNEL_TOP, value))) / 20;
    };
    const paint = (event) => {
      const at = svg.getBoundingClientRect();
      const layer = Math.floor(
        (((event.clientX - at.left) / at.width) * width - KERNEL_LEFT) / wide,
      );
      if (layer < 0 || layer >= layers) return;
      put(
        layer,
        KERNEL_TOP -
          ((((event.clientY - at.top) / at.height) * KERNEL_HIGH - 8) / (KERNEL_HIGH - 28)) *
            KERNEL_TOP,
      );
      const value = figure.data[part][layer];
      rects[layer].setAttribute("y", y(value));
      rects[layer].setAttribute("height", Math.max(2, y(0) - y(value)));
      rects[layer].setAttribute("aria-valuenow", value);
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
    const step = layers > 12 ? 5 : 1;
    svg.append(
      ...[0, 0.5, 1, 1.5, 2].flatMap((level) => [
        s("line", { class: "grid", x1: KERNEL_LEFT, x2: width - 8, y1: y(level), y2: y(level) }),
        axisLabel(KERNEL_LEFT - 6, y(level) + 4, "end", level),
      ]),
      ...rects,
      ...values
        .map((_, layer) =>
          layer % step
            ? null
            : axisLabel(KERNEL_LEFT + (layer + 0.5) * wide, KERNEL_HIGH - 4, "middle", layer),
        )
        .filter(Boolean),
    );
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
  };
  const widthNow = watchWidth(box, () => figure.data && draw());
  figure.show = (data) => {
    if (data?.error) {
      drawState(figure, { error: data.error });
      return;
    }
    drawState(figure, {});
    const drawn = (kernel) =>
      JSON.stringify([
        kernel.embedding,
        kernel.attention,
        kernel.mlp,
        (kernel.blocks ?? []).some(Boolean) && kernel.blocks,
      ]);
    if (figure.data && drawn(figure.data) === drawn(data)) return;
    figure.data = structuredClone(data);
    draw();
  };
  return figure;
}
