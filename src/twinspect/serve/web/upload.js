/** Many images to the server: in chunks, one after the other, at the pace that it allows. */

import { query, request } from "./api.js";
import { spelled } from "./words.js";

/** Small enough for results to trickle in, large enough for the server to score several at once. */
const MOST_IMAGES = 8;
const MOST_BYTES = 32 * 2 ** 20;

/** Divide files into chunks of at most so many images and bytes; one large file goes by itself. */
export function chunks(files, images = MOST_IMAGES, bytes = MOST_BYTES) {
  const all = [[]];
  let size = 0;
  for (const file of files) {
    if (all.at(-1).length && (all.at(-1).length === images || size + file.size > bytes)) {
      all.push([]);
      size = 0;
    }
    all.at(-1).push(file);
    size += file.size;
  }
  return all.filter((chunk) => chunk.length);
}

/**
 * Score files.
 * @param {File[]} files
 * @param {{model: string, category?: string, signal: AbortSignal, waiting: (seconds: number) => void}} options
 * @yields {object[]} the inspections of a chunk; a file that was refused is `{name, error: {code, message}}`
 */
export async function* scored(files, { model, category, signal, waiting }) {
  for (const chunk of chunks(files)) yield await scoreChunk(chunk, query({ model, category }), signal, waiting);
}

/**
 * Send files in chunks, each as a form.
 * @yields {object} the answer to a chunk
 */
export async function* sent(path, files, { signal, waiting }) {
  for (const chunk of chunks(files)) yield await sendChunk(path, chunk, { signal, waiting });
}

async function sendChunk(path, chunk, { signal, waiting }) {
  const body = new FormData();
  for (const file of chunk) body.append("images", file, file.name);
  return (await request(path, { method: "POST", body, signal, waiting, patience: Infinity })).json();
}

async function scoreChunk(chunk, parameters, signal, waiting) {
  try {
    return (await sendChunk(`/v1/score${parameters}`, chunk, { signal, waiting })).inspections;
  } catch (error) {
    if (!isAboutTheFiles(error)) throw error;
    // One bad chunk is no reason to drop the rest: each of its files is shown with the reason.
    if (error.inspections.length) return error.inspections;
    return chunk.map(({ name }) => ({ name: spelled(name), error: { code: error.code, message: error.message } }));
  }
}

const isAboutTheFiles = ({ status }) => [400, 413, 415, 422].includes(status);
