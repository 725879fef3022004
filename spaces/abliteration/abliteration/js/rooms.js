// Which views each room's figure has, and what stands above them.

import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openAnswerPairs } from "./answers.js";
import { openCandidates } from "./candidates.js";
import { openCertificate } from "./certificate.js";
import { openChat } from "./chat.js";
import { openDamage, openJudgedAnswers } from "./damage.js";
import { openFeatures, openFeatureTokens } from "./features.js";
import { openLayers } from "./findview.js";
import { openParetoView } from "./pareto.js";
import { openReturn, openXray } from "./xray.js";

/** @import { Drawable, Extras, Facts, Figure, View } from "../../../../shared/js/tabbed.js" */
/** @import { Ablate, Certificate, Chat, Export, FeatureEdit, Features, Find } from "./data.js" */
/** @import { Measure, Optimise, Room } from "./data.js" */

/**
 * Open a room's figure.
 * @template {Room & Drawable} D
 * @param {string} label for a screen reader
 * @param {string} empty words before the first run
 * @param {View<D>[]} views
 * @param {Extras<D>} [extras]
 * @returns {Figure<D>}
 */
function openRoom(label, empty, views, extras) {
  return openTabbed("abliteration", label, empty, views, roomFacts, extras);
}

const FROM_FILE = "vector file"; // a projection's place where the direction came in a file

const NOTHING_REFUSED =
  "The model refuses none of the select prompts: nothing here says that an edit removes a refusal.";

/**
 * Why nothing can be claimed to be removed; empty where something can.
 * @param {Room["refusal"]} refusal
 */
function nothingOf({ nothing, refused, from }) {
  if (nothing) return `${nothing} Nothing here says that an edit removes it.`;
  return nothing === undefined && refused && from !== "its own refusals" ? NOTHING_REFUSED : "";
}

/** @param {{measures?: Measure["measures"]}} data */
const isUnmeasured = ({ measures }) => !measures?.behaviour.positive?.edited;

/** What was removed and damaged, in two rooms. */
const DAMAGE = [
  {
    name: "damage",
    label: "Removed and damaged",
    picture: true,
    hidden: isUnmeasured,
    open: openDamage,
  },
  { name: "judged", label: "Answers", hidden: isUnmeasured, open: openJudgedAnswers },
];

/** @returns {Figure<Find>} */
export function openFindRoom() {
  return openRoom("Where the two sets of prompts separate", "Press Find the direction.", [
    { name: "layers", label: "Layers", picture: true, open: openLayers },
    {
      name: "candidates",
      label: "Candidates",
      picture: true,
      hidden: ({ refusal }) => !refusal.from,
      open: openCandidates,
    },
  ]);
}

/** @returns {Figure<Ablate>} */
export function openAblateRoom() {
  return openRoom("Base and edited model, side by side", "Press Remove it.", [
    { name: "answers", label: "Answers", open: openAnswerPairs },
    {
      name: "xray",
      label: "X-ray",
      picture: true,
      hidden: ({ done, pairs }) => done && !pairs[0].xray,
      open: openXray,
    },
    {
      name: "return",
      label: "Does it come back?",
      picture: true,
      hidden: (data) => !data.re_emergence?.length,
      open: openReturn,
    },
  ]);
}

/** @returns {Figure<Measure>} */
export function openMeasureRoom() {
  /** @type {View<Measure>[]} */
  const views = DAMAGE;
  return openRoom("What was removed and what was damaged", "Press Measure.", views);
}

/** @returns {Figure<Optimise>} */
export function openOptimiseRoom() {
  return openRoom("A search for a kernel", "Press Search for a kernel.", [
    { name: "pareto", label: "Pareto", picture: true, open: openParetoView },
    ...DAMAGE,
  ]);
}

/** @returns {Figure<Features>} */
export function openFeaturesRoom() {
  return openRoom("What the direction is made of", "Press Take it apart.", [
    { name: "atoms", label: "Direction as features", picture: true, open: openFeatures },
    { name: "tokens", label: "Features of a prompt", open: openFeatureTokens },
  ]);
}

