// Thumbnails: small pictures, made in the browser, so that hundreds of cards do not hold hundreds of survey images.

import { turns } from "./pace.js";
import { Assistant } from "./workers.js";

const DRAWN_AT_ONCE = 2; // each holds a whole picture, decoded
const LONGEST_MS = 20_000;

const drawTurn = turns(DRAWN_AT_ONCE);
const thumbnailer = new Assistant("thumbnailer.js");

/**
 * A small picture of a file, drawn by a worker.
 *
 * @param {object} [options] - isWanted() says whether it still is, when its turn comes; `within` milliseconds it is
 *   drawn, or the worker ends.
 * @returns {Promise<string|null>} an object URL, which the caller revokes; null for what cannot be shown.
 */
export async function thumbnail(file, { isWanted = () => true, within = LONGEST_MS } = {}) {
  const drawn = await drawTurn(async () => (isWanted() ? thumbnailer.ask({ file }, { within }) : null)).catch(() => null);
  return drawn?.blob ? URL.createObjectURL(drawn.blob) : null;
}
