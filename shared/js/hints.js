// Hints that come while the pointer is on a mark or the mark has the focus.

import { hideHint, showHint } from "./shell.js";

/** @import {Shell} from "./shell.js" */

/**
 * Listeners that show and hide a mark's hint.
 * @param {Shell} shell
 * @param {() => (Node | string | null)[]} content
 */
export function hintListeners(shell, content) {
  const show = (/** @type {Event & {currentTarget: Element}} */ { currentTarget: mark }) =>
    showHint(shell, mark, content());
  const hide = () => hideHint(shell);
  return { onpointerenter: show, onfocus: show, onpointerleave: hide, onblur: hide };
}
