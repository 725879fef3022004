// The tree as a layered graph: ancestors left, descendants right; colours by what the visitor asks.

import { heat } from "../../../../shared/js/axes.js";
import { openCanvas } from "../../../../shared/js/canvas.js";
import { h, s } from "../../../../shared/js/dom.js";
import { choice, toolButton } from "../../../../shared/js/shell.js";
import { edgeCard, memberCard, shareText, textButtons } from "./treefigure.js";

const [BOX_WIDE, BOX_HIGH, GAP_X, GAP_Y, EDGE] = [200, 42, 64, 14, 16];

const COLOURS = {
  share: "share in the model",
  licence: "licence",
  author: "author",
  created: "age",
  downloads: "downloads",
};

/** Open the view. */
export function openFamily(figure, panel) {
  const state = { data: null, colour: "share", chosen: null, edge: null, run: "", low: [0, 0] };
  const bar = h("div", { class: "filters padded-row" });
  const legend = h("div", { class: "padded-row legend-row" });
  const box = h("div", { class: "family" });
  const details = h("div", { class: "padded member", "aria-live": "polite" });
  panel.append(bar, legend, box, details);
  const canvas = openCanvas(
    box,
    { class: "family-tree", role: "group" },
    `${figure.id}-hatch`,
    () => {},
  );
  const hop = (node, key) => {
    const { data } = state;
    const near = (pick) =>
      data.edges
        .filter(pick)
        .map((edge) =>
          data.nodes.find(({ id }) => id === (edge.source === node.id ? edge.target : edge.source)),
        );
    const level = data.nodes
      .filter(({ x }) => x === node.x)
      .toSorted((one, other) => one.y - other.y);
    const at = level.indexOf(node);
    return {
      ArrowLeft: near(({ target }) => target === node.id)[0],
      ArrowRight: near(({ source }) => source === node.id)[0],
      ArrowUp: level[at - 1],
      ArrowDown: level[at + 1],
    }[key];
  };
  const choose = (id, focus = false) => {
    state.chosen = id;
    state.edge = null;
    draw();
    const node = state.data.nodes.find((other) => other.id === id);
    const [x, y] = spotOf(node);
    canvas.reveal(x, y, BOX_WIDE, BOX_HIGH);
    if (focus)
      box
        .querySelector(`[data-index="${state.data.nodes.indexOf(node)}"]`)
        ?.focus({ preventScroll: true });
  };
  const spotOf = ({ x, y }) => [
    EDGE + (x - state.low[0]) * (BOX_WIDE + GAP_X),
    EDGE + (y - state.low[1]) * (BOX_HIGH + GAP_Y),
  ];
  const draw = () => {
    const { data } = state;
    const paint = painter(data, state.colour);
    legend.replaceChildren(...paint.legend);
    const place = new Map(data.nodes.map((node) => [node.id, spotOf(node)]));
    const all = [
      ...place.values(),
      ...data.edges.flatMap(({ bends }) => bends.map(([x, y]) => spotOf({ x, y }))),
    ];
    const wide = Math.max(...all.map(([x]) => x)) + BOX_WIDE + EDGE;
    const high = Math.max(...all.map(([, y]) => y)) + BOX_HIGH + EDGE;
    const focused = box.contains(document.activeElement)
      ? document.activeElement.dataset.index
      : undefined;
    canvas.svg.querySelectorAll(":scope > g").forEach((group) => group.remove());
    canvas.svg.append(
      s(
        "g",
        {},
        data.edges.map((edge) =>
          edgeShape(edge, place, spotOf, state, (next) => {
            state.edge = next;
            state.chosen = null;
            draw();
          }),
        ),
      ),
      s(
        "g",
        {},
        data.nodes.map((node, index) =>
          nodeShape(node, index, place.get(node.id), data, state, paint, choose, hop),
        ),
      ),
    );
    canvas.svg.setAttribute(
      "aria-label",
      `${data.nodes.length} models, ${data.edges.length} relations. Arrow keys move between relatives.`,
    );
    canvas.resize(wide, high);
    if (focused !== undefined)
      box.querySelector(`[data-index="${focused}"]`)?.focus({ preventScroll: true });
    const chosen = data.nodes.find(({ id }) => id === state.chosen);
    const edge =
      state.edge &&
      data.edges.find(
        ({ source, target, relation }) =>
          source === state.edge.source &&
          target === state.edge.target &&
          relation === state.edge.relation,
      );
    details.replaceChildren(
      ...(edge ? edgeCard(edge) : chosen ? memberCard(figure, data, chosen) : []),
      ...(data.tested ? testParts(data.tested) : []),
    );
  };
  const search = h("input", {
    type: "search",
    placeholder: "Find a model",
    "aria-label": "Find a model in the tree",
    oninput: () => {
      const wanted = search.value.trim().toLowerCase();
      const found = wanted && state.data.nodes.find(({ id }) => id.toLowerCase().includes(wanted));
      if (found) choose(found.id);
    },
  });
  return (next) => {
    const fresh = state.run !== next.start;
    state.data = next;
    const rows = [
      ...next.nodes.map(({ x, y }) => [x, y]),
      ...next.edges.flatMap(({ bends }) => bends),
    ];
    state.low = [0, 1].map((axis) => Math.min(...rows.map((spot) => spot[axis])));
    if (fresh || !next.nodes.some(({ id }) => id === state.chosen)) state.chosen = next.start;
    if (fresh) state.edge = null;
    bar.replaceChildren(
      search,
      choice("Colour by", Object.entries(COLOURS), state.colour, (value) => {
        state.colour = value;
        draw();
      }),
      toolButton("−", "Zoom out", () => canvas.zoomTo(canvas.zoom / 1.2)),
      toolButton("+", "Zoom in", () => canvas.zoomTo(canvas.zoom * 1.2)),
      toolButton("Fit", "Fit to the width", () => canvas.fit()),
      ...textButtons(figure, next),
    );
    draw();
    if (fresh) {
      state.run = next.start;
      const start = next.nodes.find(({ id }) => id === next.start);
      canvas.zoomTo(Math.max(0.8, Math.min(1, box.clientWidth / Math.max(1, canvas.width))));
      if (start) canvas.reveal(...spotOf(start), BOX_WIDE, BOX_HIGH);
    }
  };
}

