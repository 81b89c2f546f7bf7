/** Who is asking, and what they may do: what a role does not allow is shown as such, before anybody tries it. */

import { get } from "./api.js";

/** Each may do what those before it may. */
const ROLES = ["view", "inspect", "admin"];
let me = { name: "", role: ROLES[0] };

/** Ask the server; a token may have been given or changed. */
export async function loadMe() {
  me = await get("/v1/me");
}

/** @param {"view"|"inspect"|"admin"} role what something needs */
export const may = (role) => ROLES.indexOf(me.role) >= ROLES.indexOf(role);

/** Why something is not allowed, in words; empty where it is. */
export const whyNot = (role, doing) => (may(role) ? "" : `${doing} needs the role ${role}; the token of ${me.name} has the role ${me.role}.`);
