// Which room is open stands in the page's address; a link to a room that the page does not have says so.

import { h } from "../js/dom.js";

/** @import {Rooms} from "../js/data.js" */

/** The rooms of the page: names of runs by their tab's label. @type {Rooms} */
let rooms = {};
/** What the address says of each room, by its tab's label: as it was left, or of a run that ended since. */
const queries = /** @type {Map<string | undefined, string>} */ (new Map());

/**
 * Let the address follow the open room, and say where a link names one that is not there.
 * @param {HTMLElement} element of the page's words, below its title
 * @param {Rooms} known
 * @param {string[]} runs names that a link may use
 */
export function followRooms(element, known, runs) {
  rooms = known;
  const asked = new URLSearchParams(location.search).getAll("room").at(-1);
  if (asked !== undefined && runs.length && !runs.includes(asked)) {
    const names = Object.values(rooms).map(([first]) => first);
    const said = h(
      "p",
      { class: "no-room", role: "alert" },
      h("b", {}, `This page has no room “${asked.slice(0, 40)}”, which its link names.`),
      ` Choose a tab, or write one of room=${(names.length ? names : runs).join(", ")}.`,
    );
    element.closest(".tour")?.after(said); // it takes no room itself, right below the page's title
  }
  // before Gradio opens the tab, so that the room that is left is known
  document.addEventListener("click", clicked, { capture: true });
}

/** @param {Event} event */
function clicked({ target }) {
  const tab = target instanceof Element ? target.closest('[role="tab"]') : null;
  const label = tab && isRoom(tab) ? labelOf(tab) : "";
  const before = openRoom();
  if (!label || label === before) return;
  const here = new URLSearchParams(location.search);
  // a room that the page opened by itself has left the address as it was
  queries.set(roomOf(here) ?? before, location.search);
  const query = queries.get(label) ?? `?room=${rooms[label][0]}`;
  const host = [...here].filter(([name]) => name.startsWith("__")); // the theme that a host asks for
  const asked = host.length && !query.includes("__") ? `&${new URLSearchParams(host)}` : "";
  history.replaceState(null, "", `${location.pathname}${query}${asked}`);
}

/**
 * The tab's label of the room that a query names; undefined where it names none.
 * @param {URLSearchParams} query
 */
function roomOf(query) {
  const name = query.getAll("room").at(-1) ?? "";
  return Object.keys(rooms).find((one) => rooms[one].includes(name));
}

/**
 * Let the address say what made a figure of the visitor's; where another room is open, once its own is.
 * @param {string} query with the room's name
 */
export function sayMade(query) {
  const label = roomOf(new URLSearchParams(query));
  const open = openRoom();
  if (label && open && label !== open) queries.set(label, `?${query}`);
  else history.replaceState(null, "", `?${query}`);
}

function openRoom() {
  const open = [...document.querySelectorAll('[role="tab"][aria-selected="true"]')].find(isRoom);
  return open && labelOf(open);
}

/** @param {Element} tab */
function labelOf(tab) {
  return tab.textContent?.trim() ?? "";
}

/** @param {Element} tab */
function isRoom(tab) {
  return labelOf(tab) in rooms && !tab.closest(".course-figure");
}
