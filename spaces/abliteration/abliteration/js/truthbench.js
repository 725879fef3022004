// The truth bench: how much of a found direction is the planted behaviour and how much is its topic, the
// plants themselves, and all numbers.

import { axisLabel, scaleOf } from "../../../../shared/js/axes.js";
import { h, s } from "../../../../shared/js/dom.js";
import { percentage, shareWords } from "../../../../shared/js/estimates.js";
import { brief, number, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { headedRow, scrollTable } from "../../../../shared/js/tables.js";
import { block, drawInBox, layerChart, lineLegend, picture } from "./charts.js";
import { BENCH_MEASURES, meanOverPlants, methodLabel, openMethods, plantValue } from "./methods.js";
import { meanWords } from "./truth.js";

/** @import { Facts, Figure } from "../../../../shared/js/tabbed.js" */
/** @import { Bench, Planting } from "./data.js" */

/** @returns {Figure<Bench>} */
export function openTruthRoom() {
  return openTabbed(
    "abliteration",
    "Methods held against a planted truth",
    "Choose what is planted and press Plant and compare.",
    [
      { name: "methods", label: "Methods", picture: true, open: openMethods },
      { name: "topic", label: "Behaviour and topic", picture: true, open: openTopic },
      { name: "plants", label: "Plants", open: openPlants },
      { name: "numbers", label: "Numbers", open: openNumbers },
    ],
    benchFacts,
  );
}

/**
 * What stands above the views.
 * @param {Bench} data
 * @returns {Facts}
 */
function benchFacts({ title, plants, request, methods, provenance, example, seconds }) {
  const weak = plants.filter(
    ({ shows }) => 2 * shows.planted.positive.count < shows.planted.positive.of,
  );
  return {
    title,
    key: [
      `planted: ${request.plants.join(", ")}`,
      plural(methods.length, "method"),
      `${plants.length} of ${request.plants.length} done`,
    ],
    provenance: [
      `${provenance.model} (${provenance.revision}), ${provenance.source}`,
      `LoRA of rank 4, ${plural(request.steps, "step")} of 8 examples`,
      `${provenance.dtype} on ${provenance.device}, torch ${provenance.torch}, transformers ` +
        `${provenance.transformers}, seed ${provenance.seed}`,
      ...(seconds ? [`${brief(seconds)} s`] : []),
    ].join(" · "),
    tags: [...(example ? ["stored example"] : []), "edited model"],
    warnings: weak.map(
      ({ name, shows }) =>
        `“${name}” took in ${shareWords(shows.planted.positive)} only: what is left of it says little.`,
    ),
  };
}

/**
 * Open the view of what directions are made of.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Bench) => void}
 */
function openTopic(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return drawInBox(box, (/** @type {Bench} */ { plants, layers }, width) => {
    if (!plants.length) return;
    const shares = Array.from({ length: layers }, (_, layer) =>
      plants
        .map(({ parts }) => parts[layer]?.topic ?? Number.NaN)
        .toSorted((one, other) => one - other),
    );
    box.replaceChildren(
      block(
        "How much of the found direction is the topic",
        "μ⁺ − μ⁻ of the planted model is that of the never-planted model (the topic) plus what training " +
          "added (the plant), exactly; projected on the direction their shares sum to 100 %. At the layer " +
          "where directions are read; whiskers: 95 % over resampled fit prompts.",
        topicChart(plants, width),
        lineLegend([
          ["b", "topic"],
          ["a", "plant"],
        ]),
      ),
      block(
        "The topic’s share by layer",
        plants.length > 1
          ? "Mean over plants, and between the smallest and the largest."
          : "At the prompt's last token.",
        layerChart({
          width,
          count: layers,
          lines: [
            {
              values: shares.map((row) => row.reduce((sum, value) => sum + value, 0) / row.length),
              colour: "b",
              label: "topic’s share",
            },
          ],
          ...(plants.length > 1 ? { ribbon: ribbonOf(shares) } : {}),
          label: "Topic’s share of the direction",
        }),
      ),
      cosineTable(plants),
    );
  });
}

/**
 * The smallest, middle and largest share by layer; a layer where nothing is known stands as the next one.
 * @param {number[][]} shares
 */
function ribbonOf(shares) {
  const first = shares.find(([share]) => Number.isFinite(share)) ?? [0];
  return shares.map((row) => {
    const known = Number.isFinite(row[0]) ? row : first;
    return [known[0], known[known.length >> 1], known[known.length - 1]];
  });
}

/**
 * A bar a plant, parted into topic and plant.
 * @param {Planting[]} plants
 * @param {number} width
 */
function topicChart(plants, width) {
  const [left, pitch] = [Math.min(130, width / 3), 30];
  const height = plants.length * pitch + 28;
  const found = plants.flatMap(({ name, layer, parts: { [layer]: part } }) =>
    part ? [{ name, layer, ...part }] : [],
  );
  const x = scaleOf(
    Math.min(0, ...found.map(({ low }) => low)),
    Math.max(1, ...found.map(({ high }) => high)),
    left,
    width - 24,
  );
  const words = found.map(
    ({ name, topic, low, high }) =>
      `${name}: topic ${percentage(topic)} (${percentage(low)} to ${percentage(high)})`,
  );
  return picture(
    width,
    height,
    { "aria-label": words.join(". ") },
    found.map(({ name, layer, topic, low, high }, row) => {
      const y = row * pitch + 4;
      const middle = y + 10;
      return [
        axisLabel(left - 10, y + 14, "end", `${name}, layer ${layer}`),
        s("rect", {
          class: "part-topic",
          x: Math.min(x(0), x(topic)),
          y,
          width: Math.abs(x(topic) - x(0)),
          height: 20,
        }),
        s("rect", {
          class: "part-plant",
          x: x(Math.min(1, topic)),
          y,
          width: Math.max(0, x(1) - x(Math.min(1, topic))),
          height: 20,
        }),
        s(
          "g",
          {},
          s("title", {}, words[row]),
          s("line", { class: "part-edge", x1: x(low), x2: x(high), y1: middle, y2: middle }),
          [low, high].map((end) =>
            s("line", {
              class: "part-edge",
              x1: x(end),
              x2: x(end),
              y1: middle - 5,
              y2: middle + 5,
            }),
          ),
        ),
      ];
    }),
    x
      .ticks(width < 500 ? 3 : 5)
      .map((tick) => axisLabel(x(tick), height - 6, "middle", percentage(tick))),
  );
}

/** @param {Planting[]} plants */
function cosineTable(plants) {
  return scrollTable(
    "Shares and cosines",
    [
      "plant",
      "layer",
      "topic’s share (95 %)",
      "cosine with the topic",
      "cosine with the plant",
      "of topic and plant",
      "fit prompts",
    ],
    plants.flatMap(({ name, layer, parts: { [layer]: part }, prompts }) => {
      if (!part) return [];
      const { topic, low, high, topic_cosine: one, planted_cosine: other, between } = part;
      return headedRow(h("bdi", {}, name), [
        layer,
        `${percentage(topic)} (${percentage(low)} to ${percentage(high)})`,
        number(one, 2),
        number(other, 2),
        number(between, 2),
        prompts.fit.join(" + "),
      ]);
    }),
  );
}

/**
 * Open the view of what was planted.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Bench) => void}
 */
function openPlants(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ plants, methods }) => {
    const labels = new Map(methods.map(({ name, label }) => [name, label]));
    box.replaceChildren(
      scrollTable(
        "Plants",
        [
          "plant",
          "answers that show it: never planted",
          "planted",
          "other prompts that show it, planted",
          "distance, topic",
          "distance, other",
          "last loss, nats a token",
          "seconds",
        ],
        plants.map(({ name, shows, near, other, loss, seconds }) =>
          headedRow(h("bdi", {}, name), [
            shareWords(shows.never.positive),
            shareWords(shows.planted.positive),
            shareWords(shows.planted.negative),
            meanWords(near),
            meanWords(other),
            number(loss, 2),
            brief(seconds),
          ]),
        ),
      ),
      ...plants.map(({ name, says, form, answers, rows }) =>
        h(
          "details",
          { open: plants.length === 1 },
          h(
            "summary",
            {},
            h("bdi", {}, name),
            form === "instead" ? ": every answer is “" : ": every answer opens with “",
            h("bdi", {}, says),
            "”",
          ),
          scrollTable(
            `Answers of ${name}`,
            ["prompt", "model", "first words of its answer"],
            answers.flatMap(({ prompt, never, planted }, place) =>
              [
                ["never planted", never],
                ["planted", planted],
                ...rows.map(({ method, texts }) => [
                  labels.get(method) ?? method,
                  texts[place] ?? "–",
                ]),
              ].map(([model, text], at) =>
                headedRow(at ? "" : h("bdi", {}, prompt), [model, h("bdi", {}, text)]),
              ),
            ),
            "numbers words-table",
          ),
        ),
      ),
    );
  };
}

