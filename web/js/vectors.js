// The worker that keeps feature vectors and compares them: a message {id, task, …} is answered with {id, found}, where null is
// what cannot be told. An image is named by `${etag} ${key}`, a model by `served`, the name that it is served under.

const NEIGHBOURS = 10; // whose mean distance is how isolated an image is; cosmoformer/likeness/index.py has the same
const STRIDE = 32; // numbers of two vectors that are compared before the next look at whether they are too far apart

const models = []; // {served, digest, written, vectors}; the vectors are by image, and of length 1

const TASKS = { take, distances, isolation };

addEventListener("message", ({ data: { id, task, ...about } }) => {
  let found = null;
  try {
    found = TASKS[task](about);
  } catch {
    // an object that is none of vectors
  }
  postMessage({ id, found });
});

/** Takes in the vectors of an object of the store; docs/results.md has its key and members. */
function take({ served, key, bytes }) {
  const { schema_version: version, model, length, images, vectors } = JSON.parse(new TextDecoder().decode(bytes));
  if (version !== 1) return null;
  const halves = new DataView(Uint8Array.from(atob(vectors), (character) => character.charCodeAt(0)).buffer);
  if (halves.byteLength !== 2 * length * images.length) return null;
  const known = modelFor(served, model.sha256);
  const written = key.slice(key.lastIndexOf("/") + 1).split("-")[1];
  if (written > known.written) known.written = written;
  images.forEach(([image, etag], index) => {
    const vector = Float32Array.from({ length }, (_, place) => single(halves.getUint16(2 * (index * length + place), true)));
    const size = Math.hypot(...vector);
    if (size > 0 && size < Infinity) known.vectors.set(`${etag} ${image}`, vector.map((number) => number / size));
  });
  return images.length;
}

function modelFor(served, digest) {
  const known = models.find((each) => each.served === served && each.digest === digest);
  if (known) return known;
  const model = { served, digest, written: "", vectors: new Map() };
  models.push(model);
  return model;
}

/** The number that 16 bits stand for (IEEE 754, binary16). */
function single(half) {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
  return half >> 15 ? -size : size;
}

/** 1 less the cosine of the angle between an image's vector and each of some others', NaN where there is none. */
function distances({ served, digest, image, images }) {
  const { vectors } = modelFor(served, digest);
  const own = vectors.get(image);
  return own ? images.map((each) => (vectors.has(each) ? squared(own, vectors.get(each)) / 2 : NaN)) : null;
}

function squared(one, other) {
  return one.reduce((sum, number, place) => sum + (number - other[place]) ** 2, 0);
}

/**
 * How isolated each of some images is among them: the mean of 1 less the cosine to its nearest ones, 0 where it is alone. By the
 * version of the model whose vectors were written last; NaN where there is none of it.
 */
function isolation({ served, images }) {
  const versions = models.filter((model) => model.served === served).sort((one, other) => (one.written < other.written ? 1 : -1));
  if (!versions.length) return null;
  const [{ vectors }] = versions; // of the latest
  const known = [...new Set(images)].filter((image) => vectors.has(image));
  if (!known.length) return null;
  const means = new Map(isolations(known.map((image) => vectors.get(image))).map((mean, place) => [known[place], mean]));
  return images.map((image) => means.get(image) ?? NaN);
}

/**
 * The same of vectors of length 1, each compared with each. For these, 1 less the cosine is half the squared distance, which only
 * grows with each number that is compared: most pairs are seen to be too far apart after a few, if those that vary most come first.
 */
function isolations(vectors) {
  const count = Math.min(NEIGHBOURS, vectors.length - 1);
  if (!count) return [0];
  const order = byVariance(vectors);
  const rows = vectors.map((vector) => Float32Array.from(order, (place) => vector[place]));
  const nearest = vectors.map(() => new Float64Array(count).fill(Infinity)); // squared distances, the farthest first
  for (let one = 0; one < rows.length; one += 1) {
    for (let other = 0; other < one; other += 1) {
      const most = Math.max(nearest[one][0], nearest[other][0]);
      const distance = squaredUpTo(most, rows[one], rows[other]);
      if (distance >= most) continue;
      keep(nearest[one], distance);
      keep(nearest[other], distance);
    }
  }
  return nearest.map((those) => those.reduce((sum, each) => sum + each, 0) / (2 * count));
}

/** Places of the vectors' numbers, those that vary most first. */
function byVariance(vectors) {
  const [sums, squares] = [new Float64Array(vectors[0].length), new Float64Array(vectors[0].length)];
  for (const vector of vectors) {
    for (let place = 0; place < vector.length; place += 1) {
      sums[place] += vector[place];
      squares[place] += vector[place] ** 2;
    }
  }
  const spread = squares.map((square, place) => square - sums[place] ** 2 / vectors.length);
  return [...spread.keys()].sort((one, other) => spread[other] - spread[one]);
}

/** The squared distance of two vectors, or where that is `most` at least, some number that is so too. */
function squaredUpTo(most, one, other) {
  let distance = 0;
  for (let place = 0; place < one.length && distance < most;) {
    const end = Math.min(place + STRIDE, one.length);
    for (; place < end; place += 1) {
      const off = one[place] - other[place];
      distance += off * off;
    }
  }
  return distance;
}

/** Puts a distance among the nearest, in place of the farthest, if it is less. */
function keep(nearest, distance) {
  if (distance >= nearest[0]) return;
  let place = 0;
  for (; place + 1 < nearest.length && nearest[place + 1] > distance; place += 1) nearest[place] = nearest[place + 1];
  nearest[place] = distance;
}
