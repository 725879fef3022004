// A model that learns: held-out answers that cool down, curves, behaviours, weights, what else moved.

import { brief, plural, whole } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openCooling } from "./cooling.js";
import { openCurves } from "./curves.js";
import { openMoved } from "./moved.js";
import { openSaid } from "./said.js";
import { trainTitle } from "./traintitle.js";

/**
 * @import {Train} from "./data.js"
 * @import {TrainSession} from "./trainsteps.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/** Open the figure. */
export function openTrain() {
  /** @type {TrainSession} */
  const session = { mark: -1, run: 0, choose: () => {} };
  let run = "";
  /** @type {Figure<Train>} */
  const figure = openTabbed(
    "finetuning",
    "A model that learns",
    "Choose what to teach and press Train.",
    [
      {
        name: "cooling",
        label: "The text cools down",
        open: (_, panel) => openCooling(panel, session),
      },
      { name: "curves", label: "Curves", picture: true, open: (_, panel) => openCurves(panel) },
      { name: "said", label: "What it says", open: (_, panel) => openSaid(panel) },
      {
        name: "moved",
        label: "Weights, and what else moved",
        open: (_, panel) => openMoved(panel, session),
      },
    ],
    (data) => ({
      title: trainTitle(data),
      key: trainKey(data),
      provenance: trainProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
      warnings: trainWarnings(data),
    }),
    {
      take(data) {
        if (data.run_id !== run) Object.assign(session, { mark: -1, run: 0 });
        run = data.run_id;
        session.run = Math.min(session.run, data.runs.length - 1);
      },
    },
  );
  session.choose = (change) => {
    Object.assign(session, change);
    figure.refresh();
  };
  return figure;
}

/** @param {Train} data */
function trainKey({ objective, beta, trained, runs, request }) {
  const [run] = runs;
  return [
    {
      sft: "SFT",
      dpo: `DPO, β ${brief(beta)}`,
      orpo: `ORPO, λ ${brief(beta)}`,
      kto: `KTO, β ${brief(beta)}${weightWords(request)}`,
    }[objective],
    `${plural(trained.rows, "row")}, ${plural(trained.tokens, "trained token")}`,
    ...(request.packing ? ["packed"] : []),
    ...(request.qlora ? ["weights in NF4"] : []),
    ...(run ? [`LoRA of ${whole(run.parameters)} parameters from block ${run.first} on`] : []),
  ];
}

/** @param {Train["request"]} request */
function weightWords(request) {
  const [wanted, unwanted] = ["", "un"].map((one) => Number(request[`${one}desirable_weight`]));
  return wanted === unwanted ? "" : `, weights ${brief(wanted)} : ${brief(unwanted)}`;
}

/** @param {Train} data */
function trainProvenance(data) {
  const { provenance, trained, runs, seconds, done } = data;
  const { model, source, revision, dtype, device } = provenance;
  const live = !data.example;
  const pace = live && runs[0]?.seconds ? [`${brief(runs[0].seconds, 2)} s a step`] : [];
  const took = live && done ? [`${brief(seconds, 2)} s in all`] : [];
  return [
    trained.source,
    revision === source ? `${model}, ${source}` : `${model}, ${source} (${revision})`,
    `${dtype} on ${device === "cuda" ? "a GPU" : "a processor"}`,
    ...pace,
    ...took,
  ].join(" · ");
}

/** @param {Train} data */
function trainWarnings({ trained, runs, resumed, request }) {
  const { left_out: out, cut, empty, separate, more } = trained;
  const said = [...(trained.ignored ?? [])];
  if (!separate)
    said.push("All rows are the same, or there is one: what is shown is what is trained on.");
  if (out.length)
    said.push(
      `${plural(out.length, "row")} left out, since max_length leaves nothing to train on: ` +
        `${out.slice(0, 6).join(", ")}${out.length > 6 ? ", …" : ""}.`,
    );
  if (cut) said.push(`max_length cuts ${plural(cut, "row")}.`);
  if (empty) said.push(`${plural(empty, "row")} with an empty answer: only its end is trained on.`);
  if (more) said.push("Only the first rows were read; there are more.");
  if (!request.rows && !request.dataset && trained.source !== `stored set “${request.data}”`)
    said.push("No link carries a file: the link below trains on the stored set.");
  if (resumed !== null)
    said.push(`Went on from step ${resumed} of an earlier run: the link below trains anew.`);
  if (request.qlora || runs.some(({ changes }) => changes.qlora))
    said.push(
      "QLoRA here: the frozen weights are NF4’s, held in float32, so that no memory is saved.",
    );
  if (runs[0] && !runs[0].cached && runs[0].first)
    said.push("This model’s lower blocks cannot be run ahead: the whole model ran in every step.");
  // a lone run's end is the figure's title
  if (runs.length > 1)
    for (const { name, stopped } of runs) if (stopped) said.push(`${name}: ${stopped}`);
  return said;
}
