// Thumbnails: small pictures, made in the browser, so that hundreds of cards do not hold hundreds of survey images.

import { turns } from "./pace.js";

const DRAWN_AT_ONCE = 2; // each holds a whole picture, decoded
const LONGEST_MS = 20_000;

const drawTurn = turns(DRAWN_AT_ONCE);
const asked = new Map(); // by number: what resolves the promise of an answer
let policy = null;
let worker = null;
let broken = false;
let count = 0;

/**
 * A small picture of a file, drawn by a worker.
 *
 * @param {object} [options] - isWanted() says whether it still is, when its turn comes; `within` milliseconds it is
 *   drawn, or the worker ends.
 * @returns {Promise<string|null>} an object URL, which the caller revokes; null for what cannot be shown.
 */
export async function thumbnail(file, { isWanted = () => true, within = LONGEST_MS } = {}) {
  const blob = await drawTurn(async () => (isWanted() ? draw(file, within) : null)).catch(() => null);
  return blob && URL.createObjectURL(blob);
}

async function draw(file, within) {
  worker ??= startWorker();
  if (broken) return null;
  return new Promise((resolve) => {
    count += 1;
    const timer = setTimeout(stop, within);
    asked.set(count, (blob) => {
      clearTimeout(timer);
      resolve(blob);
    });
    worker.postMessage({ id: count, file });
  });
}

function startWorker() {
  const url = new URL("thumbnailer.js", import.meta.url).href;
  // The page's security policy lets this one policy make addresses of scripts, and it makes but this one.
  policy ??= globalThis.trustedTypes?.createPolicy("thumbnailer", { createScriptURL: () => url });
  const started = new Worker(policy?.createScriptURL("") ?? url);
  started.addEventListener("message", ({ data: { id, blob } }) => answer(id, blob));
  // Without it there are no thumbnails, and everything else goes on.
  started.addEventListener("error", () => {
    broken = true;
    answerAll();
  });
  return started;
}

/** Ends a worker that does not answer; the next picture starts another. */
function stop() {
  worker.terminate();
  worker = null;
  answerAll();
}

const answerAll = () => asked.forEach((_, id) => answer(id, null));

function answer(id, blob) {
  asked.get(id)?.(blob);
  asked.delete(id);
}
