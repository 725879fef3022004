// How much of each parent's behaviour every band of layers carries by itself.

import { axisLabel, heat, heatLegend, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { showHint } from "../../../../shared/js/shell.js";
import { shortName } from "./mergefigure.js";

const CARRIER_LEFT = 76;
const CARRIER_HIGH = 34;

/** Open the view. */
export function openCarriers(figure, panel) {
  let data = null;
  const svg = s("svg", { class: "carriers", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const said = h("div", { class: "padded" });
  const legend = h("div", { class: "padded-row" });
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "Put one band of a parent's layers into the base, attention or MLP alone: how far does the base come towards giving the parent's own answers? 0 % is the base, 100 % the parent.",
    ),
    chart,
    legend,
    said,
  );
  const draw = () => {
    const { carriers } = data;
    const width = widthNow();
    const most = Math.max(0.05, ...carriers.flatMap(({ share }) => Object.values(share).flat()));
    const parts = [];
    let top = 6;
    for (const found of carriers) {
      parts.push(s("text", { class: "heading", x: 2, y: top + 13 }, shortName(found.parent)));
      top += 22;
      const wide = (width - CARRIER_LEFT - 8) / found.bands.length;
      for (const [part, values] of Object.entries(found.share)) {
        parts.push(axisLabel(CARRIER_LEFT - 8, top + CARRIER_HIGH / 2 + 4, "end", part));
        values.forEach((value, index) =>
          parts.push(
            carrierCell(
              figure,
              found,
              part,
              index,
              value,
              CARRIER_LEFT + index * wide,
              top,
              wide,
              most,
            ),
          ),
        );
        top += CARRIER_HIGH;
      }
      found.bands.forEach(([first, last], index) => {
        if (wide > 34 || index % 2 === 0)
          parts.push(
            axisLabel(
              CARRIER_LEFT + (index + 0.5) * wide,
              top + 14,
              "middle",
              first === last ? first : `${first}–${last}`,
            ),
          );
      });
      top += 30;
    }
    parts.push(axisLabel(width - 8, top, "end", "layers →"));
    svg.setAttribute("viewBox", `0 0 ${width} ${top + 8}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", top + 8);
    svg.setAttribute(
      "aria-label",
      `Share of each parent's behaviour by band of layers, ${carriers.length} parents`,
    );
    svg.replaceChildren(...parts);
    legend.replaceChildren(
      heatLegend("0 %", `${Math.round(100 * most)} %`, "of the way from base to parent"),
    );
    said.replaceChildren(...carriers.filter(({ done }) => done).map(carrierSentence));
  };
  const widthNow = watchWidth(chart, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function carrierCell(figure, found, part, index, value, x, y, wide, most) {
  const [first, last] = found.bands[index];
  const text = `${shortName(found.parent)}, ${part} of layers ${first} to ${last}: ${Math.round(100 * value)} %`;
  const hint = () => showHint(figure, node, [text]);
  const hide = () => (figure.parts.hint.hidden = true);
  const node = s(
    "g",
    {
      class: "carrier",
      tabindex: 0,
      role: "img",
      "aria-label": text,
      onpointerenter: hint,
      onfocus: hint,
      onpointerleave: hide,
      onblur: hide,
    },
    s("rect", {
      class: "cell",
      x,
      y,
      width: wide - 2,
      height: CARRIER_HIGH - 3,
      rx: 3,
      style: { fill: heat(value / most) },
    }),
    wide > 26
      ? s(
          "text",
          {
            class: `share-text${value / most > 0.68 ? " on-dark" : ""}`,
            x: x + wide / 2 - 1,
            y: y + CARRIER_HIGH / 2 + 2,
            "text-anchor": "middle",
          },
          Math.round(100 * value),
        )
      : null,
  );
  return node;
}

/** What a parent's shares say in words. */
function carrierSentence(found) {
  const cells = Object.entries(found.share).flatMap(([part, values]) =>
    values.map((value, index) => ({ part, value, band: found.bands[index] })),
  );
  if (!cells.length)
    return h(
      "p",
      {},
      `${shortName(found.parent)} answers as the base does: there is nothing to carry.`,
    );
  const best = cells.reduce((one, other) => (other.value > one.value ? other : one));
  const sums = Object.entries(found.share).map(
    ([part, values]) =>
      `${part} ${Math.round(100 * values.reduce((sum, value) => sum + value, 0))} %`,
  );
  return h(
    "p",
    {},
    h("b", {}, shortName(found.parent)),
    `: the ${best.part} of layers ${best.band[0]} to ${best.band[1]} alone brings ${Math.round(100 * best.value)} % of it, more than any other part. The parts add up to ${sums.join(" and ")}; where the sum is not 100 %, they overlap or need each other. Mean log-probability of its answers' tokens: base ${brief(found.base)}, ${shortName(found.parent)} ${brief(found.whole)} nats, n = ${found.tokens} tokens.`,
  );
}
