// The current picture as a static SVG file: no script, its own styles, the colours as they are on the screen.

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
  const source = root?.querySelector(".panel:not([hidden]) svg.picture");
  if (!source) return null;
  const classes = new Map();
  const copy = copyElement(source, classes);
  const [, , width, height] = source.getAttribute("viewBox").split(" ").map(Number);
  for (const [name, value] of [
    ["x", MARGIN],
    ["y", HEADING],
    ["width", width],
    ["height", height],
  ])
    copy.setAttribute(name, String(value));
  const colours = getComputedStyle(root);
  const paint = (name) => colours.getPropertyValue(name).trim();
  const title = root.querySelector(".figure-title")?.textContent ?? "";
  const provenance = root.querySelector(".provenance")?.textContent ?? "";
  const caption = root.querySelector(".panel:not([hidden]) .picture-caption")?.textContent ?? "";
  const words = Math.max(6.4 * caption.length, 5.9 * provenance.length); // about as wide as they are drawn below
  const fullWidth = Math.ceil(
    Math.max(width + 2 * MARGIN, 420, Math.min(1200, words + 2 * MARGIN)),
  );
  const fullHeight = height + HEADING + 24 + (caption ? 18 : 0);
  const sans = "font-family:system-ui,sans-serif";
  const line = (x, y, style, text) => s("text", { x, y, style: `${sans};${style}` }, text);
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
    line(MARGIN, 26, `font-size:14px;font-weight:600;fill:${paint("--ink")}`, title),
    copy,
    caption
      ? line(MARGIN, fullHeight - 28, `font-size:12px;fill:${paint("--ink")}`, caption)
      : null,
    line(MARGIN, fullHeight - 10, `font-size:11px;fill:${paint("--muted")}`, provenance),
  );
  const rules = [...classes].map(([style, name]) => `.${name}{${style}}`).join("");
  wrapper.prepend(s("style", {}, rules));
  return new XMLSerializer().serializeToString(wrapper);
}

/** Copy an element with what its style sheet says of it, one class for each distinct set of values. */
function copyElement(source, classes) {
  const copy = source.cloneNode(false);
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
      .filter(([property, value]) => value && !isInitial(property, value))
      .map(
        ([property, value]) =>
          `${property}:${value.replace(/url\("?[^#)]*(#[^")]+)"?\)/g, "url($1)")}`,
      )
      .join(";");
    if (style && !classes.has(style)) classes.set(style, `c${classes.size}`);
    if (style) copy.setAttribute("class", classes.get(style));
  }
  for (const child of source.childNodes) {
    if (child.nodeType === Node.ELEMENT_NODE) copy.append(copyElement(child, classes));
    else if (child.nodeType === Node.TEXT_NODE) copy.append(child.cloneNode());
  }
  return copy;
}

function isInitial(property, value) {
  const initial = {
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
  return initial[property] === value;
}

/** Save the current picture as a file. */
export function downloadSvg(root, name) {
  const text = pictureAsSvg(root);
  if (text) saveFile(root, name, "image/svg+xml", text);
}

/** Hand a text to the visitor as a file. */
export function saveFile(root, name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  root.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