/** What the paternity test or a replay found. */
function testParts(tested) {
  if (tested.error)
    return [
      h(
        "div",
        { class: "message alert", role: "alert" },
        h("b", {}, tested.error.what),
        " ",
        tested.error.remedy,
      ),
    ];
  if (tested.tensors !== undefined)
    return [
      h("h2", {}, "The replay against the published model"),
      h("p", { role: "status" }, tested.verdict),
    ];
  return [
    h("h2", {}, `Its parents, from the weights: ${tested.of}`),
    h("p", { role: "status" }, tested.verdict),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        { class: "numbers" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["declared parent", "coefficient", "cosine of the task vectors", ""].map((text) =>
              h("th", { scope: "col" }, text),
            ),
          ),
        ),
        h(
          "tbody",
          {},
          tested.parents.map((row) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, h("bdi", {}, row.name)),
              h("td", {}, `${row.coefficient} ± ${row.sigma}`),
              h("td", {}, row.cosine),
              h("td", {}, row.verdict),
            ),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "said" },
      `Least squares on ${tested.entries.toLocaleString("en-GB")} entries of child − base. An unrelated model's cosine stays below ${tested.null} in 95 of 100 cases.`,
    ),
  ];
}

function nodeShape(node, index, [x, y], data, state, paint, choose, hop) {
  const [owner, ...rest] = node.id.split("/");
  const short = rest.join("/") || owner;
  const colour = paint.of(node);
  const ghost = !["ok", "here"].includes(node.status);
  const label = `${node.id}${node.share && node.id !== data.start ? `, ${shareText(node.share)} of the model` : ""}${ghost ? `, ${node.status}` : ""}${node.licence ? `, licence ${node.licence}` : ""}`;
  const go = (event) => {
    if (event.key === "Enter" || event.key === " ") choose(node.id, true);
    else {
      const next = hop(node, event.key);
      if (!next) return;
      choose(next.id, true);
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const more = Object.values(node.more).reduce((sum, count) => sum + count, 0);
  return s(
    "g",
    {
      class: `member-box${ghost ? " ghost" : ""}${node.id === data.start ? " start" : ""}${state.chosen === node.id ? " chosen-box" : ""}`,
      transform: `translate(${x} ${y})`,
      tabindex: node.id === (state.chosen ?? data.start) ? 0 : -1,
      role: "button",
      "aria-pressed": String(state.chosen === node.id),
      "data-index": index,
      "aria-label": label,
      onclick: () => choose(node.id),
      onkeydown: go,
    },
    s("title", {}, `${label}${node.reason ? `. ${node.reason}` : ""}`),
    s("rect", { class: "card", width: BOX_WIDE, height: BOX_HIGH, rx: 7 }),
    s("rect", { class: "stripe", width: 6, height: BOX_HIGH, rx: 3, style: { fill: colour } }),
    s("text", { class: "member-name", x: 14, y: 17 }, cutText(short, 25)),
    s(
      "text",
      { class: "member-note", x: 14, y: 33 },
      cutText(noteOf(node, state.colour, owner, rest.length > 0), 29),
    ),
    more
      ? s(
          "text",
          { class: "member-more", x: BOX_WIDE - 8, y: 33, "text-anchor": "end" },
          `+${more > 999 ? `${Math.round(more / 1000)}k` : more}`,
        )
      : null,
  );
}

function noteOf(node, colour, owner, owned) {
  if (!["ok", "here", "gated"].includes(node.status)) return node.status;
  if (colour === "share")
    return node.share ? `${shareText(node.share)}${owned ? ` · ${owner}` : ""}` : owner;
  if (colour === "licence") return node.licence || "no licence stated";
  if (colour === "created") return node.created || "–";
  if (colour === "downloads")
    return node.downloads === null ? "–" : `${node.downloads.toLocaleString("en-GB")} downloads`;
  return owned ? owner : node.author;
}

function cutText(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function edgeShape(edge, place, spotOf, state, choose) {
  const [from, to] = [place.get(edge.source), place.get(edge.target)];
  const middle = BOX_HIGH / 2;
  const stops = edge.bends
    .map(([x, y]) => spotOf({ x, y }))
    .flatMap(([x, y]) => [
      [x, y + middle],
      [x + BOX_WIDE, y + middle],
    ]);
  const points = [[from[0] + BOX_WIDE, from[1] + middle], ...stops, [to[0], to[1] + middle]];
  const path = points.slice(1).reduce((text, [x, y], index) => {
    const [left, above] = points[index];
    const bend = Math.max(20, Math.abs(x - left) / 2);
    return index % 2 === 1
      ? `${text} L${x} ${y}`
      : `${text} C${left + bend} ${above} ${x - bend} ${y} ${x} ${y}`;
  }, `M${points[0][0]} ${points[0][1]}`);
  const [[x1, y1], [x2, y2]] = points.slice(-2);
  const name = `${edge.source} to ${edge.target}: ${edge.relation}${edge.weight === null ? "" : `, weight ${edge.weight}`}`;
  const chosen =
    state.edge && state.edge.source === edge.source && state.edge.target === edge.target;
  const near = state.chosen && (edge.source === state.chosen || edge.target === state.chosen);
  const label = ["tokenizer", "adapter"].includes(edge.role)
    ? edge.role
    : edge.weight !== null
      ? String(edge.weight)
      : edge.role === "base"
        ? "base"
        : "";
  const text =
    label && (near || chosen)
      ? s(
          "text",
          { class: "edge-label", x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 4, "text-anchor": "middle" },
          label,
        )
      : null;
  return s(
    "g",
    {
      class: `kin kin-${edge.relation}${chosen ? " chosen-kin" : near ? " near-kin" : ""}`,
      onclick: () => choose(edge),
    },
    s("title", {}, name),
    s("path", { class: "kin-hit", d: path }),
    s("path", { class: "kin-line", d: path }),
    text,
  );
}

/** Colours of the models for one question, and their legend. */
function painter(data, by) {
  const swatch = (colour, text) =>
    h(
      "span",
      { class: "swatch-item" },
      h("span", { class: "swatch", style: { background: colour }, "aria-hidden": "true" }),
      text,
    );
  const relations = [...new Set(data.edges.map(({ relation }) => relation))].map((relation) =>
    h(
      "span",
      { class: "swatch-item" },
      lineSample(relation),
      relation === "new_version" ? "newer version" : relation,
    ),
  );
  if (by === "licence") {
    const classes = [
      ["no commercial use", "var(--b)"],
      ["no changed versions", "var(--b)"],
      ["share alike", "var(--d)"],
      ["use restrictions", "var(--a)"],
    ];
    const of = ({ asks, licence }) =>
      asks === null || !licence
        ? "var(--line)"
        : (classes.find(([ask]) => asks.includes(ask))?.[1] ?? "var(--c)");
    return {
      of,
      legend: [
        swatch("var(--c)", "credit at most"),
        swatch("var(--a)", "use restrictions"),
        swatch("var(--d)", "share alike"),
        swatch("var(--b)", "no commercial use or no changes"),
        swatch("var(--line)", "unknown"),
        ...relations,
      ],
    };
  }
  if (by === "author") {
    const counts = new Map();
    data.nodes.forEach(({ author }) => counts.set(author, (counts.get(author) ?? 0) + 1));
    const most = [...counts]
      .toSorted((one, other) => other[1] - one[1])
      .slice(0, 4)
      .map(([author]) => author);
    const colours = ["var(--a)", "var(--b)", "var(--c)", "var(--d)"];
    return {
      of: ({ author }) => colours[most.indexOf(author)] ?? "var(--line)",
      legend: [
        ...most.map((author, index) => swatch(colours[index], author || "unknown")),
        swatch("var(--line)", "others"),
        ...relations,
      ],
    };
  }
  const measure = {
    share: ({ share }) => (share ? Math.abs((share[0] + share[1]) / 2) : null),
    created: ({ created }) => (created ? Date.parse(created) : null),
    downloads: ({ downloads }) => (downloads === null ? null : Math.log10(1 + downloads)),
  }[by];
  const values = data.nodes
    .map(measure)
    .filter((value) => value !== null && Number.isFinite(value));
  const [low, high] = by === "share" ? [0, 1] : [Math.min(...values), Math.max(...values)];
  const of = (node) => {
    const value = measure(node);
    return value === null || !Number.isFinite(value)
      ? "var(--line)"
      : heat((value - low) / (high - low || 1));
  };
  const ends = {
    share: ["none of it", "all of it"],
    created: ["oldest", "newest"],
    downloads: ["fewest", "most"],
  }[by];
  return {
    of,
    legend: [
      swatch(heat(0), ends[0]),
      swatch(heat(1), ends[1]),
      swatch("var(--line)", by === "share" ? "no ancestor" : "not known"),
      ...relations,
    ],
  };
}

function lineSample(relation) {
  return s(
    "svg",
    { width: 26, height: 10, "aria-hidden": "true", class: "line-sample" },
    s("g", { class: `kin kin-${relation}` }, s("path", { class: "kin-line", d: "M1 5 H25" })),
  );
}
