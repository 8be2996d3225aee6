// The columns of the tables that can be downloaded: those of `cosmoformer results` (cosmoformer/storage/tables.py), by the same names
// and in the same order, and around them what only the page knows.

import { secondsOf } from "./parts.js";
import { modelsOf, namesOf } from "./states.js";
import { TREE } from "./tree.js";

/** [heading, members of the result that lead to the value, kind, description, unit, UCD (IVOA UCD1+)] */
const OF_RESULT = [
  ["key", "image.key", "text", "Object key of the image.", "", "meta.id;meta.main"],
  ["object_id", "object.object_id", "text", "Name of the object, as told with the image.", "", "meta.id"],
  ["ra", "object.ra", "number", "Right ascension of the object, ICRS.", "deg", "pos.eq.ra;meta.main"],
  ["dec", "object.dec", "number", "Declination of the object, ICRS.", "deg", "pos.eq.dec;meta.main"],
  ["survey", "object.survey", "text", "Survey that the image is of, as told with it.", "", "meta.dataset"],
  ["pixel_scale", "object.pixel_scale", "number", "Side of a pixel of the file.", "arcsec", "instr.scale"],
  ["size_arcsec", "object.size_arcsec", "number", "Petrosian radius (R90), as told.", "arcsec", "phys.angSize"],
  ["status", "status", "text", "classified, or rejected for a file that is no picture.", "", "meta.code.status"],
  ["class", "prediction.class", "text", "Class with the highest probability.", "", "src.morph.type"],
  ["confidence", "prediction.confidence", "number", "Probability of that class.", "", "stat.probability"],
  ["unsure", "prediction.unsure", "flag", "Whether the confidence is below unsure_below.", "", "meta.code.qual"],
  ["unsure_below", "prediction.unsure_below", "number", "Threshold of unsure."],
  ["in_domain", "prediction.in_domain", "number", "Likeness to what the model learned from.", "", "stat.value"],
  ["no_galaxy", "prediction.no_galaxy", "flag", "Whether in_domain is below no_galaxy_below.", "", "meta.code.qual"],
  ["no_galaxy_below", "prediction.no_galaxy_below", "number", "Threshold of no_galaxy."],
  ["task", "prediction.task", "text", "Question that was answered."],
  ["rejection_code", "rejection.code", "text", "Why the file was rejected, as a short stable name."],
  ["rejection_reason", "rejection.reason", "text", "Why the file was rejected, in words.", "", "meta.note"],
  ["model_name", "model.name", "text", "Registered model that judged."],
  ["model_version", "model.version", "integer", "Its version.", "", "meta.version"],
  ["model_run_id", "model.run_id", "text", "MLflow run that trained it."],
  ["model_sha256", "model.sha256", "text", "Digest of its artifact."],
  ["bucket", "image.bucket", "text", "Bucket of the image."],
  ["etag", "image.etag", "text", "Entity tag of the image in the store."],
  ["size_bytes", "image.size_bytes", "integer", "Length of the image file.", "byte", "phys.size;meta.file"],
  ["last_modified", "image.last_modified", "text", "When the store took the image, ISO 8601.", "", "time"],
  ["sha256", "image.sha256", "text", "Digest of the image file."],
  ["width", "image.width", "integer", "Width of the picture in the file.", "pixel"],
  ["height", "image.height", "integer", "Height of the picture in the file.", "pixel"],
  ["format", "image.format", "text", "File format of the image."],
  ["conversions", "image.conversions", "text", "What was done to make it square 8-bit RGB, in order."],
  ["zoom", "image.zoom", "number", "Side of the picture over the side that was shown to the model."],
  ["object_zoom", "object.zoom", "number", "Zoom that was told."],
  ["object_told", "object.told", "text", "What was told with the image; the rest is from the file or its name."],
  ["object_ignored", "object.ignored", "text", "What was told of the object, but wrongly.", "", "meta.note"],
  ["event_id", "event.id", "text", "CloudEvent that led to the result."],
  ["event_source", "event.source", "text", "Source of that CloudEvent."],
  ["event_time", "event.time", "text", "Time of that CloudEvent, ISO 8601.", "", "time"],
  ["started", "started", "text", "When the work on it began, ISO 8601.", "", "time.start"],
  ["finished", "finished", "text", "When the result was ready, ISO 8601.", "", "time.end"],
  ["seconds", "seconds", "number", "Time from start to finish.", "s", "time.duration"],
];

