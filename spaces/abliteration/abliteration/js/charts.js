// Curves over the layers with the ribbon of chance behind them, and small marks that several views use.

import { axisLabel, scaleOf } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";

/**
 * Curves over the layers.
 * @param {Object} chart
 * @param {number} chart.width
 * @param {number} [chart.high]
 * @param {number} chart.count layers
 * @param {{values: number[], colour: string, label: string}[]} chart.lines
 * @param {number[][]} [chart.ribbon] low, middle and high by layer
 * @param {number|null} [chart.chosen] layer
 * @param {number[]} [chart.range] of the values, where it is fixed
 * @param {string} chart.label of the axis
 * @param {(layer: number) => void} [chart.choose]
 * @returns {SVGElement}
 */
export function layerChart({
  width,
  high = 170,
  count,
  lines,
  ribbon = null,
  chosen = null,
  range = null,
  label,
  choose,
}) {
  const all = [...lines.flatMap(({ values }) => values), ...(ribbon ?? []).flat()].filter((value) =>
    Number.isFinite(value),
  );
  const [low, top] = range ?? [Math.min(0, ...all), Math.max(1e-9, ...all)];
  const x = scaleOf(0, Math.max(1, count - 1), 52, width - 14);
  const y = scaleOf(low, top, high - 34, 12);
  const svg = s("svg", {
    class: "picture layer-chart",
    width,
    height: high,
    viewBox: `0 0 ${width} ${high}`,
    role: "img",
    tabindex: choose ? 0 : null,
    "aria-label": `${label}: ${lines.map((line) => `${line.label} from ${brief(Math.min(...line.values))} to ${brief(Math.max(...line.values))}`).join("; ")} over ${count} layers${choose ? ". Arrow keys move the chosen layer" : ""}`,
  });
  svg.append(
    ...y
      .ticks(4)
      .flatMap((tick) => [
        s("line", { class: "grid", x1: 52, x2: width - 14, y1: y(tick), y2: y(tick) }),
        axisLabel(46, y(tick) + 4, "end", brief(tick, 2)),
      ]),
  );
  if (ribbon) {
    const edge = (place) => ribbon.map((row, layer) => `${x(layer)},${y(row[place])}`);
    svg.append(
      s("polygon", { class: "ribbon", points: [...edge(2), ...edge(0).toReversed()].join(" ") }),
      s("polyline", { class: "ribbon-middle", points: edge(1).join(" ") }),
    );
  }
  for (const { values, colour } of lines) {
    svg.append(
      s("polyline", {
        class: `line line-${colour}`,
        points: values
          .map((value, layer) => (Number.isFinite(value) ? `${x(layer)},${y(value)}` : null))
          .filter(Boolean)
          .join(" "),
      }),
    );
  }
  if (chosen !== null) {
    svg.append(s("line", { class: "cut", x1: x(chosen), x2: x(chosen), y1: 8, y2: high - 30 }));
    for (const { values, colour } of lines)
      if (Number.isFinite(values[chosen]))
        svg.append(
          s("circle", {
            class: `mark mark-${colour}`,
            cx: x(chosen),
            cy: y(values[chosen]),
            r: 4.5,
          }),
        );
  }
  const step = count > 40 ? 10 : count > 12 ? 5 : 1;
  svg.append(
    ...Array.from({ length: count }, (_, layer) =>
      layer % step === 0 ? axisLabel(x(layer), high - 18, "middle", layer) : null,
    ).filter(Boolean),
    axisLabel(width - 14, high - 3, "end", "layer →"),
  );
  if (choose) {
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      return Math.max(
        0,
        Math.min(count - 1, Math.round(x.invert(((event.clientX - box.left) / box.width) * width))),
      );
    };
    svg.addEventListener("click", (event) => choose(at(event)));
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      choose(Math.max(0, Math.min(count - 1, (chosen ?? 0) + step)));
    });
  }
  return svg;
}

/** A heading, words and a picture. */
export function block(title, said, ...content) {
  return h(
    "section",
    { class: "block" },
    h("h2", {}, title),
    said ? h("p", { class: "said" }, said) : null,
    ...content,
  );
}

/** A legend of lines. */
export function lineLegend(entries) {
  return h(
    "ul",
    { class: "models", "aria-label": "Legend" },
    entries.map(([colour, text]) =>
      h("li", {}, h("span", { class: `swatch swatch-${colour}`, "aria-hidden": "true" }), text),
    ),
  );
}

/** A share with its interval in words. */
export function shareWords({ count, of, low, high }) {
  return `${count} of ${of} (95 %: ${Math.round(100 * low)} to ${Math.round(100 * high)} %)`;
}
