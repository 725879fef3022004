// The two texts in whole, coloured by how far apart the models' odds are at every token.

import { focusOn, h, keepFocus } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { runLabel } from "./lines.js";
import { distanceOn, natsWords } from "./pairstrip.js";
import { tokenLabel } from "./pill.js";
import { proseOf } from "./textview.js";

/**
 * @import {PairText} from "./data.js"
 * @import {PairSession} from "./pairfigure.js"
 */

const MOST_APART = 1; // nats that get the full colour

/** @param {number} distance nats */
function apartHeat(distance) {
  return { "--strength": Math.sqrt(Math.min(1, distance / MOST_APART)).toFixed(3) };
}

/**
 * @param {HTMLElement} panel
 * @param {PairSession} session
 */
export function openPairTexts(panel, session) {
  const stops = [0, 0.01, 0.1, 0.3, 1].map((nats) =>
    h(
      "span",
      { class: "heat", style: apartHeat(nats) },
      `${nats === 1 ? "≥\u202f" : ""}${brief(nats)}`,
    ),
  );
  const texts = h("div", { class: "texts" });
  panel.append(
    h(
      "div",
      { class: "scale" },
      "divergence from the text’s own model to the other, in nats: ",
      stops,
      h("b", {}, "bold"),
      ": not the other model’s likeliest token",
    ),
    texts,
  );
  const tokenAt = (/** @type {EventTarget | null} */ target) =>
    target instanceof Element ? target.closest("bdi[data-key]") : null;
  texts.addEventListener("click", (event) => {
    const token = tokenAt(event.target);
    if (token) choose(token);
  });
  texts.addEventListener("keydown", (event) => {
    const token = tokenAt(event.target);
    if (!token) return;
    const all = [...(token.parentElement?.querySelectorAll("bdi[data-key]") ?? [])];
    const to = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") choose(token);
    else if (to && all[all.indexOf(token) + to]) {
      const next = all[all.indexOf(token) + to];
      token.setAttribute("tabindex", "-1");
      next.setAttribute("tabindex", "0");
      focusOn(next);
    } else return;
    event.preventDefault();
  });
  const choose = (/** @type {Element} */ token) => {
    const [text, step] = (token.getAttribute("data-key") ?? "").split("/").map(Number);
    session.choose({ text, step });
  };
  return () => {
    const articles = session.pair.texts.map((text, index) => drawArticle(session, text, index));
    const none = h("p", { class: "said" }, "The texts are still being written.");
    keepFocus(texts, () => texts.replaceChildren(...(articles.length ? articles : [none])));
  };
}

/**
 * @param {PairSession} session
 * @param {PairText} text
 * @param {number} index
 */
function drawArticle({ pair, trace, at }, text, index) {
  const parted = (pair.parting?.step ?? Infinity) - 1;
  const active = at?.text === index ? at.step : 0;
  const tokens = text.steps.map((step, place) => {
    const chosen = at?.text === index && at.step === place;
    const classes = ["heat", chosen && "selected", step.ranks[1 - text.of][0] > 1 && "forced"];
    const label = `${tokenLabel({ text: step.texts[0] })}, ${natsWords(distanceOn(text, step))} nats`;
    return [
      place === parted ? h("span", { class: "parts-here", title: "Here they part" }, "◦") : null,
      h(
        "bdi",
        {
          class: classes.filter(Boolean).join(" "),
          role: "button",
          tabindex: place === active ? "0" : "-1",
          "data-key": `${index}/${place}`,
          "aria-label": label,
          "data-own": true,
          "aria-pressed": String(chosen),
          style: apartHeat(distanceOn(text, step)),
        },
        proseOf(step),
      ),
    ];
  });
  const whose = pair.texts.length === 1 ? trace.runs : [trace.runs[text.of]];
  return h(
    "article",
    {},
    h(
      "h2",
      {},
      whose.map((run, place) => [place ? " and " : "", runLabel(run)]),
    ),
    h("p", { class: "prose", dir: "auto" }, tokens),
  );
}
