// The direction's component in the stream, token by layer; and how it is written again after it was removed at one layer.

import { axisLabel, watchWidth } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";
import { block, layerChart, lineLegend } from "./charts.js";

const RAY_LEFT = 34,
  RAY_RIGHT = 34,
  RAY_ROW = 9,
  RAY_LAST = 10;
const RAY_WIDE = 12; // narrower, the tokens below would run into each other

/** Open the view. */
export function openXray(figure, panel) {
  const state = { prompt: 0 };
  let data = null;
  const bar = h("div", { class: "filters padded-row" });
  const box = h("div", { class: "padded" });
  panel.append(bar, box);
  const draw = () => {
    const pairs = data.pairs.filter(({ xray }) => xray);
    if (!pairs.length) {
      box.replaceChildren(h("p", { class: "said" }, "Looking inside …"));
      return;
    }
    const pair = pairs[Math.min(state.prompt, pairs.length - 1)];
    bar.replaceChildren(
      choice(
        "Prompt",
        pairs.map(({ prompt }, index) => [String(index), prompt.slice(0, 60)]),
        String(state.prompt),
        (value) => {
          state.prompt = Number(value);
          draw();
        },
      ),
    );
    const most = Math.max(
      1e-9,
      ...pair.xray.base.layers.slice(1).flatMap((row) => row.slice(1).map(Math.abs)),
    );
    const width = Math.max(280, widthNow() - 28);
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        "r̂ᵀh at every token (across) and layer (up). Blue: along the direction, orange: against it. Dashed line: where the answer begins.",
      ),
      block("The model as it is", null, ray("The model as it is", pair.xray.base, most, width)),
      block(data.mark, null, ray(data.mark, pair.xray.edited, most, width)),
      h(
        "p",
        { class: "said" },
        `Full colour is ${brief(most)}, the largest of the untouched model. The first token of the text is left out of the scale: its norm is that of no other.`,
      ),
    );
  };
  const widthNow = watchWidth(box, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function ray(name, { tokens, prompt, layers }, most, width) {
  const from = Math.max(0, prompt - RAY_LAST);
  const shown = tokens.slice(from);
  const wide = Math.max(RAY_WIDE, (width - RAY_LEFT - RAY_RIGHT) / shown.length);
  const high = layers.length * RAY_ROW;
  const full = RAY_LEFT + wide * shown.length + RAY_RIGHT;
  const step = layers.length > 24 ? 10 : layers.length > 6 ? 5 : 2;
  const cells = layers.flatMap((row, layer) =>
    row.slice(from).map((value, column) =>
      s("rect", {
        x: RAY_LEFT + column * wide,
        y: high - (layer + 1) * RAY_ROW,
        width: wide,
        height: RAY_ROW,
        class: value < 0 ? "against" : "along",
        style: { "fill-opacity": Math.min(1, Math.abs(value) / most).toFixed(3) },
      }),
    ),
  );
  const labels = shown.map((token, column) =>
    s(
      "text",
      {
        class: "axis ray-token",
        transform: `translate(${RAY_LEFT + (column + 0.62) * wide} ${high + 6}) rotate(60)`,
      },
      visible(token).slice(0, 9),
    ),
  );
  return h(
    "div",
    {
      class: "scroll",
      tabindex: 0,
      role: "region",
      "aria-label": `Component by token and layer: ${name}`,
    },
    s(
      "svg",
      {
        class: "picture",
        width: full,
        height: high + 62,
        viewBox: `0 0 ${full} ${high + 62}`,
        role: "img",
        "aria-label": `Component of the direction over ${shown.length} tokens and ${layers.length} layers`,
      },
      cells,
      labels,
      s("line", {
        class: "cut",
        x1: RAY_LEFT + (prompt - from) * wide,
        x2: RAY_LEFT + (prompt - from) * wide,
        y1: 0,
        y2: high,
      }),
      layers.flatMap((_, layer) =>
        layer % step
          ? []
          : [axisLabel(RAY_LEFT - 6, high - (layer + 0.5) * RAY_ROW + 4, "end", layer)],
      ),
    ),
  );
}

/** Open the view of what later layers write again. */
export function openReturn(figure, panel) {
  let data = null;
  const box = h("div", { class: "padded" });
  panel.append(box);
  const colours = ["ink", "a", "b", "c", "d"];
  const draw = () => {
    const curves = data.re_emergence;
    const width = Math.max(280, widthNow() - 28);
    const lines = curves.slice(0, 5).map(({ component }, index) => ({
      values: component,
      colour: colours[index],
      label: "component",
    }));
    box.replaceChildren(
      block(
        "The direction, removed at one layer's input alone",
        "Mean r̂ᵀh at the last token of three positive prompts, at every block's input. Where a curve rises again, later blocks write the direction anew: one cut does not do.",
        layerChart({
          width,
          high: 240,
          count: curves[0].component.length,
          lines,
          label: "mean component",
        }),
        lineLegend(
          curves
            .slice(0, 5)
            .map(({ layer }, index) => [
              colours[index],
              layer === null ? "untouched" : `removed entering layer ${layer}`,
            ]),
        ),
      ),
    );
  };
  const widthNow = watchWidth(box, () => data?.re_emergence?.length && draw());
  return (next) => {
    data = next;
    if (next.re_emergence?.length) draw();
  };
}
