// The direction as a sum of few features of a sparse autoencoder, where they fire, and the features of a
// prompt.

import { axisLabel, baseAxis, heat, scaleOf, valueAxis } from "../../../../shared/js/axes.js";
import { h, s, visible } from "../../../../shared/js/dom.js";
import { percentage } from "../../../../shared/js/estimates.js";
import { brief, plural, whole } from "../../../../shared/js/numbers.js";
import { block, drawInBox, picture } from "./charts.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Atom, Features, Firing, FiringExample, Pursuit } from "./data.js" */
/** @import { PromptFeatures, TokenFeatures } from "./data.js" */

/**
 * Open the view of the direction.
 * @param {Figure<Features>} figure
 * @param {HTMLElement} panel
 * @returns {(data: Features) => void}
 */
export function openFeatures(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Features} */ { sae, pursuit, tops }, width) =>
    box.replaceChildren(
      h(
        "p",
        { class: "said" },
        `${sae.architecture} autoencoder of ${whole(sae.features)} features at layer ${sae.layer}'s input: `,
        `it explains ${brief(100 * sae.explained)} % of the variance of ${whole(sae.held ?? sae.tokens)} `,
        sae.held === undefined || sae.source
          ? "activations; "
          : `activations that it did not learn from, beside ${whole(sae.tokens - sae.held)} others; `,
        `${whole(sae.dead)} features never fire on them.`,
      ),
      block(
        "How much of the direction the best features explain",
        "Orthogonal matching pursuit on the decoder's rows. " +
          "Grey: 90 % of random dictionaries of the same size, which vary as the activations do.",
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
    ),
  );
}

/**
 * @param {Pursuit} pursuit
 * @param {number} width
 */
function pursuitChart({ explained, null: chance }, width) {
  const [left, right, height] = [52, width - 20, 190];
  const last = explained.length - 1;
  const x = scaleOf(1, Math.max(2, explained.length), left, right);
  const y = scaleOf(0, Math.max(0.2, ...explained, ...chance.flat()), height - 36, 12);
  /** @param {number[]} values */
  const points = (values) => values.map((value, index) => `${x(index + 1)},${y(value)}`);
  const [low, high] = [0, 2].map((place) => points(chance.map((row) => row[place])));
  return picture(
    width,
    height,
    {
      "aria-label":
        `${plural(explained.length, "feature")} together explain ${percentage(explained[last])}, ` +
        `random ones ${percentage(chance[last][1])}`,
    },
    valueAxis(y, y.ticks(4), [left, right], percentage),
    s("polygon", { class: "ribbon", points: [...high, ...low.toReversed()].join(" ") }),
    s("polyline", { class: "line line-a", points: points(explained).join(" ") }),
    explained.map((value, index) =>
      s("circle", { class: "dot-a", cx: x(index + 1), cy: y(value), r: 4.5 }),
    ),
    baseAxis(
      x,
      explained.map((_, index) => index + 1),
      height - 20,
    ),
    axisLabel(right, height - 4, "end", "features"),
  );
}

/**
 * @param {Figure<Features>} figure
 * @param {Atom} atom
 * @param {Firing} firing
 */
function featureCard(figure, { feature, coefficient, cosine }, { examples, density }) {
  const most = Math.max(1e-9, ...examples.map(({ activation }) => activation));
  return h(
    "article",
    { class: "feature" },
    h(
      "p",
      {},
      h("b", {}, `Feature ${feature}`),
      ` · coefficient ${brief(coefficient)} · cosine ${brief(cosine)} · `,
      `fires at ${brief(100 * density, 2)} % of the tokens`,
    ),
    examples.length
      ? h(
          "ul",
          {},
          examples.map((example) => exampleItem(example, most)),
        )
      : h("p", { class: "said" }, "It never fires on these texts."),
    examples.length && !figure.host.exported ? steering(figure, feature, most) : null,
  );
}

/**
 * @param {FiringExample} example
 * @param {number} most activation of the full colour
 */
function exampleItem({ activation, pieces, at }, most) {
  return h(
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
  );
}

/**
 * Buttons that remove a feature or hold it at an amount.
 * @param {Figure<Features>} figure
 * @param {number} feature
 * @param {number} most its largest activation
 */
function steering({ host }, feature, most) {
  /** @param {number | null} amount */
  const steer = (amount) => host.emit("steer", { feature, amount });
  const level = h("input", {
    type: "number",
    min: 0,
    step: "any",
    value: Number(most.toPrecision(3)),
    "aria-label": `Amount of feature ${feature}`,
  });
  return h(
    "p",
    { class: "steer" },
    h("button", { type: "button", onclick: () => steer(null) }, "Remove it"),
    " ",
    h("button", { type: "button", onclick: () => steer(Number(level.value)) }, "Hold it at"),
    " ",
    level,
  );
}

/**
 * Open the view of a prompt's features.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Features) => void}
 */
export function openFeatureTokens(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ prompts, words = [] }) => {
    const known = new Map(words.map(({ feature, tokens }) => [feature, tokens]));
    box.replaceChildren(
      words.length
        ? h(
            "p",
            { class: "said" },
            "Each feature with its activation and where else it fires most.",
          )
        : "",
      ...prompts.map((prompt) => promptTable(prompt, known)),
    );
  };
}

/**
 * @param {PromptFeatures} prompt
 * @param {Map<number, string[]>} known where features fire most
 */
function promptTable({ prompt, tokens }, known) {
  return h(
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
          tokens.map((token) => tokenRow(token, known)),
        ),
      ),
    ),
  );
}

/**
 * @param {TokenFeatures} token
 * @param {Map<number, string[]>} known where features fire most
 */
function tokenRow({ token, features }, known) {
  const words = features.map(({ feature, activation }) => {
    const places = (known.get(feature) ?? []).map(visible).filter(Boolean);
    const fires = places.length ? `: ${places.join(" ")}` : "";
    return `${feature} (${brief(activation, 2)}${fires})`;
  });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("code", {}, visible(token))),
    h("td", { class: "words" }, words.join(", ") || "–"),
  );
}
