/** Pictures that need the token: fetched with its header, shown from memory, forgotten once they are drawn. */

import { request } from "./api.js";

/**
 * Load a picture into an <img>.
 * @param {HTMLImageElement} image
 * @param {string} path
 * @returns {Promise<HTMLImageElement>} once it can be drawn; refused where the server or the browser cannot
 */
export async function load(image, path, signal) {
  const response = await request(path, { signal });
  const blob = await response.blob();
  const address = URL.createObjectURL(blob);
  try {
    image.src = address;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(address); // the element keeps what it has decoded
  }
}

const lazy = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      lazy.unobserve(target);
      load(target, target.dataset.path).catch(() => target.classList.add("missing"));
    }
  },
  { rootMargin: "300px" },
);

/** Load a picture when it is about to be seen. */
export function loadWhenSeen(image, path) {
  image.dataset.path = path;
  lazy.observe(image);
  return image;
}

/** Keep a file that needs the token: fetched with its header, saved under `name`. */
export async function download(path, name, options) {
  save(await (await request(path, options)).blob(), name);
}

/** Keep what the page itself has made. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be writing
}
