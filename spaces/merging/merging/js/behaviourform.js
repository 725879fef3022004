// Behaviours as rows to fill in: a name, prompts, and a rule that says of an answer whether it shows it.

import { h } from "../../../../shared/js/dom.js";
import { NO_HOST, drawState, openShell } from "../../../../shared/js/shell.js";
import { areaField, labelled, lineField, menu } from "./fields.js";
import { BEHAVIOURS } from "./measures.js";

/** @import { Failed } from "../../../../shared/js/data.js" */
/** @import { Behaviour, BehaviourForm, BehaviourFormFailed } from "./data.js" */

/** Rules whose value is one line, or a choice. */
const ONE_LINE = ["length", "matches"];
/** Rules that need no value. */
const BARE = ["breaks off", "does not end"];
const OWN = "my own prompts";

/** Open the form. */
export function openBehaviourForm() {
  const shell = openShell("merging", "Behaviours");
  const rows = h("div", { class: "form behaviour-rows" });
  shell.parts.frame.classList.add("editor");
  shell.parts.panels.append(rows);
  const figure = { ...shell, host: NO_HOST, show };
  // What is on its way to the text comes back as data and must not disturb what is typed meanwhile.
  /** @type {string[]} */
  let sent = [];
  let isDrawn = false;
  /** @param {BehaviourForm} data */
  const draw = (data) => {
    /** @param {boolean} [redraw] */
    const changed = (redraw = true) => {
      sent.push(JSON.stringify(data.behaviours.map(stateOf)));
      figure.host.emit("behaviours", { behaviours: data.behaviours });
      if (redraw) draw(data);
    };
    rows.replaceChildren(
      ...data.behaviours.map((one) => behaviourRow(data, one, changed)),
      presetChips(data, changed),
    );
  };
  /** @param {BehaviourForm | BehaviourFormFailed | Failed} next */
  function show(next) {
    if ("error" in next) {
      const known = sent.length > 0;
      if (!known || !isDrawn) drawState(figure, { error: next.error });
      return;
    }
    drawState(figure, {});
    const echo = sent.lastIndexOf(JSON.stringify(next.behaviours.map(stateOf)));
    sent = echo < 0 ? [] : sent.slice(echo + 1);
    if (echo >= 0 && isDrawn) return;
    isDrawn = true;
    draw(next);
  }
  return figure;
}

/**
 * A behaviour with every part said, trimmed, so that two ways of writing the same are one.
 * @param {Behaviour} behaviour
 */
function stateOf({ name, prompts, rule, value = "", against = "", wanted = true }) {
  const asked = typeof prompts === "string" ? prompts : prompts.map((one) => one.trim());
  return [name.trim(), asked, rule, value.trim(), against.trim(), wanted];
}

/**
 * The buttons below the rows.
 * @param {BehaviourForm} data
 * @param {() => void} changed
 */
function presetChips(data, changed) {
  const names = new Set(data.behaviours.map(({ name }) => name));
  const isFull = data.behaviours.length >= data.most;
  /**
   * @param {string} label
   * @param {Behaviour} behaviour
   */
  const chip = (label, behaviour) =>
    h(
      "button",
      {
        type: "button",
        class: "preset",
        disabled: isFull || names.has(behaviour.name),
        onclick: () => {
          data.behaviours.push(structuredClone(behaviour));
          changed();
        },
      },
      label,
    );
  let number = data.behaviours.length + 1;
  while (names.has(`behaviour ${number}`)) number += 1;
  return h(
    "div",
    { class: "preset-row" },
    chip("+ your own", {
      name: `behaviour ${number}`,
      prompts: ["What is a star?"],
      rule: "contains",
      value: "star",
    }),
    data.presets.map((one) => chip(BEHAVIOURS[one.name] ?? one.name, one)),
    h(
      "span",
      { class: "said" },
      data.behaviours.length
        ? `${data.behaviours.length} of at most ${data.most}`
        : "None: models are measured by what the experts were taught.",
    ),
  );
}

/**
 * One behaviour.
 * @param {BehaviourForm} data
 * @param {Behaviour} behaviour
 * @param {(redraw?: boolean) => void} changed
 */
function behaviourRow(data, behaviour, changed) {
  const { name } = behaviour;
  const title = BEHAVIOURS[name] ?? name;
  return h(
    "fieldset",
    { class: "model" },
    h(
      "legend",
      {},
      lineField("Name", name, (text) => {
        behaviour.name = text.trim() || name;
        changed(false);
      }),
      h(
        "button",
        {
          type: "button",
          "aria-label": `Remove ${title}`,
          onclick: () => {
            data.behaviours = data.behaviours.filter((one) => one !== behaviour);
            changed();
          },
        },
        "×",
      ),
    ),
    labelled(
      "Prompts",
      menu(
        "Prompts",
        [...data.sets, OWN],
        typeof behaviour.prompts === "string" ? behaviour.prompts : OWN,
        (choice) => {
          behaviour.prompts = choice === OWN ? ["What is a star?"] : choice;
          changed();
        },
      ),
    ),
    typeof behaviour.prompts === "string"
      ? null
      : areaField("Prompts, one a line", behaviour.prompts.join("\n"), (text) => {
          behaviour.prompts = text.split("\n").filter((line) => line.trim());
          changed(false);
        }),
    labelled(
      "The answer",
      menu(
        "Rule",
        data.rules.map(({ kind }) => kind),
        behaviour.rule,
        (kind) => {
          behaviour.rule = kind;
          behaviour.value = kind === "language" ? data.languages[0] : firstValue(kind);
          behaviour.against = kind === "is likelier" ? "No." : "";
          changed();
        },
      ),
    ),
    valueFields(data, behaviour, changed),
    h(
      "p",
      { class: "said" },
      `Its value: ${data.rules.find(({ kind }) => kind === behaviour.rule)?.value ?? "–"}.`,
    ),
    labelled("A search makes it", wantedMenu(behaviour, changed)),
  );
}

/**
 * What a rule that has just been chosen begins with, so that it can run at once.
 * @param {string} kind
 */
function firstValue(kind) {
  if (kind === "length") return "at most 20 words";
  if (kind === "is likelier") return "Yes.";
  return BARE.includes(kind) || kind === "refuses" ? "" : "Yes";
}

/**
 * @param {BehaviourForm} data
 * @param {Behaviour} behaviour
 * @param {(redraw?: boolean) => void} changed
 */
function valueFields(data, behaviour, changed) {
  const { rule, value = "", against = "" } = behaviour;
  /** @param {string} text */
  const write = (text) => {
    behaviour.value = text;
    changed(false);
  };
  if (BARE.includes(rule)) return null;
  if (rule === "language")
    return labelled("Language", menu("Language", data.languages, value, write));
  if (rule === "is likelier")
    return [
      labelled("This answer", lineField("This answer", value, write)),
      labelled(
        "than that one",
        lineField("That answer", against, (text) => {
          behaviour.against = text;
          changed(false);
        }),
      ),
    ];
  if (ONE_LINE.includes(rule)) return labelled("Value", lineField("Value", value, write));
  return areaField("Value, one possibility a line", value, write);
}

/**
 * @param {Behaviour} behaviour
 * @param {(redraw?: boolean) => void} changed
 */
function wantedMenu(behaviour, changed) {
  return menu(
    "A search makes it",
    ["likelier", "less likely"],
    behaviour.wanted === false ? "less likely" : "likelier",
    (choice) => {
      behaviour.wanted = choice === "likelier";
      changed(false);
    },
  );
}
