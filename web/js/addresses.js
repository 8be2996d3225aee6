// Presigned addresses: the API hands them out, they expire, and the API renews them.

import { reach } from "./network.js";
import { Failure, retrying, turns } from "./pace.js";

export const FILES_A_REQUEST = 100; // the API's MAX_UPLOADS
const UNTYPED = "application/octet-stream";

/**
 * A folder of the images bucket, for the uploads of one session; the API names it with the first addresses.
 *
 * `id` is the name that uploads. It stays in this page: links and files that leave it hold the name that only shows.
 */
export class Batch {
  /** @param {string|null} id - of a batch that is there already. */
  constructor(id = null) {
    this.id = id;
    this.names = new Map(); // to the items that have them
    this.turn = turns(1); // so that the first answer names the batch for all
  }

  /** An item's name, changed if another item has it: a second file under one name would replace the first. */
  nameFor(item) {
    const { name } = item;
    const dot = name.lastIndexOf(".") > name.lastIndexOf("/") + 1 ? name.lastIndexOf(".") : name.length;
    let free = name;
    for (let number = 2; (this.names.get(free) ?? item) !== item; number += 1) {
      free = `${name.slice(0, dot)}~${number}${name.slice(dot)}`;
    }
    this.names.set(free, item);
    return free;
  }
}

/**
 * Gives each item its `address`: {batch, show, key, put, result, expires}, or {error} when the API does not take the file.
 *
 * An item that has one already gets a new one for the same key.
 *
 * @param {object} work - {api, batch, on}
 */
export async function address(items, work, signal) {
  const { api, batch, on } = work;
  const answer = await batch.turn(() => {
    signal.throwIfAborted();
    const files = items.map((item) => fileOf(item, batch));
    return retrying(() => request(api, batch.id ? { files, batch: batch.id } : { files }, on, signal), signal);
  });
  batch.id = answer.batch;
  answer.uploads.forEach((upload, index) => {
    items[index].address = { ...upload, batch: answer.batch, show: answer.show, received: Date.now() };
  });
}

/**
 * Gives an item a new address for the same key, in the batch where it is.
 *
 * @throws {Failure} when the API gives none; the old address stays.
 */
export async function renew(item, { api, on }, signal) {
  const { address: old } = item;
  if (!old.batch) {
    item.address = await listedAddress(item, { api, on }, signal);
    return;
  }
  await address([item], { api, on, batch: new Batch(old.batch) }, signal);
  const { error } = item.address;
  if (!error) return;
  item.address = old;
  throw new Failure(error.detail);
}

/** The new address of an image of a batch that this page can only show: its list has it by the key of one of the results. */
async function listedAddress({ key, name, address: old }, { api, on }, signal) {
  const folder = key.slice(0, -name.length);
  for (const place of [old.result, ...Object.values(old.further)]) {
    const inBatch = place.key.slice(place.key.indexOf(folder) + folder.length);
    const query = new URLSearchParams({ after: justBefore(inBatch), limit: 1 });
    const url = `${api}/uploads/${encodeURIComponent(old.show)}?${query}`;
    const { results: [found] } = await (await retrying(() => ask(url, on, signal), signal)).json();
    if (found?.key === key) return { ...old, result: found.result, further: found.further ?? {}, received: Date.now() };
  }
  throw new Failure("The upload service no longer lists this image. Reload the page.");
}

/** A key that sorts before this one, and after all that do: "m51.jpg.jsom~" for "m51.jpg.json". */
const justBefore = (key) => `${key.slice(0, -1)}${String.fromCharCode(key.charCodeAt(key.length - 1) - 1)}~`;

/** Whether an address has expired, or nearly so, as far as this clock can tell: one that is hours ahead tells nothing. */
export function isExpired(expires, received) {
  const lifetime = Date.parse(expires) - received;
  return lifetime > 0 && Date.now() - received > 0.9 * lifetime;
}

function fileOf(item, batch) {
  const facts = { type: item.type || UNTYPED, size: item.file.size };
  return item.address?.key ? { key: item.address.key, ...facts } : { name: batch.nameFor(item), ...facts };
}

async function request(api, body, on, signal) {
  const response = await ask(`${api}/uploads`, on, signal, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => null);
  if (answer?.uploads?.length !== body.files.length) {
    throw new Failure(`The upload service was asked for ${body.files.length} addresses and answered something else.`);
  }
  return answer;
}

/**
 * The API's answer to a request; waits while there is no way to it.
 *
 * @throws {Failure} in the API's own words when it refuses.
 */
export async function ask(url, on, signal, options) {
  const response = await reach(url, "upload service", on?.offline, signal, options).catch(() => {
    signal.throwIfAborted();
    throw new Failure(strange(url), { transient: true });
  });
  if (!response.ok) throw await problemOf(response);
  return response;
}

function strange(url) {
  return (
    `The upload service at ${new URL(url).host} gave this page no answer. Try again; if it goes on, ask whoever runs it ` +
    `whether PAGE_ORIGINS names ${location.origin}.`
  );
}

/** The failure that an answer of the API tells of: problem details of RFC 9457. */
async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  const words = [problem.detail, problem.mend].filter(Boolean).join(". ");
  return new Failure(words || `The upload service answered ${response.status}. Try again later.`, {
    transient: response.status >= 500 || response.status === 429,
    retryAfterMs: 1000 * (Number(response.headers.get("Retry-After")) || 0),
  });
}
