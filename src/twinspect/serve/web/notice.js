/** Telling the reader: quiet remarks are spoken and shown for a while, problems stay until the next attempt. */

import { el } from "./dom.js";

const SECONDS_SHOWN = 5;
let fading = 0;

/** Say something short, for eyes and screen readers. */
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  place.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("shown"), 1000 * SECONDS_SHOWN);
}

/** A problem in the server's or our own words. Attempts that the reader gave up are no problem. */
export function problem(error) {
  if (error.name === "AbortError") return null;
  return el("p", { class: "problem", role: "alert" }, error.message);
}

/** Run something; show what goes wrong at the top of `place`, in place of what went wrong there before. */
export async function attempt(place, work) {
  place.querySelector(":scope > .problem")?.remove();
  try {
    return await work();
  } catch (error) {
    if (!error.isTold && error.name !== "AbortError") console.warn(error);
    place.prepend(problem(error) ?? "");
    return undefined;
  }
}
