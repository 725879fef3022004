// A model's family: where it comes from, what came of it, how much of each ancestor is in it, and what their
// licences ask.

import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openFamily } from "./treegraph.js";
import { openLicences } from "./treelicence.js";
import { openFamilyTable } from "./treetable.js";

/** @import { Facts } from "../../../../shared/js/tabbed.js" */
/** @import { Tree } from "./data.js" */

/** Open the figure. */
export function openTree() {
  return openTabbed(
    "merging",
    "A model's family tree",
    "Name a model and press Show the tree.",
    [
      { name: "family", label: "Tree", picture: true, open: openFamily },
      { name: "members", label: "Table", open: openFamilyTable },
      { name: "licences", label: "Licences", open: openLicences },
    ],
    treeFacts,
  );
}

/**
 * What stands above the views.
 * @param {Tree} data
 * @returns {Facts}
 */
function treeFacts({ start, nodes, cut, warnings, requests, seconds, example }) {
  const ancestors = nodes.filter(({ share, id }) => share && id !== start).length;
  const descendants = nodes.filter(({ depth }) => depth < 0).length;
  const unreadable = nodes.filter(({ status }) => !["ok", "here"].includes(status)).length;
  const key = [`${ancestors} ancestors`, `${descendants} descendants`];
  if (unreadable) key.push(`${unreadable} not readable`);
  if (cut) key.push(`${cut} beyond the limit`);
  return {
    title: start,
    key,
    provenance: requests.api
      ? `Read from the Hub's metadata, cards and recipes${seconds ? ` in ${seconds} s` : ""} · ` +
        `${requests.api} API calls and ${requests.file} files in the last five minutes`
      : "Read from the recipe and from what this suite knows of its own models; the Hub was not asked",
    tags: example ? ["stored example"] : [],
    warnings: [...warnings, ...(nodes.find(({ id }) => id === start)?.notes ?? [])],
  };
}
