// The figure of two models: their texts as one tree with the distance of their odds below it, the
// texts, the steps, and what it means.

import { h, keepFocus } from "../../../../shared/js/dom.js";
import { percent, plural, whole } from "../../../../shared/js/numbers.js";
import { isPlace } from "../../../../shared/js/seen.js";
import { hideHint, showHint } from "../../../../shared/js/shell.js";
import { openTabbed } from "../../../../shared/js/tabbed.js";
import { highlight } from "./figure.js";
import { grown } from "./growth.js";
import { drawKey } from "./key.js";
import { runLabel } from "./lines.js";
import { keyAt, pairForest, pairOdds, stepAt, tellingStep } from "./pairforest.js";
import { drawStepCard } from "./pairstep.js";
import { drawStrip, natsWords } from "./pairstrip.js";
import { drawSummary, openPairSteps } from "./pairtable.js";
import { openPairTexts } from "./pairtexts.js";
import { fromLog } from "./paths.js";
import { tokenElement } from "./pill.js";
import { chooseOthers, openZoomLevel, sayZoom, zoomTools } from "./treetools.js";
import { openTreeView } from "./treeview.js";

/**
 * @import {Canvas} from "../../../../shared/js/canvas.js"
 * @import {Figure} from "../../../../shared/js/tabbed.js"
 * @import {Pair} from "./data.js"
 * @import {Session} from "./figure.js"
 * @import {StepPlace} from "./pairforest.js"
 * @import {Place} from "./paths.js"
 *
 * @typedef {Object} PairExtras
 * @property {Pair} pair
 * @property {string[]} names of the two models
 * @property {StepPlace | null} at the selected step
 * @property {(at: StepPlace) => void} choose
 *
 * @typedef {Session & PairExtras} PairSession
 */

const NO_PAIR_YET = "Name two models, write a prompt and press Compare.";

/** A comparison; view, zoom and selection stay as the visitor left them. */
export function openPair() {
  /** @type {PairSession | null} */
  let session = null;
  let blank = true;
  /** @type {Canvas | null} */
  let canvas = null;
  const asSession = () => /** @type {PairSession} */ (session); // views are opened after data came

  /** @type {Figure<Pair>} */
  const figure = openTabbed(
    "decoding",
    "Two models compared",
    NO_PAIR_YET,
    [
      {
        name: "tree",
        label: "Tree and distance",
        picture: true,
        open: (_figure, panel) => {
          const view = openTreeView(panel, asSession(), (frame, layout) =>
            drawStrip(frame, layout, asSession()),
          );
          canvas = view.canvas;
          panel.append(
            h(
              "p",
              { class: "picture-caption said" },
              "The fill of a pill is its probability in the model of its lane (in the first one where both " +
                "go), the triangle its probability in the other.",
            ),
          );
          return () => {
            view.update();
            highlight(panel, asSession().highlighted);
          };
        },
      },
      {
        name: "texts",
        label: "Texts",
        open: (_figure, panel) => openPairTexts(panel, asSession()),
      },
      {
        name: "steps",
        label: "Steps",
        open: (_figure, panel) => openPairSteps(panel, asSession()),
      },
    ],
    () => {
      drawKey(parts.key, asSession());
      return pairFacts(asSession());
    },
    {
      take(news) {
        const before = blank ? null : asSession().pair;
        const trace = grown(before?.trace ?? null, news.trace);
        const pair = { ...news, trace };
        session ??= openSession(pair);
        takePair(session, pair, before);
        blank = false;
        drawCards();
      },
      forget() {
        blank = true;
        parts.details.replaceChildren();
        parts.key.replaceChildren();
      },
      exported: () => asSession().pair,
      progress() {
        const { trace } = asSession();
        const step = Math.max(
          0,
          ...trace.runs.flatMap(({ nodes }) => nodes.map((node) => node.step)),
        );
        return {
          value: step,
          max: Math.max(step, trace.request.max_new_tokens),
          label: "Comparing",
        };
      },
      tools: (view) => ({
        mark: String(Boolean(canvas)),
        buttons: () =>
          view === "tree"
            ? [chooseOthers(asSession().alternatives, showOthers), ...zoomTools(canvas, zoomLevel)]
            : [],
      }),
    },
  );
  figure.root.classList.add("pair-figure");
  const { parts } = figure;
  const zoomLevel = openZoomLevel();

  const drawCards = () => {
    const now = asSession();
    const cards = [drawSummary(now), drawStepCard(now)].filter((card) => card !== null);
    keepFocus(parts.details, () => parts.details.replaceChildren(...cards));
  };
  figure.hold(
    "token",
    () => {
      const { at, pair } = asSession();
      const first = tellingStep(pair);
      return at && (at.text !== first?.text || at.step !== first.step)
        ? [at.text, at.step]
        : undefined;
    },
    (value) => {
      const [text, step] = Array.isArray(value) ? value : [];
      const fits = isPlace(step, asSession().pair.texts[text]?.steps.length ?? 0);
      if (fits) asSession().choose({ text, step });
      return fits;
    },
  );
  const showOthers = (/** @type {number} */ count) => {
    asSession().alternatives = count;
    figure.refresh();
  };

  /**
   * @param {Pair} pair
   * @returns {PairSession}
   */
  const openSession = (pair) => ({
    id: figure.id,
    get host() {
      return figure.host;
    },
    pair,
    trace: pair.trace,
    names: pair.trace.runs.map(({ name }) => name),
    forest: pairForest(pair.trace, pair),
    running: false,
    at: null,
    selected: { key: "", run: null },
    alternatives: 1,
    highlighted: null,
    fetched: new Map(),
    hold: figure.hold,
    redraw: () => figure.refresh(),
    zoomed() {
      sayZoom(zoomLevel, canvas);
    },
    select(key) {
      const now = asSession();
      const place = now.forest.places.get(key) ?? now.forest.root;
      now.selected = { key, run: null };
      now.at = stepAt(now.pair, place) ?? now.at;
      figure.refresh();
      drawCards();
      parts.live.textContent = place.parent ? `Token ${place.depth} is selected.` : "";
    },
    choose(at) {
      const now = asSession();
      now.at = at;
      now.selected = { key: keyAt(now.pair, at), run: null };
      figure.refresh();
      drawCards();
      parts.live.textContent = `Token ${at.step + 1} is selected.`;
    },
    canBranch: () => false,
    branch: () => {},
    explain: (target, place) => showHint(figure, target, pairHint(asSession(), place)),
    explainWith: (target, content) => showHint(figure, target, content),
    hush: () => hideHint(figure),
  });
  return figure;
}

