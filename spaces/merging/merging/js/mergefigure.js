// A merge: parents and child side by side, and what each layer holds of whom.

import { h } from "../../../../shared/js/dom.js";
import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openBehaviours } from "./behaviours.js";
import { openAnswers } from "./answers.js";
import { openCarriers } from "./carriersview.js";
import { openAtlas } from "./atlasview.js";

/** Open the figure. */
export function openMerge() {
  return openTabbed(
    "merging",
    "A merge: parents and child",
    "Choose a recipe and press Merge and compare.",
    [
      { name: "behaviours", label: "Before and after", picture: true, open: openBehaviours },
      { name: "answers", label: "Answers", open: openAnswers },
      {
        name: "carriers",
        label: "Which layers carry it",
        picture: true,
        hidden: (data) => data.done && !data.carriers?.length,
        open: openCarriers,
      },
      {
        name: "atlas",
        label: "Atlas of task vectors",
        picture: true,
        hidden: (data) => data.done && !data.atlas,
        open: openAtlas,
      },
    ],
    facts,
  );
}

/** What stands above the views. */
function facts(data) {
  const { report } = data;
  const size = Object.entries(report.files).reduce(
    (sum, [name, bytes]) => sum + (name.endsWith(".safetensors") ? bytes : 0),
    0,
  );
  const child = data.models.find(({ role }) => role === "child");
  const key = [`${data.models.length} models measured`];
  if (child) key.push(`child: perplexity ${brief(child.perplexity)} ± ${brief(child.sigma, 2)}`);
  const parents = report.models.map(({ name, revision }) => `${name} (${revision})`).join(", ");
  return {
    title: data.title,
    key,
    provenance: `${parents} · mergekit ${report.versions.mergekit}, seed ${report.seed} · merged in ${brief(report.seconds)} s, ${Math.round(size / 1e6).toLocaleString("en-GB")} MB${data.seconds ? ` · measured in ${brief(data.seconds)} s on ${data.device}` : ""}`,
    tags: data.example ? ["stored example"] : [],
    warnings: [
      ...report.findings
        .filter(({ level }) => level === "warning")
        .map(({ message, fix }) => `${message} ${fix}`),
      ...(data.skipped ?? []),
    ],
  };
}

/** Colour class of a model: parents in their order, the child in ink. */
export function colourOf(models, name) {
  const model = models.find((other) => other.name === name);
  if (model?.role === "child") return "child";
  return "abcd"[
    models.filter(({ role }) => role !== "child").findIndex((other) => other.name === name) % 4
  ];
}

/** A model's short name. */
export function shortName(name) {
  return name.split("/").at(-1);
}

/** A legend of the models. */
export function modelLegend(models) {
  return h(
    "ul",
    { class: "models", "aria-label": "Models" },
    models.map(({ name, role }) =>
      h(
        "li",
        {},
        h("span", { class: `swatch swatch-${colourOf(models, name)}`, "aria-hidden": "true" }),
        h("bdi", {}, shortName(name)),
        role === "child" ? " (the merge)" : role === "base" ? " (base)" : "",
      ),
    ),
  );
}
