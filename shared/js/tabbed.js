// A frame with tabs.

import { h } from "./dom.js";
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
