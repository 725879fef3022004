// The plane through three models, or the line through two: loss and behaviours side by side, and a point to merge.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { shortName } from "./mergefigure.js";
import { openPlane } from "./planeview.js";
import { openPoints } from "./pointstable.js";

/** Open the figure. */
export function openExplore() {
  return openTabbed(
    "merging",
    "Merges between models, measured",
    "Choose two or three models and press Measure.",
    [
      { name: "plane", label: "Picture", picture: true, open: openPlane },
      { name: "points", label: "Table", open: openPoints },
    ],
    exploreFacts,
  );
}

function exploreFacts(data) {
  const { models, text, each, search } = data;
  const [origin, ...others] = models;
  const key = [
    `${data.points.length || search?.candidates.length || 0} merges measured`,
    `loss on ${text.tokens} tokens`,
  ];
  if (data.behaviours.length) key.push(`behaviours on ${each} prompts each`);
  return {
    title: `${shortName(origin.name)} + u · ${shortName(others[0].name)}${others[1] ? ` + v · ${shortName(others[1].name)}` : ""}`,
    key,
    provenance: `${models.map(({ name, revision }) => `${name} (${revision})`).join(", ")} · task_arithmetic in float32${search ? ` · CMA-ES, seed ${search.seed}` : ""}${data.seconds ? ` · measured in ${brief(data.seconds)} s on ${data.device}` : ""}`,
    tags: data.example ? ["stored example"] : [],
    warnings: search?.warnings ?? [],
  };
}

/** What can be shown of a point: a key, its words, its value, and how to write it. */
export function measuresOf(data) {
  const start = data.points.find(({ weights }) => weights.every((weight) => weight === 0));
  const base = start?.loss ?? null;
  const words = {
    pirate: "answers as a pirate",
    refuses_cooking: "refuses cooking questions",
    refuses_other: "refuses other questions",
    concise: "answers in one sentence",
  };
  return [
    {
      key: "loss",
      label: base === null ? "loss of the text" : "loss above the origin’s",
      unit: "nats a token",
      of: ({ loss }) => loss - (base ?? 0),
      write: (value) => `${brief(value, 2)} nats`,
    },
    ...data.behaviours.map((name) => ({
      key: name,
      label: words[name] ?? name,
      unit: "of answers",
      of: ({ shares, chances }) =>
        shares[name]
          ? shares[name].count / shares[name].of
          : chances[name] === undefined
            ? null
            : Math.exp(chances[name]),
      write: (value) => `${Math.round(100 * value)} %`,
    })),
  ];
}

/** A point's weights in words. */
export function weightsText(data, weights) {
  return data.models
    .slice(1)
    .map(({ name }, index) => `${shortName(name)} ${brief(weights[index], 3)}`)
    .join(", ");
}

/** What was measured at a point, as a definition list. */
export function pointFacts(data, point) {
  const rows = [["loss", `${brief(point.loss, 4)} ± ${brief(point.sigma, 2)} nats a token`]];
  const words = Object.fromEntries(measuresOf(data).map(({ key, label }) => [key, label]));
  for (const [name, chance] of Object.entries(point.chances))
    rows.push([
      `log-probability of ${name === "refuses_other" ? "not refusing other questions" : `the opening: ${words[name] ?? name}`}`,
      `${brief(chance, 3)} nats`,
    ]);
  for (const [name, { count, of, low, high }] of Object.entries(point.shares))
    rows.push([
      words[name] ?? name,
      `${count} of ${of} (95 %: ${Math.round(100 * low)} to ${Math.round(100 * high)} %)`,
    ]);
  return h(
    "dl",
    { class: "facts" },
    rows.map(([term, text]) => [h("dt", {}, term), h("dd", {}, text)]),
  );
}
