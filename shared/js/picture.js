// The current picture as a static SVG file: no script, its own styles, the colours as they are on
// the screen.

import { s } from "./dom.js";

const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "paint-order",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
];
/** @type {Record<string, string>} */
const INITIAL = {
  "fill-opacity": "1",
  opacity: "1",
  "stroke-dasharray": "none",
  "stroke-linecap": "butt",
  "stroke-linejoin": "miter",
  "paint-order": "normal",
  "font-weight": "400",
  "text-anchor": "start",
  stroke: "none",
};
/** Characters that XML 1.0 cannot hold, half ones among them: a token or a row may. */
const NO_XML = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
const DROPPED = ["tabindex", "role", "style", "class"];
const MARGIN = 16;
const HEADING = 46;

/**
 * The picture that the figure shows now, as the text of an SVG file.
 * @param {HTMLElement} element what `render` was given, or the figure in it
 * @returns {string|null} null where the current view is no picture
 */
export function pictureAsSvg(element) {
  const root = element.matches(".course-figure")
    ? element
    : element.querySelector(".course-figure");
  /** @type {SVGSVGElement | null | undefined} */
  const source = root?.querySelector(".panel:not([hidden]) svg.picture");
  if (!root || !source) return null;
  source.dispatchEvent(new Event("save")); // a picture that draws only what is in view draws all
  /** @type {Map<string, string>} */
  const classes = new Map();
  const copy = copyElement(source, classes);
  const [, , width, height] = (source.getAttribute("viewBox") ?? "").split(" ").map(Number);
  for (const [name, value] of Object.entries({ x: MARGIN, y: HEADING, width, height }))
    copy.setAttribute(name, String(value));
  const colours = getComputedStyle(root);
  const paint = (/** @type {string} */ name) => colours.getPropertyValue(name).trim();
  const title = root.querySelector(".figure-title")?.textContent ?? "";
  /** @type {HTMLElement | null} */
  const frame = root.querySelector(".frame");
  const origin = root.querySelector(".provenance")?.textContent ?? "";
  const provenance = [origin, frame?.dataset.saved].filter(Boolean).join(" · ");
  const caption = root.querySelector(".panel:not([hidden]) .picture-caption")?.textContent ?? "";
  // About as wide as they are drawn below.
  const words = Math.max(6.4 * caption.length, 5.9 * provenance.length);
  const fullWidth = Math.ceil(
    Math.max(width + 2 * MARGIN, 420, Math.min(1200, words + 2 * MARGIN)),
  );
  const fullHeight = height + HEADING + 24 + (caption ? 18 : 0);
  const sans = "font-family:system-ui,sans-serif";
  const line = (/** @type {number} */ y, /** @type {string} */ style, /** @type {string} */ text) =>
    s("text", { x: MARGIN, y, style: `${sans};${style}` }, text);
  const wrapper = s(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width: fullWidth,
      height: fullHeight,
      viewBox: `0 0 ${fullWidth} ${fullHeight}`,
      role: "img",
      "aria-label": title,
    },
    s("rect", { width: fullWidth, height: fullHeight, fill: paint("--paper") }),
    line(26, `font-size:14px;font-weight:600;fill:${paint("--ink")}`, title),
    copy,
    caption ? line(fullHeight - 28, `font-size:12px;fill:${paint("--ink")}`, caption) : null,
    line(fullHeight - 10, `font-size:11px;fill:${paint("--muted")}`, provenance),
  );
  const rules = [...classes].map(([style, name]) => `.${name}{${style}}`).join("");
  wrapper.prepend(s("style", {}, rules));
  return new XMLSerializer().serializeToString(wrapper).replace(NO_XML, "\u{FFFD}");
}

/**
 * Copy an element with what its style sheet says of it, one class for each distinct set of values.
 * @param {Element} source
 * @param {Map<string, string>} classes names by their declarations
 * @returns {Element}
 */
function copyElement(source, classes) {
  const copy = /** @type {Element} */ (source.cloneNode(false));
  for (const { name } of [...copy.attributes]) {
    if (DROPPED.includes(name) || name.startsWith("aria-") || name.startsWith("data-"))
      copy.removeAttribute(name);
  }
  const computed = getComputedStyle(source);
  if (computed.display === "none") return s("g");
  const drawn =
    ["rect", "path", "text", "tspan", "line", "circle"].includes(source.localName) ||
    source.hasAttribute("class");
  if (drawn) {
    const style = STYLES.map((property) => [property, computed.getPropertyValue(property)])
      .filter(([property, value]) => value && INITIAL[property] !== value)
      .map(
        ([property, value]) =>
          `${property}:${value.replace(/url\("?[^#)]*(#[^")]+)"?\)/g, "url($1)")}`,
      )
      .join(";");
    const name = classes.get(style) ?? `c${classes.size}`;
    if (style) {
      classes.set(style, name);
      copy.setAttribute("class", name);
    }
  }
  for (const child of source.childNodes) {
    if (child instanceof Element) copy.append(copyElement(child, classes));
    else if (child instanceof Text) copy.append(child.data);
  }
  return copy;
}

/**
 * Save the current picture as a file.
 * @param {HTMLElement} root
 * @param {string} name
 */
export function downloadSvg(root, name) {
  const text = pictureAsSvg(root);
  if (text) saveFile(root, name, "image/svg+xml", text);
}

/** Pixels of a saved PNG for one of the picture, and as many in all as every browser draws. */
const PNG_SCALE = 2;
const PNG_PIXELS = 16_000_000;

/**
 * Save the current picture as pixels, as sharp as on a screen of twice the density.
 * @param {HTMLElement} root
 * @param {string} name
 */
export async function downloadPng(root, name) {
  const text = pictureAsSvg(root);
  if (!text) return;
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const { width, height } = image;
    const scale = Math.min(PNG_SCALE, Math.sqrt(PNG_PIXELS / (width * height)));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = await new Promise((/** @type {BlobCallback} */ ready) => canvas.toBlob(ready));
    if (pixels) saveFile(root, name, "image/png", pixels);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Hand a text, or bytes, to the visitor as a file.
 * @param {HTMLElement} root
 * @param {string} name
 * @param {string} type
 * @param {string | Blob} content
 */
export function saveFile(root, name, type, content) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
