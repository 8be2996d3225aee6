// What can be saved: tables of all items, and pictures of those that are shown. What makes them is loaded when somebody asks.

import { part } from "./parts.js";

const KEPT_MS = 60_000;
const table = (format) => async ({ items }) => (await import("./tables.js")).tableOf(items, format);

/** By the end of the file's name: what makes the file, and `words` on what it lacks. */
const MAKERS = {
  csv: table("csv"),
  vot: table("vot"),
  json: table("json"),
  jpg: async ({ visible }, signal) => (await import("./sheet.js")).sheetOf(visible, signal),
  zip: async ({ visible }, signal) => (await import("./zip.js")).zipped(visible, signal),
};

/**
 * Lets the buttons with `data-saves` in the box of downloads save what is on the board.
 *
 * @param {function} tell - called with words on what came of it.
 * @param {function} signalOf - gives the signal that ends it.
 */
export function listenForDownloads(board, tell, signalOf) {
  part("downloads").addEventListener("click", async ({ target: button }) => {
    const { saves } = button.dataset;
    if (!saves) return;
    const signal = signalOf();
    button.disabled = true;
    try {
      const { blob, words = "" } = await MAKERS[saves](board, signal);
      keep(blob, `galaxies.${saves}`);
      tell(words);
    } catch (error) {
      if (!signal.aborted) tell(error.message);
    }
    button.disabled = false;
  });
}

/** Saves a file on the person's machine. */
function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}
