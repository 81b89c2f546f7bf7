/** Numbers, times and decisions in words. */

import { el } from "./dom.js";
import { language, t } from "./text.js";

/** A number as the reader's language writes it. */
const local = (digits) => (language === "de" ? digits.replace(".", ",") : digits);

/** A raw score, in four digits. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return local(size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4))));
}

/** A share in [0, 1] as a percentage, in three digits. */
export const percent = (share) => local(`${Number((100 * share).toPrecision(3))} %`);

/** A p-value. */
export const chance = (p) => (p === null || p === undefined ? "–" : p < 1e-4 ? t("words.below", { value: local("0.0001") }) : local(String(Number(p.toPrecision(2)))));

/** A whole sentence of words that the server gives to be put into one. */
export const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

/** How many of something, in words: `count(3, "images")`. */
export const count = (n, things) => t(`count.${things}`, { n });

/** A word within a sentence; German nouns and adjectives of the table are quoted there, and stay. */
export const lowered = (word) => (language === "de" ? word : word.toLowerCase());

const CLOCK = new Intl.DateTimeFormat(navigator.language.startsWith(language) ? undefined : language, { dateStyle: "medium", timeStyle: "short" });

/** A moment, in this reader's time zone; the exact one stays in the element. */
export function when(iso) {
  return iso ? el("time", { datetime: iso, title: iso }, moment(iso)) : "–";
}

/** The same as plain text. */
export const moment = (iso) => CLOCK.format(new Date(iso));

const SINCE = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const UNITS = [["second", 1, 60], ["minute", 60, 60], ["hour", 3600, 24], ["day", 86400, Infinity]];

/** A length of time in its largest unit: "3 min". */
export function duration(seconds) {
  const [unit, size] = UNITS.find(([, length, many]) => seconds < length * many);
  return t(`time.${unit}`, { n: SINCE.format(Math.max(0, Math.floor(seconds / size))) });
}

/** From one moment to another; what they share is said once. */
export const span = (from, to) => CLOCK.formatRange(new Date(from), new Date(to));

const VERDICTS = {
  good: { kind: "good", word: t("verdict.good"), icon: "check" },
  anomalous: { kind: "anomalous", word: t("verdict.anomalous"), icon: "alert" },
  not_inspectable: { kind: "failed", word: t("verdict.not_inspectable"), icon: "question" },
  failed: { kind: "failed", word: t("verdict.failed"), icon: "cross" },
  queued: { kind: "queued", word: t("verdict.queued"), icon: "clock" },
};

/** What the model decided: a kind, a word and an icon, so that colour is never alone. */
export function verdict(inspection) {
  if (inspection.state !== "done") return VERDICTS[inspection.state === "failed" ? "failed" : "queued"];
  if (inspection.is_inspectable === false) return VERDICTS.not_inspectable;
  return VERDICTS[inspection.is_anomalous ? "anomalous" : "good"];
}

/** What people can say of an image: key, value, word, icon. */
export const OPINIONS = [
  { key: "g", value: "good", word: t("opinion.good"), icon: "check" },
  { key: "d", value: "defect", word: t("opinion.defect"), icon: "alert" },
  { key: "u", value: "unsure", word: t("opinion.unsure"), icon: "question" },
];

/** Whether a person contradicted the model. */
export function disagrees(inspection) {
  const said = inspection.feedback?.verdict;
  if (inspection.is_inspectable === false) return false;
  return (said === "good" && inspection.is_anomalous) || (said === "defect" && inspection.is_anomalous === false);
}

const RARITY = /^would be seen in (at most )?(\d+) of (\d+) good parts$/;

/** How rare a score is: the server's words, in the reader's language where they are known. */
export function rarity(words) {
  const [, most, few, many] = RARITY.exec(words) ?? [];
  return many ? t(most ? "detail.seen_at_most" : "detail.seen_in", { few, many }) : words;
}

/** Controls, separators of lines, marks of writing direction, halves of pairs; and a backslash before `uXXXX`. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\\(?=u[0-9a-f]{4})/g;

/** A file's name as the server spells it. */
export const spelled = (name) => name.replace(UNSAFE, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