/** What is told of a further model's result, under headings that begin with the model's name. */
const OF_FURTHER = new Set(["class", "confidence", "unsure", "in_domain", "no_galaxy", "rejection_code", "model_version"]);

const FILE = column("file", "text", "Name of the file, with its folders.", ({ name }) => name, "", "meta.id;meta.file");
const OF_PAGE = [
  column("state", "text", "Where the file stands on the page.", ({ state }) => state, "", "meta.code.status"),
  column("reason", "text", "Why it was not classified, in words.", ({ reason }) => reason || null, "", "meta.note"),
  column("answer_seconds", "number", "Time from upload to answer.", answerSeconds, "s", "time.duration"),
];

/** Description and UCD of values whose meaning is known, as cosmoformer/storage/tables.py has them. */
const KNOWN_VALUES = {
  inclination: ["Inclination of the disc: 0 face-on, 90 edge-on.", "src.morph.param"],
  inclination_error: ["Uncertainty of the inclination, for 68 % of galaxies.", "stat.error;src.morph.param"],
};

/** All columns of a table of these items: {name, kind, description, unit, ucd, of}; `of(item)` is the cell, null for none. */
export function columnsFor(items) {
  const ofResult = OF_RESULT.map(member);
  return distinct([FILE, ...ofResult, ...ofPrediction(items), ...modelsOf(items).flatMap((model) => further(items, model)), ...OF_PAGE]);
}

/** The columns; what has the heading of one before, but for capitals, gets a number behind it. */
function distinct(columns) {
  const taken = new Set();
  return columns.map((column) => {
    let name = column.name;
    for (let number = 2; taken.has(name.toLowerCase()); number++) name = `${column.name}_${number}`;
    taken.add(name.toLowerCase());
    return { ...column, name };
  });
}

function member([name, path, kind, description, unit = "", ucd = ""]) {
  return column(name, kind, description, ({ result }) => value(result, path.split(".")), unit, ucd);
}

function ofPrediction(items) {
  return [...namesOf(items, "probabilities").sort().map(probability),
    ...namesOf(items, "values").sort().map((name) => taskValue(items, name)),
    ...namesOf(items, "votes").sort().flatMap((name) => votes(items, name))];
}

function further(items, model) {
  const seen = ({ others }) => ({ result: others?.[model] });
  const all = [...OF_RESULT.filter(([name]) => OF_FURTHER.has(name)).map(member), ...ofPrediction(items.map(seen))];
  return all.map(({ of, ...about }) => ({
    ...about, name: `${identifier(model)}_${about.name}`, description: `Of the model ${model}: ${about.description}`, of: (item) => of(seen(item)),
  }));
}

function answerSeconds(item) {
  return item.result && secondsOf(item);
}

function column(name, kind, description, of, unit = "", ucd = "") {
  return { name, kind, description, unit, ucd, of: (item) => of(item) ?? null };
}

function probability(name) {
  const of = ({ result }) => result?.prediction?.probabilities?.[name];
  return column(`p_${identifier(name)}`, "number", `Probability of the class ${name}.`, of, "", "stat.probability");
}

function taskValue(items, name) {
  const unit = items.map(({ result }) => result?.prediction?.units?.[name]).findLast(Boolean);
  const [description, ucd] = KNOWN_VALUES[name] ?? [`The task's value ${name}.`, ""];
  return column(`value_${identifier(name)}`, "number", description, ({ result }) => result?.prediction?.values?.[name], unit, ucd);
}

function votes(items, name) {
  const given = ({ result }) => result?.prediction?.votes?.[name];
  const known = Object.hasOwn(TREE, name) ? TREE[name] : null;
  const asks = known ? `"${known.words}"` : name;
  const answers = [...new Set(items.flatMap((item) => Object.keys(given(item)?.fractions ?? {})))].sort();
  return [
    column(`asked_${identifier(name)}`, "number", `Of 100 volunteers, how many would be asked ${asks}`, (item) => given(item)?.asked, "", "stat.weight;src.morph"),
    ...answers.map((answer) => column(`f_${identifier(`${name}_${answer}`)}`, "number",
      `Fraction of those asked ${asks} who answer "${known?.answers[answer]?.[0] ?? answer}".`,
      (item) => given(item)?.fractions[answer], "", "src.morph.param;arith.ratio")),
  ];
}

/** The name as TOPCAT's and pandas' expressions can use it. */
const identifier = (name) => name.replace(/[^\p{L}\p{N}_]+/gu, "_");

function value(result, path) {
  const found = path.reduce((object, member) => object?.[member], result);
  return Array.isArray(found) ? found.join(";") : found;
}
