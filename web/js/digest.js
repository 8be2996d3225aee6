// Fingerprints of files: two files of one fingerprint are the same picture, whatever their names.

import { turns } from "./pace.js";

const DIGESTS_AT_ONCE = 2; // each holds its file in memory as a whole

const digestTurn = turns(DIGESTS_AT_ONCE);

/** SHA-256 of a file's content, in hexadecimal digits. */
export async function fingerprint(file) {
  return digestTurn(async () => {
    // Browsers offer it to secure pages only: https, or this machine.
    if (!globalThis.crypto?.subtle) return (await import("./sha256.js")).sha256(file);
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  });
}
