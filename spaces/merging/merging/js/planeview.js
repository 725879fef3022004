// The picture: one small plane (or line) for each measure, all with the same chosen point.

import { axisLabel, heatLegend, scaleOf, watchWidth } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { measuresOf, pointFacts, weightsText } from "./explorefigure.js";
import { shortName } from "./mergefigure.js";

const FINE = 24; // coloured cells from a corner to the next
const SNAP = 0.05;

/** Open the view. */
export function openPlane(figure, panel) {
  const state = { data: null, chosen: null };
  const maps = h("div", { class: "maps" });
  const readout = h("div", { class: "padded readout", "aria-live": "polite" });
  panel.append(maps, readout);
  const choose = (weights) => {
    state.chosen = weights;
    draw();
  };
  const draw = () => {
    const { data } = state;
    const measures = measuresOf(data);
    const width = widthNow();
    const columns = Math.max(1, Math.min(measures.length, Math.floor(width / 250)));
    const each = Math.floor((width - 14 * (columns - 1)) / columns);
    const flat = data.models.length === 2;
    const focused = document.activeElement?.closest?.(".map")?.dataset.key;
    maps.style.setProperty("grid-template-columns", `repeat(${columns}, minmax(0, 1fr))`);
    maps.replaceChildren(
      ...measures.map((measure) =>
        (flat ? lineMap : planeMap)(data, measure, state.chosen, choose, Math.min(each, 420)),
      ),
    );
    if (focused) maps.querySelector(`.map[data-key="${focused}"] svg`)?.focus();
    readout.replaceChildren(...readoutParts(figure, data, state.chosen));
  };
  const widthNow = watchWidth(maps, () => state.data && draw());
  return (next) => {
    if (
      next.search &&
      !next.points.length &&
      state.data &&
      JSON.stringify(state.data.request) === JSON.stringify(next.request)
    )
      next.points = state.data.points;
    if (state.data && JSON.stringify(state.data.request) !== JSON.stringify(next.request))
      state.chosen = null;
    state.data = next;
    if (next.search?.best) state.chosen = next.search.best.weights;
    state.chosen ??= startAt(next);
    draw();
  };
}

/** The measured point that shows all behaviours best for its loss, as a place to begin. */
function startAt(data) {
  const worth = ({ shares, loss }) => {
    const wanted = Object.entries(shares)
      .filter(([name]) => name !== "refuses_other")
      .map(([, { count, of }]) => count / of);
    return (
      wanted.reduce((product, share) => product * share, 1) ** (1 / Math.max(1, wanted.length)) -
      loss
    );
  };
  return (
    data.points.toSorted((one, other) => worth(other) - worth(one))[0]?.weights ??
    data.models.slice(1).map(() => 0.5)
  );
}

/** The finest grid that is measured completely: steps, and its values by "i,j". */
function gridOf(data, measure) {
  const dimensions = data.models.length - 1;
  const at = new Map(data.points.map((point) => [point.weights.join(","), measure.of(point)]));
  for (const steps of [16, 8, 4, 2, 1]) {
    const row = Array.from({ length: steps + 1 }, (_, index) => index / steps);
    const wanted =
      dimensions === 1 ? row.map(String) : row.flatMap((u) => row.map((v) => `${u},${v}`));
    if (wanted.every((name) => at.has(name))) return { steps, at };
  }
  return null;
}

/** The value between measured points, by bilinear interpolation. */
export function between({ steps, at }, u, v) {
  const cell = (value) => Math.min(steps - 1, Math.floor(value * steps));
  const [i, j] = [cell(u), cell(v)];
  const [a, b] = [u * steps - i, v * steps - j];
  const value = (x, y) => at.get(`${x / steps},${y / steps}`);
  return (
    (1 - a) * (1 - b) * value(i, j) +
    a * (1 - b) * value(i + 1, j) +
    (1 - a) * b * value(i, j + 1) +
    a * b * value(i + 1, j + 1)
  );
}

/** As `heat`, but nothing shines through: neighbouring patches may overlap. */
function solidHeat(share) {
  return `color-mix(in srgb, rgb(var(--heat)) ${(6 + 86 * Math.max(0, Math.min(1, share))).toFixed(1)}%, var(--paper))`;
}

