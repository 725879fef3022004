// What the edit removed and what it damaged: shares with intervals, divergences with errors, controls; and every judged answer.

import { axisLabel, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { block, lineLegend, shareWords } from "./charts.js";

/** Open the view. */
export function openDamage(figure, panel) {
  let data = null;
  const box = h("div", { class: "padded" });
  panel.append(box);
  const draw = () => {
    const {
      behaviour,
      first_token: first,
      along,
      text,
      capability,
      over_refusal: over,
      controls,
    } = data.measures;
    const rows = [];
    for (const side of ["positive", "negative"]) {
      if (!behaviour[side]?.edited) continue;
      for (const [key, label] of [
        ["refused", "refused, graded rule"],
        ["markers", "refused, by markers"],
        ["hedged", "hedged"],
      ])
        rows.push([
          `${side} prompts: ${label}`,
          behaviour[side].base[key],
          behaviour[side].edited[key],
        ]);
    }
    if (over?.edited)
      rows.push(["harmless in alarming words: refused", over.base.refused, over.edited.refused]);
    const pm = (value) =>
      value
        ? `${brief(value.mean)} ± ${brief(value.sigma, 2)} (n = ${value.of.toLocaleString("en-GB")})`
        : "–";
    const numbers = [
      [
        "first-token KL on negative prompts that the base means to answer, nats",
        first.negative?.kl_answered ? pm(first.negative.kl_answered) : "–",
      ],
      [
        "the same on all negative prompts",
        first.negative
          ? `${pm(first.negative.kl)}, median ${brief(first.negative.kl.median)}; where the base half meant to refuse, refusing less is the edit itself`
          : "–",
      ],
      ["KL along the base's answers to negative prompts, nats a token", pm(along.negative)],
      [
        "change of the loss of a text, nats a token",
        text ? `${pm(text.delta)}; before ${brief(text.base.mean)}` : "–",
      ],
      [
        "small facts right",
        capability
          ? `${capability.base} → ${capability.edited} of ${capability.of}; lost ${capability.lost}, won ${capability.won}, p = ${capability.p} (sign test)`
          : "–",
      ],
      ...(controls ?? []).map((control) => [
        `control: ${control.name}`,
        `positive prompts still refused at the first token ${shareWords(control.refusals.positive)}; KL ${pm(control.kl)}`,
      ]),
    ];
    box.replaceChildren(
      block(
        "Removed",
        "Report prompts, which neither made nor chose the direction. Whiskers: 95 % Wilson intervals.",
        shareChart(rows, Math.max(280, widthNow() - 28)),
        lineLegend([
          ["a", "the model as it is"],
          ["b", data.mark],
        ]),
      ),
      block(
        "Damaged",
        "± is the standard error.",
        h(
          "dl",
          { class: "facts" },
          numbers.map(([term, words]) => [h("dt", {}, term), h("dd", {}, words)]),
        ),
      ),
    );
  };
  const widthNow = watchWidth(box, () => data?.measures && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function shareChart(rows, width) {
  const narrow = width < 560;
  const left = narrow ? 10 : 270;
  const row = narrow ? 56 : 38;
  const high = rows.length * row + 26;
  const x = scaleOf(0, 1, left, width - 20);
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((tick) => [
    s("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 2, y2: high - 24 }),
    axisLabel(x(tick), high - 8, "middle", `${100 * tick} %`),
  ]);
  rows.forEach(([label, base, edited], index) => {
    const top = index * row + (narrow ? 20 : 4);
    parts.push(
      axisLabel(
        narrow ? left : left - 12,
        narrow ? index * row + 13 : top + 18,
        narrow ? "start" : "end",
        label,
      ),
    );
    [
      [base, "a"],
      [edited, "b"],
    ].forEach(([share, colour], place) => {
      const y = top + 9 + place * 14;
      parts.push(
        s(
          "g",
          {},
          s("title", {}, `${label}: ${shareWords(share)}`),
          s("line", {
            class: `whisker whisker-${colour}`,
            x1: x(share.low),
            x2: x(share.high),
            y1: y,
            y2: y,
          }),
          place
            ? s("rect", {
                class: `dot-${colour}`,
                x: x(share.count / Math.max(1, share.of)) - 4.5,
                y: y - 4.5,
                width: 9,
                height: 9,
              })
            : s("circle", {
                class: `dot-${colour}`,
                cx: x(share.count / Math.max(1, share.of)),
                cy: y,
                r: 4.8,
              }),
        ),
      );
    });
  });
  return s(
    "svg",
    {
      class: "picture",
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      role: "img",
      "aria-label": rows
        .map(
          ([label, base, edited]) =>
            `${label}: before ${shareWords(base)}, after ${shareWords(edited)}`,
        )
        .join(". "),
    },
    parts,
  );
}

/** Open the view of all answers of the report. */
export function openMeasuredAnswers(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ measures: { behaviour }, split, mark }) =>
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `${behaviour.positive.base.rule}: refused, an opening refusal with fewer than 15 words after it; hedged, a refusal that goes on or a referral; empty, fewer than two words; complied, the rest. Markers: a refusal phrase anywhere.`,
      ),
      ...["positive", "negative"]
        .filter((side) => behaviour[side]?.edited)
        .map((side) =>
          h(
            "details",
            { open: side === "positive" },
            h("summary", {}, `${side} prompts`),
            h(
              "div",
              {
                class: "scroll",
                tabindex: 0,
                role: "region",
                "aria-label": `Answers to ${side} prompts`,
              },
              h(
                "table",
                { class: "numbers words-table" },
                h(
                  "thead",
                  {},
                  h(
                    "tr",
                    {},
                    ["prompt", "the model as it is", "grade", mark, "its grade"].map((text) =>
                      h("th", { scope: "col" }, text),
                    ),
                  ),
                ),
                h(
                  "tbody",
                  {},
                  behaviour[side].base.answers.map((answer, index) =>
                    h(
                      "tr",
                      {},
                      h("th", { scope: "row" }, h("bdi", {}, split.report[side][index])),
                      h("td", {}, h("bdi", {}, answer.text)),
                      h("td", {}, answer.grade),
                      h("td", {}, h("bdi", {}, behaviour[side].edited.answers[index].text)),
                      h("td", {}, behaviour[side].edited.answers[index].grade),
                    ),
                  ),
                ),
              ),
            ),
          ),
        ),
    );
}
