// Area is joint probability: columns are steps, and every token takes its share of its parent's height.

import { openCanvas } from "../../../../shared/js/canvas.js";
import { h, s } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";
import { oneIn, tokenElement } from "./details.js";
import { fromLog, isRemoved, seriesOf, textOf } from "./paths.js";
import { fitText, spoken, tailOf, textWidth, tokenLabel } from "./pill.js";
import { strokesOf } from "./tree.js";

const AREA_COLUMN = 128;
const AREA_HEIGHT = 440;
const AREA_TOP = 22;
const AREA_THINNEST = 0.6; // pixels: below this a token cannot be seen
const AREA_LABELLED = 11.5;
const AREA_LABELS = 200; // room for the runs' names at the right

/**
 * Cells of the icicle below a place.
 * @param {Object} focus the place that takes the whole height
 * @returns {{place: Object|null, parent: Object|null, column: number, y: number, height: number, share: number}[]} in
 *   pixels of a picture `AREA_HEIGHT` high; `place` is null for the tokens that the trace does not list
 */
export function layOutArea(focus) {
  const cells = [];
  const visit = (place, column, y, height) => {
    cells.push({
      place,
      parent: place.parent,
      column,
      y,
      height,
      share: column === 0 ? 1 : fromLog(place.logprob),
    });
    if (!place.children.length) return;
    let at = y;
    let left = 1;
    for (const child of [...place.children].sort(
      (one, other) => (other.logprob ?? -Infinity) - (one.logprob ?? -Infinity),
    )) {
      const share = Math.min(left, fromLog(child.logprob));
      left -= share;
      if (height * share >= AREA_THINNEST) visit(child, column + 1, at, height * share);
      at += height * share;
    }
    // Children too thin to be seen lie in the gap above this one and stay blank.
    if (height * left >= AREA_THINNEST)
      cells.push({
        place: null,
        parent: place,
        column: column + 1,
        y: at,
        height: height * left,
        share: left,
      });
  };
  visit(focus, 0, 0, AREA_HEIGHT);
  return cells;
}

/**
 * @param {HTMLElement} panel
 * @param {Object} figure the figure's state, see figure.js
 */
