/** One inspection at an address of its own: to be sent to somebody, or kept beside a complaint. */

import { get } from "../api.js";
import { detail } from "../detail.js";
import { el } from "../dom.js";
import { addKeys } from "../keys.js";
import { asked } from "../route.js";
import { t } from "../text.js";

/** @param {{root: HTMLElement, signal: AbortSignal}} context */
export async function inspection({ root, signal }) {
  const found = await get(`/v1/inspections/${encodeURIComponent(asked().rest[0] ?? "")}`, {}, signal);
  const opened = detail(found, { signal });
  addKeys(opened.keys, root, signal);
  root.append(el("h1", {}, t("inspection.title", { number: found.id })), opened.element);
}
