// Every kernel that the search tried: what is left of the behaviour against what it costs, and the best one as curves.

import { axisLabel, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { showHint } from "../../../../shared/js/shell.js";
import { block, layerChart, lineLegend } from "./charts.js";

/** Open the view. */
export function openParetoView(figure, panel) {
  let data = null;
  const box = h("div", { class: "padded" });
  panel.append(box);
  const draw = () => {
    const width = Math.max(280, widthNow() - 28);
    const best = data.trials.find(({ number }) => number === data.best);
    const parts = [
      block(
        "Removal against damage",
        `${data.trials.length} kernels on the select prompts. Left is little damage, down is little left of the behaviour; the line joins those that no other beats.`,
        paretoChart(figure, data, width),
      ),
    ];
    if (data.edit) {
      parts.push(
        block(
          `The best kernel: direction of layer ${data.edit.layer}, ${data.edit.projection}`,
          `Expected refusals ${Math.round(100 * best.refusals)} %, KL ${brief(best.kl)} nats on the select prompts; the report is in the next view.`,
          layerChart({
            width,
            high: 150,
            count: data.edit.kernel.mlp.length,
            range: [0, Math.max(1, ...data.edit.kernel.attention, ...data.edit.kernel.mlp)],
            lines: [
              { values: data.edit.kernel.attention, colour: "a", label: "attention" },
              { values: data.edit.kernel.mlp, colour: "b", label: "MLP" },
            ],
            label: "strength",
          }),
          lineLegend([
            ["a", "attention"],
            ["b", "MLP"],
          ]),
        ),
      );
      if (figure.host.emit && !figure.host.exported)
        parts.push(
          h(
            "button",
            { type: "button", onclick: () => figure.host.emit("chosen", { chosen: data.chosen }) },
            "Use this kernel",
          ),
        );
    }
    box.replaceChildren(...parts);
  };
  const widthNow = watchWidth(box, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function paretoChart(figure, data, width) {
  const high = 280;
  const costs = data.trials.map(({ kl }) => Math.max(1e-4, kl));
  const x = scaleOf(Math.min(...costs), Math.max(...costs), 56, width - 20, true);
  const y = scaleOf(0, 1, high - 40, 14);
  const front = data.trials
    .filter(({ number }) => data.front.includes(number))
    .toSorted((one, other) => one.kl - other.kl);
  const spot = ({ kl, refusals }) => [x(Math.max(1e-4, kl)), y(refusals)];
  const point = (trial) => {
    const words = `Kernel ${trial.number}, layer ${trial.layer}: ${Math.round(100 * trial.refusals)} % expected refusals, KL ${brief(trial.kl)} nats`;
    const [cx, cy] = spot(trial);
    const hint = () => showHint(figure, node, [words]);
    const hide = () => (figure.parts.hint.hidden = true);
    const kind =
      trial.number === data.best ? "best" : data.front.includes(trial.number) ? "front" : "beaten";
    const node = s("circle", {
      class: `trial trial-${kind}`,
      cx,
      cy,
      r: kind === "best" ? 7 : 4.5,
      tabindex: kind === "beaten" ? null : 0,
      role: "img",
      "aria-label": words,
      onpointerenter: hint,
      onpointerleave: hide,
      onfocus: hint,
      onblur: hide,
    });
    return node;
  };
  return s(
    "svg",
    {
      class: "picture",
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      role: "group",
      "aria-label": `${data.trials.length} kernels, ${front.length} on the front`,
    },
    y
      .ticks(4)
      .flatMap((tick) => [
        s("line", { class: "grid", x1: 56, x2: width - 20, y1: y(tick), y2: y(tick) }),
        axisLabel(50, y(tick) + 4, "end", `${Math.round(100 * tick)} %`),
      ]),
    x
      .ticks(width < 500 ? 3 : 6)
      .map((tick) => axisLabel(x(tick), high - 22, "middle", brief(tick, 1))),
    axisLabel(width - 20, high - 5, "end", "first-token KL on negative prompts, nats →"),
    s("polyline", {
      class: "front-line",
      points: front.map((trial) => spot(trial).join(",")).join(" "),
    }),
    data.trials.map(point),
  );
}