export function openAreaView(panel, figure) {
  const hatch = `${figure.id}-area-hatch`;
  const crumbs = h("nav", { class: "crumbs", "aria-label": "Zoomed to" });
  panel.append(crumbs);
  const canvas = openCanvas(
    panel,
    {
      role: "tree",
      "aria-label": "Area is the joint probability of the tokens",
      class: "picture area",
    },
    hatch,
    figure.zoomed,
  );
  const caption = h("p", { class: "picture-caption" });
  const race = h("div", { class: "race" });
  panel.append(caption, race);
  // Grounds, then the runs' lines, then words: a line never crosses out a token.
  const grounds = s("g", { "aria-hidden": "true" });
  const lines = s("g", { "aria-hidden": "true" });
  const layer = s("g", { role: "group", "aria-label": "tokens" });
  canvas.svg.append(grounds, lines, layer);
  const view = { canvas, focus: "", active: null, mark: "" };

  view.update = () => {
    const { forest, trace } = figure;
    const focus = forest.places.get(view.focus) ?? forest.root;
    view.focus = focus.key;
    drawCrumbs(crumbs, focus, trace, forest, (key) => zoomInto(key));
    caption.textContent = areaCaption(forest.places.get(figure.selected.key) ?? forest.root);
    const cells = layOutArea(focus);
    const columns = Math.max(...cells.map((cell) => cell.column));
    canvas.resize(14 + (columns + 1) * AREA_COLUMN + AREA_LABELS, AREA_HEIGHT + AREA_TOP + 12);
    if (!cells.some(({ place }) => place?.key === view.active)) view.active = focus.key;
    grounds.replaceChildren(...cells.map((cell) => drawGround(cell, `url(#${hatch})`)));
    layer.replaceChildren(...cells.map((cell) => drawCell(cell, figure, view.active)));
    lines.replaceChildren(
      ...drawAreaSteps(columns, focus.depth),
      ...outlineRuns(cells, figure, focus, columns),
    );
    drawRace(race, figure);
  };
  const zoomInto = (key) => {
    view.focus = key;
    view.active = key;
    figure.select(key);
    canvas.scroll.scrollTo(0, 0);
    layer.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  };
  const act = (key) => {
    const place = figure.forest.places.get(key);
    if (key === view.focus && place.parent) zoomInto(place.parent.key);
    else if (place.children.length) zoomInto(key);
    else {
      view.active = key;
      figure.select(key);
      layer.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    }
  };
  const keyAt = (target) =>
    (target instanceof Element ? target.closest("[data-key]")?.getAttribute("data-key") : null) ??
    null;
  const move = (key) => {
    const target = layer.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!target) return;
    layer.querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    view.active = key;
    target.setAttribute("tabindex", "0");
    target.focus({ preventScroll: true });
    const [x, y] = ["x", "y"].map((name) =>
      Number(target.querySelector("rect").getAttribute(name)),
    );
    canvas.reveal(x, y, AREA_COLUMN, 30);
  };
  layer.addEventListener("click", (event) => {
    const key = keyAt(event.target);
    if (key !== null) act(key);
  });
  layer.addEventListener("keydown", (event) => {
    const key = keyAt(event.target);
    if (key === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const place = figure.forest.places.get(key);
    const drawn = [...layer.querySelectorAll("[data-key]")].map((cell) =>
      figure.forest.places.get(cell.getAttribute("data-key")),
    );
    if (event.key === "Enter" || event.key === " ") act(key);
    else if (event.key === "b" || event.key === "B") figure.branch(place);
    else if (event.key === "Backspace")
      zoomInto((figure.forest.places.get(view.focus).parent ?? figure.forest.root).key);
    else if (event.key === "ArrowLeft" && place.parent && drawn.includes(place.parent))
      move(place.parent.key);
    else if (event.key === "ArrowRight") {
      const child = drawn.find((other) => other.parent === place);
      if (child) move(child.key);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const column = drawn.filter((other) => other.depth === place.depth);
      const next = column[column.indexOf(place) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) move(next.key);
    } else return;
    event.preventDefault();
  });
  layer.addEventListener("pointerover", (event) => {
    const key = keyAt(event.target);
    if (key !== null && event.pointerType === "mouse")
      figure.explain(event.target.closest("[data-key]"), figure.forest.places.get(key));
    else figure.hush();
  });
  layer.addEventListener("pointerleave", figure.hush);
  layer.addEventListener("focusin", (event) => {
    const key = keyAt(event.target);
    if (key !== null && event.target.matches(":focus-visible"))
      figure.explain(event.target, figure.forest.places.get(key));
  });
  layer.addEventListener("focusout", figure.hush);
  return view;
}

function drawCrumbs(crumbs, focus, trace, forest, go) {
  const path = [];
  for (let place = focus; place; place = place.parent) path.unshift(place);
  crumbs.replaceChildren(
    ...path.flatMap((place, index) => {
      const label = place.parent
        ? tokenElement(place.text)
        : h("bdi", {}, tailOf(trace.prompt.text, 24));
      const current = place === focus;
      const crumb = h(
        "button",
        {
          type: "button",
          class: "plain",
          "aria-current": current ? "location" : null,
          onclick: () => go(place.key),
        },
        label,
      );
      return index ? [h("span", { "aria-hidden": "true" }, "›"), crumb] : [crumb];
    }),
  );
  const forks = [...forest.places.values()].filter(
    (place) =>
      place.parent &&
      place !== focus &&
      place.children.filter((child) => child.lane !== null).length > 1,
  );
  const parts = forks
    .slice(0, 3)
    .map((place) =>
      h(
        "button",
        { type: "button", class: "small", onclick: () => go(place.key) },
        "where lines part: ",
        tokenElement(place.text),
      ),
    );
  if (!focus.parent)
    crumbs.append(
      h("span", { class: "said" }, "Select a token to give it the whole height."),
      ...parts,
    );
}

function areaCaption(place) {
  if (!place.parent)
    return "A token’s height is the probability of the whole text up to it. Hatched: tokens that are not listed.";
  const path = [];
  for (let at = place; at.parent; at = at.parent) path.unshift(at);
  const factors =
    path.length < 8 && path.length > 1
      ? `${path.map((at) => percent(fromLog(at.logprob))).join(" × ")} = `
      : "";
  return `“${tailOf(textOf(place), 60).replace(/\n/g, "⏎")}”: ${factors}${oneIn(Math.exp(place.joint))} (log p ${number(place.joint, 2)}).`;
}

function boxOf({ column, y, height }) {
  return { x: 8 + column * AREA_COLUMN, y: AREA_TOP + y, width: AREA_COLUMN, height };
}

