// Uploads: files go straight to the object store, by the addresses that the API hands out.

import { Batch, FILES_A_REQUEST, address, isExpired, renew } from "./addresses.js";
import { answers, untilBack } from "./network.js";
import { Failure, retrying, turns } from "./pace.js";

export { Batch };

const PUTS_AT_ONCE = 4; // browsers open six connections to a host; the rest is for results
const STALLED_MS = 60_000;

const putTurn = turns(PUTS_AT_ONCE);

/**
 * Uploads items and reports on each of them; resolves when all have been uploaded, refused, cancelled or given up.
 *
 * While the network is away it waits, and an address that has expired is renewed; neither counts as a failure.
 *
 * @param {object[]} items - {file, name, type}; `abort`, an AbortController, cancels one, and nothing more is reported of it.
 *   An item that was uploaded in vain before (it has an `address`) is uploaded under the same key.
 * @param {object} options
 * @param {Batch} [options.batch] - the session's, so that one link reopens all of it; a new one when left out.
 * @param {object} options.on - started(item); progress(item, bytes); uploaded(item, {key, show, resultUrl, expires});
 *   refused(item, reason) when the API does not take the file; failed(item, reason) when trying again may help;
 *   offline(waiting, words) when it begins and ends to wait for a server.
 */
export async function uploadAll(items, { api, on, signal, batch = new Batch() }) {
  const work = { api, on, signal, batch };
  const sending = [];
  for (let start = 0; start < items.length; start += FILES_A_REQUEST) {
    const chunk = items.slice(start, start + FILES_A_REQUEST).filter((item) => !item.abort?.signal.aborted);
    const fresh = chunk.filter((item) => !item.address?.put);
    try {
      if (fresh.length) await address(fresh, work, signal);
    } catch (error) {
      signal.throwIfAborted();
      items.slice(start).filter((item) => !item.abort?.signal.aborted).forEach((item) => on.failed(item, error.message));
      break;
    }
    sending.push(...chunk.map((item) => deliver(item, work)));
  }
  await Promise.all(sending);
  signal.throwIfAborted();
}

async function deliver(item, work) {
  const { on } = work;
  const signal = item.abort ? AbortSignal.any([work.signal, item.abort.signal]) : work.signal;
  if (signal.aborted) return;
  if (item.address.error) {
    on.refused(item, item.address.error.detail);
    return;
  }
  try {
    await putTurn(async () => {
      signal.throwIfAborted();
      on.started(item);
      await send(item, work, signal);
    });
  } catch (error) {
    if (!signal.aborted) on.failed(item, error.message);
    return;
  }
  const { key, show, result } = item.address;
  on.uploaded(item, { key, show, resultUrl: result.url, expires: result.expires });
}

async function send(item, work, signal) {
  let losses = 0;
  await retrying(async () => {
    for (;;) {
      const { expires, received } = item.address;
      // A refused signature comes without CORS headers, so that an address which expired by the store's clock alone looks
      // like a lost connection: one that was lost twice is taken for that.
      if (isExpired(expires, received) || losses > 1) await renew(item, work, signal);
      await mustBeThere(item.file);
      signal.throwIfAborted();
      try {
        return await put(item, work.on, signal);
      } catch (error) {
        signal.throwIfAborted();
        const { url } = item.address.put;
        if (!error.lost || await answers(url)) {
          losses += 1;
          throw error;
        }
        await untilBack(url, "object store", work.on.offline, signal);
      }
    }
  }, signal);
}

/** One PUT. XMLHttpRequest, because fetch does not tell how much has been sent. */
function put(item, on, signal) {
  const { method, url, headers } = item.address.put;
  const request = new XMLHttpRequest();
  const abort = () => request.abort();
  return new Promise((resolve, reject) => {
    const lose = () => reject(lost());
    let stalled;
    const watch = () => {
      clearTimeout(stalled);
      stalled = setTimeout(abort, STALLED_MS);
    };
    request.upload.onprogress = (event) => {
      on.progress(item, event.loaded);
      watch();
    };
    request.onload = () => (request.status < 300 ? resolve() : reject(refusal(request.status)));
    request.onerror = lose;
    request.onabort = lose;
    request.onloadend = () => clearTimeout(stalled);
    request.open(method, url);
    Object.entries(headers ?? {}).forEach(([name, value]) => request.setRequestHeader(name, value));
    signal.addEventListener("abort", abort);
    watch();
    request.send(item.file);
  }).finally(() => signal.removeEventListener("abort", abort));
}

/** A file that was changed or removed since it was chosen would break the connection amid the upload. */
async function mustBeThere(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Failure("The file was changed or moved since it was chosen. Choose it again.");
  }
}

function lost() {
  const words = "The connection to the object store broke again and again. Try again; if it goes on, tell whoever runs it.";
  return Object.assign(new Failure(words, { transient: true }), { lost: true });
}

function refusal(status) {
  const words = `The object store refused the file (HTTP ${status}). Try again; if it goes on, tell whoever runs it.`;
  // 403 is what an expired address gets from a store that says so.
  return new Failure(words, { transient: status >= 500 || [403, 408, 429].includes(status) });
}
