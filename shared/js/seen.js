// What is seen of a figure beside its data: the selected token, a slider, zoom. A link and an exported
// file hold it. A figure's controls, its buttons that stay pressed or unfolded, and its frames that zoom
// are read and set again here; what they do not tell, the figure says with `hold`.

import { frameOf } from "./canvas.js";

/**
 * @typedef {Object} Held
 * @property {string} view that shows it; "" for all
 * @property {() => unknown} read undefined while it is as the figure opens
 * @property {(value: unknown) => boolean} restore whether the value fits the figure
 *
 * @typedef {{set: Record<string, string>, on: string[], frame: string}} Snapshot a view as it opened:
 *   values of controls by their names, what is pressed or unfolded, and what its frame shows
 */

/** Longest JSON of what is seen that a link holds: it stays one that can be sent. */
const LONGEST_SEEN = 400;
/** Milliseconds after what a visitor did, until the figure says what is seen. */
const SEEN_DELAY = 200;
const DOINGS = ["click", "keyup", "input", "change", "pointerup", "scroll", "wheel"];
/** What comes before the first change that a visitor makes. */
const BEGINNINGS = ["pointerdown", "keydown", "wheel", "click"];
/** What is set by a visitor in a figure; what lies in `[data-own]` is held by name. */
const SETTABLE =
  "select, input[type=range], input[type=number], input[type=checkbox], input[type=radio]";
const SWITCHES = "[aria-pressed], [aria-expanded]:not([role=treeitem]), [aria-current], summary";

/**
 * The memory of what is seen of a figure. It stands in the figure's element as `data-seen`, as JSON; where
 * that is only a part, since a link would be too long, there is `data-seen-more` beside it.
 * @param {HTMLElement} root
 * @param {() => string} current name of the open view
 */
export function openSeen(root, current) {
  /** @type {Map<string, Held>} */
  const all = new Map();
  /** @type {Map<string, Snapshot>} by view */
  const first = new Map();
  /** @type {Set<string>} names of controls that a visitor or a link has set */
  const touched = new Set();
  let opening = "";
  let timer = 0;
  const shown = () => [...all].filter(([, { view }]) => !view || view === current());
  /** The open view as it was when it opened. */
  const start = () => {
    const known = first.get(current()) ?? snapshot(root);
    first.set(current(), known);
    return known;
  };
  /**
   * What is seen now, its largest parts left out where all of it is too long.
   * @param {number} [most] characters
   */
  const now = (most = LONGEST_SEEN) => {
    if (!root.checkVisibility()) return { text: root.dataset.seen ?? "", whole: !isCut() };
    const before = start();
    const { set, on, frame } = snapshot(root);
    /** @type {Record<string, unknown>} */
    const values = {};
    for (const [name, { read }] of shown()) {
      const value = read();
      if (value !== undefined) values[name] = value;
    }
    const controls = controlsOf(root);
    const moved = Object.entries(set).filter(
      ([name, value]) =>
        (touched.has(name) || (before.set[name] ?? value) !== value) && !isLeft(controls.get(name)),
    );
    if (moved.length) values.set = Object.fromEntries(moved);
    if (on.join() !== before.on.join()) values.on = on;
    if (frame !== before.frame) values.frame = JSON.parse(frame || "null");
    return thatFits(values, most);
  };
  const isCut = () => "seenMore" in root.dataset;
  const say = () => {
    const { text, whole } = now();
    if (isCut() === whole) {
      if (whole) delete root.dataset.seenMore;
      else root.dataset.seenMore = "";
    }
    if ((root.dataset.seen ?? "") === text) return;
    if (text) root.dataset.seen = text;
    else delete root.dataset.seen;
  };
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(say, SEEN_DELAY);
  };
  // a visitor may be faster than the delay: what opens is what was there before they did anything
  const begin = () => void (root.checkVisibility() && start());
  for (const doing of BEGINNINGS)
    root.addEventListener(doing, begin, { capture: true, passive: true });
  for (const doing of DOINGS) root.addEventListener(doing, later, { capture: true, passive: true });
  for (const doing of ["input", "change"])
    root.addEventListener(doing, ({ target }) => {
      const name = [...controlsOf(root)].find(([, control]) => control === target)?.[0];
      if (name) touched.add(name);
    });
  new ResizeObserver(later).observe(root);
  return {
    later,
    now,
    /** Take what is seen next as what opens: other data is drawn. */
    renew: () => first.clear(),
    /**
     * Let a link hold something that is seen.
     * @param {string} name
     * @param {() => unknown} read
     * @param {(value: unknown) => boolean} restore
     */
    hold(name, read, restore) {
      all.set(name, { view: opening, read, restore });
    },
    /**
     * Call what opens a view: what it holds is seen in that view alone.
     * @template T
     * @param {string} view
     * @param {() => T} open
     */
    within(view, open) {
      opening = view;
      try {
        return open();
      } finally {
        opening = "";
      }
    },
    /**
     * Show what was seen, in the open view.
     * @param {unknown} values
     * @returns {boolean} whether all of it fits
     */
    restore(values) {
      if (typeof values !== "object" || values === null) return false;
      start();
      const asked = new Map(Object.entries(values));
      let fits = true;
      const take = (/** @type {string} */ name, /** @type {(value: unknown) => boolean} */ put) => {
        if (!asked.has(name)) return;
        fits = put(asked.get(name)) && fits;
        asked.delete(name);
      };
      for (const [name, { restore }] of shown()) take(name, restore);
      take("set", (value) => setControls(root, value));
      take("on", (value) => switchOn(root, value));
      take("frame", (value) => setFrame(root, value));
      later();
      return fits && !asked.size;
    },
  };
}

