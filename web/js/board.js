// The list of cards: shows each change of an item at the next frame, in the order and choice of the filters. Of few items all have
// cards; of many only those in sight, and empty space of the same height stands for the others.

import { Card } from "./cards.js";
import { atFrame, portion } from "./frames.js";

const MANY = 240;
const AHEAD_PX = 900; // drawn above and below what is in sight
const BUSY = 20; // items whose overview takes a millisecond of each second to renew
const LONGEST_REST_MS = 500;

export class Board {
  /**
   * @param {Element} list - where the cards go.
   * @param {object} filters - `holds(item)` and `order(items)` say which cards are shown, and in which order.
   * @param {object} on - frame(items) after each frame that showed something; card(item) when an item has got its card;
   *   gone(item) when it loses it.
   */
  constructor(list, filters, on) {
    Object.assign(this, { list, filters, on });
    this.items = [];
    this.visible = []; // items that are shown, or would be in sight, in their order
    this.drawn = new Set(); // those with a card in the list
    this.changed = new Set();
    this.byId = new Map();
    this.nextId = 1;
    this.refresh = atFrame(() => this.show(), () => Math.min(this.items.length / BUSY, LONGEST_REST_MS));
    this.look = atFrame(() => this.draw());
    for (const name of ["scroll", "resize"]) window.addEventListener(name, () => this.isMany && this.look(), { passive: true });
  }

  get isMany() {
    return this.visible.length > MANY;
  }

  /** Take in new items: {file, name, size, state, …}. Their cards follow, in this order. */
  add(items) {
    for (const item of items) {
      item.id = this.nextId++;
      this.items.push(item);
      this.byId.set(item.id, item);
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
      this.forget(item);
    }
    this.items = [];
    this.drawn.clear();
    this.changed.clear();
    this.byId.clear();
    this.list.replaceChildren();
    this.refresh();
  }

  /** The item whose card this element is part of. */
  itemOf(element) {
    return this.byId.get(Number(element.closest?.(".card")?.dataset.id));
  }

  show() {
    const ordered = this.filters.order(this.items);
    this.visible = ordered.filter((item) => this.filters.holds(item));
    this.draw();
    this.on.frame(this.items);
  }

  /** Draws the cards of what is in sight and puts them in order, moving no more than needed. */
  draw() {
    const [start, end] = this.range();
    const wanted = this.visible.slice(start, end);
    this.dropAllBut(new Set(wanted));
    if (!portion(this.changed, (item) => this.drawn.has(item) && item.card.update())) this.refresh();
    const missing = new Set(wanted.filter((item) => !this.drawn.has(item)));
    if (!portion(missing, (item) => this.drawItem(item))) this.look();
    this.place(wanted.filter((item) => this.drawn.has(item)), start);
  }

  drawItem(item) {
    this.drawn.add(item);
    this.changed.delete(item);
    if (item.card) {
      item.card.update();
      return;
    }
    item.card = new Card(item);
    this.on.card(item);
  }

  dropAllBut(wanted) {
    for (const item of this.drawn) {
      if (wanted.has(item)) continue;
      item.card.element.remove();
      this.drawn.delete(item);
      if (this.isMany) this.forget(item);
    }
  }

  /** Lets go of what an item's card took; what is compared keeps its picture. */
  forget(item) {
    if (item.card) this.on.gone(item);
    item.card = null;
    if (!item.thumb || (item.chosen && !item.gone)) return;
    URL.revokeObjectURL(item.thumb);
    item.thumb = null;
  }

  place(cards, start) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    let next = this.list.firstElementChild;
    cards.forEach(({ card: { element } }, index) => {
      if (element === next) next = next.nextElementSibling;
      else this.list.insertBefore(element, next);
      if (this.isMany) element.setAttribute("aria-posinset", start + index + 1);
      else element.removeAttribute("aria-posinset");
      if (this.isMany) element.setAttribute("aria-setsize", this.visible.length);
      else element.removeAttribute("aria-setsize");
    });
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  /** First and last place of what has cards now. */
  range() {
    this.list.classList.toggle("many", this.isMany);
    const rows = this.isMany ? this.rows() : null;
    const count = this.visible.length;
    const total = rows ? Math.ceil(count / rows.columns) : 0;
    const first = rows ? Math.min(Math.max(Math.floor((rows.top - AHEAD_PX) / rows.height), 0), total) : 0;
    const last = rows ? Math.min(Math.max(Math.ceil((rows.top + window.innerHeight + AHEAD_PX) / rows.height), 0), total) : 0;
    this.list.style.setProperty("--above", `${rows ? first * rows.height : 0}px`);
    this.list.style.setProperty("--below", `${rows ? (total - last) * rows.height : 0}px`);
    return rows ? [first * rows.columns, last * rows.columns] : [0, count];
  }

  /** The columns, the height of a row with its gap, and how far the list has been scrolled, pixels. */
  rows() {
    const style = getComputedStyle(this.list);
    const widths = style.gridTemplateColumns.split(" ");
    const height = parseFloat(style.gridAutoRows) || parseFloat(widths[0]); // tiles are square
    return { columns: widths.length, height: height + parseFloat(style.rowGap), top: -this.list.getBoundingClientRect().top };
  }

  /** Puts the keyboard on the picture of a card, wherever it is. */
  focus(item, options) {
    if (!this.drawn.has(item)) this.scrollTo(item);
    item.card?.part(".open").focus(options);
    item.card?.element.scrollIntoView({ block: "nearest" });
  }

  scrollTo(item) {
    const place = this.visible.indexOf(item);
    if (place < 0 || !this.isMany) return;
    const { columns, height, top } = this.rows();
    window.scrollBy(0, Math.floor(place / columns) * height - top - window.innerHeight / 3);
    this.draw();
    if (this.drawn.has(item)) return;
    this.drawItem(item); // a busy machine had no time for it
    this.draw();
  }
}
