// A list of buttons of which one at a time shows its content below itself, in pages where it is
// long.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { whole } from "../../../../shared/js/numbers.js";

/**
 * @typedef {Object} FoldItem
 * @property {string} key
 * @property {() => Node[]} label
 * @property {() => Node} content
 */

/**
 * @param {string} name of the list, for a screen reader
 * @param {number} [perPage]
 */
export function openFoldList(name, perPage = Infinity) {
  const list = h("ul", { class: "fold-list", "aria-label": name });
  const pager = openPager(() => draw());
  const element = h("div", {}, list, pager.element);
  /** @type {FoldItem[]} */
  let items = [];
  /** @type {string | null} */
  let open = null;
  let mark = "";
  const draw = () => {
    const from = pager.clamp(items.length, perPage);
    const shown = items.slice(from, from + perPage).map(itemElement);
    keepFocus(list, () => list.replaceChildren(...shown));
  };
  const itemElement = (/** @type {FoldItem} */ item) => {
    const shown = open === item.key;
    const toggle = () => {
      open = shown ? null : item.key;
      draw();
      if (!shown) list.querySelector(".fold-content")?.scrollIntoView({ block: "nearest" });
    };
    const button = h(
      "button",
      {
        type: "button",
        class: "plain fold",
        "data-key": item.key,
        "aria-expanded": String(shown),
        onclick: toggle,
      },
      item.label(),
    );
    return h("li", {}, button, shown ? h("div", { class: "fold-content" }, item.content()) : null);
  };
  return {
    element,
    /**
     * @param {FoldItem[]} next
     * @param {string} version changes when labels or contents change though the keys are the same
     */
    update(next, version = "") {
      items = next;
      const now = JSON.stringify([version, next.map((item) => item.key)]);
      if (now === mark) return;
      mark = now;
      draw();
    },
    /** Back to the first page with nothing open. */
    reset() {
      open = null;
      pager.page = 0;
    },
  };
}

/**
 * Buttons that turn pages.
 * @param {() => void} draw
 */
export function openPager(draw) {
  const count = h("span", { class: "said", role: "status" });
  const turn = (/** @type {string} */ label, /** @type {number} */ by) =>
    h("button", { type: "button", onclick: () => ((pager.page += by), draw()) }, label);
  const [back, forth] = [turn("Previous", -1), turn("Next", 1)];
  const element = h("div", { class: "pager" }, back, forth, count);
  const pager = {
    page: 0,
    element,
    /**
     * Keep the page within a list; its first item.
     * @param {number} length
     * @param {number} perPage
     */
    clamp(length, perPage) {
      const pages = Math.max(1, Math.ceil(length / perPage));
      pager.page = Math.min(Math.max(0, pager.page), pages - 1);
      const from = pages === 1 ? 0 : pager.page * perPage;
      element.hidden = pages === 1;
      back.disabled = pager.page === 0;
      forth.disabled = pager.page === pages - 1;
      count.textContent =
        pages === 1
          ? ""
          : `${whole(from + 1)}–${whole(Math.min(length, from + perPage))} of ${whole(length)}`;
      return from;
    },
  };
  return pager;
}