/**
 * As much of what is seen as may be written, as JSON: the largest parts go first.
 * @param {Record<string, unknown>} values
 * @param {number} most characters
 */
function thatFits(values, most) {
  const sizes = Object.entries(values).map(([name, value]) => ({
    name,
    size: JSON.stringify(value).length,
  }));
  const left = sizes.sort((one, other) => one.size - other.size).map(({ name }) => name);
  for (let kept = left.length; ; kept -= 1) {
    const names = left.slice(0, kept);
    const some = Object.entries(values).filter(([name]) => names.includes(name));
    const text = kept ? JSON.stringify(Object.fromEntries(some)) : "";
    if (text.length <= most) return { text, whole: kept === left.length };
  }
}

/**
 * What a visitor may have set in a figure's open view and its details.
 * @param {HTMLElement} root
 * @returns {Snapshot}
 */
function snapshot(root) {
  const controls = [...controlsOf(root)];
  return {
    set: Object.fromEntries(controls.map(([name, control]) => [name, valueOf(control)])),
    on: [...switchesOf(root)].filter(([, one]) => isOn(one)).map(([name]) => name),
    frame: frameWords(root),
  };
}

/**
 * What a selector finds in the open view and in what belongs to all views, each part by its name; of
 * several with one name the later ones get a number.
 * @template {Element} E
 * @param {HTMLElement} root
 * @param {string} selector
 * @param {(element: E) => string} nameOf
 * @returns {Map<string, E>}
 */
function named(root, selector, nameOf) {
  /** @type {Map<string, E>} */
  const found = new Map();
  for (const element of /** @type {NodeListOf<E>} */ (root.querySelectorAll(selector))) {
    if (element.closest(".panel[hidden], [data-own]")) continue;
    const name = nameOf(element);
    let free = name || "1";
    for (let count = 2; found.has(free); count += 1) free = `${name} ${count}`.trim();
    found.set(free, element);
  }
  return found;
}

/**
 * A figure's controls by their labels.
 * @param {HTMLElement} root
 * @returns {Map<string, HTMLSelectElement | HTMLInputElement>}
 */
function controlsOf(root) {
  return named(root, SETTABLE, (control) => {
    const label = control.closest("label");
    // a word that the page explains is an element of its own
    const words = [...(label?.childNodes ?? [])].filter(
      (node) => node.nodeName === "#text" || isWords(node),
    );
    const said = control.getAttribute("aria-label") ?? words.map((one) => one.textContent).join("");
    return said.trim().slice(0, 40);
  });
}

/** @param {Node} node */
function isWords(node) {
  return node instanceof Element && node.matches("dfn, .words");
}

/** @param {HTMLSelectElement | HTMLInputElement} control */
function valueOf(control) {
  return isTicked(control) ? String(Number(control.checked)) : control.value;
}

