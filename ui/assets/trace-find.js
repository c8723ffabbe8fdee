// Searches that the outline itself can answer, without asking the server. Only where the answer is the same: plain terms
// of service, name, status and kind, all of which hold. Anything else is the server's.

import { FAILED, LOG, SPAN, levelOf, sortOf } from "./trace-outline.js";

const TERM = /\s*(service|name|status|kind):(?:"((?:[^"\\]|\\["\\])*)"|([\w.-]+))(?=\s|$)/y;
const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"];
const WORDS = new Set(["AND", "OR", "NOT"]);
/** Names are cut after 256 bytes, or up to three earlier where a letter would be; what is cut cannot be compared. */
const WHOLE_BYTES_MAX = 252;

/** Whether a name is whole, so that it can be searched for. @param {string} name */
export const isWhole = (name) => new TextEncoder().encode(name).length <= WHOLE_BYTES_MAX;

/** The search for the spans of an operation. @param {string} service @param {string} name */
export function ofOperation(service, name) {
  const quoted = (text) => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
  return `service:${quoted(service)} name:${quoted(name)}`;
}

/** @returns {Uint32Array | null} rows that match, or null where the server has to say */
export function findHere(model, q) {
  const terms = parse(q);
  // What is no field of a log can be an attribute of one.
  if (terms === null || (model.head.logs > 0 && terms.some(([key]) => key !== "service"))) return null;
  const tests = terms.map(([key, value]) => test(model, key, value));
  if (tests.includes(null)) return null;
  const { flags, rows } = model;
  const found = new Uint32Array(rows);
  let count = 0;
  for (let row = 0; row < rows; row += 1) {
    const sort = sortOf(flags[row]);
    if ((sort === SPAN || sort === LOG) && tests.every((holds) => holds(row))) found[count++] = row;
  }
  return found.slice(0, count);
}

function parse(q) {
  const text = q.trim();
  const terms = [];
  for (TERM.lastIndex = 0; TERM.lastIndex < text.length; ) {
    const found = TERM.exec(text);
    if (found === null) return null;
    const [, key, quoted, word] = found;
    if (WORDS.has(word) || word?.startsWith("-")) return null;
    terms.push([key, quoted?.replaceAll(/\\(["\\])/g, "$1") ?? word]);
  }
  return terms.length > 0 ? terms : null;
}

function test({ services, names, service, name, flags }, key, value) {
  if (!isWhole(value)) return null;
  if (key === "kind") {
    const kind = KINDS.indexOf(value);
    return kind < 0 ? null : (row) => levelOf(flags[row]) === kind;
  }
  if (key === "status") return value === "error" ? (row) => (flags[row] & FAILED) !== 0 : null;
  const [table, column] = key === "service" ? [services, service] : [names, name];
  const number = table.indexOf(value);
  return number < 0 ? () => false : (row) => column[row] === number;
}
