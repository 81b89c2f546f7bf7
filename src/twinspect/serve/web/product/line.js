/** Step 5, to the line: whether it is inspecting, where images come from, and where results go. */

import { get, pause } from "../api.js";
import { el } from "../dom.js";
import { icon } from "../icons.js";
import { may, whyNot } from "../me.js";
import { attempt } from "../notice.js";
import { t } from "../text.js";
import { when } from "../words.js";
import { sinks } from "./sinks.js";
import { sources } from "./sources.js";

const SECONDS_BETWEEN_LOOKS = 5;
const LIGHTS = { green: { kind: "good", icon: "check" }, yellow: { kind: "queued", icon: "question" }, red: { kind: "anomalous", icon: "alert" } };

/** @param {{root: HTMLElement, product: object, signal: AbortSignal}} context */
export async function lineStep({ root, product, signal }) {
  const path = `/v1/models/${encodeURIComponent(product.name)}`;
  const light = el("section", { class: "sheet", "aria-live": "polite", "aria-label": t("line.health") });
  const [from, to] = [el("section", { "aria-label": t("line.from") }), el("section", { "aria-label": t("line.to") })];
  root.append(light, el("p", { class: "soft", hidden: may("admin") }, whyNot("admin", "line")), from, to);
  await attempt(root, () => Promise.all([ifThere(from, () => sources({ root: from, path, signal })), ifThere(to, () => sinks({ root: to, path, signal }))]));
  while (!signal.aborted && !light.hidden) {
    await attempt(light, () => ifThere(light, async () => light.replaceChildren(...health(await get(`${path}/health`, {}, signal)))));
    await pause(1000 * SECONDS_BETWEEN_LOOKS, signal).catch(() => {});
  }
}

/** A product without a version has no line yet. */
async function ifThere(section, work) {
  try {
    await work();
  } catch (error) {
    if (error.status !== 404) throw error;
    section.hidden = true;
  }
}

/** A light as a word and a shape, what it means, and since when. */
function health({ light, reasons, is_inspecting: inspects, since, version, last_image: last }) {
  const { kind, icon: name } = LIGHTS[light];
  const by = version?.number == null ? t("line.by_folder") : t("line.by_version", { number: version.number });
  return [
    el("p", { class: "verdict" }, el("span", { class: `badge ${kind} large` }, icon(name), t(`line.${light}`))),
    el("p", {}, inspects ? [t("line.inspects"), " ", by, ", ", t("line.since"), " ", when(since), "."] : t("line.stands")),
    reasons.length > 0 && el("ul", {}, reasons.map((reason) => el("li", {}, reason))),
    last && el("p", { class: "soft" }, t("line.last"), " ", last.name, ", ", t(`verdict.${last.verdict}`), ", ", when(last.scored_at)),
  ].filter(Boolean);
}
