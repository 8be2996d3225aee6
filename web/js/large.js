// The large view: one galaxy at a time, in a dialog, with the arrow keys from one to the next.

import { kindOf, spoken } from "./cards.js";
import { HeatMap } from "./explain.js";
import { inSeconds, make, modelOf, offer, othersOf, part, say, secondsOf, showRows, shown, titleOf, wordsFor } from "./parts.js";
import { inWords } from "./files.js";
import { pictureOf } from "./pictures.js";
import { thumbnail } from "./thumbnails.js";
import { adviceFor, markOf, modelsOf, resultBy, STATES } from "./states.js";
import { votesOf } from "./votes.js";
import { showWay } from "./way.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
const LENGTHS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800]; // of a scale bar, seconds of arc
const precise = (share) => (share > 0 && share < 0.0005 ? "<0.1\u00a0%" : `${(share * 100).toFixed(1)}\u00a0%`);

export class LargeView {
  /**
   * @param {function} items - gives the items to walk through, in their order.
   * @param {function} explain - (item, signal) gives the explanation of its result.
   * @param {function} onLeave - called with the item that was looked at last.
   * @param {function} findAlike - (item, model, signal) sorts the items by how much they look like it to a further model, or the first.
   */
  constructor(items, explain, onLeave, findAlike) {
    Object.assign(this, { items, onLeave, findAlike });
    this.heatMap = new HeatMap(explain, { show: (picture) => this.replacePicture(picture), back: () => this.showPicture() });
    this.dialog = part("large");
    this.item = null;
    this.votes = null; // that are shown
    this.loading = new AbortController();
    part("previous").addEventListener("click", () => this.step(-1));
    part("next").addEventListener("click", () => this.step(1));
    part("large-alike").addEventListener("click", () => this.sortAlike());
    part("large-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.press(event));
    this.dialog.addEventListener("close", () => this.leave());
    closeByBackdrop(this.dialog);
  }

  open(item) {
    this.item = item;
    this.show();
    this.showPicture();
    this.dialog.showModal();
  }

  async sortAlike() {
    const { item, loading: { signal } } = this;
    part("large-alike").disabled = true;
    try {
      await this.findAlike(item, part("large-alike-by").value, signal);
      if (this.item === item) this.dialog.close();
    } catch (error) {
      if (!signal.aborted) say(part("large-alike-said"), error.message);
    }
    part("large-alike").disabled = false;
  }

  press(event) {
    const step = STEPS[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select")) return;
    event.preventDefault();
    this.step(step);
  }

  step(by) {
    const items = this.items();
    const place = Math.min(Math.max(items.indexOf(this.item) + by, 0), items.length - 1);
    if (!items[place] || items[place] === this.item) return;
    this.item = items[place];
    this.show();
    this.showPicture();
    say(part("large-said"), `${place + 1} of ${items.length}. ${spoken(this.item)}`);
  }

  /** Show what is known of the item now. */
  refresh() {
    if (this.dialog.open && this.item) this.show();
  }

  show() {
    const { item } = this;
    const items = this.items();
    const place = items.indexOf(item);
    say(part("place"), place < 0 ? "" : `${place + 1} of ${items.length}`);
    part("previous").disabled = place <= 0;
    part("next").disabled = place < 0 || place === items.length - 1;
    say(part("large-name"), shown(item.name));
    this.showVerdict();
    this.heatMap.offer(item);
    this.offerAlike(items.length > 1);
    showFacts(item);
  }

  /** Lets people look for galaxies that are like this one to a model that has judged it. */
  offerAlike(hasOthers) {
    const { item } = this;
    const judged = ["", ...modelsOf([item])].filter((model) => resultBy(item, model));
    part("large-looks").hidden = !(item.batch && hasOthers && judged.length);
    part("large-alike-by").hidden = judged.length < 2;
    offer(part("large-alike-by"), judged.map((model) => [model, `by ${resultBy(item, model).model.name}`]));
  }

  showVerdict() {
    const { state, reason, result, twin } = this.item;
    const prediction = result?.prediction;
    const mark = markOf(prediction);
    const badge = mark?.badge ?? STATES[state].badge ?? (twin ? "Duplicate" : "");
    part("large-badge").hidden = !badge;
    say(part("large-badge"), badge ?? "");
    part("large-text").dataset.class = prediction?.class ?? "";
    part("large-text").toggleAttribute("data-marked", Boolean(mark));
    part("large-bars").hidden = !prediction;
    if (prediction) {
      part("large-verdict").replaceChildren(...titleOf(prediction));
      say(part("large-words"), wordsFor(prediction));
      showRows(part("large-bars"), prediction, { write: precise });
    } else {
      say(part("large-verdict"), STATES[state].verdict);
      say(part("large-words"), reason ?? "");
    }
    say(part("large-advice"), shown(adviceFor(this.item)));
    this.showVotes(votesOf(prediction));
  }

  showVotes(votes) {
    // Drawing the same anew would fold again what somebody has opened.
    if (votes === this.votes) return;
    const focused = part("large-votes").contains(document.activeElement);
    part("large-votes").hidden = !votes;
    if (votes) showWay(part("large-way"), votes);
    this.votes = votes;
    // What had the focus is gone; without one in the dialog, the arrow keys would no longer lead on.
    if (focused) part("large-text").focus({ preventScroll: true });
  }

  async showPicture() {
    this.loading.abort();
    this.loading = new AbortController();
    const { signal } = this.loading;
    const { item } = this;
    this.heatMap.begin(item);
    say(part("large-alike-said"), "");
    const frame = part("large-picture");
    this.forget();
    frame.replaceChildren(make("span", "kind", kindOf(item)));
    // Of a damaged file browsers may show what is left as black.
    const content = item.state === "rejected" ? null : await pictureOf(item, signal);
    if (!content || signal.aborted) return;
    this.url = URL.createObjectURL(content);
    const picture = make("img");
    picture.alt = `The image ${shown(item.name)}`;
    picture.src = this.url;
    // What the browser cannot show, such as FITS, stands there small.
    await picture.decode().catch(async () => {
      const drawn = await thumbnail(content, { isWanted: () => !signal.aborted });
      if (signal.aborted) return URL.revokeObjectURL(drawn);
      this.forget();
      picture.src = this.url = drawn ?? "";
      return picture.decode();
    }).then(() => signal.aborted || this.showScaled(picture), () => {});
  }

  /** A picture, with a bar of so many seconds of arc where the scale is known. */
  showScaled(picture) {
    const { object, image } = this.item.result ?? {};
    const across = (object?.pixel_scale ?? 0) * Math.max(image?.width ?? 0, image?.height ?? 0);
    const arcsec = LENGTHS.findLast((length) => length <= across / 4);
    const frame = part("large-picture");
    frame.replaceChildren(picture);
    if (!arcsec) return;
    const bar = make("span", "scale", arcsec < 60 ? `${arcsec}″` : `${arcsec / 60}′`);
    const { naturalWidth: width, naturalHeight: height } = picture;
    const percents = (100 * arcsec * Math.max(width, height)) / across;
    bar.style.setProperty("--length", `min(${percents / width}cqw, ${percents / height}cqh)`);
    frame.append(bar);
  }

  replacePicture(picture) {
    this.loading.abort();
    this.loading = new AbortController();
    this.forget();
    part("large-picture").replaceChildren(picture);
  }

  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }

  /** Back to the list, to the card of what was looked at last. */
  leave() {
    this.loading.abort();
    this.heatMap.begin(null);
    this.forget();
    part("large-picture").replaceChildren();
    say(part("large-said"), "");
    if (this.item) this.onLeave(this.item);
    this.item = null;
  }
}

/** A click beside a dialog closes it. */
export function closeByBackdrop(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}

function showFacts(item) {
  const { result } = item;
  const image = result?.image;
  const prediction = result?.prediction;
  const pixels = image?.width && `${image.width} × ${image.height} pixels`;
  const rows = {
    "Answered in": inSeconds(result ? secondsOf(item) : null),
    "Classifier's share": result ? inSeconds(result.seconds) : "",
    "Like a galaxy": Number.isFinite(prediction?.in_domain) ? precise(prediction.in_domain) : "",
    Model: modelOf(result),
    ...Object.fromEntries(othersOf(item).map(([model, said]) => [shown(model), said])),
    Picture: [pixels, image?.format, inWords(item.size)].filter(Boolean).join(", "),
    Conversions: image?.conversions.map((each) => each.replaceAll("_", " ")).join(", "),
    Key: item.key,
    "SHA-256": image?.sha256,
  };
  const filled = Object.entries(rows).filter(([, value]) => value);
  part("large-facts").replaceChildren(
    ...filled.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", shown(value)))),
  );
}
