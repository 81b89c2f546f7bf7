/**
 * What a false-alarm rate means for a threshold: split-conformal ranking, as the server does it. A threshold that at
 * most k of n calibration scores reach or exceed promises k / (n + 1); these functions only preview what the server decides.
 */

/** Promise no more than every second good part: beyond that a threshold sorts nothing. */
const HIGHEST = 0.5;

/** The largest k on offer. */
export const mostAbove = (n) => Math.max(1, Math.floor(HIGHEST * (n + 1)));

/** The k in force at a rate; rates are decimal numbers, so a hair is forgiven. */
export const aboveAt = (rate, n) => Math.min(mostAbove(n), Math.max(1, Math.floor(rate * (n + 1) + 1e-9)));

/** The rate of k as a short decimal number that is not below k / (n + 1), so that the server counts the same k. */
export const rateOf = (k, n) => Math.ceil((k / (n + 1)) * 1e6 - 1e-6) / 1e6;

/** The threshold of k. `ascending` are the calibration scores. */
export const thresholdOf = (k, ascending) => ascending[ascending.length - k];

/** The k whose threshold is nearest to a score. */
export function nearest(score, ascending) {
  const choices = Array.from({ length: mostAbove(ascending.length) }, (_, place) => place + 1);
  const distance = (k) => Math.abs(thresholdOf(k, ascending) - score);
  return choices.reduce((best, k) => (distance(k) < distance(best) ? k : best));
}
