/** Step 1, photos: what is good, what a check says of them, optional defects, and where to look. */

import { get, send } from "../api.js";
import { el, empty } from "../dom.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { loadWhenSeen } from "../pictures.js";
import { addressOf } from "../route.js";
import { t } from "../text.js";
import { count } from "../words.js";
import { adding } from "./adding.js";
import { photoCheck } from "./check.js";
import { lookWhere } from "./where.js";

const PORTION = 60;

/** @param {{root: HTMLElement, product: object, path: string, signal: AbortSignal, changed: (product: object) => void}} context */
export async function photosStep({ root, product, path, signal, changed }) {
  const grids = { good: grid("good"), defect: grid("defect") };
  const check = photoCheck({ path, signal, act });
  const where = el("div", {});
  const next = el("a", { class: "button main", href: addressOf(`product/${encodeURIComponent(product.name)}/training`), hidden: true }, t("photos.next"));

  function grid(role) {
    return { role, list: el("ul", { class: "grid photos" }), title: el("h2", {}), more: el("button", { type: "button", hidden: true }, t("photos.more")) };
  }
  async function fill({ role, list, title, more }, after) {
    const page = await get(`${path}/photos`, { role, after, limit: PORTION }, signal);
    if (!after) list.replaceChildren();
    list.append(...page.photos.map((photo) => tile(photo, path, act)));
    more.hidden = !page.next;
    more.onclick = () => attempt(root, () => fill(grids[role], page.next));
    if (!after && !page.photos.length) list.append(el("li", { class: "wide" }, empty(t(`photos.no_${role}`), t(`photos.no_${role}_why`))));
    return title;
  }
  async function show() {
    const now = await get(path, {}, signal);
    grids.good.title.textContent = count(now.good, "good_photos");
    grids.defect.title.textContent = count(now.defects, "defect_photos");
    await Promise.all(Object.values(grids).map((each) => fill(each)));
    changed(now);
    next.hidden = !now.enough || Boolean(now.job);
    if (now.good) where.replaceChildren(await lookWhere({ product: now, path, signal }));
    check.about(now.good);
  }
  /** Take a photo out, or say what it shows after all. */
  function act(photo, role) {
    return attempt(root, async () => {
      await (role === null ? send("DELETE", `${path}/photos/${photo}`) : send("PATCH", `${path}/photos/${photo}`, { role }));
      say(t(role === null ? "photos.taken_out" : `photos.now_${role}`));
      await show();
    });
  }

  root.append(
    adding({ root, product, path, signal, added: () => attempt(root, show) }),
    el("p", { class: "soft", hidden: may("train") }, whyNot("train", "train")),
    el("div", { class: "row" }, next),
    check.element,
    ...Object.values(grids).map(({ title, list, more }) => el("section", {}, title, list, more)),
    where);
  await attempt(root, show);
}

/** A photo as a small picture, with what can be done with it. */
export function tile({ id, name, role }, path, act) {
  const other = role === "good" ? "defect" : "good";
  return el("li", { class: "photo" },
    el("span", { class: "thumb" }, loadWhenSeen(el("img", { alt: "" }), `${path}/photos/${id}/thumbnail`)),
    el("span", { class: "tile-name", title: name }, name),
    el("span", { class: "row photo-tools", hidden: !may("train") },
      el("button", { type: "button", class: "link", onclick: () => act(id, other) }, t(`photos.to_${other}`), el("span", { class: "hidden" }, ` ${name}`)),
      el("button", { type: "button", class: "link", onclick: () => act(id, null) }, t("photos.take_out"), el("span", { class: "hidden" }, ` ${name}`))));
}
