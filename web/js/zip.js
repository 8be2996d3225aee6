// Images as one download: a ZIP archive of files as they are (APPNOTE.TXT 6.3.10), whose parts the browser need not hold in memory.

import { Batch } from "./addresses.js";
import { Failure, breath } from "./pace.js";
import { pictureOf } from "./pictures.js";

const MOST = 65_535;
const MOST_BYTES = 2 ** 32 - 2 ** 24;
const UTF8 = 0x800; // names are in UTF-8
const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/**
 * An archive of the items' images, and `words` on those that cannot be had.
 *
 * @throws {Failure} where they are too many for one archive, or none.
 */
export async function zipped(items, signal) {
  const [parts, entries] = [[], []];
  const names = new Batch();
  let [place, lost] = [0, 0];
  for (const item of items) {
    const content = await pictureOf(item, signal, Infinity);
    const bytes = content && new Uint8Array(await content.arrayBuffer().catch(() => new ArrayBuffer(0)));
    signal.throwIfAborted();
    if (!bytes?.length) {
      lost += 1;
      continue;
    }
    const name = new TextEncoder().encode(names.nameFor(item));
    const about = [UTF8, 0, 0, 33, [checksum(bytes)], [bytes.length], [bytes.length], name.length, 0];
    const head = fields([0x04034b50], 20, ...about);
    entries.push(fields([0x02014b50], 20, 20, ...about, 0, 0, 0, [0], [place]), name);
    parts.push(head, name, item.file ?? content);
    place += head.length + name.length + bytes.length;
    if (place > MOST_BYTES || entries.length / 2 > MOST) throw new Failure("These are too many images for one archive. Choose some of them.");
    await breath();
  }
  if (!entries.length) throw new Failure("None of these images could be read. Try again, or reload the page.");
  const size = entries.reduce((sum, { length }) => sum + length, 0);
  const count = entries.length / 2;
  const end = fields([0x06054b50], 0, 0, count, count, [size], [place], 0);
  const words = lost && `${lost} of ${items.length} images could not be read and are not in the archive.`;
  return { blob: new Blob([...parts, ...entries, end], { type: "application/zip" }), words: words || "" };
}

/** Numbers of two bytes, or in brackets of four, the least significant byte first. */
function fields(...values) {
  return Uint8Array.from(values.flatMap((value) => {
    const [number, bytes] = Array.isArray(value) ? [value[0], 4] : [value, 2];
    return Array.from({ length: bytes }, (_, place) => (number >>> (8 * place)) & 255);
  }));
}

/** CRC-32 (ISO 3309). */
function checksum(bytes) {
  let sum = -1;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}
