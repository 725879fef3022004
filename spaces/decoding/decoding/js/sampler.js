// The sampler panel: the distribution a token was chosen from, and the chain of stages, to play with. A slider is answered
// here, from the distribution at hand; only where the kept set reaches past it is the whole vocabulary asked for.
import { SAMPLER_STAGES, condense, isOff, keepingRanges, runChain } from "./chain.js";
import { h, visible } from "../../../../shared/js/dom.js";
import { number, percent } from "../../../../shared/js/numbers.js";

const COMMON_STAGES = ["temperature", "top_k", "top_p", "min_p"];
const SUGGESTED = {
  temperature: 1,
  top_h: 0.4,
  top_k: 50,
  top_p: 0.9,
  min_p: 0.1,
  typical_p: 0.9,
  epsilon_cutoff: 0.001,
  eta_cutoff: 0.001,
};
const ROWS = 14;

/** Slider positions by the odds that they work on, so that they outlive a redraw. */
const samplerStates = new Map();

/** The stages of a run: its own values, switched on where `generate` applies them. */
function stagesOf(run) {
  const active = run.processors.slice(run.warpers);
  return SAMPLER_STAGES.map(({ name }) => {
    const set = run.config[name];
    const value = typeof set === "number" && !isOff(name, set) ? set : SUGGESTED[name];
    return { name, value, on: active.includes(name) };
  });
}

/**
 * Draw the panel for one place in the text.
 * @param {HTMLElement} element
 * @param {{distribution: object, run: object, node: number, takenId: number|null, nodeText: string, key: string, stored: boolean}} view
 * @param {{emit: Function, fetch: null|Function}} host
 */
export function drawSampler(element, view, host) {
  let state = samplerStates.get(view.key);
  if (!state) {
    if (samplerStates.size > 200) samplerStates.clear();
    samplerStates.set(
      view.key,
      (state = {
        stages: stagesOf(view.run),
        rows: ROWS,
        named: "",
        more: false,
        whole: null,
        asking: null,
        failed: null,
      }),
    );
  }
  const panel = { element, view, host, state, distribution: state.whole ?? view.distribution };
  const left = h("section", {
    class: "sampler-odds",
    "aria-label": "Distribution after the chain",
  });
  const right = h("section", { class: "sampler-chain", "aria-label": "Sampler chain" });
  element.classList.add("sampler");
  element.replaceChildren(left, right);
  panel.left = left;
  buildOdds(panel);
  buildChain(panel, right);
  repaint(panel);
}

// Left: the odds

function buildOdds(panel) {
  const { view, state } = panel;
  panel.summary = h("p", { class: "said", "aria-live": "polite" });
  panel.bars = h("div", {
    class: "odds",
    role: "table",
    "aria-label": "Tokens with their probability before and after the chain",
  });
  panel.more = h(
    "button",
    {
      type: "button",
      class: "small",
      onclick: () => {
        state.rows += 30;
        repaint(panel);
      },
    },
    "show more",
  );
  panel.ranges = h("p", { class: "said ranges" });
  const field = h("input", {
    type: "text",
    value: state.named,
    "aria-label": "Probability of a token that you name",
    placeholder: "a token, for example  door",
    maxlength: 60,
    spellcheck: "false",
  });
  field.addEventListener("input", () => {
    state.named = field.value;
    nameToken(panel);
  });
  panel.named = h("div", { class: "named-answer", "aria-live": "polite" });
  panel.left.append(
    h(
      "h2",
      {},
      "After ",
      h("bdi", { class: "token" }, visible(view.nodeText.slice(-24))),
      ": what the chain keeps",
    ),
    panel.summary,
    panel.bars,
    panel.more,
    panel.ranges,
    h("label", { class: "named" }, h("span", {}, "Probability of"), field),
    panel.named,
  );
}

function activeStages(state) {
  return state.stages.filter((stage) => stage.on).map(({ name, value }) => ({ name, value }));
}

