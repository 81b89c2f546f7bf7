/** The server's answers. A refusal becomes an error in words; "later" and "who are you?" are answered here. */

import { t } from "./text.js";
import { askToken, authorization } from "./token.js";

/** Times that an ordinary request is repeated when the server says "later". Uploads wait as long as it takes. */
const PATIENCE = 6;

/** Where this page's addresses begin: a proxy may show them under a path of its own. */
const ROOT = new URL("..", import.meta.url);

/** What the server refused, or why it could not be reached. */
export class Refusal extends Error {
  /**
   * @param {string} message
   * @param {string} code a stable name
   * @param {number} status of HTTP; 0 where nothing answered
   * @param {object[]} [inspections] of an upload, each file with its own reason
   */
  constructor(message, code, status, inspections = []) {
    super(message);
    Object.assign(this, { code, status, inspections });
    this.isTold = true;
  }
}

/**
 * Fetch, with the token if there is one.
 * @param {string} path from the server's root on
 * @param {RequestInit & {patience?: number, waiting?: (seconds: number) => void}} options `waiting` is told how long
 *   the server asked to wait before the next try
 * @returns {Promise<Response>} an answer in the 200s
 */
export async function request(path, { patience = PATIENCE, waiting, ...options } = {}) {
  for (let tries = 0; ; ) {
    const response = await reach(path, options);
    if (response.ok) return response;
    const refusal = await inWords(response);
    if (response.status === 401) {
      if (!(await askToken(refusal.code === "token_unknown"))) throw refusal;
    } else if ((response.status === 429 || response.status === 503) && tries < patience) {
      tries += 1;
      const seconds = Number(response.headers.get("Retry-After")) || 1;
      waiting?.(seconds);
      await pause(1000 * seconds, options.signal);
    } else {
      throw refusal;
    }
  }
}

/** GET JSON; parameters that are empty are left out. */
export async function get(path, parameters = {}, signal) {
  return (await request(path + query(parameters), { signal })).json();
}

/** POST JSON. */
export const post = (path, body, signal) => send("POST", path, body, signal);

/** Send JSON by another verb; an answer without content is null. */
export async function send(method, path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  const response = await request(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  return response.status === 204 ? null : response.json();
}

/** The part of an address after the path. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** Wait; an abort ends the wait with its reason. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), stop()), { once: true });
    if (signal?.aborted) stop();
  });
}

async function reach(path, options) {
  try {
    return await fetch(new URL(`.${path}`, ROOT), { ...options, headers: { ...options.headers, ...authorization() }, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(t("api.unreachable"), "unreachable", 0);
  }
}

async function inWords(response) {
  const { error, inspections } = await response.json().catch(() => ({}));
  const message = response.status === 401 ? t("token.needed") : (error?.message ?? unexplained(response.status));
  return new Refusal(message, error?.code ?? "unknown", response.status, inspections);
}

/** What is likely where the answer is not this server's own, which would say why. */
function unexplained(status) {
  if (status === 413) return t("api.proxy_limit");
  return t("api.unexplained", { status });
}
