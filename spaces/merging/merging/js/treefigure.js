// A model's family: where it comes from, what came of it, how much of each ancestor is in it, and what their licences ask.

import { h } from "../../../../shared/js/dom.js";
import { saveFile } from "../../../../shared/js/picture.js";
import { toolButton } from "../../../../shared/js/shell.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openFamily } from "./treegraph.js";
import { openFamilyTable } from "./treetable.js";
import { openLicences } from "./treelicence.js";

/** Open the figure. */
export function openTree() {
  const figure = openTabbed(
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
  return figure;
}

function treeFacts(data) {
  const ancestors = data.nodes.filter(({ share, id }) => share && id !== data.start).length;
  const below = data.nodes.filter(({ depth }) => depth < 0).length;
  const ghosts = data.nodes.filter(({ status }) => !["ok", "here"].includes(status)).length;
  const key = [`${ancestors} ancestors`, `${below} descendants`];
  if (ghosts) key.push(`${ghosts} not readable`);
  if (data.cut) key.push(`${data.cut} beyond the limit`);
  const warnings = [
    ...data.warnings,
    ...data.nodes.flatMap(({ id, notes }) => (id === data.start ? notes : [])),
  ];
  return {
    title: data.start,
    key,
    provenance: data.requests.api
      ? `Read from the Hub's metadata, cards and recipes${data.seconds ? ` in ${data.seconds} s` : ""} · ${data.requests.api} API calls and ${data.requests.file} files in the last five minutes`
      : "Read from the recipe and from what this suite knows of its own models; the Hub was not asked",
    tags: data.example ? ["stored example"] : [],
    warnings,
  };
}

/** Buttons that save the tree as text for other tools. */
export function textButtons(figure, data) {
  if (!figure.host.fetch || figure.host.exported) return [];
  return [
    ["Mermaid", "mermaid", "md"],
    ["DOT", "dot", "dot"],
  ].map(([label, format, ending]) =>
    toolButton(label, `Download as ${label}`, async () => {
      const text = await figure.host
        .fetch("tree_text", { format, nodes: data.nodes, edges: data.edges })
        .catch(() => null);
      if (typeof text === "string") saveFile(figure.root, `family.${ending}`, "text/plain", text);
    }),
  );
}

/** A share in words: a percentage, or the bounds of one. */
export function shareText(share) {
  if (!share) return "–";
  const write = (value) => `${Math.round(100 * value)}`.replace("-", "−");
  return share[0] === share[1]
    ? `${write(share[0])} %`
    : `${write(share[0])} to ${write(share[1])} %`;
}

/** What is known of a model, with what can be done. */
export function memberCard(figure, data, node) {
  const onHub = !["here", "missing"].includes(node.status);
  const name = onHub
    ? h(
        "a",
        { href: `https://huggingface.co/${node.id}`, target: "_blank", rel: "noopener" },
        h("bdi", {}, node.id),
      )
    : h("bdi", {}, node.id);
  const rows = [
    ["in the model", node.share ? shareText(node.share) : null],
    ["licence", node.licence || "none stated"],
    [
      "asks for",
      node.asks === null ? "terms that are not known here" : node.asks.join(", ") || "nothing",
    ],
    ["author", node.author],
    ["downloads", node.downloads?.toLocaleString("en-GB")],
    ["created", node.created],
    [
      "weights",
      node.parameters
        ? `${Math.round(node.parameters / 1e6).toLocaleString("en-GB")} million`
        : null,
    ],
    ["commit", node.sha.slice(0, 12)],
    ["method", node.method],
    ["one with", node.members.filter((other) => other !== node.id).join(", ")],
  ].filter(([, text]) => text);
  const live = figure.host.emit && !figure.host.exported;
  const buttons = [];
  const send = (label, event, detail) =>
    buttons.push(
      h("button", { type: "button", onclick: () => figure.host.emit(event, detail) }, label),
    );
  if (live && node.recipe)
    send("Put its recipe into the merge room", "recipe", { recipe_text: node.recipe, id: node.id });
  if (live && node.id !== data.start && node.status === "ok")
    send("Make it the start", "root", { id: node.id });
  const parents = data.edges.filter(
    ({ target, relation }) => target === node.id && relation !== "new_version",
  );
  if (live && !parents.length && node.status === "ok" && node.depth > 0)
    send("Show its parents", "expand", { request: data.request, key: `parents:${node.id}` });
  if (live)
    for (const [relation, count] of Object.entries(node.more))
      send(`Show more: ${count.toLocaleString("en-GB")} ${relation}`, "expand", {
        request: data.request,
        key: `${relation}:${node.id}`,
      });
  if (live && node.recipe && node.status === "ok")
    send("Compare the last merge with it", "replay", { id: node.id });
  if (live && parents.length > 1)
    send("Test its parents from weights", "test", {
      id: node.id,
      parents: parents
        .filter(({ role }) => !["tokenizer", "adapter"].includes(role))
        .map(({ source, role }) => ({ id: source, role })),
    });
  return [
    h("h2", {}, name, node.id === data.start ? h("span", { class: "tag" }, "start") : null),
    node.reason ? h("p", { class: "said" }, node.reason) : null,
    h(
      "dl",
      { class: "facts" },
      rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, h("bdi", {}, String(text)))]),
    ),
    ...node.notes.map((note) => h("p", { class: "note" }, note)),
    buttons.length ? h("div", { class: "filters" }, buttons) : null,
    node.recipe
      ? h("details", {}, h("summary", {}, "Its recipe"), h("pre", { tabindex: 0 }, node.recipe))
      : null,
  ].filter(Boolean);
}

/** What is known of an edge. */
export function edgeCard(edge) {
  const rows = [
    ["relation", edge.relation],
    ["role", edge.role],
    ["weight", edge.weight],
    ["density", edge.density],
    ["layers", edge.layers.map(([first, end]) => `${first} to ${end - 1}`).join(", ")],
    ["its part in the child", edge.relation === "new_version" ? null : shareText(edge.part)],
    ["revision", edge.revision || "not pinned: the parent may have changed since"],
  ].filter(([, text]) => text !== null && text !== "" && text !== undefined);
  return [
    h("h2", {}, h("bdi", {}, edge.source), " → ", h("bdi", {}, edge.target)),
    h(
      "dl",
      { class: "facts" },
      rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, h("bdi", {}, String(text)))]),
    ),
    h("p", { class: "said" }, "Read in:"),
    h(
      "ul",
      { class: "evidence" },
      edge.evidence.map(({ source, says }) =>
        h("li", {}, h("b", {}, source), " ", h("bdi", {}, says)),
      ),
    ),
  ];
}
