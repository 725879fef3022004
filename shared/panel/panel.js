// The panel below a figure: the code that reproduces it, its link, and snippets for a blog post.

import { copyable } from "../js/copyable.js";
import { h } from "../js/dom.js";
import { seenQuery, viewOf } from "../js/linked.js";
import { renderGlossary } from "./glossary.js";
import { followRooms, sayMade } from "./rooms.js";
import { renderTour } from "./tour.js";
import { figureAbove, isResultOf, openLinkedView } from "./view.js";

/**
 * @import {Child} from "../js/dom.js"
 * @import {Host} from "../js/shell.js"
 * @import {Glossary, Panel, Tour} from "../js/data.js"
 */

/** Until one looks again for a figure that is not drawn yet. */
const UNDRAWN_MILLISECONDS = 300;

/**
 * Draw the panel, the tour of a room, or explain the page's words.
 * @param {HTMLElement} element
 * @param {Panel | Tour | Glossary | null} data
 * @param {Host} host
 */
export function render(element, data, host) {
  if (data && "steps" in data) renderTour(element, data, host);
  else if (data && "terms" in data) {
    if (renderGlossary(element, data)) followRooms(element, data.rooms, data.runs);
  } else renderPanel(element, data);
}

/**
 * Draw the panel; what the visitor unfolded stays so.
 * @param {HTMLElement} element
 * @param {Panel | null} data
 */
function renderPanel(element, data) {
  if (!data) {
    element.replaceChildren();
    return;
  }
  const open = [...element.querySelectorAll("details")].map((fold) => fold.open);
  const base = location.origin + location.pathname;
  const opened = openLinkedView(element, data); // what it opens is part of the link
  const above = figureAbove(element);
  const joined = (/** @type {string} */ seen) => (seen ? `${data.query}&${seen}` : data.query);
  const query = data.query ? joined(seenQuery(above)) : "";
  const url = query ? `${base}?${query}` : base;
  const link = query ? `${data.hub ?? base}?${query}` : "";
  const alone =
    data.query && viewOf(above).name ? `${base}?${joined(seenQuery(above, true))}&alone=1` : "";
  if (data.live && query && opened) sayMade(query);
  follow(element, data, opened);
  // of another figure than the panel's, as the first picture of a run, it would not be true
  const aside = above && isResultOf(above, data.asked) ? data.filled : "";
  above?.dispatchEvent(new CustomEvent("figure-aside", { detail: aside ?? "" }));
  const attribute = (/** @type {string} */ text) =>
    text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");
  const frame = (/** @type {string} */ source) =>
    `<iframe src="${attribute(source)}" title="${attribute(data.title)}" width="100%" height="900" ` +
    `style="border:0" loading="lazy"></iframe>`;
  const component =
    `<script type="module" src="https://gradio.s3-us-west-2.amazonaws.com/${data.gradio}/gradio.js"></` +
    `script>\n<gradio-app src="${attribute(base)}"></gradio-app>`;
  const fold = (
    /** @type {string} */ title,
    /** @type {number} */ index,
    /** @type {Child[]} */ ...children
  ) => {
    const node = h("details", {}, h("summary", {}, title), ...children);
    node.open = open[index] ?? false;
    return node;
  };
  const [made] = data.made;
  element.replaceChildren(
    h(
      "div",
      { class: "share-panel" },
      made
        ? h(
            "p",
            { class: "share-made" },
            `${made} is on your shelf: the link opens it for you alone, for two hours at most. ` +
              "In the code, put the folder of its files in its place.",
          )
        : "",
      fold(
        "Code",
        0,
        ...data.code.map(({ label, text }) =>
          copyable(label, text.replaceAll("{this demo}", base)),
        ),
      ),
      fold(
        "Share and embed",
        1,
        h(
          "p",
          {},
          data.query
            ? `The link reproduces this figure with these settings, and shows ${
                above && "seenMore" in above.dataset
                  ? "a part of what you see of it now: all of it is too much for a link"
                  : "what you see of it now"
              }. For a figure that works offline, press HTML above the picture.`
            : "A file of your own has no link, nor have very long settings. For a figure that works " +
                "anywhere, also offline, press HTML above the picture.",
        ),
        link ? copyable("Permalink", link) : "",
        copyable("An iframe for a blog post", frame(url)),
        alone ? copyable("An iframe of the open view alone", frame(alone)) : "",
        copyable("A web component, which opens the demo with its defaults", component),
      ),
    ),
  );
}

/** What watches the figure above a panel. @type {WeakMap<HTMLElement, () => void>} */
const watches = new WeakMap();
/** How often a page looks again for figures that are not drawn: some have no views. */
let looks = 200;

/**
 * Draw a panel again when a visitor opens another view of the figure above, or sees something else in it:
 * its link holds that.
 * @param {HTMLElement} element
 * @param {Panel} data
 * @param {boolean} opened whether the figure shows what the page's link asks for
 */
function follow(element, data, opened) {
  watches.get(element)?.();
  const again = () => renderPanel(element, data);
  const figure = figureAbove(element);
  if (figure && opened) {
    const observer = new MutationObserver(again);
    observer.observe(figure, { attributeFilter: ["data-seen", "data-seen-more"] });
    const tabs = figure.querySelector("[data-view]")?.parentElement;
    if (tabs) observer.observe(tabs, { subtree: true, attributeFilter: ["aria-selected"] });
    // drawn anew, the figure is another element
    if (figure.parentElement) observer.observe(figure.parentElement, { childList: true });
    watches.set(element, () => observer.disconnect());
  } else if (looks > 0) {
    looks -= 1;
    const timer = setTimeout(again, UNDRAWN_MILLISECONDS); // the figure comes after its panel
    watches.set(element, () => clearTimeout(timer));
  }
}
