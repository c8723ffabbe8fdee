// The outline of a trace, decoded as it comes: docs/outline.md describes the bytes.

/** What a row is: the two lowest bits of its flags. */
export const SPAN = 0;
export const EVENT = 1;
export const LOG = 2;
export const GAP = 3;

/** Marks in the flags of a row. */
export const FAILED = 1 << 5;
export const EARLY = 1 << 6;
export const REPEATED = 1 << 7;

/** What a row is. @param {number} flags */
export const sortOf = (flags) => flags & 3;
/** Of a span its kind, of a log its level. @param {number} flags */
export const levelOf = (flags) => (flags >> 2) & 7;

const COLUMNS = 6;
const BLOCK_ROWS_MAX = 16_384;
const TWO_32 = 2 ** 32;

/**
 * @typedef {object} Outline
 * @property {object} head
 * @property {string[]} services
 * @property {string[]} names
 * @property {number} rows how many rows have come
 * @property {Float64Array} start nanoseconds from the start of the trace
 * @property {Float64Array} duration
 * @property {Int32Array} parent number of the row above, or -1
 * @property {Uint32Array} service
 * @property {Uint32Array} name
 * @property {Uint8Array} flags
 */

/** Takes bytes as they come and makes rows of them. */
export class Decoder {
  /** @type {Outline | null} */
  outline = null;
  isWhole = false;
  #bytes = new Uint8Array(1 << 16);
  #from = 0;
  #to = 0;

  /** Adds bytes; says whether rows came. @param {Uint8Array} chunk */
  push(chunk) {
    this.#keep(chunk);
    if (this.outline === null && !this.#readHead()) return false;
    const before = this.outline.rows;
    while (!this.isWhole && this.#readBlock());
    return this.outline.rows > before;
  }

  #keep(chunk) {
    const left = this.#to - this.#from;
    if (this.#to + chunk.length > this.#bytes.length) {
      const larger = left + chunk.length > this.#bytes.length ? new Uint8Array(2 * (left + chunk.length)) : this.#bytes;
      larger.set(this.#bytes.subarray(this.#from, this.#to));
      [this.#bytes, this.#from, this.#to] = [larger, 0, left];
    }
    this.#bytes.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  /** The four bytes at a place as a number, or -1 if they have not come. */
  #length(at) {
    if (at + 4 > this.#to) return -1;
    const bytes = this.#bytes;
    return bytes[at] + bytes[at + 1] * 2 ** 8 + bytes[at + 2] * 2 ** 16 + bytes[at + 3] * 2 ** 24;
  }

  #readHead() {
    const start = this.#from;
    if (start + 4 > this.#to) return false;
    const magic = String.fromCharCode(...this.#bytes.subarray(start, start + 4));
    if (magic !== "CWO1") throw new Error(`an outline begins with CWO1, and this with ${JSON.stringify(magic)}`);
    const length = this.#length(start + 4);
    let at = start + 8 + length;
    if (length < 0 || at > this.#to) return false;
    const text = new TextDecoder();
    const head = JSON.parse(text.decode(this.#bytes.subarray(start + 8, at)));
    const tables = [];
    for (let table = 0; table < 2; table += 1) {
      const count = this.#length(at);
      if (count < 0) return false;
      at += 4;
      const texts = [];
      for (let number = 0; number < count; number += 1) {
        const cursor = { at };
        const size = at < this.#to ? varint(this.#bytes, cursor, this.#to) : -1;
        at = cursor.at + size;
        if (size < 0 || at > this.#to) return false;
        texts.push(text.decode(this.#bytes.subarray(cursor.at, at)));
      }
      tables.push(texts);
    }
    this.#from = at;
    this.outline = room(head, tables[0], tables[1]);
    return true;
  }

  /** Reads a block if all of it has come. */
  #readBlock() {
    const rows = this.#length(this.#from);
    if (rows <= 0) {
      this.isWhole = rows === 0;
      if (this.isWhole && this.outline.rows !== this.outline.head.rows) throw new Error("rows of the outline are missing");
      return false;
    }
    if (rows > BLOCK_ROWS_MAX) throw new Error(`a block of ${rows} rows is larger than one can be`);
    let at = this.#from + 4;
    const columns = [];
    for (let column = 0; column < COLUMNS; column += 1) {
      const length = this.#length(at);
      if (length < 0 || at + 4 + length > this.#to) return false;
      columns.push(this.#bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    addRows(this.outline, rows, columns);
    this.#from = at;
    return true;
  }
}

/** @returns {Outline} */
function room(head, services, names) {
  const rows = head.rows;
  return {
    head,
    services,
    names,
    rows: 0,
    start: new Float64Array(rows),
    duration: new Float64Array(rows),
    parent: new Int32Array(rows),
    service: new Uint32Array(rows),
    name: new Uint32Array(rows),
    flags: new Uint8Array(rows),
  };
}

/** A number of seven bits a byte; moves the cursor. Past the end it is -1. */
function varint(bytes, cursor, end) {
  let number = 0;
  let factor = 1;
  let at = cursor.at;
  while (at < end) {
    const byte = bytes[at];
    at += 1;
    number += (byte & 127) * factor;
    if (byte < 128) {
      cursor.at = at;
      return number;
    }
    factor *= 128;
  }
  return -1;
}

/** Numbers of a column. The first four bytes are read as integers, which is most of them, and fast. */
function numbers(bytes, count, into, at) {
  let place = 0;
  for (let row = 0; row < count; row += 1) {
    let byte = bytes[place++];
    let low = byte & 127;
    if (byte > 127) {
      byte = bytes[place++];
      low |= (byte & 127) << 7;
      if (byte > 127) {
        byte = bytes[place++];
        low |= (byte & 127) << 14;
        if (byte > 127) {
          byte = bytes[place++];
          low |= (byte & 127) << 21;
        }
      }
    }
    let number = low;
    for (let factor = 2 ** 28; byte > 127; factor *= 128) {
      byte = bytes[place++];
      if (byte === undefined) throw new Error("a column of the outline ends too early");
      number += (byte & 127) * factor;
    }
    into[at + row] = number;
  }
  if (place !== bytes.length) throw new Error("a column of the outline has another length than its rows");
}

const scratch = new Float64Array(BLOCK_ROWS_MAX);

/** Folded numbers: 0, 1, 2, 3 are 0, -1, 1, -2. */
function unfold(number) {
  if (number < TWO_32) return number % 2 === 0 ? number / 2 : -(number + 1) / 2;
  // From 2^53 on a number is not exact; halves are, as times stay below.
  const half = Math.floor(number / 2);
  return number - 2 * half === 0 ? half : -half - 1;
}

/** @param {Outline} outline */
function addRows(outline, rows, [starts, durations, distances, services, names, flags]) {
  const { start, duration, parent, service, name, rows: first } = outline;
  if (first + rows > start.length || flags.length !== rows) throw new Error("the outline has more rows than its head says");
  numbers(distances, rows, scratch, 0);
  for (let row = 0; row < rows; row += 1) parent[first + row] = scratch[row] === 0 ? -1 : first + row - scratch[row];
  numbers(starts, rows, scratch, 0);
  for (let row = 0; row < rows; row += 1) {
    const above = parent[first + row];
    start[first + row] = (above < 0 ? 0 : start[above]) + unfold(scratch[row]);
  }
  numbers(durations, rows, scratch, 0);
  for (let row = 0; row < rows; row += 1) duration[first + row] = unfold(scratch[row]);
  numbers(services, rows, service, first);
  numbers(names, rows, name, first);
  outline.flags.set(flags, first);
  outline.rows += rows;
}
