// What is trained on: the tokens of a row, five trainers side by side, findings with their fixes, all
// rows.

import { plural, whole } from "../../../../shared/js/numbers.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { openFindings } from "./findings.js";
import { openRowsTable } from "./rowstable.js";
import { openSides } from "./sides.js";
import { openTokens } from "./tokens.js";

/**
 * @import {Mask, Trainer} from "./data.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 */

/**
 * What the views share.
 * @typedef {Object} MaskSession
 * @property {number} row place of the row that is looked at
 * @property {Trainer} trainer whose labels are shown
 * @property {number} token place of the chosen token, -1 for none
 * @property {(change: {row?: number, trainer?: Trainer, token?: number}, view?: string) => void} choose
 */

/** Open the figure. */
export function openMask() {
  /** @type {MaskSession} */
  const session = { row: 0, trainer: "trl", token: -1, choose: () => {} };
  let run = "";
  /** @type {Figure<Mask>} */
  const figure = openTabbed(
    "finetuning",
    "What is trained on",
    "Paste a conversation and press Look.",
    [
      { name: "tokens", label: "Tokens", open: (_, panel) => openTokens(panel, session) },
      { name: "sides", label: "Five trainers", open: (_, panel) => openSides(panel, session) },
      {
        name: "findings",
        label: "Findings and fixes",
        open: (_, panel) => openFindings(panel, session),
      },
      { name: "rows", label: "Rows", open: (_, panel) => openRowsTable(panel, session) },
    ],
    (data) => ({
      title: data.verdict,
      key: maskKey(data),
      provenance: maskProvenance(data),
      tags: data.example ? ["stored example"] : [],
      warnings: maskWarnings(data),
    }),
    {
      take(data) {
        if (data.run_id === run) return;
        run = data.run_id;
        Object.assign(session, startOf(data));
      },
    },
  );
  session.choose = (change, view) => {
    if (change.row !== undefined && change.row !== session.row) session.token = -1;
    Object.assign(session, change);
    if (view && view !== figure.current) figure.open(view);
    else figure.refresh();
  };
  return figure;
}

/**
 * Where a visitor begins: the first row of the gravest finding.
 * @param {Mask} data
 */
function startOf(data) {
  const wanted = data.findings.find(({ rows }) => rows.length)?.rows[0];
  const place = data.rows.findIndex(({ number, error }) => number === wanted && !error);
  const first = data.rows.findIndex(({ error }) => !error);
  return { row: Math.max(0, place < 0 ? first : place), trainer: data.trainer, token: -1 };
}

/** @param {Mask} data */
function maskKey(data) {
  const { trained, kept, refused, dropped } = data.totals[data.trainer];
  const out = refused + dropped;
  return [
    data.trainers[data.trainer],
    `${whole(trained)} of ${plural(kept, "token")} trained on`,
    ...(out ? [`${plural(out, "row")} not taken or left out`] : []),
  ];
}

/** @param {Mask} data */
function maskProvenance({ provenance, rows }) {
  const { model, revision, template, rows: source, more } = provenance;
  const count = more ? `the first ${plural(rows.length, "row")}` : plural(rows.length, "row");
  return `${count} · ${source} · tokenizer of ${model} (${revision}) · ${template}`;
}

/** @param {Mask} data */
function maskWarnings({ provenance }) {
  const { added, eos, guessed } = provenance;
  const said = guessed ? [guessed] : [];
  if (added.length)
    said.push(
      `The tokenizer did not know ${added.join(", ")}: added as tokens, as TRL’s clone_chat_template does;` +
        ` EOS is ${eos}.`,
    );
  return said;
}