/** Tokens that every filter leaves; results from before the trace said so come from a model with one end of text. */
function minimumKept(view) {
  return view.run.min_tokens_to_keep ?? (view.run.kind === "beam_sample" ? 2 : 1);
}

function repaint(panel) {
  const { view, state } = panel;
  const stages = activeStages(state);
  const result = runChain(panel.distribution, stages, { minTokensToKeep: minimumKept(view) });
  if (!result.exact && !state.whole && panel.host.fetch && !state.failed) {
    askWhole(panel);
    panel.summary.textContent =
      "The chain keeps tokens beyond those at hand: asking for the whole vocabulary …";
    if (panel.painted) return;
  }
  panel.painted = true;
  panel.result = result;
  paintBars(panel, result);
  paintStages(panel, result);
  nameToken(panel);
  clearTimeout(panel.later);
  panel.later = setTimeout(() => paintRanges(panel), 60);
}

function askWhole(panel) {
  const { state, host } = panel;
  if (state.asking) return;
  state.asking = host
    .fetch("distribution", { limit: null })
    .then((distribution) => {
      if (distribution?.error)
        throw new Error(`${distribution.error.what} ${distribution.error.remedy}`);
      state.whole = distribution;
    })
    .catch((error) => {
      state.failed = error.message || "The whole vocabulary could not be fetched.";
    })
    .finally(() => {
      state.asking = null;
      if (!panel.left.isConnected) return;
      panel.distribution = state.whole ?? panel.distribution;
      repaint(panel);
    });
}

function paintBars(panel, result) {
  const { distribution, state, view } = panel;
  const { ids, texts, raw } = distribution;
  const final = result.last.probabilities;
  const order = [...ids.keys()].slice(0, Math.max(state.rows, 1));
  const takenPlace = ids.indexOf(view.takenId);
  if (takenPlace >= order.length) order.push(takenPlace);
  const largest = Math.max(
    1e-9,
    ...order.map((i) => Math.max(final[i] ?? 0, Math.exp(raw[i] ?? -99))),
  );
  const removedBy = (i) =>
    result.stages.find((stage) => !stage.off && !(stage.probabilities[i] > 0));
  const rows = [];
  let cut = null;
  for (const i of order) {
    const before = Math.exp(raw[i]);
    const after = final[i];
    const by = after > 0 ? null : removedBy(i);
    if (by && by.name !== cut) {
      cut = by.name;
      const removed = h(
        "div",
        { class: "cut-line", role: "row" },
        h(
          "span",
          { role: "cell" },
          `cut by ${by.name} ${by.value}: ${by.kept.toLocaleString("en")} kept, ${percent(by.keptMass)} of the mass before it`,
        ),
      );
      rows.push(removed);
    }
    const taken = ids[i] === view.takenId;
    rows.push(
      h(
        "div",
        { class: `odd${by ? " removed" : ""}${taken ? " taken" : ""}`, role: "row" },
        h(
          "bdi",
          { class: "token", role: "cell", title: texts[i].length > 14 ? texts[i] : null },
          visible(texts[i]) || "∅",
          taken ? h("span", { class: "unseen" }, " (taken)") : null,
        ),
        h(
          "span",
          { class: "track", role: "presentation" },
          h("i", { class: "raw", style: { width: `${(100 * before) / largest}%` } }),
          h("i", {
            class: "final",
            style: { width: `${(100 * (by ? before : after)) / largest}%` },
          }),
        ),
        h(
          "span",
          { class: "num raw-number", role: "cell", title: "the model's own probability" },
          percent(before),
        ),
        h(
          "span",
          { class: "num", role: "cell", title: "after the chain" },
          by ? "out" : percent(after),
        ),
      ),
    );
  }
  const removedRows = (distribution.removed ?? [])
    .slice(0, 3)
    .map((token) =>
      h(
        "div",
        { class: "odd removed", role: "row" },
        h("bdi", { class: "token", role: "cell" }, visible(token.text)),
        h(
          "span",
          { class: "track", role: "presentation" },
          h("i", { class: "final", style: { width: `${(100 * Math.exp(token.raw)) / largest}%` } }),
        ),
        h("span", { class: "num raw-number", role: "cell" }, percent(Math.exp(token.raw))),
        h("span", { class: "num", role: "cell", title: `removed by ${token.by}` }, "barred"),
      ),
    );
  panel.bars.replaceChildren(
    h(
      "div",
      { class: "odd head", role: "row" },
      h("span", { role: "columnheader" }, "token"),
      h("span", {}),
      h("span", { class: "num", role: "columnheader" }, "model"),
      h("span", { class: "num", role: "columnheader" }, "chain"),
    ),
    ...removedRows,
    ...rows,
  );
  panel.more.hidden = state.rows >= ids.length;
  const rest = result.last.tailMass;
  let sentence = `${result.last.kept.toLocaleString("en")} of ${distribution.vocab_size.toLocaleString("en")} tokens stay`;
  sentence += rest > 0 ? `; the ones not listed here hold ${percent(rest)}.` : ".";
  if (!result.exact) {
    const stage = result.stages[result.stages.length - 1];
    sentence =
      `${stage.name}: ${stage.text}. ` +
      (state.failed ??
        (panel.host.fetch
          ? "Asking for the whole vocabulary …"
          : `This file stores the ${ids.length} likeliest tokens; open the demo for the rest.`));
  }
  panel.summary.textContent = sentence;
}