/** @returns {Figure<FeatureEdit>} */
export function openFeatureRoom() {
  /** @type {View<FeatureEdit>[]} */
  const views = [{ name: "answers", label: "Answers", open: openAnswerPairs }];
  return openRoom(
    "Answers with one feature changed",
    "Press Remove it or Hold it at on a feature above.",
    views,
  );
}

/** @returns {Figure<Certificate | Export>} */
export function openCertificateRoom() {
  return openRoom("Certificate of the edited weights", "Press Certify.", [
    { name: "certificate", label: "Certificate", open: openCertificate },
  ]);
}

/** @returns {Figure<Chat>} */
export function openChatRoom() {
  return openRoom(
    "A conversation with both models",
    "Write a message and press Send.",
    [{ name: "chat", label: "Chat", open: openChat }],
    { forget: () => {}, keeps: true }, // New chat leaves nothing, an error what was said
  );
}

/**
 * What stands above a room's views.
 * @param {Room} data
 * @returns {Facts}
 */
function roomFacts(data) {
  const { split } = data;
  const parts = [
    { name: "fit", ...split.fit },
    { name: "select", ...split.select },
    { name: "report", ...split.report },
  ];
  const sizes = parts.map(
    ({ name, positive, negative }) => `${name} ${positive.length} + ${negative.length}`,
  );
  const isUnedited = data.kind === "find" || data.kind === "features";
  const relaxed = data.kind === "find" ? data.choice?.relaxed : "";
  return {
    title: data.title,
    key: [
      `prompts: ${sizes.join(", ")}`,
      ...(data.refusal.words ? [`behaviour: the answer ${data.refusal.words}`] : []),
      ...runKey(data),
    ],
    provenance: provenanceOf(data),
    tags: [...(data.example ? ["stored example"] : []), ...(isUnedited ? [] : [data.mark])],
    warnings: [
      ...(data.aside ? [data.aside] : []),
      ...split.warnings,
      ...(relaxed ? [relaxed] : []),
      ...(nothingOf(data.refusal) && !relaxed ? [nothingOf(data.refusal)] : []),
    ],
  };
}

/**
 * What was chosen or changed in a run.
 * @param {Room} data
 */
function runKey(data) {
  if (data.kind === "find")
    return data.choice ? [`layer ${data.choice.layer} chosen (${data.choice.rule})`] : [];
  if (data.kind === "feature")
    return [
      data.amount === null
        ? `feature ${data.feature} removed`
        : `feature ${data.feature} held at ${brief(data.amount)}`,
    ];
  const { vector, layer: asked } = data.request;
  const own = `direction of ${vector}, ${asked === null ? "every layer its own" : `layer ${asked}`}`;
  if (data.kind === "features") return vector ? [own] : [];
  if (!data.edit) return [];
  const { method, projection, layer, strength } = data.edit;
  const read = projection === "causal" ? "every layer" : `layer ${layer}`;
  const which = projection === FROM_FILE ? own : `${projection} direction of ${read}`;
  return [`${method}, ${which}, strength ${brief(strength)}`];
}

/** @param {Room} data */
function provenanceOf({ model, provenance, seconds }) {
  const at = model.revision === model.source ? "" : ` (${model.revision})`;
  const origin = `${model.id}${at}, ${model.source}`;
  const versions = `torch ${provenance.torch}, transformers ${provenance.transformers}`;
  return [
    `${origin}; ${model.family}, ${model.layers} layers: ${model.verdict} in the weights`,
    `${provenance.dtype} on ${provenance.device}, ${versions}, seed ${provenance.seed}`,
    ...provenance.datasets.map(
      ({ dataset, revision, split, column }) =>
        `${dataset}, ${split}, ${column}, ${revision.slice(0, 7)}`,
    ),
    ...(seconds ? [`${brief(seconds)} s`] : []),
  ].join(" · ");
}
