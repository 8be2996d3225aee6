// The list of cards: shows each change of an item at the next frame, and keeps the cards in the order and choice of the filters.

import { Card } from "./cards.js";
import { atFrame, portion } from "./frames.js";

export class Board {
  /**
   * @param {Element} list - where the cards go.
   * @param {object} filters - `holds(item)` and `order(items)` say which cards are shown, and in which order.
   * @param {object} on - frame(items) after each frame that showed something; card(item) when an item has got its card.
   */
  constructor(list, filters, on) {
    Object.assign(this, { list, filters, on });
    this.items = [];
    this.visible = []; // items whose cards are shown, in their order
    this.changed = new Set();
    this.nextId = 1;
    this.refresh = atFrame(() => this.show());
  }

  /** Take in new items: {file, name, size, state, …}. Their cards follow, in this order. */
  add(items) {
    for (const item of items) {
      item.id = this.nextId++;
      this.items.push(item);
      this.changed.add(item);
    }
    this.refresh();
  }

  /** Change an item and show it soon. */
  change(item, changes) {
    Object.assign(item, changes);
    if (item.gone) return;
    this.changed.add(item);
    this.refresh();
  }

  clear() {
    for (const item of this.items) {
      item.gone = true;
      if (item.thumb) URL.revokeObjectURL(item.thumb);
    }
    this.items = [];
    this.changed.clear();
    this.list.replaceChildren();
    this.refresh();
  }

  /** The item whose card this element is part of. */
  itemOf(element) {
    const id = Number(element.closest?.(".card")?.dataset.id);
    return this.items.find((item) => item.id === id);
  }

  show() {
    if (!portion(this.changed, (item) => this.showItem(item))) this.refresh();
    this.arrange();
    this.on.frame(this.items);
  }

  showItem(item) {
    if (item.card) {
      item.card.update();
    } else {
      item.card = new Card(item);
      this.list.append(item.card.element);
      this.on.card(item);
    }
  }

  arrange() {
    const ordered = this.filters.order(this.items.filter((item) => item.card));
    this.visible = ordered.filter((item) => this.filters.holds(item));
    const shown = new Set(this.visible);
    for (const item of ordered) {
      // Writing even the same value would have the browser look at the card's style again.
      const hidden = !shown.has(item);
      if (item.card.element.hidden !== hidden) item.card.element.hidden = hidden;
    }
    this.place(ordered);
  }

  /** Puts the cards in order, moving no more than needed, and leaves the keyboard where it is. */
  place(ordered) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    let next = this.list.firstElementChild;
    for (const { card: { element } } of ordered) {
      if (element === next) next = next.nextElementSibling;
      else this.list.insertBefore(element, next);
    }
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }
}