function planeMap(data, measure, chosen, choose, width) {
  const side = (width - 84) / 1.5;
  const top = 24;
  const high = side * 0.866 + top + 34;
  const spot = (u, v) => [34 + (u + v / 2) * side, top + (1 - v) * 0.866 * side];
  const grid = gridOf(data, measure);
  const values = data.points.map(measure.of);
  const [low, most] =
    measure.key === "loss" ? [Math.min(0, ...values), Math.max(0.01, ...values)] : [0, 1];
  const share = (value) => (value - low) / (most - low || 1);
  const corner = (u, v) =>
    spot(u, v)
      .map((place) => place.toFixed(1))
      .join(",");
  const parts = [];
  if (grid) {
    for (let i = 0; i < FINE; i += 1) {
      for (let j = 0; j < FINE; j += 1) {
        const [u, v, step] = [i / FINE, j / FINE, 1 / FINE];
        const colour = solidHeat(share(between(grid, u + step / 2, v + step / 2)));
        parts.push(
          s("polygon", {
            class: "patch",
            points: [
              corner(u, v),
              corner(u + step, v),
              corner(u + step, v + step),
              corner(u, v + step),
            ].join(" "),
            style: { fill: colour, stroke: colour },
          }),
        );
      }
    }
  }
  parts.push(
    s("polygon", {
      class: "outline",
      points: [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)].join(" "),
    }),
    s("line", {
      class: "outline dashed",
      x1: spot(1, 0)[0],
      y1: spot(1, 0)[1],
      x2: spot(0, 1)[0],
      y2: spot(0, 1)[1],
    }),
  );
  parts.push(
    ...data.points.map((point) =>
      s("circle", {
        class: "measured",
        cx: spot(...point.weights)[0],
        cy: spot(...point.weights)[1],
        r: 3.2,
        style: { fill: solidHeat(share(measure.of(point))) },
      }),
    ),
  );
  parts.push(...searchMarks(data, (weights) => spot(...weights)));
  const [origin, one, other] = data.models.map(({ name }) => shortName(name).slice(0, 22));
  parts.push(
    axisLabel(...labelAt(spot(0, 0), -30, 20), "start", origin),
    axisLabel(...labelAt(spot(1, 0), 8, 4), "start", one),
    axisLabel(...labelAt(spot(0, 1), 12, -9), "end", other),
    axisLabel(...labelAt(spot(1, 1), 6, -9), "end", "both in full"),
  );
  if (chosen) parts.push(chosenMark(spot(...chosen)));
  return mapBox(data, measure, {
    parts,
    width,
    high,
    chosen,
    choose,
    low,
    most,
    weightsAt: (x, y) => {
      const v = 1 - (y - top) / (0.866 * side);
      return [(x - 34) / side - v / 2, v];
    },
  });
}

function lineMap(data, measure, chosen, choose, width) {
  const high = 220;
  const values = [...data.points, ...(data.search?.candidates ?? [])].map(measure.of);
  const [low, most] =
    measure.key === "loss" ? [Math.min(0, ...values), Math.max(0.01, ...values)] : [0, 1];
  const x = scaleOf(0, 1, 44, width - 16);
  const y = scaleOf(low, most, high - 36, 14);
  const parts = y
    .ticks(4)
    .flatMap((tick) => [
      s("line", { class: "grid", x1: 44, x2: width - 16, y1: y(tick), y2: y(tick) }),
      axisLabel(
        38,
        y(tick) + 4,
        "end",
        measure.key === "loss" ? brief(tick, 2) : `${Math.round(100 * tick)} %`,
      ),
    ]);
  const ordered = data.points.toSorted((one, other) => one.weights[0] - other.weights[0]);
  if (measure.key !== "loss" && ordered.length > 1) {
    const edge = (key) =>
      ordered.map(({ weights, shares }) => `${x(weights[0])},${y(shares[measure.key][key])}`);
    parts.push(
      s("polygon", {
        class: "ribbon",
        points: [...edge("high"), ...edge("low").toReversed()].join(" "),
      }),
    );
  }
  parts.push(
    s("polyline", {
      class: "line line-a",
      points: ordered.map((point) => `${x(point.weights[0])},${y(measure.of(point))}`).join(" "),
    }),
  );
  parts.push(
    ...ordered.map((point) =>
      s("circle", {
        class: "measured on-line",
        cx: x(point.weights[0]),
        cy: y(measure.of(point)),
        r: 3.5,
      }),
    ),
  );
  parts.push(
    ...(data.search?.candidates ?? []).map((point) =>
      s("circle", { class: "candidate", cx: x(point.weights[0]), cy: y(measure.of(point)), r: 4 }),
    ),
  );
  const names = data.models.map(({ name }) => shortName(name).slice(0, 22));
  parts.push(
    axisLabel(44, high - 14, "start", names[0]),
    axisLabel(width - 16, high - 14, "end", names[1]),
  );
  if (chosen)
    parts.push(
      s("line", { class: "chosen", x1: x(chosen[0]), x2: x(chosen[0]), y1: 8, y2: high - 32 }),
    );
  return mapBox(data, measure, {
    parts,
    width,
    high,
    chosen,
    choose,
    low,
    most,
    weightsAt: (at) => [x.invert(at)],
  });
}

const labelAt = ([x, y], dx, dy) => [x + dx, y + dy];

