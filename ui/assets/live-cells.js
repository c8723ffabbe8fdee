// Parts of rows that script writes: times, levels, services, durations, as the server writes them. All of it is text.

import { rfc3339, written } from "./times.js";

const COLOURS = 20n;

/** A service's colour: FNV-1a of its name, as in colour.rs. @param {string} service */
function colour(service) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(service)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return (hash ^ (hash >> 32n)) % COLOURS;
}

/** @type {Map<string, string>} */
const classes = new Map();

/** The square in a service's colour. @param {string} service */
export function chip(service) {
  if (!classes.has(service)) classes.set(service, `chip c${colour(service)}`);
  const span = document.createElement("span");
  span.className = classes.get(service);
  return span;
}

/** The time of Unix nanoseconds, to the millisecond. @param {string} nanos */
export function moment(nanos) {
  const exact = BigInt(nanos);
  const time = document.createElement("time");
  time.dateTime = rfc3339(exact, 9);
  time.textContent = written(exact);
  return time;
}

/** A log's level. @param {{severity: string | null, severity_text: string | null}} row */
export function level(row) {
  const span = document.createElement("span");
  span.className = "level";
  span.textContent = (row.severity || row.severity_text || "–").slice(0, 12);
  return span;
}

/** A length of time with three digits. @param {number} nanos */
export function took(nanos) {
  const units = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"]];
  const [size, unit] = units.find(([size]) => Math.abs(nanos) >= size) ?? [1, "ns"];
  return size === 1 ? `${nanos} ns` : `${(nanos / size).toPrecision(3)} ${unit}`;
}

/** A value as text. @param {unknown} value */
export function text(value) {
  if (value === undefined || value === null) return "";
  return (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 300);
}
