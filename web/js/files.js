// From what a person dropped, chose or pasted to a list of files, and what can be said of a file before it is sent.

import { turns } from "./pace.js";

const EXTENSIONS = new Set([
  "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jp2", "j2k", "ppm", "pgm", "fits", "fit", "fts", "fz", "gz",
]);
const SUPPORTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, JPEG 2000, PPM and FITS files can be classified.";
const HEAD_BYTES = 16;
const PACKED_HEAD_BYTES = 4096; // a gzip header may hold a file name and a comment
const READS_AT_ONCE = 8;

// First bytes of a file, one character a byte; formats of the classifier (cosmoformer/images/decoding.py).
const SIGNATURES = [
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^\x89PNG\r\n\x1a\n/, "image/png"],
  [/^RIFF[^]{4}WEBP/, "image/webp"],
  [/^GIF8[79]a/, "image/gif"],
  [/^(II\*\0|MM\0\*|II\+\0|MM\0\+)/, "image/tiff"],
  [/^(\0\0\0\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51)/, "image/jp2"],
  [/^SIMPLE {2}=/, "image/fits"],
  [/^P[1-6][\s#]/, "image/x-portable-anymap"],
  [/^BM/, "image/bmp"],
];
const OTHERS = [
  [/^%PDF/, "a PDF document"],
  [/^PK\x03\x04/, "a zip archive or an office document"],
  [/^[^]{4}ftyp(hei|hev|mif|msf)/, "a HEIC picture"],
  [/^[^]{4}ftypavi/, "an AVIF picture"],
  [/^[^]{4}ftyp/, "a video"],
  [/^\s*(\xef\xbb\xbf)?\s*<(\?xml|!doc|html|svg|!--)/i, "a text with markup, such as HTML or SVG"],
];

const readTurn = turns(READS_AT_ONCE);

/** End of a file name after its last dot, in lower case; empty when there is none. */
export function extension(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/**
 * Looks at a file before it is sent: its size, and its type by its first bytes, whatever its name says.
 *
 * @returns {Promise<{type: string, reason: string}>} its media type; `reason` is empty, or says why it cannot be sent and
 *   what to do.
 */
export function examine(file, maxBytes) {
  return readTurn(async () => {
    if (file.size > maxBytes) {
      return refuse(`The file is larger than ${inWords(maxBytes)}. Save a smaller copy, or cut the galaxy out of it.`);
    }
    try {
      // Nothing is read of an empty file, but a folder, which has a size of its own, cannot be read.
      const head = await textOf(file.slice(0, HEAD_BYTES));
      if (!file.size) return refuse("The file is empty. Copy it again from where it came from.");
      return await judge(file, head);
    } catch {
      return refuse("The browser cannot read this file: it was moved, changed, or is a folder. Choose it again.");
    }
  });
}

/** A number of bytes for people, such as "4.2 MiB". */
export function inWords(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/**
 * The files that an input element holds: {found: [{file, name}], skipped}.
 * A whole folder brings other files along than pictures: they are counted in `skipped`, not shown.
 */
export function fromInput(input) {
  const found = Array.from(input.files, (file) => ({ file, name: file.webkitRelativePath || file.name }));
  if (!input.webkitdirectory) return { found, skipped: 0 };
  const pictures = found.filter(({ file }) => looksLikePicture(file));
  return { found: pictures, skipped: found.length - pictures.length };
}

/** The same for a drop; folders are walked until more than `limit` pictures are found. */
export async function fromDrop(transfer, limit) {
  // The entries must be taken before the first await: the browser empties the transfer after the event.
  const entries = Array.from(transfer.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = Array.from(transfer.files, (file) => ({ file, name: file.name }));
  if (!entries.some((entry) => entry.isDirectory)) return { found: loose, skipped: 0 };
  const total = { found: [], skipped: 0 };
  for (const entry of entries) await walk(entry, limit, total);
  total.found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return total;
}

/** The same for the clipboard: copied files, or a copied picture, which gets the time as its name. */
export function fromPaste(clipboard) {
  const files = Array.from(clipboard?.files ?? []);
  const found = files.map((file, index) => ({ file, name: isNamed(file) ? file.name : pastedName(file, index) }));
  return { found, skipped: 0 };
}

/** Browsers call every copied picture the same. */
function isNamed(file) {
  return file.name && !/^image\.(png|jpe?g|tiff?)$/i.test(file.name);
}

function pastedName(file, index) {
  const time = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "");
  return `pasted-${time}${index ? `-${index + 1}` : ""}.${extension(file.name) || "png"}`;
}

/** Whether a file of a folder is worth a look: by its name, since a folder may hold thousands. */
function looksLikePicture(file) {
  return EXTENSIONS.has(extension(file.name)) || (file.type.startsWith("image/") && file.type !== "image/svg+xml");
}

async function walk(entry, limit, total) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (looksLikePicture(file)) total.found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    else total.skipped += 1;
    return;
  }
  const reader = entry.createReader();
  while (total.found.length <= limit) {
    // A reader hands out a folder in portions and ends with an empty one.
    const children = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!children.length) return;
    for (const child of children) {
      if (total.found.length <= limit) await walk(child, limit, total);
    }
  }
}

async function judge(file, head) {
  if (head.startsWith("\x1f\x8b")) {
    const unpacked = await textOf(unpack(file)).catch(() => "");
    if (unpacked.startsWith("SIMPLE  =")) return { type: "application/octet-stream", reason: "" };
    return refuse("This is a compressed file without a FITS image in it. Unpack it and choose the pictures.");
  }
  const type = SIGNATURES.find(([signature]) => signature.test(head))?.[1];
  if (type) return { type, reason: "" };
  const other = OTHERS.find(([signature]) => signature.test(head))?.[1];
  if (other) return refuse(`This is ${other}, whatever its name says. Save the galaxy as JPEG or PNG: ${SUPPORTED}`);
  return refuse(`This is not a picture, or its beginning is damaged. ${SUPPORTED}`);
}

function refuse(reason) {
  return { type: "", reason };
}

/** The first bytes of what a gzip file holds. */
function unpack(file) {
  return file.slice(0, PACKED_HEAD_BYTES).stream().pipeThrough(new DecompressionStream("gzip"));
}

/** The beginning of a blob or a stream, one character a byte. */
async function textOf(source) {
  if (source instanceof Blob) return latin(new Uint8Array(await source.arrayBuffer()));
  const reader = source.getReader();
  const { value } = await reader.read();
  // Cut off as it is, the rest is an error that nobody asks for.
  reader.cancel().catch(() => {});
  return latin((value ?? new Uint8Array()).subarray(0, HEAD_BYTES));
}

function latin(bytes) {
  return String.fromCharCode(...bytes);
}
