// What is known of a member of the tree, of a kinship, and of a test against the weights.

import { h } from "../../../../shared/js/dom.js";
import { factList, headedRow, scrollTable } from "../../../../shared/js/tables.js";

/** @import { Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Kinship, Member, Span, Tree } from "./data.js" */

/**
 * A share in words: a percentage, or the bounds of one.
 * @param {Span | null} share
 */
export function shareText(share) {
  if (!share) return "–";
  const [low, high] = share.map((value) => `${Math.round(100 * value)}`.replace("-", "−"));
  return share[0] === share[1] ? `${low} %` : `${low} to ${high} %`;
}

/**
 * What is known of a model, with what can be done.
 * @param {Figure<Tree>} figure
 * @param {Tree} data
 * @param {Member} node
 */
export function memberCard(figure, data, node) {
  const buttons = memberButtons(figure, data, node);
  return [
    h(
      "h2",
      {},
      memberLink(node),
      node.id === data.start ? h("span", { class: "tag" }, "start") : null,
    ),
    ...(node.reason ? [h("p", { class: "said" }, node.reason)] : []),
    isolatedFacts([
      ["in the model", node.share && shareText(node.share)],
      ["licence", node.licence || "none stated"],
      ["asks for", node.asks ? node.asks.join(", ") || "nothing" : "terms that are not known here"],
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
      ["shown together with", node.members.filter((other) => other !== node.id).join(", ")],
    ]),
    ...node.notes.map((note) => h("p", { class: "note" }, note)),
    ...(buttons.length ? [h("div", { class: "filters" }, buttons)] : []),
    ...(node.recipe
      ? [h("details", {}, h("summary", {}, "Its recipe"), h("pre", { tabindex: 0 }, node.recipe))]
      : []),
  ];
}

/** @param {Member} node */
function memberLink({ id, status }) {
  const name = h("bdi", {}, id);
  return ["here", "missing", "local"].includes(status)
    ? name
    : h("a", { href: `https://huggingface.co/${id}`, target: "_blank", rel: "noopener" }, name);
}

/**
 * Terms and texts, without those that are empty; the texts keep their own direction.
 * @param {[string, string | number | null | undefined][]} rows
 */
function isolatedFacts(rows) {
  return factList(
    rows
      .filter(([, text]) => text !== null && text !== undefined && text !== "")
      .map(([term, text]) => [term, h("bdi", {}, text)]),
  );
}

/**
 * @param {Figure<Tree>} figure
 * @param {Tree} data
 * @param {Member} node
 */
function memberButtons({ host }, data, { id, recipe, status, depth, more }) {
  if (host.exported) return [];
  /** @type {HTMLButtonElement[]} */
  const buttons = [];
  /**
   * @param {string} label
   * @param {string} event
   * @param {object} detail
   */
  const offer = (label, event, detail) =>
    buttons.push(h("button", { type: "button", onclick: () => host.emit(event, detail) }, label));
  const parents = data.edges.filter(
    ({ target, relation }) => target === id && relation !== "new_version",
  );
  const readable = status === "ok";
  if (recipe) offer("Put its recipe into the merge room", "recipe", { recipe_text: recipe, id });
  if (recipe && status !== "local") offer("Report on it", "report", { id });
  if (id !== data.start && readable) offer("Make it the start", "root", { id });
  if (!parents.length && readable && depth > 0)
    offer("Show its parents", "expand", { request: data.request, key: `parents:${id}` });
  for (const [relation, count] of Object.entries(more))
    offer(`Show more: ${count.toLocaleString("en-GB")} ${relation}`, "expand", {
      request: data.request,
      key: `${relation}:${id}`,
    });
  if (recipe && readable) offer("Compare the last merge with it", "replay", { id });
  if (parents.length > 1)
    offer("Test its parents from weights", "test", {
      id,
      parents: parents
        .filter(({ role }) => role !== "tokenizer" && role !== "adapter")
        .map(({ source, role }) => ({ id: source, role })),
    });
  return buttons;
}

/**
 * What is known of a kinship.
 * @param {Kinship} edge
 */
export function edgeCard(edge) {
  const layers = edge.layers.map(([first, end]) => `${first} to ${end - 1}`).join(", ");
  return [
    h("h2", {}, h("bdi", {}, edge.source), " → ", h("bdi", {}, edge.target)),
    isolatedFacts([
      ["relation", edge.relation],
      ["role", edge.role],
      ["weight", edge.weight],
      ["density", edge.density],
      ["layers", layers],
      ["its part in the child", edge.relation === "new_version" ? null : shareText(edge.part)],
      ["revision", edge.revision || "not pinned: the parent may have changed since"],
    ]),
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

/**
 * The result of the paternity test or of a replay.
 * @param {Tree["tested"]} result
 * @returns {HTMLElement[]}
 */
export function testParts(result) {
  if (!result) return [];
  if ("error" in result) {
    const { what, remedy } = result.error;
    return [h("div", { class: "message alert", role: "alert" }, h("b", {}, what), " ", remedy)];
  }
  if ("tensors" in result)
    return [
      h("h2", {}, "The replay against the published model"),
      h("p", { role: "status" }, result.verdict),
    ];
  return [
    h("h2", {}, `Its parents, from the weights: ${result.of}`),
    h("p", { role: "status" }, result.verdict),
    scrollTable(
      "Its parents, from the weights",
      ["declared parent", "coefficient", "cosine of the task vectors", "verdict"],
      result.parents.map(({ name, coefficient, sigma, cosine, verdict }) =>
        headedRow(h("bdi", {}, name), [`${coefficient} ± ${sigma}`, cosine, verdict]),
      ),
    ),
    h(
      "p",
      { class: "said" },
      `Least squares on ${result.entries.toLocaleString("en-GB")} entries of child − base. `,
      `An unrelated model's cosine stays below ${result.null} in 95 of 100 cases.`,
    ),
  ];
}
