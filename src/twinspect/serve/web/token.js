/** The access token: asked for when the server wants one, kept for this tab only, sent as a header and never as a cookie. */

import { el } from "./dom.js";
import { openDialog } from "./dialog.js";
import { pieces, t } from "./text.js";

const KEY = "twinspect.token";
let asking = null;

/** The header that carries the token, or nothing. */
export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Whether requests need one, which links do not carry. */
export const hasToken = () => sessionStorage.getItem(KEY) !== null;

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
  const given = await openDialog(t("token.title"), {
    body: [
      el("p", {}, t("token.why")),
      el("p", {}, isUnknown ? t("token.unknown") : t("token.paste")),
      el("label", { class: "field" }, el("span", {}, t("token.field")), input),
      el("p", { class: "soft" }, t("token.kept")),
      el("p", { class: "soft" }, pieces("token.none", { command: el("code", {}, "twinspect serve --add-token NAME --token-file FILE") })),
    ],
    accept: t("token.accept"),
  });
  if (given) sessionStorage.setItem(KEY, input.value.trim());
  return given;
}
