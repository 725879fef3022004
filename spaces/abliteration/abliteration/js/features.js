// The direction as a sum of few features of a sparse autoencoder, where they fire, and the features of a prompt.

import { axisLabel, heat, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { block } from "./charts.js";

/** Open the view. */
export function openFeatures(figure, panel) {
  let data = null;
  const box = h("div", { class: "padded" });
  panel.append(box);
  const draw = () => {
    const { sae, pursuit, tops } = data;
    const width = Math.max(280, widthNow() - 28);
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `${sae.architecture} autoencoder of ${sae.features.toLocaleString("en-GB")} features at layer ${sae.layer}'s input: it explains ${brief(100 * sae.explained)} % of the variance of ${sae.tokens.toLocaleString("en-GB")} activations; ${sae.dead.toLocaleString("en-GB")} features never fire on them.`,
      ),
      block(
        "How much of the direction the best features explain",
        "Orthogonal matching pursuit on the decoder's rows. Grey: 90 % of random dictionaries of the same size.",
        pursuitChart(pursuit, Math.min(width, 640)),
      ),
      block(
        "The features, in the order of the pursuit",
        "Where each fires most; the shade is its activation there.",
        h(
          "div",
          { class: "features" },
          pursuit.atoms.map((atom, index) => featureCard(figure, atom, tops[index])),
        ),
      ),
    );
  };
  const widthNow = watchWidth(box, () => data && draw());
  return (next) => {
    data = next;
    draw();
  };
}

function pursuitChart({ explained, null: chance }, width) {
  const high = 190;
  const x = scaleOf(1, Math.max(2, explained.length), 52, width - 20);
  const y = scaleOf(0, Math.max(0.2, ...explained, ...chance.flat()), high - 36, 12);
  const ribbon = [
    ...chance.map((row, index) => `${x(index + 1)},${y(row[2])}`),
    ...chance.map((row, index) => `${x(index + 1)},${y(row[0])}`).toReversed(),
  ].join(" ");
  return s(
    "svg",
    {
      class: "picture",
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      role: "img",
      "aria-label": `${explained.length} features explain ${Math.round(100 * explained.at(-1))} %, random ones ${Math.round(100 * chance.at(-1)[1])} %`,
    },
    y
      .ticks(4)
      .flatMap((tick) => [
        s("line", { class: "grid", x1: 52, x2: width - 20, y1: y(tick), y2: y(tick) }),
        axisLabel(46, y(tick) + 4, "end", `${Math.round(100 * tick)} %`),
      ]),
    s("polygon", { class: "ribbon", points: ribbon }),
    s("polyline", {
      class: "line line-a",
      points: explained.map((value, index) => `${x(index + 1)},${y(value)}`).join(" "),
    }),
    explained.map((value, index) =>
      s("circle", { class: "dot-a", cx: x(index + 1), cy: y(value), r: 4.5 }),
    ),
    explained.map((_, index) => axisLabel(x(index + 1), high - 20, "middle", index + 1)),
    axisLabel(width - 20, high - 4, "end", "features"),
  );
}

function featureCard(figure, atom, top) {
  const most = Math.max(1e-9, ...top.examples.map(({ activation }) => activation));
  const steer = (amount) => () => figure.host.emit("steer", { feature: atom.feature, amount });
  const level = h("input", {
    type: "number",
    min: 0,
    step: "any",
    value: String(Number(most.toPrecision(3))),
    "aria-label": `Amount of feature ${atom.feature}`,
  });
  const buttons =
    figure.host.emit && !figure.host.exported && top.examples.length
      ? h(
          "p",
          { class: "steer" },
          h("button", { type: "button", onclick: steer(null) }, "Remove it"),
          " ",
          h(
            "button",
            { type: "button", onclick: () => steer(Number(level.value))() },
            "Hold it at",
          ),
          " ",
          level,
        )
      : null;
  return h(
    "article",
    { class: "feature" },
    h(
      "p",
      {},
      h("b", {}, `Feature ${atom.feature}`),
      ` · coefficient ${brief(atom.coefficient)} · cosine ${brief(atom.cosine)} · fires at ${brief(100 * top.density, 2)} % of the tokens`,
    ),
    top.examples.length
      ? h(
          "ul",
          {},
          top.examples.map(({ activation, pieces, at }) =>
            h(
              "li",
              {},
              pieces.map((piece, index) =>
                index === at
                  ? h(
                      "mark",
                      {
                        style: { background: heat((0.5 * activation) / most) },
                        title: brief(activation),
                      },
                      visible(piece),
                    )
                  : piece,
              ),
            ),
          ),
        )
      : h("p", { class: "said" }, "It never fires on these texts."),
    buttons,
  );
}

/** Open the view of a prompt's features. */
export function openFeatureTokens(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ prompts }) =>
    box.replaceChildren(
      ...prompts.map(({ prompt, tokens }) =>
        h(
          "section",
          { class: "block" },
          h("h2", {}, h("bdi", {}, prompt)),
          h(
            "div",
            {
              class: "scroll",
              tabindex: 0,
              role: "region",
              "aria-label": `Features by token: ${prompt}`,
            },
            h(
              "table",
              { class: "numbers" },
              h(
                "tbody",
                {},
                tokens.map(({ token, features }) =>
                  h(
                    "tr",
                    {},
                    h("th", { scope: "row" }, h("code", {}, visible(token))),
                    h(
                      "td",
                      { class: "words" },
                      features
                        .map(({ feature, activation }) => `${feature} (${brief(activation, 2)})`)
                        .join(", ") || "–",
                    ),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
    );
}
