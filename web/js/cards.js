// Cards: one file each, in the list of results.

import { extension } from "./files.js";
import { inOneLine, inSeconds, make, modelOf, othersOf, part, say, secondsOf, showRows, shown, titleOf, wordsFor } from "./parts.js";
import { adviceFor, markOf, STATES } from "./states.js";
import { votesOf } from "./votes.js";
import { showWay } from "./way.js";

const MOST_VALUES = 5; // as many rows as there are classes

/** The card of an item. Call `update()` after the item has changed; its `data-id` is the item's. */
export class Card {
  constructor(item) {
    this.item = item;
    this.element = part("card").content.firstElementChild.cloneNode(true);
    this.element.dataset.id = item.id;
    say(this.part("bdi"), shown(item.name));
    this.part(".name").title = item.name;
    this.part(".pick input").setAttribute("aria-label", `Compare ${shown(item.name)}`);
    say(this.part(".kind"), kindOf(item));
    this.part(".way summary").setAttribute("aria-label", `${this.part(".way summary").textContent}: ${shown(item.name)}`);
    this.part(".way").addEventListener("toggle", () => this.showVotes());
    this.update();
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  update() {
    const { state, reason, result, twin } = this.item;
    const words = STATES[state];
    this.element.dataset.state = state;
    this.part(".pick input").checked = Boolean(this.item.chosen);
    this.showPicture();
    this.showBadge(markOf(result?.prediction)?.badge ?? words.badge ?? (twin && "Duplicate"));
    this.showUpload();
    if (result?.prediction) this.showPrediction(result.prediction);
    else this.showState(words.verdict, reason);
    say(this.part(".others"), othersOf(this.item).map(([, said]) => said).join("\n"));
    say(this.part(".advice"), shown(adviceFor(this.item)));
    this.showButton(".cancel", words.cancel);
    this.showButton(".again", words.again ?? (twin && STATES.twin.again));
    say(this.part(".facts"), result ? facts(this.item) : "");
    this.part(".open").setAttribute("aria-label", `${spoken(this.item)}. Large view`);
  }

  /** The thumbnail, once there is one; browsers show no FITS and no damaged file, for which the kind of file stands. */
  showPicture() {
    const { thumb } = this.item;
    const old = this.part("img");
    if (!thumb || old?.src === thumb) return;
    const picture = make("img");
    picture.alt = "";
    picture.decoding = "async";
    picture.src = thumb;
    picture.addEventListener("error", () => picture.remove());
    old?.remove();
    this.part(".open").append(picture);
  }

  showBadge(text) {
    const badge = this.part(".badge");
    badge.hidden = !text;
    say(badge, text ?? "");
  }

  showButton(selector, text) {
    const button = this.part(selector);
    // A button that goes while it has the focus would drop a keyboard user back to the top of the page.
    if (!text && document.activeElement === button) this.part(".open").focus({ preventScroll: true });
    button.hidden = !text;
    say(button, text ?? "");
    if (text) button.setAttribute("aria-label", `${text}: ${shown(this.item.name)}`);
  }

  showUpload() {
    const { state, sent, size } = this.item;
    const share = size ? Math.min(sent / size, 1) : 0;
    const bar = this.part(".upload");
    bar.hidden = state !== "uploading";
    if (bar.hidden) return;
    bar.setAttribute("aria-valuenow", Math.round(share * 100));
    bar.firstElementChild.style.setProperty("--share", share);
  }

  showState(verdict, reason) {
    delete this.element.dataset.class;
    delete this.element.dataset.marked;
    this.drawn = null;
    this.part(".bars").hidden = true;
    this.showVotes();
    say(this.part(".verdict"), verdict);
    say(this.part(".words"), reason ?? "");
  }

  showPrediction(prediction) {
    if (this.drawn === prediction) return;
    this.drawn = prediction;
    this.element.dataset.class = prediction.class ?? "";
    this.element.toggleAttribute("data-marked", Boolean(markOf(prediction)));
    this.part(".verdict").replaceChildren(...titleOf(prediction));
    say(this.part(".words"), wordsFor(prediction));
    showRows(this.part(".bars"), prediction, { most: MOST_VALUES });
    this.showVotes();
  }

  /** The votes, folded; they are drawn when somebody looks, since of hundreds of cards hardly any is opened. */
  showVotes() {
    const box = this.part(".way");
    const votes = votesOf(this.drawn);
    box.hidden = !votes;
    if (votes && box.open) showWay(box.lastElementChild, votes);
  }
}

/** What stands where no picture can be shown: "FITS". */
export const kindOf = (item) => extension(item.name).slice(0, 5).toUpperCase() || "?";

/** An item in one line for screen readers: "m51.jpg: Spiral, 92 %, unsure". */
export function spoken({ name, state, reason, result }) {
  const prediction = result?.prediction;
  if (!prediction) return `${shown(name)}: ${STATES[state].verdict}${reason ? `, ${shown(reason).replace(/\.$/, "")}` : ""}`;
  return `${shown(name)}: ${inOneLine(prediction)}`;
}

function facts(item) {
  const seconds = inSeconds(secondsOf(item));
  return [modelOf(item.result), seconds && `after ${seconds}`].filter(Boolean).join(" · ");
}
