// The odds in which a selected token was chosen: where they come from, and the sampler panel that
// plays with them.

import { h } from "../../../../shared/js/dom.js";
import { breakersOf } from "./dry.js";
import { nodesById, pathTo } from "./paths.js";
import { tailOf } from "./pill.js";
import { drawSampler } from "./sampler.js";

/**
 * @import {Failure} from "../../../../shared/js/data.js"
 * @import {Distribution, Node, Run, Trace} from "./data.js"
 * @import {Session} from "./figure.js"
 * @import {LlamaMemory} from "./llamachain.js"
 * @import {Entry, Place} from "./paths.js"
 * @import {Ask, SamplerView} from "./sampler.js"
 *
 * @typedef {Object} OddsPlace
 * @property {number} source the node after which the token was chosen
 * @property {Node[]} path to it
 * @property {string} key a name that no other odds have
 */

/**
 * What the odds at the end of a prompt depend on: the model's very copy, and the prompt as it read
 * it.
 * @param {Trace} trace
 */
export function originOf({ provenance, prompt }) {
  return JSON.stringify([provenance.model, provenance.revision, prompt.token_ids]);
}

/**
 * Where a token was chosen, or the place after the prompt.
 * @param {Trace} trace
 * @param {Run} run
 * @param {Node} node
 * @returns {OddsPlace}
 */
export function oddsAt(trace, run, node) {
  const source = node.parent ?? node.id;
  const path = pathTo(nodesById(run), source);
  const { constraint, constraint_text: text } = trace.request;
  const ids = path.map((other) => other.token_id);
  const key = JSON.stringify([originOf(trace), run.config, ids, constraint, text]);
  return { source, path, key };
}

/**
 * What llama.cpp's samplers remember of a text; of another run's text only its tokens.
 * @param {Trace} trace
 * @param {Run} run
 * @param {OddsPlace} odds
 * @returns {LlamaMemory}
 */
export function memoryAt(trace, run, { path, source }) {
  const taken = path
    .filter((node) => node.status === "chosen")
    .flatMap((node) => run.memories?.[String(node.parent)]?.taken ?? []);
  return {
    tokens: [...trace.prompt.token_ids, ...path.flatMap((node) => node.token_id ?? [])],
    breakers: breakersOf(run.breakers ?? []),
    chance: run.memories?.[String(source)]?.chance ?? 0,
    taken,
  };
}

/**
 * A function that asks the page for the odds at a place; null where the figure stands alone.
 * @param {Session} session
 * @param {number} index of the run
 * @param {OddsPlace} odds
 * @returns {Ask | null}
 */
function askerFor(session, index, { source, path }) {
  const { trace } = session;
  if (!session.host.fetch) return null;
  const run = trace.runs[index];
  const argument = {
    run: index,
    node: source,
    model: trace.request.model,
    token_ids: [...trace.prompt.token_ids, ...path.map((node) => node.token_id)],
    prompt_length: trace.prompt.token_ids.length,
    config: run.config,
    constraint: run.processors.includes("constraint") ? trace.request.constraint : "",
    constraint_text: trace.request.constraint_text,
  };
  return async (limit) => {
    const answer =
      /** @type {(Distribution & {error?: undefined}) | {error: Failure} | null | undefined} */ (
        await session.host.fetch?.("distribution", { ...argument, limit })
      );
    if (!answer) throw new Error("The odds could not be computed. Select another token.");
    if (answer.error) throw new Error(`${answer.error.what} ${answer.error.remedy}`);
    return answer;
  };
}

/**
 * The odds in which the selected token was chosen, or those after the prompt; asks for them where
 * they are not stored.
 * @param {HTMLElement} element
 * @param {Session} session
 * @param {Place} place
 * @param {Entry} entry
 * @param {OddsPlace} odds
 */
export function showSampler(element, session, place, entry, odds) {
  const { trace, running, fetched } = session;
  const run = trace.runs[entry.run];
  const taken = place.children.find((child) => child.users.includes(entry.run));
  const takenId = entry.node.token_id ?? taken?.tokenId ?? null;
  const text = trace.prompt.text + odds.path.map((node) => node.text).join("");
  const ask = askerFor(session, entry.run, odds);
  const stored = run.distributions[String(odds.source)] ?? fetched.get(odds.key);
  // A redraw would take the visitor's hand off the sliders: none unless there is something else to
  // show.
  const { kind, settings, processors, warpers, min_tokens_to_keep, prefix } = run;
  const mark = JSON.stringify([
    odds.key,
    entry.run,
    takenId,
    text,
    stored ?? running,
    Boolean(ask),
    [kind, settings, processors, warpers, min_tokens_to_keep, prefix],
  ]);
  if (element.dataset.mark === mark) return;
  element.dataset.mark = mark;
  const show = (/** @type {Distribution} */ distribution) => {
    /** @type {SamplerView} */
    const view = {
      distribution,
      run,
      index: entry.run,
      takenId,
      text: tailOf(text, 40),
      key: odds.key,
      own: trace.generation_config,
      memory: memoryAt(trace, run, odds),
      drew: run.memories?.[String(odds.source)]?.chance !== undefined,
    };
    drawSampler(element, view, session.host.emit, ask);
  };
  const say = (/** @type {string} */ words, role = /** @type {string | null} */ (null)) =>
    element.replaceChildren(h("p", { class: "said empty", role }, words));
  if (stored) show(stored);
  else if (running) say("The odds at this step come when the run is done.");
  else if (!ask) say("This file stores the odds along the returned texts only.");
  else {
    say("Asking the model for the odds at this step …", "status");
    ask(60)
      .then((distribution) => {
        fetched.set(odds.key, distribution);
        if (element.dataset.mark === mark) show(distribution);
      })
      .catch((/** @type {unknown} */ error) => {
        if (element.dataset.mark !== mark) return;
        const why = error instanceof Error && error.message;
        say(why || "The odds could not be computed. Select another token.", "alert");
      });
  }
}
