// What is seen of a figure, as links hold it; a figure in a file of its own tells it to the page around it.

/** @param {HTMLElement | null} figure */
export function tabsOf(figure) {
  /** @type {NodeListOf<HTMLElement> | undefined} */
  const tabs = figure?.querySelectorAll('[role="tab"][data-view]:not([hidden])');
  return [...(tabs ?? [])];
}

/**
 * The name of a figure's open view, and whether it is another than the first.
 * @param {HTMLElement | null} figure
 */
export function viewOf(figure) {
  const tabs = tabsOf(figure);
  const at = tabs.findIndex((tab) => tab.ariaSelected === "true");
  return { name: tabs[Math.max(at, 0)]?.dataset.view ?? "", other: at > 0 };
}

/**
 * What a link says of a figure's view, as a query: the open view where it is not the first, and what is
 * seen there.
 * @param {HTMLElement | null} figure
 * @param {boolean} [named] whether it names the first view too
 */
export function seenQuery(figure, named = false) {
  const { name, other } = viewOf(figure);
  const seen = figure?.dataset.seen;
  const query = new URLSearchParams();
  if (name && (other || named)) query.set("view", name);
  if (seen) query.set("seen", seen);
  return String(query);
}

/**
 * Let a file's link to its demo, and the page that frames the file, follow what is seen: to that page it
 * posts `{type: "figure-view", query}`.
 * @param {HTMLElement} root
 */
export function tellView(root) {
  /** @type {HTMLAnchorElement | null} */
  const credit = document.querySelector(".figure-credit a");
  const plain = credit?.href ?? "";
  let last = "";
  const tell = () => {
    const query = seenQuery(root.querySelector(".course-figure"));
    if (query === last) return;
    last = query;
    if (credit && plain.includes("?")) credit.href = query ? `${plain}&${query}` : plain;
    if (window.parent !== window) window.parent.postMessage({ type: "figure-view", query }, "*");
  };
  const watched = { subtree: true, attributeFilter: ["data-seen", "aria-selected"] };
  new MutationObserver(tell).observe(root, watched);
}
