// From what a person dropped, chose or pasted to a list of files, and what can be said of a file before it is sent.

import { HEAD_BYTES, OTHERS, PACKINGS, SIGNATURES, SUFFIXES, SUPPORTED } from "./formats.js";
import { turns } from "./pace.js";
import { nameKey, sortedBy } from "./parts.js";

const PACKED_HEAD_BYTES = 4096; // a gzip header may hold a file name and a comment
const READS_AT_ONCE = 8;

const readTurn = turns(READS_AT_ONCE);

/** End of a file name after its last dot, in lower case; empty when there is none. */
export function extension(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/**
 * Looks at a file before it is sent: its size, and its type by its first bytes, whatever its name says.
 *
 * @returns {Promise<{type, reason}>} its media type; `reason` says why it cannot be sent and what to do.
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
 * The files that an input element holds: {found: [{file, name}], skipped, unreadable}.
 * A whole folder brings other files along than pictures: they are not shown, and their names are `skipped`.
 */
export function fromInput(input) {
  const found = Array.from(input.files, (file) => ({ file, name: file.webkitRelativePath || file.name }));
  if (!input.webkitdirectory) return { found, skipped: [], unreadable: [] };
  const others = found.filter(({ file }) => !looksLikePicture(file));
  return { found: found.filter((one) => !others.includes(one)), skipped: others.map(({ name }) => name), unreadable: [] };
}

/** The same for a drop, of all that its folders hold. */
export async function fromDrop(transfer) {
  // The entries must be taken before the first await: the browser empties the transfer after the event.
  const entries = Array.from(transfer.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = Array.from(transfer.files, (file) => ({ file, name: file.name }));
  if (!entries.some((entry) => entry.isDirectory)) return { found: loose, skipped: [], unreadable: [] };
  return fromEntries(entries);
}

/** The same for files and folders as browsers hand them out; what cannot be read is named in `unreadable`. */
export async function fromEntries(entries) {
  const total = { found: [], skipped: [], unreadable: [] };
  for (const entry of entries) await walk(entry, total);
  const found = sortedBy(total.found, ({ name }) => nameKey(name));
  return { ...total, found };
}

/** The same for the clipboard: copied files, or a copied picture, which gets the time as its name. */
export function fromPaste(clipboard) {
  const files = Array.from(clipboard?.files ?? []);
  const found = files.map((file, index) => ({ file, name: isNamed(file) ? file.name : pastedName(file, index) }));
  return { found, skipped: [], unreadable: [] };
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
  const name = file.name.toLowerCase();
  return SUFFIXES.some((suffix) => name.endsWith(suffix));
}

/** One file or folder that cannot be read, gone or closed to this user, does not end the walk. */
async function walk(entry, total) {
  const name = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      if (looksLikePicture(file)) total.found.push({ file, name });
      else total.skipped.push(name);
    } else {
      await walkFolder(entry.createReader(), total);
    }
  } catch {
    total.unreadable.push(name);
  }
}

async function walkFolder(reader, total) {
  for (;;) {
    // A reader hands out a folder in portions and ends with an empty one.
    const children = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!children.length) return;
    for (const child of children) await walk(child, total);
  }
}

async function judge(file, head) {
  const packing = Object.values(PACKINGS).some((signature) => beginsWith(head, signature));
  if (packing) return judgePacked(file, head);
  const type = SIGNATURES.find(([signature]) => beginsWith(head, signature))?.[1];
  if (type) return { type, reason: "" };
  const other = OTHERS.find(([signature]) => beginsWith(head, signature))?.[1];
  const supported = `${SUPPORTED} files can be classified.`;
  if (other) return refuse(`This is ${other}, whatever its name says. Save the galaxy as JPEG or PNG: ${supported}`);
  return refuse(`This is not a picture, or its beginning is damaged. ${supported}`);
}

/** Browsers unpack gzip; what else is packed is looked into by the classifier. */
async function judgePacked(file, head) {
  const packed = { type: "application/octet-stream", reason: "" };
  if (!beginsWith(head, PACKINGS[".gz"])) return packed;
  const unpacked = await textOf(unpack(file)).catch(() => "");
  if (unpacked.startsWith("SIMPLE  =")) return packed;
  return refuse("This is a compressed file without a FITS image in it. Unpack it and choose the pictures.");
}

function beginsWith(head, signature) {
  return new RegExp(`^(?:${signature})`, signature.includes("<") ? "i" : "").test(head);
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
