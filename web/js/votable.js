// VOTable (IVOA recommendation, version 1.4): the table that TOPCAT, Aladin and astropy read.

import { columnsFor } from "./columns.js";

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
  + '<RESOURCE type="results">\n<COOSYS ID="ICRS" system="ICRS"/>\n<TABLE name="cosmoformer_results">\n'
  + "<DESCRIPTION>Galaxy morphologies found by CosmoFormer</DESCRIPTION>\n";
const TAIL = "</TABLEDATA></DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n";
const TYPES = {
  text: 'datatype="unicodeChar" arraysize="*"',
  integer: 'datatype="long"',
  number: 'datatype="double"',
  flag: 'datatype="boolean"',
};
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
// XML 1.0, section 2.2, has no other characters.
const NOT_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

/** The items as a VOTable, one row a file. */
export function toVotable(items) {
  const columns = columnsFor(items);
  const rows = items.map((item) => `<TR>${columns.map((column) => `<TD>${cell(column.of(item))}</TD>`).join("")}</TR>\n`);
  return [HEAD, ...columns.map(field), "<DATA><TABLEDATA>\n", ...rows, TAIL].join("");
}

function field({ name, kind, description, unit, ucd }) {
  const ref = ucd.startsWith("pos.eq.") && "ICRS";
  const more = [["ucd", ucd], ["unit", unit], ["ref", ref]].filter(([, value]) => value).map(([key, value]) => ` ${key}="${xml(value)}"`);
  return `<FIELD name="${xml(name)}" ${TYPES[kind]}${more.join("")}><DESCRIPTION>${xml(description)}</DESCRIPTION></FIELD>\n`;
}

/** An empty cell is a null of any type (VOTable 1.3 and later, section 6). */
function cell(value) {
  return value === null ? "" : xml(String(value));
}

/** Text for XML; a control character stands as an escape such as "\x1b", and "\r" as an entity, which readers keep. */
function xml(text) {
  return text
    .replace(NOT_XML, (character) => `\\x${character.codePointAt(0).toString(16).padStart(2, "0")}`)
    .replace(/[&<>"]/g, (character) => ENTITIES[character])
    .replaceAll("\r", "&#13;");
}
