// Fingerprints of files: two files of one fingerprint are the same picture, whatever their names.

import { turns } from "./pace.js";

const DIGESTS_AT_ONCE = 2; // each holds its file in memory as a whole

const digestTurn = turns(DIGESTS_AT_ONCE);

/**
 * SHA-256 of a file's content, in hexadecimal digits. Browsers offer it to secure pages only (https, or this machine);
 * elsewhere size, time of change and name have to do.
 */
export async function fingerprint(file) {
  if (!globalThis.crypto?.subtle) return `${file.size}/${file.lastModified}/${file.name}`;
  return digestTurn(async () => {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  });
}
