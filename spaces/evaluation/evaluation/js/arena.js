// Pairs of answers without names: the visitor's votes, the judge's verdicts, and what both say.

import { brief, plural } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { VOTES } from "./booth.js";
import { openStanding } from "./standing.js";
import { openPairs, openVote } from "./vote.js";

/**
 * @import {Arena} from "./data.js"
 * @import {Booth, Vote} from "./booth.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/** Open the figure. */
export function openArena() {
  /** @type {Booth} */
  const booth = { run: "", votes: new Map(), order: [], names: false, changed: () => {} };
  /** @type {Figure<Arena>} */
  const figure = openTabbed(
    "evaluation",
    "Pairs of answers without names",
    "Name two models and press Make pairs.",
    [
      { name: "vote", label: "Vote", open: (_, panel) => openVote(panel, booth) },
      {
        name: "standing",
        label: "Standing",
        picture: true,
        open: (_, panel) => openStanding(panel, booth),
      },
      { name: "pairs", label: "Every pair", open: (_, panel) => openPairs(panel, booth) },
    ],
    (data) => ({
      title: data.verdicts[0],
      key: [],
      provenance: arenaProvenance(data),
      tags: data.example ? ["stored example"] : data.cancelled ? ["stopped"] : [],
    }),
    {
      forget: () => {},
      take(data) {
        if (booth.run === data.run_id) return;
        const stored = Object.entries(data.votes ?? {}).filter(
          ([at, vote]) => data.pairs[Number(at)] && vote in VOTES,
        );
        const votes = stored.map(
          ([at, vote]) => /** @type {[number, Vote]} */ ([Number(at), vote]),
        );
        booth.run = data.run_id;
        booth.votes = new Map(votes);
        booth.order = votes.map(([at]) => at);
        booth.names = false;
      },
      exported: (data) => ({ ...data, votes: Object.fromEntries(booth.votes) }),
    },
  );
  booth.changed = () => figure.refresh();
  return figure;
}

/** @param {Arena} data */
function arenaProvenance({ models, prompts, judge, provenance, seconds, done, example }) {
  const took = !example && done ? [`${brief(seconds, 2)} s`] : [];
  return [
    [
      plural(models.length, "model"),
      ...(prompts.length ? [plural(prompts.length, "prompt")] : []),
    ].join(", "),
    "greedy answers",
    judge ? `judge ${judge}` : "no judge",
    `seed ${provenance.seed}`,
    models[0].origin.source,
    ...took,
  ].join(" · ");
}
