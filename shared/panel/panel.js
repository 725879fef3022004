// The panel below a figure: the code that reproduces it, its link, and snippets for a blog post.

import { copyable } from "../js/copyable.js";
import { h } from "../js/dom.js";

/**
 * @import {Child} from "../js/dom.js"
 * @import {Panel} from "../js/data.js"
 */

/**
 * Draw the panel; what the visitor unfolded stays so.
 * @param {HTMLElement} element
 * @param {Panel | null} data
 */
export function render(element, data) {
  if (!data) {
    element.replaceChildren();
    return;
  }
  const open = [...element.querySelectorAll("details")].map((fold) => fold.open);
  const base = location.origin + location.pathname;
  const url = data.query ? `${base}?${data.query}` : base;
  const link = data.query ? `${data.hub ?? base}?${data.query}` : "";
  if (data.live && data.query) history.replaceState(null, "", `?${data.query}`);
  const attribute = (/** @type {string} */ text) =>
    text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");
  const frame =
    `<iframe src="${attribute(url)}" title="${attribute(data.title)}" width="100%" height="900" ` +
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
  element.replaceChildren(
    h(
      "div",
      { class: "share-panel" },
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
            ? "The link reproduces this figure with these settings. For a figure that works offline, " +
                "press HTML above the picture."
            : "A file of your own has no link, nor have very long settings. For a figure that works " +
                "anywhere, also offline, press HTML above the picture.",
        ),
        link ? copyable("Permalink", link) : "",
        copyable("An iframe for a blog post", frame),
        copyable("A web component, which opens the demo with its defaults", component),
      ),
    ),
  );
}
