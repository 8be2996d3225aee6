// What the model looked at: asked for in the large view, and shown there in place of the picture.

import { ask } from "./addresses.js";
import { reach } from "./network.js";
import { Failure, pause, retrying } from "./pace.js";
import { make, part, say, shown } from "./parts.js";

const PAUSE_MS = 700;
const PATIENCE_MS = 3 * 60_000; // a sleeping classifier wakes first
const OTHER_VERSION_MS = 60_000; // a sleeping classifier would have replaced it by then

/**
 * The explanation of an item's result (docs/results.md), once it is there.
 *
 * @throws {Failure} when there is none in time, or the model gives none.
 */
export async function explanationOf(item, api, signal, on) {
  const batch = item.address?.show ?? item.batch;
  const url = `${api}/uploads/${encodeURIComponent(batch)}/explanations`;
  const body = JSON.stringify({ key: item.result.image.key });
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  const answer = await (await retrying(() => ask(url, on, signal, request), signal)).json();
  let before;
  for (const began = Date.now(); Date.now() - began < PATIENCE_MS; await pause(PAUSE_MS, signal)) {
    const found = await read(answer.url, on, signal);
    before ??= found?.finished ?? "none";
    // Another version's, if that is what is served now: what stood at first may be an earlier one's.
    if (!isOf(found, item.result, found?.finished !== before || Date.now() - began > OTHER_VERSION_MS)) continue;
    if (found.refused) throw new Failure(found.refused);
    return found;
  }
  throw new Failure("No explanation has come in three minutes. Try again later.");
}

async function read(url, on, signal) {
  const response = await reach(url, "object store", on?.offline, signal).catch(() => {
    signal.throwIfAborted();
    return null; // some stores answer scripts only when there is something
  });
  return response?.ok ? response.json() : null;
}

function isOf(found, { image, model }, anyVersion) {
  if (found?.schema_version !== 1 || found.image?.etag !== image.etag) return false;
  if ((found.image.zoom ?? 1) !== (image.zoom ?? 1)) return false; // framed otherwise
  return anyVersion || found.model?.sha256 === model.sha256;
}

/** The button of the large view that shows a heat map instead of the picture. */
export class HeatMap {
  /**
   * @param {function} explain - (item, signal) gives its explanation.
   * @param {object} on - show(img) puts it in the picture's place; back() the picture again.
   */
  constructor(explain, on) {
    Object.assign(this, { explain, on, item: null, work: new AbortController() });
    this.button = part("large-explain");
    this.button.addEventListener("click", () => this.toggle());
  }

  /** Another item is looked at, or none. */
  begin(item) {
    this.work.abort();
    this.work = new AbortController();
    this.item = item;
    this.press(false);
    say(part("large-explained"), "");
  }

  /** Offer what can be explained: what lies in a batch and has a result. */
  offer(item) {
    this.button.hidden = !(item.result?.prediction && (item.address?.show ?? item.batch));
  }

  press(pressed) {
    this.button.setAttribute("aria-pressed", pressed);
  }

  async toggle() {
    if (this.button.getAttribute("aria-pressed") === "true") {
      this.begin(this.item);
      this.on.back();
      return;
    }
    const { item, work: { signal } } = this;
    this.press(true);
    say(part("large-explained"), "The model is asked what it looked at…");
    try {
      item.explanation ??= await this.explain(item, signal);
      if (!signal.aborted) await this.show(item, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.press(false);
      say(part("large-explained"), shown(error.message));
    }
  }

  async show(item, signal) {
    const { output, heat_map: png, model, effect } = item.explanation;
    const picture = make("img");
    const url = URL.createObjectURL(new Blob([bytesOf(png.base64)], { type: "image/png" }));
    picture.src = url;
    picture.alt = `Where the model looked in ${shown(item.name)} for ${shown(output)}`;
    await picture.decode().finally(() => URL.revokeObjectURL(url));
    if (signal.aborted) return;
    this.on.show(picture);
    const other = model.sha256 === item.result.model.sha256 ? "" : ` This is of version ${model.version}.`;
    const said = effect
      ? `Orange is what spoke for “${shown(output).replaceAll("_", " ")}”, blue what spoke against it, in the part that the model looks at.`
      : "No single place of the picture decides this answer.";
    say(part("large-explained"), said + other);
  }
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
