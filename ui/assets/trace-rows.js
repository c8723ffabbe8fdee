// What is behind rows: asked for once they rest in view, and kept for a while.

import { ask } from "./main.js";
import { EVENT, GAP, LOG, SPAN } from "./trace-outline.js";

/** The most rows that are kept, and that are asked for at once. */
const KEPT_MAX = 6_000;
const ASKED_MAX = 500;
/** How long rows have to rest before they are asked for. */
const REST_MS = 60;
const TEXT_CHARS_MAX = 400;

/**
 * @typedef {object} Detail
 * @property {number} sort
 * @property {string} id of the element
 * @property {string} [spanId]
 * @property {string} [rowId] its `seq`
 * @property {string} [href]
 * @property {string} [text] what the row says, if that is not its name
 * @property {string} [level]
 * @property {string} [message] what the error says
 */

export class Rows {
  /** @type {Map<number, Detail>} */
  #kept = new Map();
  #wanted = [];
  #timer = 0;
  #asking = new Map();

  /** @param {(error?: Error) => void} came called when some have come, or could not */
  constructor(api, model, came) {
    this.api = api;
    this.model = model;
    this.came = came;
    this.href = api.slice("/api".length);
  }

  get(row) {
    return this.#kept.get(row);
  }

  /** Says which rows are in view. */
  want(rows) {
    this.#wanted = rows.filter((row) => !this.#kept.has(row) && !this.#asking.has(row));
    clearTimeout(this.#timer);
    if (this.#wanted.length > 0) this.#timer = setTimeout(() => this.#ask(this.#wanted).then(() => this.came(), this.came), REST_MS);
  }

  /** What is behind a row, asked for if it must be. @returns {Promise<Detail | undefined>} */
  async need(row) {
    if (!this.#kept.has(row)) await (this.#asking.get(row) ?? this.#ask([row]));
    return this.#kept.get(row);
  }

  /** What is behind some rows, at most as many as are asked for at once. @returns {Promise<Detail[]>} */
  async needAll(rows) {
    const missing = rows.filter((row) => !this.#kept.has(row));
    if (missing.length > 0) await this.#ask(missing);
    return rows.map((row) => this.#kept.get(row)).filter(Boolean);
  }

  #ask(rows) {
    const list = rows.slice(0, ASKED_MAX);
    const asked = this.#fetch(list).finally(() => list.forEach((row) => this.#asking.delete(row)));
    list.forEach((row) => this.#asking.set(row, asked));
    return asked;
  }

  async #fetch(rows) {
    const question = new URLSearchParams({ outline: this.model.head.outline, rows: rows.join(",") });
    const answer = await ask(`${this.api}/rows?${question}`);
    if (!answer.ok) throw new Error(`rows were answered ${answer.status}`);
    const said = await answer.json();
    for (const row of said.rows) this.#kept.set(row.row, this.#read(row));
    for (const row of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_MAX) break;
      this.#kept.delete(row);
    }
  }

  /** @returns {Detail} */
  #read(row) {
    if (row.span) {
      const { span_id: spanId, id: rowId, status_message: message } = row.span;
      return { sort: SPAN, id: `s-${spanId}`, spanId, rowId, message, href: `${this.href}?span=${spanId}#s-${spanId}` };
    }
    if (row.log) {
      const { id: rowId, body, severity, severity_text: sent, span_id: spanId } = row.log;
      const text = line(typeof body === "string" ? body : body === null ? row.log.event_name ?? "" : JSON.stringify(body));
      return { sort: LOG, id: `l-${rowId}`, rowId, spanId, text, level: (severity ?? sent ?? "none").toLowerCase(), href: `${this.href}?log=${rowId}#l-${rowId}` };
    }
    if (row.event) {
      const { span_id: spanId, number, event } = row.event;
      const says = ["exception.type", "exception.message"].map((key) => event.attributes[key]).filter((value) => typeof value === "string");
      const text = says.length === 0 ? event.name : `${event.name}: ${says.join(": ")}`;
      return { sort: EVENT, id: `e-${spanId}-${number}`, spanId, text: line(text), href: `${this.href}?span=${spanId}#s-${spanId}` };
    }
    const below = this.model.size[row.row] > 1 ? this.#below(row.row) : 0;
    const hang = below === 1 ? "1 row hangs" : `${below} rows hang`;
    const text = row.missing ? `span ${row.missing.span_id} is not stored; ${hang} under it` : "the spans below are each other's ancestors; cut at the earliest";
    return { sort: GAP, id: `gap-${row.row}`, text };
  }

  #below(row) {
    let children = 0;
    for (let child = row + 1; child < row + this.model.size[row]; child += this.model.size[child]) children += 1;
    return children;
  }
}

/** The first line of a text; what is left out is marked. */
function line(text) {
  const trimmed = text.trim();
  const first = trimmed.split("\n", 1)[0].slice(0, TEXT_CHARS_MAX);
  return first.length < trimmed.length ? `${first}…` : first;
}
