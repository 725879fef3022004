// A frame with tabs, and what charts share: scales, numbers, colours.

import { h, s } from "./dom.js";
import { drawState, drawTabs, exportButtons, openShell, panelOf, svgButton } from "./shell.js";

/**
 * A figure with tabs.
 * @param {string} kind the Space's name
 * @param {string} label for a screen reader
 * @param {string} empty words before the first run
 * @param {{name: string, label: string, picture?: boolean, hidden?: (data: Object) => boolean, open: Function}[]} views
 *   `open(figure, panel)` returns `update(data)`
 * @param {(data: Object) => {title: string, key: (string|Node)[], provenance: string, tags: string[], warnings?: string[]}} facts
 */
export function openTabbed(kind, label, empty, views, facts) {
  const figure = {
    ...openShell(kind, label),
    host: { fetch: null },
    data: null,
    current: views[0].name,
    opened: new Map(),
  };
  figure.warnings = h("ul", { class: "warnings", "aria-label": "Warnings" });
  figure.parts.frame.querySelector("figcaption").append(figure.warnings);
  const update = () => {
    const { data } = figure;
    if (!data) return;
    const view = views.find(({ name }) => name === figure.current);
    if (!figure.opened.has(view.name))
      figure.opened.set(view.name, view.open(figure, panelOf(figure, view.name)));
    figure.opened.get(view.name)(data);
  };
  const tools = () => {
    const { data, host } = figure;
    const view = views.find(({ name }) => name === figure.current);
    const buttons = view.picture ? [svgButton(figure)] : [];
    if (host.fetch && !host.exported && data)
      buttons.push(...exportButtons(figure, host.fetch, () => figure.data));
    figure.parts.tools.replaceChildren(...buttons);
  };
  const tabs = () => {
    const shown = views.map(({ name, label: text, hidden }) => ({
      name,
      label: text,
      hidden: Boolean(figure.data && hidden?.(figure.data)),
    }));
    if (shown.find(({ name }) => name === figure.current)?.hidden) figure.current = views[0].name;
    drawTabs(figure, shown, figure.current, figure.open);
  };
  figure.refresh = update;
  figure.open = (name) => {
    figure.current = name;
    tabs();
    update();
    tools();
  };
  figure.show = (data) => {
    if (data?.error) {
      drawState(figure, { error: data.error, empty: figure.data ? null : " " });
      if (!figure.data) drawState(figure, { error: data.error });
      figure.parts.frame.classList.toggle("vacant", !figure.data);
      return;
    }
    const drawable =
      data && (data.done || data.base || data.rows?.length || data.blocks || data.drawable);
    drawState(figure, {
      empty: drawable || figure.data ? null : (data?.progress?.label ?? empty),
      progress: data && !data.done ? data.progress : null,
    });
    if (!drawable) {
      if (data?.progress) figure.parts.live.textContent = data.progress.label;
      return;
    }
    figure.data = data;
    const said = facts(data);
    figure.parts.title.textContent = said.title;
    figure.parts.key.classList.add("joined");
    figure.parts.key.replaceChildren(...said.key.map((item) => h("li", {}, item)));
    figure.parts.provenance.textContent = said.provenance;
    figure.parts.tags.replaceChildren(...said.tags.map((tag) => h("span", { class: "tag" }, tag)));
    figure.warnings.replaceChildren(...(said.warnings ?? []).map((text) => h("li", {}, text)));
    figure.parts.live.textContent = data.done ? "Done." : (data.progress?.label ?? "");
    tabs();
    update();
    tools();
  };
  return figure;
}

/**
 * A scale from values to places.
 * @param {number} low
 * @param {number} high
 * @param {number} from
 * @param {number} to
 * @param {boolean} [log]
 */
export function scaleOf(low, high, from, to, log = false) {
  const turn = log ? Math.log10 : (value) => value;
  const [a, b] = [turn(low), turn(high)];
  const wide = b - a || 1;
  const place = (value) => from + ((turn(value) - a) / wide) * (to - from);
  place.invert = (at) => {
    const value = a + ((at - from) / (to - from)) * wide;
    return log ? 10 ** value : value;
  };
  place.ticks = (wanted) => (log ? logTicks(low, high, wanted) : evenTicks(low, high, wanted));
  return place;
}

/** Round values between two ends. */
export function evenTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const ticks = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-6; place += 1)
    ticks.push(Number((place * step).toPrecision(12)));
  return ticks;
}

/** 1, 2, 5 of every power of ten, or the powers alone where there are many. */
export function logTicks(low, high, wanted) {
  const all = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 2, 5]) all.push(Number((factor * 10 ** power).toPrecision(3)));
  }
  const within = all.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  return within.length > 1.6 * wanted
    ? within.filter((tick) => Number.isInteger(Math.round(1e9 * Math.log10(tick)) / 1e9))
    : within;
}

/** A small number with two or three digits that count. */
export function brief(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-GB");
  if (Math.abs(value) < 1e-4)
    return value
      .toExponential(1)
      .replace("-", "−")
      .replace("e", "·10^")
      .replace("·10^−", "·10⁻")
      .replace(/⁻(\d+)/, (_, n) => `⁻${[...n].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`);
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** Megabytes of 10⁶ bytes. */
export function megabytes(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const size = bytes / 1e6;
  return size >= 100 ? Math.round(size).toLocaleString("en-GB") : size.toFixed(1);
}

/** Call `draw(width)` now that the element has a width, and whenever it changes. */
export function watchWidth(element, draw, most = 1090) {
  const now = () => Math.max(300, Math.min(most, Math.floor(element.clientWidth) || 640));
  let last = 0;
  new ResizeObserver(() => {
    if (!element.clientWidth || now() === last) return;
    last = now();
    draw(last);
  }).observe(element);
  return now;
}

/** A text of an axis. */
export function axisLabel(x, y, anchor, text, extra = {}) {
  return s("text", { class: "axis", x, y, "text-anchor": anchor, ...extra }, text);
}

/** A labelled select. */
export function choice(label, options, value, onChange) {
  const select = h(
    "select",
    { onchange: (event) => onChange(event.target.value) },
    options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)),
  );
  return h("label", {}, label, " ", select);
}

/** A colour of one hue for a share from 0 to 1. */
export function heat(share) {
  return `rgb(var(--heat) / ${(0.06 + 0.86 * Math.max(0, Math.min(1, share))).toFixed(3)})`;
}

/** The legend of a map of one hue. */
export function heatLegend(low, high, unit) {
  const steps = Array.from({ length: 12 }, (_, index) =>
    h("span", { style: { background: heat(index / 11) } }),
  );
  return h(
    "div",
    { class: "legend" },
    h("span", {}, low),
    h("span", { class: "ramp", "aria-hidden": "true" }, steps),
    h("span", {}, `${high} ${unit}`),
  );
}
