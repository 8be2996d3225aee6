// Like galaxies among those on the page. The models' feature vectors stand in the store, by batch; they are fetched once, when
// somebody asks, and compared here: no function works for it, and nobody is given those of other batches.

import { ask } from "./addresses.js";
import { reach } from "./network.js";
import { Failure, retrying } from "./pace.js";

const NONE = "There is no feature vector of this image: its model gives none, or it is not written yet. Try again in some seconds.";

export class Likeness {
  /** @param {object} on - offline(waiting, words) as for uploads. */
  constructor(on) {
    this.on = on;
    this.objects = new Map(); // by key: their images, since no object ever changes
  }

  /**
   * Gives each item its `distance` from one of them: 0 for the same look; undefined where that cannot be told.
   *
   * @param {string} api - URL of the ingest function.
   * @throws {Failure} when there is no vector of the item itself.
   */
  async compare(item, items, api, signal) {
    const model = item.result.model.sha256;
    for (const batch of new Set(items.map((each) => each.batch).filter(Boolean))) await this.read(api, batch, signal);
    const known = new Map();
    for (const object of this.objects.values()) if (object.model === model) object.images.forEach((vector, key) => known.set(key, vector));
    const own = known.get(placeOf(item));
    if (!own) throw new Failure(NONE);
    for (const each of items) {
      const vector = each.result && known.get(placeOf(each));
      each.distance = vector && 1 - cosine(own, vector);
    }
  }

  /** Reads what is new of a batch. */
  async read(api, batch, signal) {
    let after = "";
    do {
      const url = `${api}/uploads/${encodeURIComponent(batch)}/features${after && `?after=${encodeURIComponent(after)}`}`;
      const answer = await (await retrying(() => ask(url, this.on, signal), signal)).json();
      for (const { key, url: place } of answer.features) {
        if (this.objects.has(key)) continue;
        const response = await reach(place, "object store", this.on.offline, signal);
        if (response.ok) this.objects.set(key, opened(await response.json()));
      }
      after = answer.next;
    } while (after);
  }
}

// A duplicate was not sent: it has the key of the first of its kind.
const placeOf = ({ key, result, twin }) => `${result.image.etag} ${key ?? twin?.key}`;

/** The vectors in an object by image; docs/results.md has its members. */
function opened({ model, length, images, vectors }) {
  const bytes = Uint8Array.from(atob(vectors), (character) => character.charCodeAt(0));
  const halves = new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
  const vector = (index) => Float32Array.from(halves.subarray(index * length, (index + 1) * length), single);
  return { model: model.sha256, images: new Map(images.map(([key, etag], index) => [`${etag} ${key}`, vector(index)])) };
}

/** The number that 16 bits stand for (IEEE 754, binary16). */
function single(half) {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return half >> 15 ? -size : size;
}

function cosine(one, other) {
  let [product, square, otherSquare] = [0, 0, 0];
  for (let place = 0; place < one.length; place += 1) {
    product += one[place] * other[place];
    square += one[place] ** 2;
    otherSquare += other[place] ** 2;
  }
  return product / (Math.sqrt(square * otherSquare) || 1);
}
