// SHA-256 (FIPS 180-4), for pages to which the browser does not offer its own: those that are neither https nor of this machine.

const PIECE_BYTES = 2 ** 18; // read and digested at a time; a multiple of a block
const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;
const PRIMES = primes(64);
const ROUNDS = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime))); // section 4.2.2
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime))); // section 5.3.3

/** SHA-256 of a Blob's content, in hexadecimal digits. */
export async function sha256(blob) {
  const padded = new Blob([blob, padding(blob.size)]);
  const state = START.slice();
  for (let start = 0; start < padded.size; start += PIECE_BYTES) {
    digest(new DataView(await padded.slice(start, start + PIECE_BYTES).arrayBuffer()), state);
  }
  return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** A bit and zeros that fill up the last block, and the length in bits (section 5.1.1). */
function padding(size) {
  const used = (size + 1 + LENGTH_BYTES) % BLOCK_BYTES;
  const bytes = new DataView(new ArrayBuffer(1 + (used ? BLOCK_BYTES - used : 0) + LENGTH_BYTES));
  bytes.setUint8(0, 0x80);
  bytes.setBigUint64(bytes.byteLength - LENGTH_BYTES, 8n * BigInt(size));
  return bytes;
}

/** Takes whole blocks into the state (section 6.2.2). */
function digest(blocks, state) {
  const words = new Int32Array(ROUNDS.length); // sums are taken modulo 2 ** 32 when they are stored
  // Each round has a new `a` and a new `e`; b, c, d and f, g, h are those of the three rounds before.
  const as = new Int32Array(ROUNDS.length + 4);
  const es = new Int32Array(ROUNDS.length + 4);
  for (let start = 0; start < blocks.byteLength; start += BLOCK_BYTES) {
    schedule(words, blocks, start);
    for (let place = 0; place < 4; place += 1) {
      as[3 - place] = state[place];
      es[3 - place] = state[place + 4];
    }
    for (let t = 0; t < ROUNDS.length; t += 1) {
      const a = as[t + 3];
      const e = es[t + 3];
      const choice = (e & es[t + 2]) ^ (~e & es[t + 1]);
      const majority = (a & as[t + 2]) ^ (a & as[t + 1]) ^ (as[t + 2] & as[t + 1]);
      const one = es[t] + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + choice + ROUNDS[t] + words[t];
      const two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + majority;
      es[t + 4] = as[t] + one;
      as[t + 4] = one + two;
    }
    for (let place = 0; place < 4; place += 1) {
      state[place] += as[ROUNDS.length + 3 - place];
      state[place + 4] += es[ROUNDS.length + 3 - place];
    }
  }
}

/** The words of a block for each round. */
function schedule(words, blocks, start) {
  for (let t = 0; t < 16; t += 1) words[t] = blocks.getInt32(start + 4 * t);
  for (let t = 16; t < words.length; t += 1) {
    const near = words[t - 2];
    const far = words[t - 15];
    words[t] = words[t - 16] + (turned(far, 7) ^ turned(far, 18) ^ (far >>> 3))
      + words[t - 7] + (turned(near, 17) ^ turned(near, 19) ^ (near >>> 10));
  }
}

/** The first prime numbers. */
function primes(count) {
  const found = [];
  for (let number = 2; found.length < count; number += 1) if (found.every((prime) => number % prime)) found.push(number);
  return found;
}

/** The first 32 bits behind the point. */
function fraction(number) {
  return Math.floor((number % 1) * 2 ** 32) | 0;
}

/** A word whose bits are moved to the right, round the end. */
function turned(word, bits) {
  return (word >>> bits) | (word << (32 - bits));
}
