// The toy's figure: what was said so far, the state of the run, and two buttons that speak to the page.

import { h } from "../../../../shared/js/dom.js";

/** Draw the figure, or bring it up to date. */
export function render(element, data, host) {
  if (data?.error) {
    const words = [h("b", {}, data.error.what), " ", data.error.remedy];
    element.replaceChildren(h("p", { class: "course-figure", role: "alert" }, words));
    return;
  }
  const state = data?.cancelled
    ? "stopped"
    : data?.done === false
      ? "running"
      : data
        ? "done"
        : "empty";
  element.replaceChildren(
    h(
      "div",
      { class: "course-figure" },
      h("p", { class: "toy-said" }, (data?.said ?? []).join(" ")),
      h("p", { class: "toy-state" }, data?.example ? "example" : state),
      h("button", { type: "button", onclick: () => host.emit("more", { times: 2 }) }, "Say more"),
      h("button", { type: "button", onclick: () => host.emit("shout", { mark: "!!" }) }, "Shout"),
    ),
  );
}