function paintRanges(panel) {
  const { state, view } = panel;
  if (view.takenId === null || view.takenId === undefined || !panel.left.isConnected) {
    panel.ranges.textContent = "";
    return;
  }
  const few = state.whole ? condense(panel.distribution, 400) : panel.distribution;
  const place = few.ids.indexOf(view.takenId);
  if (place < 0) {
    panel.ranges.textContent = "The selected token is not among the tokens at hand.";
    return;
  }
  const ranges = keepingRanges(few, activeStages(state), view.takenId, {
    minTokensToKeep: minimumKept(view),
  });
  const words = (name, list) => {
    if (list === null) return null;
    if (!list.length) return `no ${name}`;
    return list
      .map(({ from, to }) => {
        const digits = name === "top_k" ? 0 : name === "temperature" ? 2 : 3;
        if (from === -Infinity && to === Infinity) return `any ${name}`;
        if (from === -Infinity) return `${name} ≤ ${number(to, digits)}`;
        if (to === Infinity) return `${name} ≥ ${number(from, digits)}`;
        return `${name} ${number(from, digits)} to ${number(to, digits)}`;
      })
      .join(" or ");
  };
  const parts = Object.entries(ranges)
    .map(([name, list]) => words(name, list))
    .filter(Boolean);
  panel.ranges.replaceChildren(
    h("bdi", { class: "token" }, visible(few.texts[place])),
    ` stays in with ${parts.join(", ")}`,
    h("span", { class: "said" }, " (one at a time, the others as set)"),
  );
}

function nameToken(panel) {
  const { state, distribution, host, result } = panel;
  const wanted = state.named;
  if (!wanted) {
    panel.named.replaceChildren();
    return;
  }
  const places = [wanted, ` ${wanted}`]
    .map((text) => distribution.texts.indexOf(text))
    .filter((place) => place >= 0);
  if (!places.length) {
    const missing = state.whole || !distribution.tail;
    let sentence = missing
      ? "No single token reads like this; longer words are several tokens."
      : (state.failed ?? "It is not among the tokens at hand.");
    if (!missing && host.fetch && !state.failed) {
      sentence = "Looking through the whole vocabulary …";
      clearTimeout(panel.looking);
      panel.looking = setTimeout(() => askWhole(panel), 350);
    } else if (!missing && !host.fetch)
      sentence = `This file stores the ${distribution.ids.length} likeliest tokens; it is not among them.`;
    panel.named.replaceChildren(h("span", { class: "said" }, sentence));
    return;
  }
  panel.named.replaceChildren(
    ...places.map((place) =>
      h(
        "p",
        {},
        h("bdi", { class: "token" }, visible(distribution.texts[place])),
        `: rank ${(place + 1).toLocaleString("en")}, model ${percent(Math.exp(distribution.raw[place]))}`,
        ...result.stages
          .filter((stage) => !stage.off)
          .map((stage) => `, after ${stage.name} ${percent(stage.probabilities[place])}`),
      ),
    ),
  );
}

