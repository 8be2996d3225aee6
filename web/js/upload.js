// Uploads: the API hands out presigned addresses, and the files go straight to the object store.

import { mediaType } from "./files.js";
import { Failure, retrying, turns } from "./pace.js";

const FILES_A_REQUEST = 100; // the API's MAX_UPLOADS
const PUTS_AT_ONCE = 4; // browsers open six connections to a host; the rest is for results
const STALLED_MS = 60_000;

const putTurn = turns(PUTS_AT_ONCE);

/**
 * Uploads items ({file, name, …}) and reports on each of them.
 *
 * @param {object} on - started(item), progress(item, bytes), uploaded(item, {key, url}), refused(item, reason) when the
 *   API does not take the file, failed(item, reason) when trying again may help.
 */
export async function uploadAll(items, api, on, signal) {
  let batch;
  let names = new Set();
  for (let start = 0; start < items.length; start += FILES_A_REQUEST) {
    const chunk = items.slice(start, start + FILES_A_REQUEST);
    // A batch is a folder of the bucket: a name that it has already would replace the file of that name.
    if (chunk.some(({ name }) => names.has(name))) [batch, names] = [undefined, new Set()];
    chunk.forEach(({ name }) => names.add(name));
    let answer;
    try {
      answer = await retrying(() => requestAddresses(api, chunk, batch, signal), signal);
    } catch (error) {
      signal.throwIfAborted();
      items.slice(start).forEach((item) => on.failed(item, error.message));
      return;
    }
    batch = answer.batch;
    await Promise.all(chunk.map((item, index) => deliver(item, answer.uploads[index], on, signal)));
  }
}

async function requestAddresses(api, items, batch, signal) {
  const files = items.map(({ file, name }) => ({ name, type: mediaType(file), size: file.size }));
  const response = await fetch(`${api}/uploads`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(batch ? { files, batch } : { files }),
    credentials: "omit",
    signal,
  }).catch(() => {
    throw new Failure("The upload service does not answer. Is the network there?", { transient: true });
  });
  if (!response.ok) throw await problemOf(response);
  const answer = await response.json().catch(() => null);
  if (answer?.uploads?.length !== items.length) {
    throw new Failure(`The upload service was asked for ${items.length} addresses and answered something else.`);
  }
  return answer;
}

/** The failure that an answer of the API tells of: problem details of RFC 9457. */
async function problemOf(response) {
  const problem = await response.json().catch(() => ({}));
  const words = [problem.detail, problem.mend].filter(Boolean).join(". ");
  return new Failure(words || `The upload service answered ${response.status}.`, {
    transient: response.status >= 500 || response.status === 429,
    retryAfterMs: 1000 * (Number(response.headers.get("Retry-After")) || 0),
  });
}

async function deliver(item, address, on, signal) {
  if (address.error) {
    on.refused(item, address.error.detail);
    return;
  }
  try {
    await putTurn(async () => {
      signal.throwIfAborted();
      on.started(item);
      await retrying(() => put(item, address.put, on, signal), signal);
    });
    on.uploaded(item, { key: address.key, url: address.result.url });
  } catch (error) {
    if (!signal.aborted) on.failed(item, error.message);
  }
}

/** One PUT. XMLHttpRequest, because fetch does not tell how much has been sent. */
function put(item, { method, url, headers }, on, signal) {
  const request = new XMLHttpRequest();
  const abort = () => request.abort();
  return new Promise((resolve, reject) => {
    // A refused signature comes without CORS headers, so an expired address looks like a lost connection.
    const lost = new Failure("The connection to the object store was lost.", { transient: true });
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
    request.onerror = () => reject(lost);
    request.onabort = () => reject(lost);
    request.onloadend = () => clearTimeout(stalled);
    request.open(method, url);
    Object.entries(headers ?? {}).forEach(([name, value]) => request.setRequestHeader(name, value));
    signal.addEventListener("abort", abort);
    watch();
    request.send(item.file);
  }).finally(() => signal.removeEventListener("abort", abort));
}

function refusal(status) {
  return new Failure(`The object store refused the file (HTTP ${status}).`, {
    transient: status >= 500 || status === 429 || status === 408,
  });
}