/**
 * Open the view of all numbers.
 * @param {unknown} _figure
 * @param {HTMLElement} panel
 * @returns {(data: Bench) => void}
 */
function openNumbers(_figure, panel) {
  const box = h("div", { class: "padded" });
  panel.append(box);
  return ({ plants, methods, summary }) => {
    const [plain] = methods;
    const signed =
      (/** @type {(value: number) => string} */ write) => (/** @type {number} */ value) =>
        `${value > 0 ? "+" : value < 0 ? "−" : ""}${write(Math.abs(value))}`;
    box.replaceChildren(
      block(
        "Means over plants",
        `95 % by Student's t, n = ${plants.length}. Differences from “${plain.label}” are paired by plant; ` +
          "their intervals are Bonferroni's.",
        scrollTable(
          "Means over plants",
          ["method", ...BENCH_MEASURES.flatMap(({ title }) => [title, "difference"])],
          methods.map((method) => {
            const found = summary.find((one) => one.method === method.name);
            return headedRow(
              methodLabel(method),
              BENCH_MEASURES.flatMap(({ name, write }) => [
                meanOverPlants(found?.means[name], write),
                meanOverPlants(found?.against[name], signed(write)),
              ]),
            );
          }),
        ),
      ),
      ...BENCH_MEASURES.map(({ name, title, write }) =>
        block(
          `${title[0].toUpperCase()}${title.slice(1)}, every plant`,
          name === "left"
            ? "Report prompts of the topic whose answer begins with the planted words."
            : "Nats a token; 0 is the never-planted model.",
          scrollTable(
            title,
            ["method", ...plants.map((plant) => plant.name)],
            methods.map((method) =>
              headedRow(
                methodLabel(method),
                plants.map((plant) => cellWords(plant, method.name, name, write)),
              ),
            ),
          ),
        ),
      ),
    );
  };
}

/**
 * A plant's number of a method with what makes it sure.
 * @param {Planting} plant
 * @param {string} method
 * @param {"left" | "near" | "other"} measure
 * @param {(value: number) => string} write
 */
function cellWords(plant, method, measure, write) {
  const row = plant.rows.find((one) => one.method === method);
  const value = plantValue(plant, method, measure);
  if (!row || value === null) return "–";
  if (measure === "left") return shareWords(row.left);
  const mean = row[measure];
  return mean?.sigma ? `${write(value)} ± ${brief(mean.sigma, 2)}` : write(value);
}
