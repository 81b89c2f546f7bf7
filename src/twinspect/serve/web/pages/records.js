/** Every calibration record of a model, newest first: who, when, why; and the way back to an old one. */

import { get, post } from "../api.js";
import { askReason } from "../dialog.js";
import { el } from "../dom.js";
import { icon } from "../icons.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { named, t } from "../text.js";
import { number, percent, when } from "../words.js";

/** @param {{root: HTMLElement, model: object, signal: AbortSignal, refresh: () => void}} context */
export async function records({ root, model, signal, refresh }) {
  const path = `/v1/models/${encodeURIComponent(model.name)}`;
  root.append(el("h2", { id: "records" }, t("records.title")), el("p", { class: "soft" }, `${t("records.kept")} `, whyNot("admin", "roll_back")));
  const { calibrations } = await get(`${path}/calibrations`, {}, signal);

  async function rollBack(record) {
    const sentence = t("records.roll_back_why", { number: record.id, rate: percent(record.false_alarm_rate), line: number(record.threshold) });
    const reason = await askReason(t("records.roll_back_to", { number: record.id }), sentence, t("records.roll_back"));
    if (!reason) return;
    await post(`${path}/rollback`, { calibration_id: record.id, reason }, signal);
    say(t("records.rolled_back", { number: record.id }));
    await refresh();
  }
  const rows = calibrations.map((record) => row(record, record.id === model.calibration.id, () => attempt(root, () => rollBack(record))));
  const head = ["records.record", "records.rate", "term.threshold", "records.images", "records.when", "records.who", "records.state"].map((key) => el("th", { scope: "col" }, t(key)));
  root.append(el("table", { class: "sheet rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}

function row(record, active, onclick) {
  const state = active
    ? el("span", { class: "badge good" }, icon("check"), t("records.in_force"))
    : may("admin") && el("button", { type: "button", onclick, "aria-label": t("records.roll_back_to", { number: record.id }) }, t("records.roll_back"));
  return el("tr", {},
    el("th", { scope: "row" }, `${record.id}, ${named("records.from", record.source)}`),
    el("td", { class: "digits", "data-head": t("records.rate") }, percent(record.false_alarm_rate)),
    el("td", { class: "digits", "data-head": t("term.threshold") }, number(record.threshold)),
    el("td", { class: "digits", "data-head": t("records.images") }, String(record.images)),
    el("td", { "data-head": t("records.when") }, when(record.created_at)),
    el("td", { class: "why", "data-head": t("records.who") }, [record.created_by, record.reason].filter(Boolean).join(": ") || "–"),
    el("td", {}, state));
}