// Right: the chain

function buildChain(panel, right) {
  const { state, view, host } = panel;
  panel.list = h("ol", { class: "stages" });
  panel.applied = h(
    "button",
    { type: "button", class: "action", onclick: () => apply(panel) },
    "Decode with these settings",
  );
  panel.note = h("p", { class: "said" });
  right.append(
    h("h2", {}, "Sampler chain"),
    h(
      "p",
      { class: "said" },
      "Stages work from top to bottom. Drag one by its handle, or use the arrows, to change the order.",
    ),
    panel.list,
    h(
      "p",
      { class: "actions" },
      host.fetch ? panel.applied : null,
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            state.stages = stagesOf(view.run);
            layStages(panel);
            repaint(panel);
          },
        },
        "Reset",
      ),
    ),
    panel.note,
  );
  layStages(panel);
}

function layStages(panel) {
  const { state } = panel;
  const shown = state.stages.filter(
    (stage) => state.more || stage.on || COMMON_STAGES.includes(stage.name),
  );
  panel.cards = new Map();
  panel.list.replaceChildren(...shown.map((stage) => stageCard(panel, stage, shown)));
  if (shown.length < state.stages.length) {
    const rest = state.stages.length - shown.length;
    panel.list.append(
      h(
        "li",
        { class: "more-stages" },
        h(
          "button",
          {
            type: "button",
            class: "small",
            onclick: () => {
              state.more = true;
              layStages(panel);
              repaint(panel);
            },
          },
          `${rest} more stages`,
        ),
      ),
    );
  }
}

function stageCard(panel, stage, shown) {
  const { low, high, step, integer } = SAMPLER_STAGES.find((entry) => entry.name === stage.name);
  const set = (value) => {
    if (!Number.isFinite(value)) return;
    stage.value = integer
      ? Math.max(0, Math.round(value))
      : stage.name === "temperature"
        ? Math.max(0.01, value)
        : Math.min(1, Math.max(0, value));
    stage.on = true;
    box.checked = true;
    slider.value = String(stage.value);
    if (document.activeElement !== input) input.value = String(stage.value);
    repaint(panel);
  };
  const box = h("input", { type: "checkbox", "aria-label": `${stage.name} on` });
  box.checked = stage.on;
  box.addEventListener("change", () => {
    stage.on = box.checked;
    repaint(panel);
  });
  const slider = h("input", {
    type: "range",
    min: low,
    max: high,
    step,
    value: stage.value,
    "aria-label": stage.name,
  });
  slider.addEventListener("input", () => set(Number(slider.value)));
  const input = h("input", {
    type: "number",
    min: low,
    step,
    value: stage.value,
    "aria-label": `${stage.name} value`,
  });
  input.addEventListener("input", () => set(Number(input.value)));
  const place = shown.indexOf(stage);
  const move = (by) =>
    h(
      "button",
      {
        type: "button",
        class: "small",
        disabled: !shown[place + by],
        "aria-label": `Move ${stage.name} ${by < 0 ? "up" : "down"}`,
        onclick: () => {
          moveStage(panel, stage, shown[place + by]);
          panel.cards
            .get(stage.name)
            ?.card.querySelector(`[aria-label^="Move"]:not(:disabled)`)
            ?.focus();
        },
      },
      by < 0 ? "↑" : "↓",
    );
  const told = h("p", { class: "said told" });
  const meter = h("span", { class: "meter", "aria-hidden": "true" }, h("i", {}));
  const handle = h(
    "span",
    { class: "handle", title: "drag to another place", "aria-hidden": "true" },
    "⠿",
  );
  const card = h(
    "li",
    { class: "stage", "data-stage": stage.name },
    h(
      "div",
      { class: "stage-head" },
      handle,
      h("label", {}, box, h("code", {}, stage.name)),
      input,
      move(-1),
      move(1),
    ),
    slider,
    meter,
    told,
  );
  handle.addEventListener("pointerdown", (event) => drag(panel, stage, card, handle, event));
  card.addEventListener("keydown", (event) => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const other = shown[place + (event.key === "ArrowUp" ? -1 : 1)];
    if (!other) return;
    event.preventDefault();
    moveStage(panel, stage, other);
    panel.cards.get(stage.name)?.slider.focus();
  });
  panel.cards.set(stage.name, { card, told, meter, slider });
  return card;
}