/**
 * Take a comparison over. A selected step stays where the same texts have it; a finished run begins
 * with the step that tells most.
 * @param {PairSession} session
 * @param {Pair} pair
 * @param {Pair | null} before
 */
function takePair(session, pair, before) {
  const texts = (/** @type {Pair} */ { texts: all }) => all.map(({ token_ids: ids }) => ids.join());
  Object.assign(session, {
    pair,
    trace: pair.trace,
    names: pair.trace.runs.map(({ name }) => name),
    forest: pairForest(pair.trace, pair),
    running: !pair.done && !pair.cancelled,
  });
  if (before && texts(before).join("/") === texts(pair).join("/")) return;
  session.at = tellingStep(pair);
  session.selected = { key: session.at ? keyAt(pair, session.at) : "", run: null };
}

/**
 * What stands above the views.
 * @param {PairSession} session
 */
function pairFacts({ pair, trace, running, names }) {
  const [first, second] = pair.models;
  const written = trace.runs.map(({ nodes }) => Math.max(...nodes.map((node) => node.step)));
  const tags = [
    ...(running ? [`step ${Math.max(...written)} of ${trace.request.max_new_tokens}`] : []),
    ...(pair.example ? ["stored example"] : []),
    ...(pair.cancelled && !pair.done ? ["stopped early"] : []),
  ];
  const rest = second.source.startsWith(first.source)
    ? second.source.slice(first.source.length).replace(/^, /, "")
    : second.source;
  const copies = [first.source, rest && `second: ${rest}`];
  const facts = [
    `“${trace.prompt.text.trim().slice(0, 60)}”`,
    ...copies,
    first.dtype,
    `seed ${first.seed}`,
    `n = ${plural(trace.runs.length, "text")} of up to ${plural(trace.request.max_new_tokens, "token")}`,
  ];
  return {
    title: h("bdi", { title: trace.prompt.text }, pair.finding || `${names.join(" and ")} …`),
    provenance: facts.filter(Boolean).join(", "),
    tags,
    warnings: [...trace.prompt.notes, ...pair.notes],
  };
}

/**
 * The hint on a token: its odds and rank in both models.
 * @param {PairSession} session
 * @param {Place} place
 */
function pairHint({ pair, trace }, place) {
  if (!place.parent) return [h("p", {}, "The end of the prompt")];
  const odds = pairOdds(pair, place);
  const at = stepAt(pair, place);
  const step = at && pair.texts[at.text].steps[at.step];
  const index = step && place.tokenId !== null ? step.ids.indexOf(place.tokenId) : -1;
  return [
    h("p", {}, tokenElement(place)),
    ...trace.runs.map((run, side) =>
      h(
        "p",
        { class: "fate" },
        runLabel(run),
        `: ${odds ? percent(fromLog(odds[side])) : "–"}`,
        step && index >= 0 ? `, rank ${whole(step.ranks[side][index])}` : "",
      ),
    ),
    step
      ? h(
          "p",
          {},
          `KL(first‖second) ${natsWords(step.forward)}, back ${natsWords(step.backward)} nats`,
        )
      : null,
  ];
}
