/** Step 4, versions: which one decides, what the others would say, learning from feedback, and taking one away. */

import { get, post, send } from "../api.js";
import { askReason } from "../dialog.js";
import { el, empty } from "../dom.js";
import { icon } from "../icons.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { download } from "../pictures.js";
import { t } from "../text.js";
import { number, percent, sentence, when } from "../words.js";
import { compared } from "./comparison.js";
import { learning, onTrial } from "./learning.js";

const EXPORTS = ["onnx", "openvino"];

/** @param {{root: HTMLElement, product: object, path: string, signal: AbortSignal, refresh: () => void}} context */
export async function versionsStep({ root, product, path, signal, refresh }) {
  const { versions } = await get(`${path}/versions`, {}, signal);
  if (!versions.length) return root.append(empty(t("result.none"), t("result.none_why")));
  const act = actions({ root, product, path, refresh });
  root.append(
    learning(product),
    el("p", { class: "soft", hidden: may("admin") }, whyNot("admin", "activate")),
    ...versions.map((version) => card(version, product, act)));
  if (product.shadow !== null) root.append(await onTrial(path, signal));
}

function actions({ root, product, path, refresh }) {
  const of = ({ number: version }) => `${path}/versions/${version}`;
  return {
    activate: (version) => attempt(root, async () => {
      const reason = await askReason(t("version.activate_title", { number: version.number }), warned(version), t("version.activate_yes"));
      if (!reason) return;
      await post(`${of(version)}/activate`, { reason });
      say(t("version.activated", { number: version.number }));
      await refresh();
    }),
    trial: (version) => attempt(root, async () => {
      await send("PUT", `${path}/shadow`, { version });
      await refresh();
    }),
    take: (version) => attempt(root, () => download(`${of(version)}/download`, `${product.name}-${version.number}.zip`)),
    export: (version, to) => attempt(root, async () => {
      await post(`${of(version)}/export`, { to });
      say(t("version.exporting", { to }));
      await refresh();
    }),
  };
}

/** What is said first: a drop on images that both saw is never silent. */
function warned(version) {
  const worse = version.comparison?.worse;
  const useless = version.usable === false;
  return el("div", { class: "step" }, el("p", {}, t("version.activate_why", { number: version.number })), useless && el("p", { class: "problem" }, t("threshold.not_usable")), worse && el("p", { class: "problem" }, t("version.is_worse")), version.comparison && compared(version.comparison));
}

function card(version, product, act) {
  const { number: which, active, shadow, exports, comparison } = version;
  const isOlder = product.active !== null && which < product.active;
  return el("section", { class: `sheet version ${active ? "active" : ""}`, "aria-label": t("version.number", { number: which }) },
    el("div", { class: "row" }, el("h2", {}, t("version.number", { number: which })),
      active && el("span", { class: "badge good" }, icon("check"), t("version.active")),
      shadow && el("span", { class: "badge queued" }, icon("clock"), t("version.trial")),
      el("span", { class: "soft" }, version.kind === "update" ? t("version.from", { number: version.parent }) : t("version.from_nothing"), " · ", when(version.created_at))),
    el("p", {}, sentence(version.promise)),
    el("p", { class: "soft" }, t("version.figures", { learnt: version.learnt, images: version.images, rate: percent(version.false_alarm_rate), line: number(version.threshold), method: version.method })),
    version.usable === false && el("p", { class: "problem" }, t("threshold.not_usable")),
    comparison && el("details", { open: !active && !isOlder }, el("summary", {}, t("version.compare", { number: version.parent })), compared(comparison)),
    el("div", { class: "row" },
      !active && el("button", { type: "button", class: isOlder ? null : "main", disabled: !may("admin"), onclick: () => act.activate(version) }, t(isOlder ? "version.roll_back" : "version.activate")),
      !active && !shadow && el("button", { type: "button", disabled: !may("admin"), title: t("version.try_why"), onclick: () => act.trial(which) }, t("version.try")),
      shadow && el("button", { type: "button", disabled: !may("admin"), onclick: () => act.trial(null) }, t("version.end_trial")),
      el("button", { type: "button", onclick: () => act.take(version) }, t("version.download")),
      EXPORTS.map((to) => (exports.some((name) => name.startsWith(to)) ? el("span", { class: "badge good" }, icon("check"), t("version.exported", { to })) : el("button", { type: "button", disabled: !may("train"), onclick: () => act.export(version, to) }, t("version.export", { to }))))));
}
