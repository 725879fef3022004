// The text token by token, coloured by how far a format's prediction moved; a token opens both distributions.

import { heat, heatLegend } from "../../../../shared/js/axes.js";
import { h, scrollBox, visible } from "../../../../shared/js/dom.js";
import { brief, percent } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";
import { nameOfFormat } from "./measures.js";

/** @import { Compare, Microscope, TokenChance, TokenScores, Tokens } from "./data.js" */

/**
 * One format under the microscope: where its top token differs from the base's, and where the text's scored
 * tokens are.
 * @typedef {Object} Slide
 * @property {string} format what it is called
 * @property {TokenScores} scores
 * @property {boolean[]} differing by scored token
 * @property {Microscope} microscope
 * @property {Tokens} tokens
 */

/** Scored tokens that a key moves on by. @type {Record<string, number>} */
const TOKEN_STEPS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 };

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Compare) => void}
 */
export function openMicroscope(_figure, panel) {
  const state = { run: "", format: "", place: 0 };
  /** @type {Slide | null} */
  let slide = null;
  /** @type {Compare["rows"]} */
  let rows = [];
  const strip = h("div", {
    class: "strip",
    role: "group",
    "aria-label": "Text; arrow keys move between scored tokens",
  });
  const bar = h("div", { class: "filters padded-row" });
  const legend = h("div", { class: "padded-row" });
  const detail = h("div", { class: "padded two", "aria-live": "polite" });
  panel.append(bar, legend, strip, detail);
  /**
   * @param {Microscope} microscope
   * @param {Tokens} tokens
   */
  const draw = (microscope, tokens) => {
    const formats = Object.keys(microscope.rows);
    const last = formats.at(-1);
    if (last === undefined) {
      bar.replaceChildren(h("span", {}, "No format has been measured yet."));
      return;
    }
    if (!formats.includes(state.format)) state.format = last;
    const current = slideOf(microscope, tokens, state.format, nameOfFormat(rows, state.format));
    const { differing, scores } = current;
    const most = Math.max(...scores.kld, 1e-9);
    slide = current;
    state.place = Math.min(state.place, scores.kld.length - 1);
    bar.replaceChildren(
      choice(
        "Format",
        formats.map((name) => [name, nameOfFormat(rows, name)]),
        state.format,
        (name) => {
          state.format = name;
          draw(microscope, tokens);
        },
      ),
      h(
        "button",
        {
          type: "button",
          onclick: () => go(nextDifference(differing, state.place), true),
          disabled: !differing.includes(true),
        },
        "Next token where greedy diverges",
      ),
      h("span", {}, differenceWords(differing)),
    );
    legend.replaceChildren(
      heatLegend(
        "0",
        brief(most, 2),
        "nats (KLD; the bar below a token is its share, on a square-root scale)",
      ),
    );
    strip.replaceChildren(...tokenButtons(current, most, state.place, (place) => go(place, false)));
    detail.replaceChildren(...tokenParts(current, state.place));
  };
  /**
   * @param {number} place of a scored token; −1 for none
   * @param {boolean} focus
   */
  const go = (place, focus) => {
    if (place < 0 || !slide) return;
    pressToken(strip, state.place, false);
    state.place = place;
    const button = pressToken(strip, place, true);
    if (focus) button?.focus();
    detail.replaceChildren(...tokenParts(slide, place));
  };
  strip.addEventListener("keydown", (event) => {
    const step = TOKEN_STEPS[event.key];
    if (!step || !slide) return;
    event.preventDefault();
    const last = slide.scores.kld.length - 1;
    go(Math.max(0, Math.min(last, state.place + step)), true);
  });
  return (data) => {
    const { run_id: run, microscope, tokens } = data;
    rows = data.rows;
    if (state.run !== run) Object.assign(state, { run, format: "", place: 0 });
    if (microscope && tokens) draw(microscope, tokens);
  };
}

/**
 * @param {Microscope} microscope
 * @param {Tokens} tokens
 * @param {string} format
 * @param {string} name what it is called
 * @returns {Slide}
 */
function slideOf(microscope, tokens, format, name) {
  const scores = microscope.rows[format];
  const differing = microscope.base.map(
    (top, place) => top.at(0)?.[0] !== scores.top[place].at(0)?.[0],
  );
  return { format: name, scores, differing, microscope, tokens };
}

