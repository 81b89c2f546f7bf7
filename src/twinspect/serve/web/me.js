/** Who is asking, and what they may do: what a role does not allow is shown as such, before anybody tries it. */

import { get } from "./api.js";
import { t } from "./text.js";

/** Each may do what those before it may. */
const ROLES = ["view", "inspect", "train", "admin"];
let me = { name: "", role: ROLES[0], studio: false };

/** Ask the server; a token may have been given or changed. */
export async function loadMe() {
  me = await get("/v1/me");
}

/** Whether products can be made and trained here. */
export const isStudio = () => Boolean(me.studio);

/** @param {"view"|"inspect"|"train"|"admin"} role what something needs */
export const may = (role) => ROLES.indexOf(me.role) >= ROLES.indexOf(role);

/** Why something is not allowed, in words; empty where it is. `doing` is the key of a text. */
export const whyNot = (role, doing) => (may(role) ? "" : t("me.needs", { doing: t(`doing.${doing}`), role, name: me.name, own: me.role }));
