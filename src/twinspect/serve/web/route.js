/** The address of a page: `#/history?decision=anomalous`, `#/inspection/12`. It can be kept, sent and opened again. */

import { query } from "./api.js";

/** @returns {{name: string, rest: string[], parameters: Object<string, string>}} what the address asks for */
export function asked() {
  const [path, search = ""] = location.hash.slice(2).split("?");
  const [name, ...rest] = path.split("/").map(decodeURIComponent);
  return { name, rest, parameters: Object.fromEntries(new URLSearchParams(search)) };
}

/** The address of a page. */
export const addressOf = (path, parameters = {}) => `#/${path}${query(parameters)}`;

/** Say in the address what a page shows, without opening it anew; "back" goes to the page before. */
export const keep = (path, parameters) => history.replaceState(history.state, "", addressOf(path, parameters));
