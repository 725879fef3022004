// Small helpers that make elements. Data only ever enters as text nodes or attribute values.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * What may stand among an element's children.
 * @typedef {Node | string | number | null | undefined | false | readonly Child[]} Child
 */

/**
 * A listener gets its event with the element that it was put on.
 * @template {Element} E
 * @typedef {{[K in keyof HTMLElementEventMap as `on${K}`]?:
 *   ((event: HTMLElementEventMap[K] & {currentTarget: E}) => void) | null}} Listeners
 */

/**
 * @template {Element} E
 * @typedef {Listeners<E> & {[name: string]: string | number | boolean | null | undefined |
 *   {[property: string]: string | number} | ((event: never) => void)}} Attributes
 */

/**
 * Put attributes, listeners and children on an element.
 *
 * A function under `on…` becomes a listener, an object under `style` sets properties, `true` an
 * empty attribute; `null`, `undefined` and `false` are left out. Strings and numbers among the
 * children become text nodes.
 * @template {HTMLElement | SVGElement} E
 * @param {E} node
 * @param {Attributes<E> | null | undefined} attributes
 * @param {readonly Child[]} children
 * @returns {E}
 */
function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function")
      node.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (typeof value === "object") {
      for (const [property, setting] of Object.entries(value))
        node.style.setProperty(property, String(setting));
    } else node.setAttribute(name, value === true ? "" : String(value));
  }
  appendAll(node, children);
  return node;
}

/**
 * @param {Element} node
 * @param {readonly Child[]} children
 */
function appendAll(node, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (child instanceof Node) node.append(child);
    else if (typeof child === "object") appendAll(node, child);
    else node.append(String(child));
  }
}

/**
 * Make an HTML element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes<HTMLElementTagNameMap[T]> | null} [attributes] attributes, `onclick`-like
 *   listeners, `style` as an object
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/**
 * Make an SVG element; as `h`.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes<SVGElementTagNameMap[T]> | null} [attributes]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, attributes, ...children) {
  return furnish(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

/**
 * A box that scrolls, which the keyboard reaches too.
 * @param {string} label
 * @param {string} kind class
 * @param {...Child} children
 */
export function scrollBox(label, kind, ...children) {
  return h("div", { class: kind, tabindex: 0, role: "region", "aria-label": label }, ...children);
}

/**
 * A token's text with its whitespace made visible: space ·, newline ⏎, tab ⇥; control and direction
 * characters, which could hide or reorder the text around them, as ‹U+202E›.
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  return String(text)
    .replace(/ /g, "·")
    .replace(/\r\n|\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(
      /[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu,
      (character) => `‹U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}›`,
    );
}

/**
 * Redraw what is in an element; the control of the same `data-key` keeps the focus.
 * @param {Element} element
 * @param {() => void} redraw
 */
export function keepFocus(element, redraw) {
  const { activeElement } = document;
  const key = element.contains(activeElement) ? activeElement?.getAttribute("data-key") : null;
  redraw();
  if (key) focusOn(element.querySelector(`[data-key="${CSS.escape(key)}"]`));
}

/**
 * Give an element the focus where it stands.
 * @param {Element | null} element
 */
export function focusOn(element) {
  if (element instanceof HTMLElement || element instanceof SVGElement)
    element.focus({ preventScroll: true });
}

/**
 * What makes an element of a picture a button, for the mouse and for the keyboard.
 * @param {() => void} press
 */
export function buttonLike(press) {
  return {
    role: "button",
    tabindex: 0,
    onclick: (/** @type {Event} */ event) => {
      event.preventDefault();
      press();
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      press();
    },
  };
}
