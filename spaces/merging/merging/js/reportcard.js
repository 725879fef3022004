// What a report leaves for the model's card: a badge, its line, and a section of Markdown.

import { h } from "../../../../shared/js/dom.js";
import { saveFile } from "../../../../shared/js/picture.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { ModelReport } from "./data.js" */

/**
 * Open the view.
 * @param {Figure<ModelReport>} figure
 * @param {HTMLElement} panel
 * @returns {(data: ModelReport) => void}
 */
export function openReportCard(figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  /** The page's own address, where the figure stands in one. @param {string} text */
  const addressed = (text) =>
    figure.host.exported
      ? text
      : text.replaceAll("{this demo}", location.origin + location.pathname);
  return ({ badge, card }) => {
    if (!badge) {
      box.replaceChildren(h("p", {}, "Badge and section stand here once the report is complete."));
      return;
    }
    const { label, message, verdict, svg, markdown } = badge;
    box.replaceChildren(
      h("h2", {}, "The badge"),
      h(
        "p",
        {},
        h(
          "span",
          { class: `report-badge report-badge-${verdict}` },
          h("span", {}, label),
          h("b", {}, message),
        ),
      ),
      h(
        "p",
        { class: "said" },
        "Upload the file into the repository and put the line on top of its card: whoever follows it " +
          "makes the report again.",
      ),
      textBox("A line of Markdown", addressed(markdown)),
      h("h2", {}, "A section for the card"),
      textBox("A section of Markdown", addressed(card)),
      h(
        "div",
        { class: "filters" },
        saveButton("Save the badge (SVG)", () =>
          saveFile(figure.root, "merge-report.svg", "image/svg+xml", svg),
        ),
        saveButton("Save the section (Markdown)", () =>
          saveFile(figure.root, "merge-report.md", "text/markdown", addressed(card)),
        ),
      ),
    );
  };
}

/**
 * @param {string} label
 * @param {() => void} save
 */
function saveButton(label, save) {
  return h("button", { type: "button", onclick: save }, label);
}

/**
 * @param {string} label
 * @param {string} text
 */
function textBox(label, text) {
  return h("pre", { class: "report-text", tabindex: 0, "aria-label": label }, text);
}
