// A contact sheet: galaxies as one picture, each with its class and name below, to print or to keep.

import { describeClass } from "./classes.js";
import { breath } from "./pace.js";
import { shown } from "./parts.js";
import { pictureOf } from "./pictures.js";
import { percent } from "./results.js";
import { STATES } from "./states.js";
import { thumbnail } from "./thumbnails.js";

const MOST = 600; // on one sheet
const [SIDE, GAP, TEXT] = [200, 12, 44]; // pixels of a picture, between two, and of the words below
const COLUMNS = 6;

/** The sheet of some items, as a JPEG, and `words` on those that it has no room for. */
export async function sheetOf(items, signal) {
  const some = items.slice(0, MOST);
  const columns = Math.min(COLUMNS, some.length);
  const canvas = document.createElement("canvas");
  canvas.width = GAP + columns * (SIDE + GAP);
  canvas.height = GAP + Math.ceil(some.length / columns) * (SIDE + TEXT + GAP);
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (const [place, item] of some.entries()) {
    const x = GAP + (place % columns) * (SIDE + GAP);
    await draw(context, item, x, GAP + Math.floor(place / columns) * (SIDE + TEXT + GAP), signal);
    signal.throwIfAborted();
    await breath();
  }
  const blob = await new Promise((resolve) => {
    canvas.toBlob(resolve, "image/jpeg", 0.9);
  });
  return { blob, words: items.length > MOST ? `The sheet holds the first ${MOST} of ${items.length} galaxies.` : "" };
}

async function draw(context, item, x, y, signal) {
  context.fillStyle = "#05070f";
  context.fillRect(x, y, SIDE, SIDE);
  const content = item.thumb ? null : await pictureOf(item, signal);
  const url = item.thumb ?? (content && await thumbnail(content));
  if (url) {
    const picture = new Image();
    picture.src = url;
    await picture.decode().then(() => fit(context, picture, x, y), () => {});
    if (url !== item.thumb) URL.revokeObjectURL(url);
  }
  context.fillStyle = "#131a31";
  context.font = "600 15px sans-serif";
  context.fillText(verdictOf(item), x, y + SIDE + 18, SIDE);
  context.font = "13px sans-serif";
  context.fillText(shown(item.name), x, y + SIDE + 36, SIDE);
}

/** The middle of a picture, which fills the square. */
function fit(context, picture, x, y) {
  const side = Math.min(picture.naturalWidth, picture.naturalHeight);
  const [left, top] = [(picture.naturalWidth - side) / 2, (picture.naturalHeight - side) / 2];
  context.drawImage(picture, left, top, side, side, x, y, SIDE, SIDE);
}

function verdictOf({ state, result }) {
  const prediction = result?.prediction;
  if (!prediction?.class) return prediction ? shown(prediction.task) : STATES[state].verdict;
  return `${shown(describeClass(prediction.class).label)} ${percent(prediction.confidence)}`;
}
