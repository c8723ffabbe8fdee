// Parts of rows that script writes: times, levels, services, as the server writes them. All of it is text.

import { colourOf } from "./colour.js";
import { rfc3339, written } from "./times.js";

/** @type {Map<string, string>} */
const classes = new Map();

/** The square in a service's colour. @param {string} service */
export function chip(service) {
  if (!classes.has(service)) classes.set(service, `chip c${colourOf(service)}`);
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

/** A value as text. @param {unknown} value */
export function text(value) {
  if (value === undefined || value === null) return "";
  return (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 300);
}
