/** Step 2, training: how long it may take, and how far it is. Inspection goes on meanwhile. */

import { get, pause, post } from "../api.js";
import { openDialog } from "../dialog.js";
import { el, empty } from "../dom.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { addressOf } from "../route.js";
import { named, pieces, t } from "../text.js";
import { when } from "../words.js";
import { jobWords, progress } from "./progress.js";

const SECONDS_BETWEEN_LOOKS = 2;
/** Budgets in minutes: a try, usual, thorough, and until the next morning. */
const BUDGETS = [1, 5, 30, 480];
const USUAL = 5;
const ENDED = ["done", "failed", "cancelled"];

/** @param {{root: HTMLElement, product: object, path: string, signal: AbortSignal, refresh: () => void}} context */
export async function trainingStep({ root, product, path, signal, refresh }) {
  const place = el("section", { class: "sheet", "aria-live": "polite", "aria-label": t("step.training") });
  const { jobs } = await get(`${path}/jobs`, {}, signal);
  root.append(place);
  if (product.job) await attempt(root, () => follow(place, product.job, signal, refresh));
  else place.append(...begin(product, (body) => attempt(root, () => post(`${path}/jobs`, body, signal).then(refresh))));
  root.append(...earlier(jobs.filter(({ state }) => ENDED.includes(state))));
}

/** What is asked before a training. */
function begin(product, start) {
  if (!product.enough) return [empty(t("training.too_few"), pieces("training.too_few_why", { photos: el("a", { href: stepOf(product, "photos") }, t("step.photos")) }))];
  const isUpdate = product.versions > 0;
  const kinds = isUpdate ? [choice("kind", "update", t("training.update"), t("training.update_why"), true), choice("kind", "fit", t("training.fit"), t("training.fit_why"), false)] : [];
  const budgets = BUDGETS.map((minutes) => choice("minutes", minutes, t(`training.minutes_${minutes}`), t(`training.minutes_${minutes}_why`), minutes === USUAL));
  const form = el("form", { onsubmit },
    isUpdate && el("fieldset", { class: "choices" }, el("legend", {}, t("training.how")), kinds),
    el("fieldset", { class: "choices" }, el("legend", {}, t("training.budget")), budgets),
    el("p", { class: "soft" }, t("training.beside")),
    el("div", { class: "row" }, el("button", { class: "main", disabled: !may("train") }, t("training.start")), el("span", { class: "soft" }, whyNot("train", "train"))));
  function onsubmit(event) {
    event.preventDefault();
    const chosen = new FormData(form);
    start({ kind: chosen.get("kind") ?? "fit", minutes: Number(chosen.get("minutes")) });
  }
  return [form];
}

function choice(name, value, words, why, checked) {
  return el("label", { class: "choice" }, el("input", { type: "radio", name, value: String(value), checked }), el("span", {}, el("b", {}, words), el("small", {}, why)));
}

/** Show how far a job is until it ends. */
async function follow(place, first, signal, refresh) {
  for (let job = first; ; ) {
    place.replaceChildren(...progress(job), actions(job, (verb) => attempt(place, () => act(job, verb))));
    await pause(1000 * SECONDS_BETWEEN_LOOKS, signal);
    const { jobs } = await get(`/v1/products/${encodeURIComponent(job.product)}/jobs`, {}, signal);
    job = jobs.find(({ id }) => id === job.id) ?? job;
    if (!ENDED.includes(job.state)) continue;
    say(jobWords(job));
    if (job.state === "done" && job.kind !== "export") location.hash = stepOf({ name: job.product }, "result");
    else await refresh();
    return;
  }
}

async function act(job, verb) {
  if (verb === "cancel" && !(await openDialog(t("training.cancel_title"), { body: [el("p", {}, t("training.cancel_why"))], accept: t("training.cancel") }))) return;
  await post(`/v1/jobs/${job.id}/${verb}`, {});
  say(t(`training.did_${verb}`));
}

function actions({ state }, act) {
  const verbs = [state === "paused" ? "resume" : "pause", "cancel"];
  return el("div", { class: "row" }, verbs.map((verb) => el("button", { type: "button", disabled: !may("train"), onclick: () => act(verb) }, t(`training.${verb}`))));
}

function earlier(jobs) {
  if (!jobs.length) return [];
  const rows = jobs.slice(0, 8).map((job) => el("tr", {},
    el("th", { scope: "row" }, t(`job.${job.kind}`)),
    el("td", { "data-head": t("training.when") }, when(job.ended_at ?? job.created_at)),
    el("td", { "data-head": t("training.state") }, named("job.is", job.state), job.version !== null && job.state === "done" && ` · ${t("version.number", { number: job.version })}`),
    el("td", { class: "why", "data-head": t("training.why") }, job.error ?? "")));
  const head = ["training.what", "training.when", "training.state", "training.why"].map((key) => el("th", { scope: "col" }, t(key)));
  return [el("h2", {}, t("training.earlier")), el("table", { class: "sheet rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))];
}

const stepOf = ({ name }, step) => addressOf(`product/${encodeURIComponent(name)}/${step}`);
