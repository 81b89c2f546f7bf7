/** A training or an export on its way, in words and as a bar. */

import { el } from "../dom.js";
import { named, t } from "../text.js";
import { duration, percent } from "../words.js";

/** One sentence about a job. */
export function jobWords({ kind, state, share, seconds_left: left }) {
  const what = t(`job.${kind}`);
  if (state !== "running") return t("job.state", { what, state: named("job.is", state) });
  const done = percent(Math.floor(100 * (share ?? 0)) / 100);
  return left === null ? t("job.running", { what, done }) : t("job.running_left", { what, done, left: duration(left) });
}

/** The same with a bar, and what it does now. */
export function progress(job) {
  return [
    el("p", { class: "lead" }, jobWords(job)),
    el("progress", { max: "1", value: job.state === "running" && job.share === null ? null : String(job.share ?? 0), "aria-label": t("job.progress") }),
    job.stage && el("p", { class: "soft" }, t("job.stage", { stage: named("stage", job.stage) })),
  ].filter(Boolean);
}
