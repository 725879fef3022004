// Which views each room's figure has, and what stands above them.

import { brief } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openAnswerPairs } from "./answers.js";
import { openCandidates } from "./candidates.js";
import { openCertificate } from "./certificate.js";
import { openFeatures, openFeatureTokens } from "./features.js";
import { openFind } from "./findview.js";
import { openDamage, openMeasuredAnswers } from "./damage.js";
import { openParetoView } from "./pareto.js";
import { openReturn, openXray } from "./xray.js";

const inside = (data) => data.done && !data.pairs?.[0]?.xray;
const DAMAGE = [
  {
    name: "damage",
    label: "Removed and damaged",
    picture: true,
    hidden: (data) => !data.measures?.behaviour?.positive?.edited,
    open: openDamage,
  },
  {
    name: "judged",
    label: "Answers",
    hidden: (data) => !data.measures?.behaviour?.positive?.edited,
    open: openMeasuredAnswers,
  },
];

const ROOMS = {
  find: [
    "Where two sets of prompts part",
    "Press Find the direction.",
    [
      { name: "layers", label: "Layers", picture: true, open: openFind },
      { name: "candidates", label: "Candidates", picture: true, open: openCandidates },
    ],
  ],
  ablate: [
    "Base and edited model, side by side",
    "Press Remove it.",
    [
      { name: "answers", label: "Answers", open: openAnswerPairs },
      { name: "xray", label: "X-ray", picture: true, hidden: inside, open: openXray },
      {
        name: "return",
        label: "Does it come back?",
        picture: true,
        hidden: (data) => !data.re_emergence?.length,
        open: openReturn,
      },
    ],
  ],
  measure: ["What was removed and what was damaged", "Press Measure.", DAMAGE],
  optimise: [
    "A search for a kernel",
    "Press Search a kernel.",
    [{ name: "pareto", label: "Pareto", picture: true, open: openParetoView }, ...DAMAGE],
  ],
  features: [
    "What the direction is made of",
    "Press Take it apart.",
    [
      { name: "atoms", label: "Direction as features", picture: true, open: openFeatures },
      { name: "tokens", label: "Features of a prompt", open: openFeatureTokens },
    ],
  ],
  feature: [
    "Answers with one feature changed",
    "Press Remove it or Hold it at on a feature above.",
    [{ name: "answers", label: "Answers", open: openAnswerPairs }],
  ],
  certificate: [
    "Certificate of the edited weights",
    "Press Certify.",
    [{ name: "certificate", label: "Certificate", open: openCertificate }],
  ],
};
ROOMS.export = ROOMS.certificate;

/** Open a room's figure. */
export function openRoom(kind) {
  const [label, empty, views] = ROOMS[kind] ?? ROOMS.find;
  const figure = openTabbed("abliteration", label, empty, views, roomFacts);
  const show = figure.show;
  figure.show = (data) => show(data && !data.error ? { ...data, drawable: drawable(data) } : data);
  return figure;
}

/** Whether there is something to draw yet. */
function drawable(data) {
  return {
    find: data.layers,
    ablate: data.pairs,
    feature: data.pairs,
    measure: data.measures?.behaviour?.positive?.edited,
    optimise: data.trials?.length,
    features: data.pursuit,
    certificate: data.certificate,
    export: data.certificate,
  }[data.kind];
}

function roomFacts(data) {
  const { model, split, edit, provenance } = data;
  const sizes = ["fit", "select", "report"]
    .map((part) => `${part} ${split[part].positive.length} + ${split[part].negative.length}`)
    .join(", ");
  const key = [`prompts: ${sizes}`];
  if (data.choice) key.push(`layer ${data.choice.layer} chosen (${data.choice.rule})`);
  if (data.kind === "feature")
    key.push(
      data.amount === null
        ? `feature ${data.feature} removed`
        : `feature ${data.feature} held at ${brief(data.amount)}`,
    );
  if (edit)
    key.push(
      `${edit.method}, ${edit.projection} direction of layer ${edit.layer}, strength ${brief(edit.strength)}`,
    );
  return {
    title: data.title,
    key,
    provenance: `${model.id} (${model.revision}), ${model.source}; ${model.family}, ${model.layers} layers: ${model.verdict} in the weights · ${provenance.dtype} on ${provenance.device}, torch ${provenance.torch}, transformers ${provenance.transformers}, seed ${provenance.seed}${(provenance.datasets ?? []).map(({ dataset, revision, split, column }) => ` · ${dataset}, ${split}, ${column}, ${revision.slice(0, 7)}`).join("")}${data.seconds ? ` · ${brief(data.seconds)} s` : ""}`,
    tags: [
      ...(data.example ? ["stored example"] : []),
      ...(data.kind === "find" || data.kind === "features" ? [] : [data.mark]),
    ],
    warnings: [...(split.warnings ?? []), ...(data.choice?.relaxed ? [data.choice.relaxed] : [])],
  };
}
