// What is seen of the figure above: a link holds the open view, and may show it alone.

/** The query that the page was opened with; the panel changes the address later. */
const linked = new URLSearchParams(location.search);

/**
 * The figure of a panel's room: the last one with views before it in the same tab of the page.
 * @param {HTMLElement} panel
 * @returns {HTMLElement | null}
 */
export function figureAbove(panel) {
  const room = panel.closest('[role="tabpanel"]') ?? document;
  const figures = [
    .../** @type {NodeListOf<HTMLElement>} */ (room.querySelectorAll(".course-figure")),
  ];
  const before = figures.filter(
    (figure) =>
      figure.querySelector("[data-view]") &&
      figure.compareDocumentPosition(panel) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  return before.at(-1) ?? null;
}

/** @param {HTMLElement | null} figure */
function tabsOf(figure) {
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
 * Open the view that the page's address names, once its figure has it.
 * @param {HTMLElement} panel
 * @param {string} query of the panel's figure
 */
export function openLinkedView(panel, query) {
  const view = linked.get("view");
  const room = linked.get("room");
  if (!view || (room && room !== new URLSearchParams(query).get("room"))) return;
  const figure = figureAbove(panel);
  const tab = tabsOf(figure).find((one) => one.dataset.view === view);
  if (!figure || !tab) return;
  linked.delete("view");
  tab.click();
  if (linked.has("alone")) showAlone(figure);
}

/** @param {HTMLElement} figure */
function showAlone(figure) {
  figure.classList.add("alone");
  for (
    let node = /** @type {HTMLElement} */ (figure);
    node.parentElement && node !== document.body;
    node = node.parentElement
  )
    for (const other of node.parentElement.children)
      if (other !== node && other instanceof HTMLElement) other.inert = true;
}
