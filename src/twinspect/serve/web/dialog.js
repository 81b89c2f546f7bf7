/** Questions in a modal window: the browser keeps the focus inside, and Escape is "no". */

import { el } from "./dom.js";
import { t } from "./text.js";

/**
 * Open a window and wait until it is closed.
 * @param {string} title
 * @param {{body: Node[], accept?: string, wide?: boolean}} options `accept`: the word on the button that says yes;
 *   without it there is only "Close"
 * @returns {Promise<boolean>} whether it was accepted
 */
export function openDialog(title, { body, accept, wide = false }) {
  const heading = el("h2", { id: "dialog-title" }, title);
  const close = el("button", { type: "button", onclick: () => dialog.close() }, accept ? t("dialog.cancel") : t("dialog.close"));
  const yes = accept && el("button", { type: "submit", class: "main" }, accept);
  const form = el("form", { method: "dialog" }, heading, ...body, el("div", { class: "row end" }, close, yes));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title", class: wide ? "wide" : null }, form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("yes");
  });
  return shown(dialog).then((answer) => answer === "yes");
}

/** Show a dialog, and take it away once it is closed; the focus goes back to where it was. */
export function shown(dialog) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(dialog.returnValue);
    });
  });
}

/** Ask why, with an explanation in words or as an element: every change of a threshold is recorded. Gives the reason, or null. */
export async function askReason(title, explanation, accept) {
  const input = el("textarea", { name: "reason", rows: "3", required: true, maxlength: "500" });
  const agreed = await openDialog(title, {
    body: [typeof explanation === "string" ? el("p", {}, explanation) : explanation, el("label", { class: "field" }, el("span", {}, t("dialog.reason")), input)],
    accept,
  });
  return agreed ? input.value.trim() : null;
}

/** The window on top, if any. */
export function topDialog() {
  return [...document.querySelectorAll("dialog[open]")].at(-1) ?? null;
}
