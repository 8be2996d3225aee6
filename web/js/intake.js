// Every way in: choosing files or a folder, dropping them anywhere, pasting a copied picture.

import { fromDrop, fromInput, fromPaste } from "./files.js";
import { part } from "./parts.js";

const SAMPLES = ["spiral", "edge_on", "cigar_smooth", "in_between_smooth", "round_smooth"];

/**
 * Listens for files.
 *
 * @param {function} take - called with {found, skipped, unreadable}.
 * @param {function} complain - called with words when the browser cannot read what was given.
 */
export function listenForFiles(take, complain) {
  for (const id of ["choose-files", "choose-folder"]) {
    part(id).disabled = false;
    part(id).addEventListener("change", ({ target }) => {
      take(fromInput(target));
      target.value = ""; // so that choosing the same file again is a change
    });
  }
  part("samples").disabled = false;
  part("samples").addEventListener("click", () => fromSamples().then(take, (error) => complain(error.message)));
  listenForDrops(take, complain);
  window.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take(fromPaste(event.clipboardData));
  });
}

/** The galaxies of the legend, one of each class, as files. */
async function fromSamples() {
  const found = await Promise.all(SAMPLES.map(async (name) => {
    const response = await fetch(`shapes/${name}.webp`);
    return { name: `${name}.webp`, file: new File([await response.blob()], `${name}.webp`, { type: "image/webp" }) };
  }));
  return { found, skipped: [], unreadable: [] };
}

function listenForDrops(take, complain) {
  const hover = (on) => document.body.classList.toggle("hover", on);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return; // a text that is dragged into the search field
    event.preventDefault();
    hover(true);
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) hover(false); // the pointer has left the window, not just one element for another
  });
  window.addEventListener("drop", async (event) => {
    hover(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    try {
      take(await fromDrop(event.dataTransfer));
    } catch (error) {
      complain(`The browser could not read what was dropped: ${error.message} Drop it again, or choose it by the buttons.`);
    }
  });
}
