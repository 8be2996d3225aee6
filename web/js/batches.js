// Batches: reopening what was uploaded earlier, by the name that shows a batch.

import { ask } from "./addresses.js";
import { Failure, retrying } from "./pace.js";
import { checkedResult, readResult } from "./results.js";

const READS_AT_ONCE = 6; // as many connections as browsers open to a host
const STILL_TO_COME = "A further model has judged this image, the first one has not yet. Its result appears here once it comes.";

/**
 * What stands in the results bucket of a batch, in the order of the keys.
 *
 * @param {object} [on] - offline(waiting, words) as for uploads.
 * @yields {{key, name, address, result, others, awaited, reason, imageUrl}} `name` is the file's; `address` is where results stand, as
 *   uploads have it; `others` has the results of further models by name; `awaited` says that the first model has yet to judge what a
 *   further one has; `reason` says why there is no result; `imageUrl` expires.
 * @throws {Failure} when the name is no batch's, or the API fails.
 */
export async function* openBatch(api, batch, signal, on) {
  let after = "";
  do {
    const url = `${api}/uploads/${encodeURIComponent(batch)}${after && `?after=${encodeURIComponent(after)}`}`;
    const answer = await (await retrying(() => ask(url, on, signal), signal)).json();
    const received = Date.now();
    yield* inTurn(answer.results, (entry) => read(entry, { show: batch, received }, on, signal));
    after = answer.next;
  } while (after);
}

/** What a task makes of each entry, in order, some of them under way ahead. */
async function* inTurn(entries, task) {
  const ahead = [];
  for (const entry of entries) {
    const reading = task(entry);
    reading.catch(() => {}); // whoever reads on to it hears of it; nobody does once another has failed
    ahead.push(reading);
    if (ahead.length === READS_AT_ONCE) yield await ahead.shift();
  }
  for (const reading of ahead) yield await reading;
}

async function read({ key, name, result, further = {}, image }, about, on, signal) {
  const address = { ...about, key, result, further };
  const entry = { key, name, address, imageUrl: image.url, result: null, others: {}, awaited: false, reason: "" };
  const first = await look(result, on, signal);
  for (const [model, place] of Object.entries(further)) {
    const other = await look(place, on, signal);
    if (other.result) entry.others[model] = other.result;
    // The list has the image for the sake of this result: the first model's is not lost, it is still to come.
    entry.awaited ||= Boolean(first.isMissing && !other.isMissing);
  }
  entry.result = first.result ?? null;
  entry.reason = entry.awaited ? STILL_TO_COME : first.reason ?? "";
  return entry;
}

/** The result at an address, or the reason why there is none, and whether it `isMissing`: not there, as far as one can tell. */
async function look({ url }, on, signal) {
  try {
    const found = await readResult(url, on, signal);
    return found ? { result: checkedResult(found) } : { reason: "The result is no longer there.", isMissing: true };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) return { reason: error.message };
    // Some stores answer scripts only when there is something.
    return { reason: "The store did not hand out this result. Reload the page.", isMissing: true };
  }
}
