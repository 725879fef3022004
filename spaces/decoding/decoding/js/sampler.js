// The sampler panel: the distribution a token was chosen from, and the chain of stages, to play
// with. A slider is answered here, from the distribution at hand; only where the kept set reaches
// past it is the whole vocabulary asked for.

import { h } from "../../../../shared/js/dom.js";
import { runChain } from "./chain.js";
import { runLlamaChain } from "./llamachain.js";
import { llamaMemoryOf, llamaSettingsOf, ownLlama } from "./llamasettings.js";
import { openLlamaStages } from "./llamastages.js";
import { openOdds } from "./odds.js";
import { openRuntimes } from "./runtimesview.js";
import { openStages, stagesOf } from "./stages.js";

/**
 * @import {StageName} from "./chain.js"
 * @import {Distribution, Run} from "./data.js"
 * @import {LlamaMemory} from "./llamachain.js"
 * @import {OwnLlama} from "./llamasettings.js"
 *
 * @typedef {{name: StageName, value: number, on: boolean}} OwnStage a stage as the visitor set it
 *
 * @typedef {(limit: number | null) => Promise<Distribution>} Ask for the odds at a place with so
 *   many tokens, null for the whole vocabulary; fails with a sentence for the visitor
 *
 * @typedef {Object} SamplerView
 * @property {Distribution} distribution
 * @property {Run} run
 * @property {number} index of the run
 * @property {number | null} takenId the token that the panel follows through the chain
 * @property {string} text before the token
 * @property {string} key names these odds
 * @property {Record<string, unknown>} own what the model's own generation_config says
 * @property {LlamaMemory} memory what llama.cpp's samplers remember of the text
 * @property {boolean} drew whether XTC drew a number here
 *
 * @typedef {Object} SamplerState what the visitor did; it outlives a redraw
 * @property {OwnStage[]} stages
 * @property {OwnLlama | null} llama of a run in llama.cpp's dialect
 * @property {number} rows tokens that are listed
 * @property {string} named a token that the visitor wrote
 * @property {boolean} more whether rare stages are shown
 * @property {Distribution | null} whole the whole vocabulary
 * @property {boolean} asking
 * @property {string | null} failed why there is no whole vocabulary
 *
 * @typedef {Object} SamplerPanel what the panel's two halves share
 * @property {SamplerView} view
 * @property {SamplerState} state
 * @property {boolean} live whether the whole vocabulary can be asked for
 * @property {() => Distribution} distribution
 * @property {() => {name: StageName, value: number}[]} active the stages that are on
 * @property {number} least tokens that every filter leaves
 * @property {() => void} askWhole
 * @property {() => void} repaint
 * @property {(name: string, detail: object) => void} emit
 */

const ROWS = 14;

/** @type {Map<string, SamplerState>} by the odds that they work on */
const samplerStates = new Map();

/** @param {SamplerView} view */
function stateOf(view) {
  let state = samplerStates.get(view.key);
  if (!state) {
    if (samplerStates.size > 200) samplerStates.clear();
    state = {
      stages: stagesOf(view.run),
      llama: view.run.kind === "llama_cpp" ? ownLlama(view.run) : null,
      rows: ROWS,
      named: "",
      more: false,
      whole: null,
      asking: false,
      failed: null,
    };
    samplerStates.set(view.key, state);
  }
  return state;
}

/**
 * Draw the panel for one place in the text.
 * @param {HTMLElement} element
 * @param {SamplerView} view
 * @param {SamplerPanel["emit"]} emit
 * @param {Ask | null} ask
 */
export function drawSampler(element, view, emit, ask) {
  const state = stateOf(view);
  let painted = false;
  const repaint = () => {
    const result = state.llama
      ? runLlamaChain(
          panel.distribution(),
          llamaSettingsOf(state.llama),
          llamaMemoryOf(state.llama, view.memory),
        )
      : runChain(panel.distribution(), panel.active(), { minTokensToKeep: panel.least });
    if (!result.exact && !state.whole && ask && !state.failed) {
      askWhole();
      odds.say("The chain keeps tokens beyond those at hand: asking for the whole vocabulary …");
      if (painted) return;
    }
    painted = true;
    odds.paint(result);
    stages.paint(result);
    runtimes.paint();
  };
  const askWhole = async () => {
    if (state.asking || !ask) return;
    state.asking = true;
    try {
      state.whole = await ask(null);
    } catch (error) {
      state.failed =
        (error instanceof Error && error.message) || "The whole vocabulary could not be fetched.";
    }
    state.asking = false;
    if (odds.element.isConnected) repaint();
  };
  /** @type {SamplerPanel} */
  const panel = {
    view,
    state,
    live: Boolean(ask),
    distribution: () => state.whole ?? view.distribution,
    active: () =>
      state.stages.filter((stage) => stage.on).map(({ name, value }) => ({ name, value })),
    least: view.run.min_tokens_to_keep,
    askWhole,
    repaint,
    emit,
  };
  const odds = openOdds(panel);
  const stages = state.llama ? openLlamaStages(panel) : openStages(panel);
  const runtimes = openRuntimes(panel);
  element.classList.add("sampler");
  element.replaceChildren(
    odds.element,
    h("section", { class: "sampler-chain", "aria-label": "Sampler chain" }, stages.parts),
    ...(runtimes.element ? [runtimes.element] : []),
  );
  repaint();
}
