// The text token by token, coloured by how far a format's prediction moved; a token opens both distributions.

import { heat, heatLegend } from "../../../../shared/js/axes.js";
import { h, visible } from "../../../../shared/js/dom.js";
import { brief, percent } from "../../../../shared/js/numbers.js";
import { choice } from "../../../../shared/js/shell.js";

/** Open the view. */
export function openMicroscope(figure, panel) {
  const state = { format: null, at: 0, run: null };
  let data = null;
  const strip = h("div", {
    class: "strip",
    role: "group",
    "aria-label": "Text; arrow keys move between scored tokens",
  });
  const bar = h("div", { class: "filters padded-row" });
  const legend = h("div", { class: "padded-row" });
  const detail = h("div", { class: "padded two", "aria-live": "polite" });
  panel.append(bar, legend, strip, detail);
  const rowOf = () => data.microscope.rows[state.format];
  const parts = () =>
    data.microscope.base.map((top, index) => top[0]?.[0] !== rowOf().top[index][0]?.[0]);
  const draw = () => {
    const names = Object.keys(data.microscope.rows);
    if (!names.length) {
      bar.replaceChildren(h("span", {}, "No format has been measured yet."));
      return;
    }
    if (!names.includes(state.format)) state.format = names.at(-1);
    const { kld } = rowOf();
    state.at = Math.min(state.at, kld.length - 1);
    const most = Math.max(...kld, 1e-9);
    const differing = parts();
    const count = differing.filter(Boolean).length;
    const next = h(
      "button",
      {
        type: "button",
        onclick: () => go(nextDifference(differing, state.at), true),
        disabled: !count,
      },
      "Next token where greedy parts",
    );
    bar.replaceChildren(
      choice(
        "Format",
        names.map((name) => [name, name]),
        state.format,
        (name) => {
          state.format = name;
          draw();
        },
      ),
      next,
      h(
        "span",
        {},
        count
          ? `The top token differs at ${count} of ${kld.length} positions, first at ${differing.indexOf(true) + 1}.`
          : `The top token is the same at all ${kld.length} positions.`,
      ),
    );
    legend.replaceChildren(
      heatLegend(
        "0",
        brief(most, 2),
        "nats (KLD; the bar below a token is its share, on a square-root scale)",
      ),
    );
    let scored = -1;
    strip.replaceChildren(
      ...data.tokens.pieces
        .map((piece, index) => {
          const start = index === 0 || data.tokens.window[index] !== data.tokens.window[index - 1];
          const gap =
            start && index > 0 ? h("span", { class: "window-gap", "aria-hidden": "true" }) : null;
          if (!data.tokens.scored[index]) return [gap, h("span", { class: "unscored" }, piece)];
          scored += 1;
          const place = scored;
          const share = Math.sqrt(kld[place] / most);
          return [
            gap,
            h(
              "button",
              {
                type: "button",
                class: `scored${differing[place] ? " parts" : ""}`,
                "data-place": place,
                tabindex: place === state.at ? 0 : -1,
                "aria-pressed": String(place === state.at),
                "aria-label": `${visible(piece)}: KLD ${brief(kld[place])}${differing[place] ? ", another top token" : ""}`,
                style: { background: heat(0.42 * share), "--share": share.toFixed(3) },
                onclick: () => go(place, false),
              },
              piece,
            ),
          ];
        })
        .flat()
        .filter(Boolean),
    );
    drawDetail();
  };
  const go = (place, focus) => {
    if (place < 0) return;
    const before = strip.querySelector('[aria-pressed="true"]');
    before?.setAttribute("aria-pressed", "false");
    if (before) before.tabIndex = -1;
    state.at = place;
    const button = strip.querySelector(`[data-place="${place}"]`);
    button.setAttribute("aria-pressed", "true");
    button.tabIndex = 0;
    if (focus) button.focus();
    drawDetail();
  };
  strip.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
    if (!move) return;
    event.preventDefault();
    go(Math.max(0, Math.min(rowOf().kld.length - 1, state.at + move)), true);
  });
  const drawDetail = () => {
    const row = rowOf();
    const place = state.at;
    const piece = data.tokens.pieces[placeOf(data.tokens.scored, place)];
    const [base, mine] = [data.microscope.base[place], row.top[place]];
    const names = [...new Set([...base, ...mine].map(([name]) => name))];
    const chance = (list, name) => list.find(([other]) => other === name)?.[1] ?? null;
    detail.replaceChildren(
      h(
        "div",
        {},
        h("h2", {}, "The next token here was ", h("bdi", { class: "token" }, visible(piece))),
        h(
          "p",
          { class: "said" },
          `KLD ${brief(row.kld[place])} nats. p of the true token: ${percent(data.microscope.base_p[place])} in the base, ${percent(row.p[place])} in ${state.format}. ${base[0][0] === mine[0][0] ? "Both models’ top token is the same." : "The top tokens differ: greedy decoding would part here."}`,
        ),
      ),
      h(
        "div",
        { class: "wide", tabindex: 0, role: "region", "aria-label": "Both distributions" },
        h(
          "table",
          { class: "pairs" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["token", "base", state.format].map((name) => h("th", { scope: "col" }, name)),
            ),
          ),
          h(
            "tbody",
            {},
            names.map((name) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, h("bdi", { class: "token" }, visible(name))),
                [chance(base, name), chance(mine, name)].map((p, index) =>
                  h(
                    "td",
                    {},
                    h(
                      "span",
                      { class: `bar-cell bar-${index}`, style: { "--share": (p ?? 0).toFixed(4) } },
                      p === null ? "not among the 5" : percent(p),
                    ),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
    );
  };
  return (next) => {
    if (state.run !== next.run_id) Object.assign(state, { run: next.run_id, at: 0, format: null });
    data = next;
    draw();
  };
}

/** The next position whose top token differs, from the start again after the last; −1 where there is none. */
export function nextDifference(differing, at) {
  for (let step = 1; step <= differing.length; step += 1) {
    const place = (at + step) % differing.length;
    if (differing[place]) return place;
  }
  return -1;
}

/** The token of the n-th scored position. */
function placeOf(scored, wanted) {
  let seen = -1;
  return scored.findIndex((is) => {
    seen += is ? 1 : 0;
    return is && seen === wanted;
  });
}
