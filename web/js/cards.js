// Cards: one file each. Names and reasons come from outside, so everything is set as text, never as markup.

import { describeClass, inOrder } from "./classes.js";
import { extension } from "./files.js";
import { percent } from "./results.js";

// What a card says in each state, before there is a result: heading, badge on the picture, label of its button.
const STATES = {
  waiting: { verdict: "In line", badge: "In line" },
  uploading: { verdict: "Uploading", badge: "Uploading" },
  classifying: { verdict: "Looking closely", badge: "Classifying" },
  classified: {},
  rejected: { verdict: "Not classified", badge: "Rejected" },
  failed: { verdict: "Not uploaded", badge: "Failed", again: "Try again" },
  late: { verdict: "No answer yet", badge: "Late", again: "Keep waiting" },
  unreadable: { verdict: "Unknown result", badge: "Failed" },
};

// Invisible characters that turn the text after them round: "exe.jpg" could show as "gpj.exe".
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * The card of an item. Call `update()` after the item has changed.
 *
 * @param {object} item - {file, name, state, sent, reason, result, url}
 * @param {function} onAgain - called with the item when its button is pressed.
 */
export class Card {
  constructor(item, onAgain) {
    this.item = item;
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.part("bdi").textContent = item.name.replace(REORDERING, "\ufffd");
    this.part(".name").title = item.name;
    this.part(".again").addEventListener("click", () => onAgain(item));
    this.showPicture();
    this.update();
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  showPicture() {
    const picture = this.part("img");
    this.part(".kind").textContent = extension(this.item.name).slice(0, 5).toUpperCase() || "?";
    // Browsers show no FITS and no damaged files: the kind of file stands there instead.
    picture.addEventListener("error", () => picture.remove());
    picture.src = this.item.url;
  }

  update() {
    const { state, reason, result } = this.item;
    const words = STATES[state];
    this.element.dataset.state = state;
    setBadge(this.part(".badge"), words.badge);
    this.part(".again").hidden = !words.again;
    this.part(".again").textContent = words.again ?? "";
    this.updateUpload();
    if (state === "classified") {
      this.showPrediction(result.prediction);
    } else {
      this.part(".verdict").textContent = words.verdict;
      this.part(".words").textContent = reason ?? "";
    }
    this.part(".facts").textContent = result ? facts(result) : "";
  }

  updateUpload() {
    const { state, sent, file } = this.item;
    const share = file.size ? Math.min(sent / file.size, 1) : 0;
    const bar = this.part(".upload");
    bar.hidden = state !== "uploading";
    bar.setAttribute("aria-valuenow", Math.round(share * 100));
    bar.firstElementChild.style.setProperty("--share", share);
  }

  showPrediction(prediction) {
    const { label, words, shape } = describeClass(prediction.class);
    this.element.dataset.class = prediction.class;
    this.part(".verdict").replaceChildren(glyph(shape), label);
    this.part(".words").textContent = words;
    if (prediction.unsure) {
      this.element.dataset.unsure = "";
      setBadge(this.part(".badge"), "Unsure");
      this.part(".words").textContent = `Take it with care: no shape reached ${percent(prediction.unsure_below)}. ${words}`;
    }
    this.part(".bars").hidden = false;
    this.part(".bars").replaceChildren(...bars(prediction));
  }
}

/** The drawing of a shape. */
export function glyph(shape) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.classList.add("glyph");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#shape-${shape}`);
  svg.append(use);
  return svg;
}

function setBadge(badge, text) {
  badge.hidden = !text;
  badge.textContent = text ?? "";
}

function facts({ model, seconds }) {
  const by = model ? `${model.name} v${model.version} · ` : "";
  return `${by}${seconds < 10 ? seconds.toFixed(2) : Math.round(seconds)} s`;
}

/** Rows of a description list: every class with its probability. */
function bars({ probabilities, class: best }) {
  return inOrder(Object.keys(probabilities)).map((name) => {
    const row = document.createElement("div");
    row.classList.toggle("best", name === best);
    row.dataset.class = name;
    const term = document.createElement("dt");
    term.textContent = describeClass(name).short;
    const share = document.createElement("dd");
    share.textContent = percent(probabilities[name]);
    row.style.setProperty("--share", probabilities[name]);
    row.append(term, share);
    return row;
  });
}