/** Put a stage where another one stands. */
function moveStage(panel, stage, other) {
  const { stages } = panel.state;
  const to = stages.indexOf(other);
  stages.splice(stages.indexOf(stage), 1);
  stages.splice(to, 0, stage);
  layStages(panel);
  repaint(panel);
}

function drag(panel, stage, card, handle, event) {
  event.preventDefault();
  handle.setPointerCapture(event.pointerId);
  card.classList.add("dragged");
  const over = (clientY) =>
    [...panel.list.querySelectorAll(".stage")].find((item) => {
      const { top, bottom } = item.getBoundingClientRect();
      return clientY >= top && clientY < bottom;
    });
  const onMove = (moved) => {
    for (const item of panel.list.children)
      item.classList.toggle("target", item === over(moved.clientY) && item !== card);
  };
  const onEnd = (ended) => {
    handle.removeEventListener("pointermove", onMove);
    card.classList.remove("dragged");
    const target = ended.type === "pointerup" ? over(ended.clientY) : null;
    for (const item of panel.list.children) item.classList.remove("target");
    const other = target && panel.state.stages.find((entry) => entry.name === target.dataset.stage);
    if (other && other !== stage) moveStage(panel, stage, other);
  };
  handle.addEventListener("pointermove", onMove);
  handle.addEventListener("pointerup", onEnd, { once: true });
  handle.addEventListener("pointercancel", onEnd, { once: true });
}

function paintStages(panel, result) {
  const { state } = panel;
  const byName = new Map(result.stages.map((stage) => [stage.name, stage]));
  for (const stage of state.stages) {
    const card = panel.cards.get(stage.name);
    if (!card) continue;
    const outcome = byName.get(stage.name);
    card.card.classList.toggle("off", !stage.on);
    card.meter.firstChild.style.width = outcome ? `${100 * outcome.keptMass}%` : "100%";
    card.told.textContent = !stage.on
      ? "off"
      : !outcome
        ? "waits for the stage above"
        : outcome.off
          ? "changes nothing at this value"
          : stage.name === "temperature"
            ? `${outcome.text} the odds`
            : `${outcome.text}: ${outcome.kept.toLocaleString("en")} left, ${percent(outcome.keptMass)} of the mass`;
  }
  const order = SAMPLER_STAGES.map((entry) => entry.name);
  const active = activeStages(state).map((stage) => stage.name);
  const own = active.every(
    (name, place) => place === 0 || order.indexOf(active[place - 1]) < order.indexOf(name),
  );
  const prefix = panel.view.run.prefix?.length > 0;
  panel.applied.disabled = !own || prefix;
  panel.note.textContent = prefix
    ? "Settings of a branch follow the strategy that it grew from."
    : own
      ? ""
      : "generate() applies the stages in its own order, so this order can be looked at but not decoded.";
}

/** Send the chain's settings to the page; a stage that is off gets the value that switches it off. */
function apply(panel) {
  const config = {};
  for (const stage of panel.state.stages) {
    if (stage.on) config[stage.name] = stage.value;
    else if (stage.name === "top_k") config.top_k = 0;
  }
  panel.host.emit("apply", { run: panel.view.run.index, config });
}
