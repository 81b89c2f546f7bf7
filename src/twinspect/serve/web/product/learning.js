/** Learning from what was wrong: feedback that no version has learnt from, and a version on trial. */

import { get } from "../api.js";
import { el } from "../dom.js";
import { badge, icon } from "../icons.js";
import { loadWhenSeen } from "../pictures.js";
import { addressOf } from "../route.js";
import { t } from "../text.js";
import { number, verdict } from "../words.js";

/** What people judged, and the way to let it be learnt. */
export function learning({ name, feedback: { good, defect, unsure, false_alarms: alarms } }) {
  const judged = good + defect;
  return el("section", { class: "sheet", "aria-labelledby": "learning" },
    el("h2", { id: "learning" }, t("learning.title")),
    el("p", {}, judged ? t("learning.judged", { good, alarms: alarms ?? 0, defect, unsure }) : t("learning.nothing")),
    el("div", { class: "row" },
      el("a", { class: "button", href: "#/feedback" }, t("learning.judge")),
      judged > 0 && el("a", { class: "button main", href: addressOf(`product/${encodeURIComponent(name)}/training`) }, t("learning.update"))));
}

/** Where the version on trial decided otherwise than the one that decides. */
export async function onTrial(path, signal) {
  const { version, compared, differ } = await get(`${path}/shadow`, {}, signal);
  const rows = differ.map(({ inspection, other }) => {
    const theirs = verdict({ ...inspection, ...other, is_inspectable: true });
    return el("li", { class: "photo" },
      el("a", { href: addressOf(`inspection/${inspection.id}`), class: "thumb" }, loadWhenSeen(el("img", { alt: inspection.name }), `/v1/inspections/${inspection.id}/thumbnail`)),
      el("span", { class: "tile-name" }, inspection.name),
      el("span", {}, t("trial.now"), " ", badge(inspection)),
      el("span", {}, t("trial.then", { number: version }), " ", el("span", { class: `badge ${theirs.kind}` }, icon(theirs.icon), theirs.word)),
      el("small", { class: "soft" }, t("trial.scores", { score: number(other.score), line: number(other.threshold) })));
  });
  return el("section", { "aria-labelledby": "trial" },
    el("h2", { id: "trial" }, t("trial.title", { number: version })),
    el("p", {}, t("trial.differ", { n: differ.length, all: compared })),
    rows.length > 0 && el("ul", { class: "grid photos" }, rows));
}
