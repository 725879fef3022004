// The words of the field are explained where they stand: once in each room, on hover, focus and touch.

import { h } from "../js/dom.js";

/** @import {Glossary} from "../js/data.js" */

/** Milliseconds from a change of the page until its words are looked through. */
const REST = 600;
/** Whose words are not the page's, or are controls of their own. */
const NOT_IN =
  "script, style, svg, code, pre, textarea, select, option, button, a, bdi, summary, dfn, h1, " +
  "[role=button], [role=tab], [role=treeitem], [role=listbox], [role=status], [role=alert], " +
  "[aria-live], [aria-hidden=true], [contenteditable], .figure-title, .hint, .about, " +
  "label:has([type=radio], [type=checkbox]), " + // a press anywhere on it chooses
  ".share-panel, .tour-bar, .term-tip";

/** The pages that have their glossary. @type {WeakSet<HTMLElement>} */
const explained = new WeakSet();

/**
 * Explain the page's words.
 * @param {HTMLElement} element
 * @param {Glossary} glossary
 * @returns {boolean} whether it does so from now on
 */
export function renderGlossary(element, { terms }) {
  if (explained.has(element)) return false;
  explained.add(element);
  /** @type {Map<string, number>} */
  const places = new Map(
    terms.flatMap(({ words }, place) => words.map((word) => [word.toLowerCase(), place])),
  );
  const all = terms.flatMap(({ words }) => words).toSorted((one, two) => two.length - one.length);
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}_-])(?:${all.join("|")})(?![\\p{L}\\p{N}_-])`,
    "giu",
  );
  const known = new Set(all);
  const tip = h("div", { class: "term-tip", role: "tooltip", id: "term-tip", hidden: true });
  element.append(tip);

  const show = (/** @type {HTMLElement} */ mark) => {
    tip.textContent = terms[Number(mark.dataset.term)].says;
    tip.hidden = false;
    mark.setAttribute("aria-describedby", "term-tip");
    place(mark);
  };
  const place = (/** @type {HTMLElement} */ mark) => {
    const { left, bottom, top } = mark.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    tip.style.left = `${Math.max(8, Math.min(left, width - tip.offsetWidth - 8))}px`;
    const below = bottom + 6 + tip.offsetHeight < innerHeight;
    tip.style.top = `${below ? bottom + 6 : top - 6 - tip.offsetHeight}px`;
  };
  const hide = () => {
    tip.hidden = true;
    document.querySelector("dfn[aria-describedby]")?.removeAttribute("aria-describedby");
  };
  /**
   * @param {string} word
   * @param {number} term
   */
  const markOf = (word, term) => {
    const mark = h(
      "dfn",
      {
        class: "term",
        tabindex: 0,
        "data-term": term,
        onpointerenter: () => show(mark),
        onpointerleave: hide,
        onfocus: () => show(mark),
        onblur: hide,
        onclick: (event) => {
          event.preventDefault(); // a label would pass it on to its control
          show(mark);
        },
      },
      word,
    );
    return mark;
  };
  const markAll = () => {
    const room = [
      .../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("main")),
    ].find((one) => one.checkVisibility());
    if (!room) return;
    const marks = /** @type {NodeListOf<HTMLElement>} */ (room.querySelectorAll("dfn.term"));
    const done = new Set([...marks].filter((mark) => mark.checkVisibility()).map(termOf));
    const walker = document.createTreeWalker(room, NodeFilter.SHOW_TEXT);
    /** @type {Text[]} */
    const texts = [];
    while (walker.nextNode()) texts.push(/** @type {Text} */ (walker.currentNode));
    for (const text of texts) {
      if (!text.data.trim() || done.size === terms.length) continue;
      const found = [...text.data.matchAll(pattern)].find(([word]) => {
        const term = places.get(word.toLowerCase());
        return term !== undefined && !done.has(term) && isTerm(word, known);
      });
      const parent = text.parentElement;
      if (!found || !parent || parent.closest(NOT_IN) || !parent.checkVisibility()) continue;
      const term = /** @type {number} */ (places.get(found[0].toLowerCase()));
      if (/flex|grid/.test(getComputedStyle(parent).display)) {
        const whole = h("span", { class: "words" }); // or the word would stand apart, as an item
        text.replaceWith(whole);
        whole.append(text);
      }
      const rest = text.splitText(found.index);
      rest.splitText(found[0].length);
      rest.replaceWith(markOf(found[0], term));
      done.add(term);
    }
  };
  let timer = 0;
  const observer = new MutationObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(look, REST);
  });
  const look = () => {
    if (!element.isConnected) return observer.disconnect();
    observer.disconnect();
    markAll();
    observer.observe(document.body, {
      childList: true,
      subtree: true,
      attributes: true,
      attributeFilter: ["hidden", "style"],
    });
  };
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || tip.hidden) return;
      hide();
      event.preventDefault(); // what else a press of it closes waits for the next
    },
    { capture: true },
  );
  // a finger elsewhere takes no focus away on every phone
  document.addEventListener("pointerdown", ({ target }) => {
    if (!tip.hidden && !(target instanceof Element && target.closest("dfn.term"))) hide();
  });
  const follow = () => {
    /** @type {HTMLElement | null} */
    const mark = tip.hidden ? null : document.querySelector("dfn[aria-describedby]");
    if (mark) place(mark);
  };
  document.addEventListener("scroll", follow, { capture: true, passive: true });
  timer = setTimeout(look, REST);
  return true;
}

/** @param {HTMLElement} mark */
function termOf(mark) {
  return Number(mark.dataset.term);
}

/**
 * Whether a word is written as the term is: names and abbreviations as they are, others in any case.
 * @param {string} word
 * @param {Set<string>} known
 */
function isTerm(word, known) {
  return known.has(word) || known.has(word.toLowerCase());
}
