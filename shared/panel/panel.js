// The panel below a figure: the code that reproduces it, its link, and snippets for a blog post.

import { h } from "../js/dom.js";

/** A read-only text with a button that copies it. */
function copyable(label, text) {
  const said = h("span", { class: "panel-said", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(box);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      said.textContent = "selected: press Ctrl+C";
    }
  };
  const box = h("pre", { tabindex: "0", "aria-label": label }, text);
  return h("div", { class: "panel-copy" },
    h("p", {}, label, " ", h("button", { type: "button", onclick: copy, "aria-label": `Copy: ${label}` }, "copy"), " ", said), box);
}

/**
 * @param {HTMLElement} element
 * @param {{title: string, code: string, query: string, live: boolean, gradio: string}} data
 */
export function render(element, data) {
  if (!data) {
    element.replaceChildren();
    return;
  }
  const open = [...element.querySelectorAll("details")].map((fold) => fold.open);
  const base = location.origin + location.pathname;
  const url = `${base}?${data.query}`;
  if (data.live) history.replaceState(null, "", `?${data.query}`);
  const attribute = (text) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");
  const frame = `<iframe src="${attribute(url)}" title="${attribute(data.title)}" width="100%" height="900" style="border:0" loading="lazy"></iframe>`;
  const component = `<script type="module" src="https://gradio.s3-us-west-2.amazonaws.com/${data.gradio}/gradio.js"></` +
    `script>\n<gradio-app src="${attribute(base)}"></gradio-app>`;
  const fold = (title, index, first, ...children) => {
    const node = h("details", {}, h("summary", {}, title), ...children);
    node.open = open[index] ?? first;
    return node;
  };
  element.replaceChildren(h("div", { class: "share-panel" },
    fold("Code", 0, false, copyable("The same run with transformers alone", data.code)),
    fold("Share and embed", 1, false,
      h("p", {}, "The link reproduces this figure with these settings. For a figure that works offline, press HTML above the picture."),
      copyable("Permalink", url),
      copyable("An iframe for a blog post", frame),
      copyable("A web component, which opens the demo with its defaults", component))));
}
