/** A term of the field with its explanation: under the pointer, for screen readers, and on a press for everybody else. */

import { el } from "./dom.js";
import { say } from "./notice.js";
import { t } from "./text.js";

/** @param {string} name of a text `term.NAME`, explained by `term.NAME_means` */
export function term(name) {
  const means = t(`term.${name}_means`);
  return el("button", { type: "button", class: "term", title: means, "aria-description": means, onclick: () => say(means) }, t(`term.${name}`));
}
