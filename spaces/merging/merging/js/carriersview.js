// How much of each parent's behaviour every band of layers carries by itself.

import { axisLabel, heat, heatLegend, setSize, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { brief, plural } from "../../../../shared/js/numbers.js";
import { shortName } from "./models.js";
import { shadedCell } from "./shadedcell.js";

/** @import { Shell } from "../../../../shared/js/shell.js" */
/** @import { Carriers, Merge } from "./data.js" */

const CARRIER_LEFT = 76;
const CARRIER_HEIGHT = 34;

/**
 * Open the view.
 * @param {Shell} figure
 * @param {HTMLElement} panel
 * @returns {(data: Merge) => void}
 */
export function openCarriers(figure, panel) {
  /** @type {Carriers[]} */
  let carriers = [];
  const svg = s("svg", { class: "carriers", role: "group" });
  const chart = h("div", { class: "chart" }, svg);
  const sentences = h("div", { class: "padded" });
  const legend = h("div", { class: "padded-row" });
  panel.append(
    h(
      "p",
      { class: "said padded-row" },
      "Put one band of a parent's layers into the base, attention or MLP alone: how far does the base come ",
      "towards giving the parent's own answers? 0\u00a0% is the base, 100\u00a0% the parent.",
    ),
    chart,
    legend,
    sentences,
  );
  /** @param {number} width */
  const draw = (width) => {
    const most = Math.max(0.05, ...carriers.flatMap(({ share }) => Object.values(share).flat()));
    let top = 6;
    const parts = carriers.flatMap((parent) => {
      const [map, bottom] = carrierMap(figure, parent, top, width, most);
      top = bottom;
      return map;
    });
    setSize(svg, width, top + 8);
    svg.setAttribute(
      "aria-label",
      `Share of each parent's behaviour by band of layers, ${plural(carriers.length, "parent")}`,
    );
    svg.replaceChildren(...parts, axisLabel(width - 8, top, "end", "layers →"));
    legend.replaceChildren(heatLegend("0 %", percentage(most), "of the way from base to parent"));
    sentences.replaceChildren(...carriers.filter(({ done }) => done).map(carrierSentence));
  };
  const widthNow = watchWidth(chart, (width) => carriers.length && draw(width));
  return (data) => {
    ({ carriers } = data);
    draw(widthNow());
  };
}

/**
 * A parent's map, and where it ends.
 * @param {Shell} figure
 * @param {Carriers} carriers
 * @param {number} top
 * @param {number} width
 * @param {number} most the share of the full colour
 * @returns {[SVGElement[], number]}
 */
function carrierMap(figure, { parent, bands, share }, top, width, most) {
  const name = shortName(parent);
  const wide = (width - CARRIER_LEFT - 8) / bands.length;
  /** @type {SVGElement[]} */
  const parts = [s("text", { class: "heading", x: 2, y: top + 13 }, name)];
  let y = top + 22;
  for (const [part, values] of Object.entries(share)) {
    parts.push(axisLabel(CARRIER_LEFT - 8, y + CARRIER_HEIGHT / 2 + 4, "end", part));
    values.forEach((value, index) => {
      const [first, last] = bands[index];
      const words = `${name}, ${part} of layers ${first} to ${last}: ${percentage(value)}`;
      const box = {
        x: CARRIER_LEFT + index * wide,
        y,
        width: wide - 2,
        height: CARRIER_HEIGHT - 3,
      };
      const text = wide > 26 ? Math.round(100 * value) : null;
      const shade = value / most;
      parts.push(shadedCell(figure, words, box, heat(shade), text, shade > 0.68));
    });
    y += CARRIER_HEIGHT;
  }
  bands.forEach(([first, last], index) => {
    if (wide <= 34 && index % 2) return;
    const layers = first === last ? first : `${first}–${last}`;
    parts.push(axisLabel(CARRIER_LEFT + (index + 0.5) * wide, y + 14, "middle", layers));
  });
  return [parts, y + 30];
}

/**
 * What a parent's shares say in words.
 * @param {Carriers} carriers
 */
function carrierSentence({ parent, bands, share, base, whole, tokens }) {
  const name = shortName(parent);
  const cells = Object.entries(share).flatMap(([part, values]) =>
    values.map((value, index) => ({ part, value, band: bands[index] })),
  );
  if (!cells.length)
    return h("p", {}, `${name} answers as the base does: there is nothing to carry.`);
  const best = cells.reduce((one, other) => (other.value > one.value ? other : one));
  const sums = Object.entries(share).map(
    ([part, values]) => `${part} ${percentage(values.reduce((sum, value) => sum + value, 0))}`,
  );
  return h(
    "p",
    {},
    h("b", {}, name),
    `: the ${best.part} of layers ${best.band[0]} to ${best.band[1]} alone brings ${percentage(best.value)} `,
    `of it, more than any other part. The parts add up to ${sums.join(" and ")}; where the sum is not `,
    "100 %, they overlap or need each other. Mean log-probability of its answers' tokens: ",
    `base ${brief(base)}, ${name} ${brief(whole)} nats, n = ${tokens} tokens.`,
  );
}
