// Thumbnails: small pictures, made in the browser, so that hundreds of cards do not hold hundreds of survey images.

import { turns } from "./pace.js";

const DRAWN_AT_ONCE = 2; // each holds a whole picture, decoded

const drawTurn = turns(DRAWN_AT_ONCE);
const asked = new Map(); // by number: what resolves the promise of an answer
let worker = null;
let broken = false;
let count = 0;

/**
 * A small picture of a file, drawn by a worker: hundreds of them would keep the page from answering.
 *
 * @param {Blob} file
 * @param {object} [options] - isWanted() says whether it still is, when its turn comes.
 * @returns {Promise<string|null>} an object URL, which the caller revokes; null for what the browser cannot show, such as
 *   FITS.
 */
export async function thumbnail(file, { isWanted = () => true } = {}) {
  const blob = await drawTurn(async () => (isWanted() ? draw(file) : null)).catch(() => null);
  return blob && URL.createObjectURL(blob);
}

async function draw(file) {
  worker ??= startWorker();
  if (broken) return null;
  return new Promise((resolve) => {
    count += 1;
    asked.set(count, resolve);
    worker.postMessage({ id: count, file });
  });
}

function startWorker() {
  const url = new URL("thumbnailer.js", import.meta.url).href;
  // The page's security policy lets this one policy make addresses of scripts, and it makes but this one.
  const policy = globalThis.trustedTypes?.createPolicy("thumbnailer", { createScriptURL: () => url });
  const started = new Worker(policy?.createScriptURL("") ?? url);
  started.addEventListener("message", ({ data: { id, blob } }) => answer(id, blob));
  // Without it there are no thumbnails, and everything else goes on.
  started.addEventListener("error", () => {
    broken = true;
    asked.forEach((_, id) => answer(id, null));
  });
  return started;
}

function answer(id, blob) {
  asked.get(id)(blob);
  asked.delete(id);
}
