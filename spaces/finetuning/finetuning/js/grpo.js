// Training by rewards: groups of answers with what each is paid, curves, and what the reward costs.

import { brief, plural, whole } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openCosts } from "./grpocosts.js";
import { openGrpoCurves } from "./grpocurves.js";
import { openGroup } from "./grpogroup.js";

/**
 * @import {Grpo} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/**
 * What the views share.
 * @typedef {Object} GrpoSession
 * @property {number} round place of the step that is looked at; -1 for the last
 * @property {number} group which of its prompts
 * @property {(change: {round?: number, group?: number}) => void} choose
 */

/** Open the figure. */
export function openGrpo() {
  /** @type {GrpoSession} */
  const session = { round: -1, group: 0, choose: () => {} };
  let run = "";
  /** @type {Figure<Grpo>} */
  const figure = openTabbed(
    "finetuning",
    "Training by rewards",
    "Write a reward and press Train.",
    [
      { name: "group", label: "A group", open: (_, panel) => openGroup(panel, session) },
      {
        name: "rewards",
        label: "Curves",
        picture: true,
        open: (_, panel) => openGrpoCurves(panel),
      },
      {
        name: "costs",
        label: "What it gets, and what it costs",
        open: (_, panel) => openCosts(panel),
      },
    ],
    (data) => ({
      title: data.verdict,
      key: grpoKey(data),
      provenance: grpoProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
      warnings: grpoWarnings(data),
    }),
    {
      take(data) {
        if (data.run_id !== run) Object.assign(session, { round: -1, group: 0 });
        run = data.run_id;
      },
    },
  );
  session.choose = (change) => {
    Object.assign(session, change);
    figure.refresh();
  };
  return figure;
}

/** @param {Grpo} data */
function grpoKey({ request, questions, parameters, first }) {
  const [epsilon, beta] = [request.epsilon, request.beta].map((value) => brief(Number(value)));
  return [
    `GRPO (${request.loss}), groups of ${request.group}, ε ${epsilon}, β ${beta}`,
    plural(questions.prompts, "prompt"),
    `LoRA of ${whole(parameters)} parameters from block ${first} on`,
  ];
}

/** @param {Grpo} data */
function grpoProvenance({ provenance, questions, seconds, done, example }) {
  const { model, source, revision, dtype, device } = provenance;
  return [
    questions.source,
    revision === source ? `${model}, ${source}` : `${model}, ${source} (${revision})`,
    `${dtype} on ${device === "cuda" ? "a GPU" : "a processor"}`,
    ...(done && !example ? [`${brief(seconds, 2)} s in all`] : []),
  ].join(" · ");
}

/** @param {Grpo} data */
function grpoWarnings({ questions, cached, first, request, rounds }) {
  const said = questions.guessed ? [questions.guessed] : [];
  if (!questions.separate)
    said.push("All prompts are the same, or there is one: what is measured is what is trained on.");
  if (questions.more) said.push("Only the first prompts were read; there are more.");
  if (!request.rows && !request.dataset && questions.source !== `stored prompts “${request.data}”`)
    said.push("No link carries a file: the link below trains on the stored prompts.");
  if (!cached && first)
    said.push("This model’s lower blocks cannot be run ahead: the whole model ran in every step.");
  const known = rounds
    .flatMap(({ groups }) => groups)
    .filter(({ deviation }) => deviation !== null);
  const flat = known.filter(({ deviation }) => deviation === 0).length;
  if (flat)
    said.push(
      `In ${flat} of ${plural(known.length, "group")} all answers were paid the same: ` +
        "nothing is learnt from those.",
    );
  return said;
}
