// Pictures: the file at hand, or what the store holds of a batch that was opened again.

import { turns } from "./pace.js";
import { thumbnail } from "./thumbnails.js";

const LARGEST_BYTES = 12 * 2 ** 20; // what is fetched to be looked at; a larger one is only named
const FETCHES_AT_ONCE = 3;

/** The picture of an item as a Blob, or null where there is none to be had, or it has more bytes than `most`. */
export async function pictureOf(item, signal, most = LARGEST_BYTES) {
  if (item.file) return item.file;
  if (!item.imageUrl || item.size > most) return null;
  try {
    const response = await fetch(item.imageUrl, { credentials: "omit", signal });
    return response.ok ? await response.blob() : null;
  } catch {
    return null; // away, or its address has expired: the kind of file stands for the picture
  }
}

/** Thumbnails, made when their cards come into sight, of files or of images that only the store has. */
export class Pictures {
  /** @param {function} onDrawn - called with an item and the object URL of its thumbnail. */
  constructor(onDrawn) {
    this.onDrawn = onDrawn;
    this.items = new WeakMap();
    this.pending = new WeakSet(); // items, which may go out of sight and come back meanwhile
    this.turn = turns(FETCHES_AT_ONCE);
    this.observer = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "50%" });
    this.work = new AbortController();
  }

  drawWhenSeen(item) {
    if (item.thumb) return;
    this.items.set(item.card.element, item);
    this.observer.observe(item.card.element);
  }

  forget(item) {
    this.observer.unobserve(item.card.element);
  }

  clear() {
    this.work.abort();
    this.work = new AbortController();
    this.observer.disconnect();
  }

  see(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.observer.unobserve(target);
      this.draw(this.items.get(target), this.work.signal);
    }
  }

  async draw(item, signal) {
    if (this.pending.has(item)) return;
    this.pending.add(item);
    const content = item.file ?? await this.turn(() => pictureOf(item, signal));
    const thumb = content && await thumbnail(content, { isWanted: () => item.card });
    this.pending.delete(item);
    if (thumb && !item.card) URL.revokeObjectURL(thumb); // it is out of sight again
    else if (thumb) this.onDrawn(item, thumb);
  }
}
