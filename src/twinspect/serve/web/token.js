/** The access token: asked for when the server wants one, kept for this tab only, sent as a header and never as a cookie. */

import { el } from "./dom.js";
import { openDialog } from "./dialog.js";

const KEY = "twinspect.token";
let asking = null;

/** The header that carries the token, or nothing. */
export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Ask for a token; everything that waits for one shares the same question.
 * @param {boolean} isUnknown whether the server does not know the one that was sent
 * @returns {Promise<boolean>} whether one was given
 */
export function askToken(isUnknown) {
  asking ??= question(isUnknown).finally(() => {
    asking = null;
  });
  return asking;
}

async function question(isUnknown) {
  const input = el("input", { type: "password", name: "token", autocomplete: "off", required: true, spellcheck: "false" });
  const given = await openDialog("This server asks for a token", {
    body: [
      el("p", {}, isUnknown ? "The server does not know this token. Paste another one." : "Paste your token."),
      el("p", { class: "soft" }, "Whoever runs it makes one with: ", el("code", {}, "twinspect serve --add-token NAME --token-file FILE")),
      el("label", { class: "field" }, el("span", {}, "Token"), input),
      el("p", { class: "soft" }, "It is kept until this tab is closed."),
    ],
    accept: "Continue",
  });
  if (given) sessionStorage.setItem(KEY, input.value.trim());
  return given;
}