/**
 * @param {HTMLSelectElement | HTMLInputElement} control
 * @returns {control is HTMLInputElement}
 */
function isTicked(control) {
  return /checkbox|radio/.test(control.type);
}

/**
 * Whether this is one of the choices that were not made: the one that was says it all.
 * @param {HTMLSelectElement | HTMLInputElement | undefined} control
 */
function isLeft(control) {
  return control instanceof HTMLInputElement && control.type === "radio" && !control.checked;
}

/**
 * Buttons that stay pressed, and what unfolds: by key, else by place.
 * @param {HTMLElement} root
 * @returns {Map<string, Element>}
 */
function switchesOf(root) {
  return named(root, SWITCHES, (one) => one.getAttribute("data-key") ?? "");
}

/** @param {Element} one */
function isOn(one) {
  if (one.localName === "summary") return one.parentElement?.hasAttribute("open") ?? false;
  return ["aria-pressed", "aria-expanded", "aria-current"].some(
    (name) => !["false", null].includes(one.getAttribute(name)),
  );
}

/**
 * @param {HTMLElement} root
 * @param {unknown} values by name
 */
function setControls(root, values) {
  if (typeof values !== "object" || values === null) return false;
  let fits = true;
  for (const [name, value] of Object.entries(values)) {
    const control = controlsOf(root).get(name);
    if (!control || control.disabled || typeof value !== "string") fits = false;
    else if (valueOf(control) !== value) {
      const before = valueOf(control);
      const put = (/** @type {string} */ one) => {
        if (isTicked(control)) control.checked = one === "1";
        else control.value = one;
      };
      put(value);
      fits = valueOf(control) === value && fits;
      if (valueOf(control) !== value) put(before);
      else
        for (const doing of ["input", "change"])
          control.dispatchEvent(new Event(doing, { bubbles: true }));
    }
  }
  return fits;
}

/**
 * Press what is to be pressed and unfold what is to be unfolded, and the other way round; what one of
 * them brings may be the next.
 * @param {HTMLElement} root
 * @param {unknown} wanted
 */
function switchOn(root, wanted) {
  if (!Array.isArray(wanted) || wanted.length > 50) return false;
  const press = (/** @type {Element | undefined} */ one) =>
    one?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
  for (const name of wanted) {
    const one = switchesOf(root).get(String(name));
    if (one && !isOn(one)) press(one);
  }
  for (const [name, one] of switchesOf(root))
    if (isOn(one) && one.isConnected && !wanted.includes(name)) press(one);
  const now = switchesOf(root);
  return wanted.every((name) => {
    const one = now.get(String(name));
    return one && isOn(one);
  });
}

/** @param {HTMLElement} root */
function frameNow(root) {
  const scroll = root.querySelector(".panel:not([hidden]) .scroll");
  return scroll ? frameOf(scroll) : undefined;
}

/**
 * What the open view's frame shows: zoom, and the point of the picture at its upper left corner.
 * @param {HTMLElement} root
 */
function frameWords(root) {
  const canvas = frameNow(root);
  if (!canvas) return "";
  const { zoom, scroll } = canvas;
  const corner = [scroll.scrollLeft, scroll.scrollTop].map((at) => Math.round(at / zoom));
  return JSON.stringify([Math.round(1000 * zoom) / 1000, ...corner]);
}

/**
 * @param {HTMLElement} root
 * @param {unknown} value
 */
function setFrame(root, value) {
  const canvas = frameNow(root);
  if (!canvas || !Array.isArray(value) || value.length !== 3) return false;
  if (!value.every((one) => isWithin(one, 0, 1e6))) return false;
  const [zoom, left, top] = value;
  canvas.zoomTo(zoom);
  canvas.scroll.scrollTo(left * canvas.zoom, top * canvas.zoom);
  return canvas.zoom === zoom;
}

/**
 * Whether a value of a link is a number within bounds.
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 * @returns {value is number}
 */
export function isWithin(value, least, most) {
  return typeof value === "number" && value >= least && value <= most;
}

/**
 * Whether a value of a link is a place in a list of so many.
 * @param {unknown} value
 * @param {number} count
 * @returns {value is number}
 */
export function isPlace(value, count) {
  return Number.isInteger(value) && isWithin(value, 0, count - 1);
}
