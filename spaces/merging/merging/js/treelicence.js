// What the ancestors' licences ask, how each reached the model, and where two conflict.

import { h } from "../../../../shared/js/dom.js";
import { plural } from "../../../../shared/js/numbers.js";
import { scrollTable } from "../../../../shared/js/tables.js";

/** @import { Conflict, Licences, Obligation, Tree, UnknownTerms } from "./data.js" */

const MOST_UNKNOWN = 40; // ancestors that are listed

/**
 * Open the view.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Pick<Tree, "licences" | "start">) => void}
 */
export function openLicences(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ licences, start }) =>
    box.replaceChildren(
      h("p", {}, h("b", {}, h("bdi", {}, start)), verdictOf(licences, start)),
      ...conflictList(licences.conflicts),
      ...(licences.laxer?.length
        ? [
            h(
              "p",
              {},
              "Ancestors whose licences ask for less than those of what they were made of:",
            ),
          ]
        : []),
      ...conflictList(licences.laxer ?? []),
      ...(licences.obligations.length ? [obligationTable(licences.obligations)] : []),
      ...(licences.unknown.length ? [unknownList(licences.unknown)] : []),
      h("p", { class: "said" }, licences.note),
    );
}

/**
 * @param {Licences} licences
 * @param {string} start
 */
function verdictOf({ own, conflicts, unknown }, start) {
  const unread = unknown.some((one) => one.from === start && one.unread);
  const none = unread ? ": its licence could not be read. " : " states no licence. ";
  const statement = own ? ` states ${own}. ` : none;
  return conflicts.length
    ? `${statement}${plural(conflicts.length, "statement conflicts", "statements conflict")} with that:`
    : `${statement}Nothing that its readable ancestors state conflicts with that.`;
}

/** @param {Conflict[]} conflicts */
function conflictList(conflicts) {
  const items = conflicts.map(({ message, resolve }) =>
    h("li", {}, h("b", {}, message), " ", resolve),
  );
  return items.length ? [h("ul", { class: "evidence" }, items)] : [];
}

/** @param {Obligation[]} obligations */
function obligationTable(obligations) {
  return scrollTable(
    "Obligations",
    ["asked for", "by", "under", "path"],
    obligations.map(({ asks, from, licence, url, path }) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, asks),
        h("td", {}, h("bdi", {}, from)),
        h("td", {}, h("a", { href: url, target: "_blank", rel: "noopener" }, licence)),
        h(
          "td",
          { class: "way" },
          path.flatMap((name, index) => [index ? " ← " : "", h("bdi", {}, name)]),
        ),
      ),
    ),
    "numbers words",
  );
}

/** @param {UnknownTerms[]} unknown */
function unknownList(unknown) {
  return h(
    "div",
    {},
    h("p", {}, `Terms not known here, which is neither good nor bad (${unknown.length}):`),
    h(
      "ul",
      { class: "evidence" },
      unknown
        .slice(0, MOST_UNKNOWN)
        .map(({ from, licence, unread }) =>
          h("li", {}, h("bdi", {}, from), `: ${unread ?? (licence || "none stated")}`),
        ),
    ),
  );
}
