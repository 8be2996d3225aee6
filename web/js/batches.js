// Batches: reopening what was uploaded earlier, by the name that shows a batch.

import { ask } from "./addresses.js";
import { Failure, retrying } from "./pace.js";
import { checkedResult, readResult } from "./results.js";

const READS_AT_ONCE = 6; // as many connections as browsers open to a host

/**
 * What stands in the results bucket of a batch, in the order of the keys.
 *
 * @param {object} [on] - offline(waiting, words) as for uploads.
 * @yields {{key, name, result, others, reason, imageUrl}} `name` is the file's; `others` has the results of further models by name; `reason` says why there is no result; `imageUrl` expires.
 * @throws {Failure} when the name is no batch's, or the API fails.
 */
export async function* openBatch(api, batch, signal, on) {
  let after = "";
  do {
    const url = `${api}/uploads/${encodeURIComponent(batch)}${after && `?after=${encodeURIComponent(after)}`}`;
    const answer = await (await retrying(() => ask(url, on, signal), signal)).json();
    yield* inTurn(answer.results, (entry) => read(entry, on, signal));
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

async function read({ key, name, result, further = {}, image }, on, signal) {
  const entry = { key, name, imageUrl: image.url, result: null, others: {}, reason: "" };
  try {
    const found = await readResult(result.url, on, signal);
    if (found) entry.result = checkedResult(found);
    else entry.reason = "The result is no longer there.";
    for (const [model, { url }] of Object.entries(further)) {
      const other = await readResult(url, on, signal).then((answer) => answer && checkedResult(answer), () => null);
      if (other) entry.others[model] = other;
    }
  } catch (error) {
    signal.throwIfAborted();
    entry.reason = error instanceof Failure ? error.message : "The store did not hand out this result. Reload the page.";
  }
  return entry;
}