function chosenMark([x, y]) {
  return s(
    "g",
    { class: "chosen" },
    s("circle", { cx: x, cy: y, r: 7 }),
    s("line", { x1: x - 11, x2: x + 11, y1: y, y2: y }),
    s("line", { x1: x, x2: x, y1: y - 11, y2: y + 11 }),
  );
}

/** Candidates of the search, paler the earlier, and the way of its mean. */
function searchMarks(data, spot) {
  const { search } = data;
  if (!search) return [];
  const last = Math.max(1, ...search.candidates.map(({ generation }) => generation));
  return [
    ...search.candidates.map(({ weights, generation }) =>
      s("circle", {
        class: "candidate",
        cx: spot(weights)[0],
        cy: spot(weights)[1],
        r: 4,
        style: { opacity: 0.3 + (0.7 * generation) / last },
      }),
    ),
    s("polyline", {
      class: "way",
      points: search.means.map((weights) => spot(weights).join(",")).join(" "),
    }),
  ];
}

function mapBox(data, measure, { parts, width, high, chosen, choose, low, most, weightsAt }) {
  const snap = (value) => Math.round(Math.max(0, Math.min(1, value)) / SNAP) * SNAP;
  const svg = s(
    "svg",
    {
      width,
      height: high,
      viewBox: `0 0 ${width} ${high}`,
      tabindex: 0,
      role: "application",
      "aria-label": `${measure.label}: arrow keys move the chosen merge, now ${weightsText(data, chosen)}`,
      onclick: (event) => {
        const box = svg.getBoundingClientRect();
        const found = weightsAt(
          ((event.clientX - box.left) / box.width) * width,
          ((event.clientY - box.top) / box.height) * high,
        );
        if (found.every((weight) => weight > -0.08 && weight < 1.08))
          choose(found.map((weight) => Number(snap(weight).toFixed(2))));
      },
      onkeydown: (event) => {
        const move = {
          ArrowRight: [SNAP, 0],
          ArrowLeft: [-SNAP, 0],
          ArrowUp: [0, SNAP],
          ArrowDown: [0, -SNAP],
        }[event.key];
        if (!move) return;
        event.preventDefault();
        choose(
          chosen.map((weight, index) =>
            Number(
              snap(weight + (chosen.length === 1 ? move[0] + move[1] : move[index])).toFixed(2),
            ),
          ),
        );
      },
    },
    parts,
  );
  const write =
    measure.key === "loss" ? (value) => brief(value, 2) : (value) => `${Math.round(100 * value)} %`;
  return h(
    "div",
    { class: "map", "data-key": measure.key },
    h("h2", {}, measure.label),
    svg,
    data.models.length > 2 ? heatLegend(write(low), write(most), measure.unit) : null,
  );
}

function readoutParts(figure, data, chosen) {
  if (!chosen) return [];
  const pool = [...(data.search?.candidates ?? []), ...data.points];
  const exact = pool.find(({ weights }) =>
    weights.every((weight, index) => Math.abs(weight - chosen[index]) < 1e-9),
  );
  const parts = [h("h2", {}, `The chosen merge: ${weightsText(data, chosen)}`)];
  if (exact) parts.push(pointFacts(data, exact));
  else if (data.models.length === 3)
    parts.push(
      h(
        "dl",
        { class: "facts" },
        measuresOf(data).flatMap((measure) => {
          const grid = gridOf(data, measure);
          return grid && chosen.every((weight) => weight <= 1)
            ? [
                h("dt", {}, measure.label),
                h(
                  "dd",
                  {},
                  `about ${measure.write(between(grid, ...chosen))}, between measured points`,
                ),
              ]
            : [];
        }),
      ),
    );
  else parts.push(h("p", { class: "said" }, "Between measured points."));
  const { best, held_out: held } = data.search ?? {};
  if (best && held)
    parts.push(
      h(
        "p",
        {},
        h("b", {}, "The search's best: "),
        `${weightsText(data, best.weights)}, score ${brief(best.score)} on the fit prompts and ${brief(held.score)} on the held-out ones.`,
      ),
      h("p", { class: "said" }, "Measured on held-out prompts:"),
      pointFacts(data, held),
    );
  if (figure.host.emit && !figure.host.exported)
    parts.push(
      h(
        "button",
        {
          type: "button",
          class: "merge-point",
          onclick: () =>
            figure.host.emit("chosen", {
              origin: data.models[0].name,
              others: data.models.slice(1).map(({ name }) => name),
              weights: chosen,
            }),
        },
        "Put this merge into the recipe",
      ),
    );
  parts.push(
    h(
      "p",
      { class: "said" },
      data.models.length > 2
        ? "Dots and crosses are measured merges; the colour between dots is interpolated. The dashed line joins the two fine-tunes: below it the three models' weights are a mixture, above it the task vectors add up to more than one."
        : "Dots are measured; a weight of 0 is the first model, 1 the second. Ribbons are 95 % intervals.",
    ),
  );
  return parts;
}