/** @param {boolean[]} differing */
function differenceWords(differing) {
  const count = differing.filter(Boolean).length;
  return count
    ? `The top token differs at ${count} of ${differing.length} positions, ` +
        `first at ${differing.indexOf(true) + 1}.`
    : `The top token is the same at all ${differing.length} positions.`;
}

/**
 * Press or release a scored token's button.
 * @param {HTMLElement} strip
 * @param {number} place
 * @param {boolean} isPressed
 */
function pressToken(strip, place, isPressed) {
  const button = /** @type {HTMLElement | null} */ (strip.querySelector(`[data-place="${place}"]`));
  button?.setAttribute("aria-pressed", String(isPressed));
  if (button) button.tabIndex = isPressed ? 0 : -1;
  return button;
}

/**
 * The text: a button for every scored token.
 * @param {Slide} slide
 * @param {number} most KLD of the full colour
 * @param {number} pressed
 * @param {(place: number) => void} go
 */
function tokenButtons({ tokens, scores, differing }, most, pressed, go) {
  let scored = 0;
  return tokens.pieces.flatMap((piece, index) => {
    const isFirst = index > 0 && tokens.window[index] !== tokens.window[index - 1];
    const gap = isFirst ? [h("span", { class: "window-gap", "aria-hidden": "true" })] : [];
    if (!tokens.scored[index]) return [...gap, h("span", { class: "unscored" }, withBreaks(piece))];
    const place = scored;
    scored += 1;
    const share = Math.sqrt(scores.kld[place] / most);
    const words = `${visible(piece)}: KLD ${brief(scores.kld[place])}`;
    return [
      ...gap,
      h(
        "button",
        {
          type: "button",
          class: differing[place] ? "scored parts" : "scored",
          "data-place": place,
          tabindex: place === pressed ? 0 : -1,
          "aria-pressed": String(place === pressed),
          "aria-label": differing[place] ? `${words}, another top token` : words,
          style: { background: heat(0.42 * share), "--share": share.toFixed(3) },
          onclick: () => go(place),
        },
        withBreaks(piece),
      ),
    ];
  });
}

/**
 * A token's text, in which a line break breaks the line and can be seen and pressed too.
 * @param {string} piece
 */
function withBreaks(piece) {
  return piece.replace(/\r\n|\r|\n/g, "⏎\n");
}

/**
 * Both distributions at a scored token.
 * @param {Slide} slide
 * @param {number} place
 */
function tokenParts({ format, scores, differing, microscope, tokens }, place) {
  const piece = tokens.pieces.filter((_, index) => tokens.scored[index])[place];
  const tops = [microscope.base[place], scores.top[place]];
  const names = [...new Set(tops.flat().map(([name]) => name))];
  const chances = [microscope.base_p[place], scores.p[place]].map(percent);
  return [
    h(
      "div",
      {},
      h("h2", {}, "The next token here was ", h("bdi", { class: "token" }, visible(piece))),
      h(
        "p",
        { class: "said" },
        `KLD ${brief(scores.kld[place])} nats. p of the true token: `,
        `${chances[0]} in the base, ${chances[1]} in ${format}. `,
        differing[place]
          ? "The top tokens differ: greedy decoding would diverge here."
          : "Both models’ top token is the same.",
      ),
    ),
    scrollBox(
      "Both distributions",
      "wide",
      h(
        "table",
        { class: "pairs" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["token", "base", format].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          names.map((name) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("bdi", { class: "token" }, visible(name))),
              tops.map((top, index) => h("td", {}, chanceBar(top, name, index))),
            ),
          ),
        ),
      ),
    ),
  ];
}

/**
 * @param {TokenChance[]} top
 * @param {string} name
 * @param {number} index of the model
 */
function chanceBar(top, name, index) {
  const chance = top.find(([other]) => other === name)?.[1];
  return h(
    "span",
    { class: `bar-cell bar-${index}`, style: { "--share": (chance ?? 0).toFixed(4) } },
    chance === undefined ? "not among the 5" : percent(chance),
  );
}

/**
 * The next position whose top token differs, from the start again after the last; −1 where there is none.
 * @param {boolean[]} differing
 * @param {number} at
 */
export function nextDifference(differing, at) {
  const next = differing.indexOf(true, at + 1);
  return next < 0 ? differing.indexOf(true) : next;
}
