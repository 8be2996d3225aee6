// Images by how they look to a model. Its feature vectors stand in the store, by batch; they are fetched once, when somebody asks,
// and compared here, by a worker: no function works for it, and nobody is given those of other batches.

import { ask } from "./addresses.js";
import { reach } from "./network.js";
import { Failure, retrying } from "./pace.js";
import { resultBy } from "./states.js";
import { Assistant } from "./workers.js";

const NONE = "There is no feature vector of this image: its model gives none, or it is not written yet. Try again in some seconds.";

export class Likeness {
  /**
   * @param {string} api - URL of the ingest function.
   * @param {object} on - offline(waiting, words) as for uploads.
   */
  constructor(api, on) {
    Object.assign(this, { api, on });
    this.taken = new Set(); // keys of objects that the worker has, since none ever changes
    this.worker = new Assistant("vectors.js");
  }

  /**
   * Gives each item its `distance` from one of them: 0 for the same look; undefined where that cannot be told.
   *
   * @param {string} served - name of the further model by whose vectors; empty for the first one.
   * @throws {Failure} when there is no vector of the item itself.
   */
  async compare(item, items, served, signal) {
    await this.read(items, served, signal);
    const { model: { sha256: digest } } = resultBy(item, served);
    const image = placeOf(item, served);
    const found = await this.tell({ task: "distances", served, digest, image, images: items.map((each) => placeOf(each, served)) }, signal);
    if (!found) throw new Failure(NONE);
    items.forEach((each, place) => Object.assign(each, { distance: orNone(found[place]) }));
  }

  /** Gives each item its `isolation` among all, as `cosmoformer similar --oddest` has it; undefined where that cannot be told. */
  async isolate(items, served, signal) {
    await this.read(items, served, signal);
    const found = await this.tell({ task: "isolation", served, images: items.map((each) => placeOf(each, served)) }, signal);
    items.forEach((each, place) => Object.assign(each, { isolation: orNone(found?.[place]) }));
  }

  /** Takes in what is new of the items' batches. */
  async read(items, served, signal) {
    for (const batch of new Set(items.map((each) => each.batch).filter(Boolean))) await this.readBatch(batch, served, signal);
  }

  async readBatch(batch, served, signal) {
    let after = "";
    do {
      const url = `${this.api}/uploads/${encodeURIComponent(batch)}/features?${new URLSearchParams({ model: served, after })}`;
      const answer = await (await retrying(() => ask(url, this.on, signal), signal)).json();
      for (const { key, url: place } of answer.features) {
        if (this.taken.has(key)) continue;
        const response = await reach(place, "object store", this.on.offline, signal);
        if (!response.ok) continue;
        const bytes = await response.arrayBuffer();
        await this.worker.ask({ task: "take", served, key, bytes }, { transfer: [bytes] });
        this.taken.add(key);
      }
      after = answer.next;
    } while (after);
  }

  async tell(question, signal) {
    const answer = await this.worker.ask(question);
    signal.throwIfAborted();
    if (!answer) throw new Failure("This browser could not compare the images. Reload the page to try again.");
    return answer.found;
  }

  end() {
    this.worker.end();
  }
}

const orNone = (number) => (Number.isFinite(number) ? number : undefined);

/** What the worker names an image by. A duplicate was not sent: it has the key of the first of its kind. */
function placeOf(item, served) {
  const result = resultBy(item, served);
  return result && `${result.image.etag} ${item.key ?? item.twin?.key}`;
}