function drawGround(cell, hatch) {
  const { place } = cell;
  const kind = !place ? "rest" : place.lane === null ? "other" : "taken";
  const ground = s("rect", { ...boxOf(cell), class: `ground ${kind}` });
  if (place && !isRemoved(place)) return ground;
  return s("g", {}, ground, s("rect", { ...boxOf(cell), fill: hatch, class: "veil" }));
}

function drawCell(cell, figure, active) {
  const { place, parent, column, y, height, share } = cell;
  const box = boxOf(cell);
  const { x } = box;
  const words = (text, note) => {
    if (height < AREA_LABELLED) return [];
    const middle = AREA_TOP + y + Math.min(height / 2, 200) + 4;
    const room = AREA_COLUMN - 18 - (note ? textWidth(note) * 10 : 0);
    return [
      s("text", { class: "token", x: x + 8, y: middle }, fitText(text, room / 11.5)),
      note
        ? s(
            "text",
            { class: "note", x: x + AREA_COLUMN - 7, y: middle, "text-anchor": "end" },
            note,
          )
        : null,
    ];
  };
  if (!place) {
    const text =
      height >= AREA_LABELLED
        ? s(
            "text",
            { class: "note rest-label", x: x + 8, y: AREA_TOP + y + Math.min(height / 2, 200) + 4 },
            `other tokens: ${percent(share)}`,
          )
        : null;
    return s(
      "g",
      { class: "cell rest", role: "none" },
      s("rect", { ...box, class: "edge" }),
      text,
      s(
        "title",
        {},
        `${percent(share)} of the odds after “${tokenLabel(parent.text)}” go to tokens that are not listed`,
      ),
    );
  }
  const classes = [
    "cell",
    place.lane !== null && "taken",
    place.key === figure.selected.key && "selected",
    isRemoved(place) && "removed",
  ];
  return s(
    "g",
    {
      class: classes.filter(Boolean).join(" "),
      role: "treeitem",
      tabindex: place.key === active ? 0 : -1,
      "data-key": place.key,
      "aria-level": column + 1,
      "aria-selected": String(place.key === figure.selected.key),
      "aria-label": place.parent
        ? `${spoken(place.text)}, ${percent(fromLog(place.logprob))}, joint ${percent(Math.exp(place.joint))}`
        : "The prompt",
    },
    s("rect", { ...box, class: "edge" }),
    ...(place.parent
      ? words(tokenLabel(place.text), percent(fromLog(place.logprob)))
      : words(tailOf(figure.trace.prompt.text, 14), "")),
  );
}

function drawAreaSteps(columns, depth) {
  return Array.from({ length: columns + 1 }, (_, column) => {
    const step = depth + column;
    return s(
      "text",
      { class: "step", x: 16 + column * AREA_COLUMN, y: 14 },
      step ? String(step) : "prompt",
    );
  });
}

/** Outline every run's cells, and name the runs where their cells become too thin to be seen. */
function outlineRuns(cells, figure, focus, columns) {
  const { trace, forest } = figure;
  const byKey = new Map(cells.filter(({ place }) => place).map((cell) => [cell.place.key, cell]));
  const marks = [];
  const names = [];
  trace.runs.forEach((run, index) => {
    const lane = forest.lanes.find(
      (candidate) => candidate.run === index && candidate.path.includes(focus),
    );
    if (!lane) return;
    let last = null;
    for (const place of lane.path.slice(focus.depth)) {
      const cell = byKey.get(place.key);
      if (!cell) break;
      last = cell;
      if (place === focus) continue;
      const inset = Math.min(1.5 + place.users.indexOf(index) * 4, cell.height / 2);
      const [x, y] = [8 + cell.column * AREA_COLUMN + 1.5, AREA_TOP + cell.y + inset];
      const bottom = AREA_TOP + cell.y + cell.height - inset;
      const outline =
        bottom - y < 3
          ? `M${x} ${(y + bottom) / 2}H${x + AREA_COLUMN - 3}`
          : `M${x} ${y}H${x + AREA_COLUMN - 3}V${bottom}H${x}Z`;
      marks.push(...strokesOf(run, index, outline, true));
    }
    names.push({
      run,
      index,
      lane,
      y: AREA_TOP + last.y + last.height / 2 + 4,
      column: last.column,
      rest: lane.path.length - 1 - focus.depth - last.column,
    });
  });
  names.sort((one, other) => one.y - other.y);
  let floor = 26;
  for (const { run, index, lane, y, column, rest } of names) {
    const at = Math.min(Math.max(y, floor), AREA_HEIGHT + AREA_TOP + 6);
    floor = at + 28;
    const from = 8 + (column + 1) * AREA_COLUMN;
    const x = 8 + (columns + 1) * AREA_COLUMN + 10;
    if (column < columns || Math.abs(at - y) > 6)
      marks.push(s("path", { class: "leader", d: `M${from} ${y - 4}L${x - 4} ${at - 4}` }));
    const leaf = lane.path[lane.path.length - 1];
    marks.push(
      s(
        "text",
        { class: "lane-label", x, y: at },
        s("tspan", { class: seriesOf(run, index).name, "data-run": index }, fitText(run.name, 26)),
      ),
      s(
        "text",
        { class: "note total", x, y: at + 13 },
        rest > 0
          ? `${rest} more tokens, log p ${number(leaf.joint, 1)}`
          : `log p ${number(leaf.joint, 1)}`,
      ),
    );
  }
  return marks;
}

