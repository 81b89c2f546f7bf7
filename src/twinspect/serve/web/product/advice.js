/** What to do next with a product, in the reader's language. */

import { t } from "../text.js";

/** Good photos from which on 5 % false alarms can be promised. */
const GOOD_START = 48;

/** @param {{good: number, versions: number, enough: boolean, feedback: {good: number, defect: number}}} product without a job under way */
export function advice({ good, versions, enough, feedback }) {
  const judged = feedback.good + feedback.defect;
  if (!enough) return t("advice.photos");
  if (!versions) return t("advice.train");
  if (judged) return t("advice.update", { n: judged });
  return good < GOOD_START ? t("advice.more", { enough: GOOD_START }) : t("advice.inspect");
}