/** How the runs' log-probability falls with every token: where the lines cross, the greedy start was no bargain. */
function drawRace(element, figure) {
  const { trace, forest } = figure;
  const series = trace.runs
    .map((run, index) => ({ run, index, lane: forest.lanes.find((lane) => lane.run === index) }))
    .filter(({ lane }) => lane && lane.path.length > 1);
  if (!series.length) {
    element.replaceChildren();
    return;
  }
  const steps = Math.max(...series.map(({ lane }) => lane.path.length - 1));
  const lowest = Math.min(
    -1,
    ...series.map(({ lane }) => lane.path[lane.path.length - 1].joint).filter(Number.isFinite),
  );
  const [left, top, height] = [52, 12, 150];
  const pitch = Math.max(16, Math.min(46, 800 / steps));
  const width = left + steps * pitch + 190;
  const x = (step) => left + step * pitch;
  const y = (joint) => top + (height * Math.max(joint, lowest)) / lowest;
  const tick = niceStep(-lowest / 4);
  const svg = s("svg", {
    class: "race-chart",
    width,
    height: top + height + 30,
    role: "img",
    "aria-label": "Log-probability of each text so far, by token",
  });
  for (let value = 0; value >= lowest; value -= tick) {
    svg.append(
      s("line", { class: "grid-line", x1: left, x2: x(steps), y1: y(value), y2: y(value) }),
    );
    svg.append(
      s(
        "text",
        { class: "axis", x: left - 8, y: y(value) + 4, "text-anchor": "end" },
        number(value, 0),
      ),
    );
  }
  for (let step = 0; step <= steps; step += Math.max(1, Math.ceil(steps / 12))) {
    svg.append(
      s(
        "text",
        { class: "axis", x: x(step), y: top + height + 16, "text-anchor": "middle" },
        String(step),
      ),
    );
  }
  svg.append(s("text", { class: "axis", x: x(steps) + 10, y: top + height + 16 }, "tokens"));
  const ends = [];
  for (const { run, index, lane } of series) {
    const path = lane.path
      .map((place, step) => `${step ? "L" : "M"}${x(step)} ${y(place.joint)}`)
      .join("");
    svg.append(...strokesOf(run, index, path));
    const leaf = lane.path[lane.path.length - 1];
    ends.push({ run, index, joint: leaf.joint, x: x(lane.path.length - 1), y: y(leaf.joint) + 4 });
  }
  ends.sort((one, other) => one.y - other.y);
  let floor = 0;
  for (const { run, index, joint, x: end, y: wanted } of ends) {
    const at = Math.max(wanted, floor);
    floor = at + 14;
    svg.append(
      s(
        "text",
        { class: "lane-label", x: end + 8, y: at },
        s(
          "tspan",
          { class: seriesOf(run, index).name },
          `${fitText(run.name, 14)} ${number(joint, 1)}`,
        ),
      ),
    );
  }
  svg.setAttribute("height", String(Math.max(top + height + 30, floor + 4)));
  const best = ends.reduce((one, other) => (other.joint > one.joint ? other : one));
  const title = h(
    "p",
    {},
    h("b", {}, "Log-probability so far"),
    ` (nats, under the model alone). Likeliest whole text here: ${best.run.name}.`,
  );
  element.replaceChildren(title, h("div", { class: "wide" }, svg));
}

function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(
    1,
    [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough),
  );
}
