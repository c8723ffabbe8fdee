// What follows from the rows of an outline: how deep they stand, what hangs below, the critical path, siblings that are
// alike, and which rows are shown. Plain functions over typed arrays; all walks are loops.

import { COLOURS, colourOf } from "./colour.js";
import { EVENT, FAILED, GAP, LOG, SPAN, sortOf } from "./trace-outline.js";

/** From how many on equal siblings are folded into one row. */
export const GROUP_MIN = 5;
/** Columns of the picture of the whole trace. */
export const STRIP_COLUMNS = 1024;
/** Levels of it; deeper spans share the last. */
export const STRIP_LEVELS = 9;

/** How deep each row stands, and how many rows it is with all below it. @param {Int32Array} parent */
export function shape(parent) {
  const rows = parent.length;
  const depth = new Uint32Array(rows);
  const size = new Uint32Array(rows).fill(1);
  for (let row = 0; row < rows; row += 1) if (parent[row] >= 0) depth[row] = depth[parent[row]] + 1;
  for (let row = rows - 1; row >= 0; row -= 1) if (parent[row] >= 0) size[parent[row]] += size[row];
  return { depth, size };
}

/**
 * Marks the spans that the duration of their root consists of, as `trace_tree` in SQL does: backwards from the end, of
 * the children that ended by then the last one was waited for. A child counts within the time of its parent.
 * @returns {Uint8Array} 1 on the path
 */
export function criticalPath({ start, duration, parent, flags }, size) {
  const rows = parent.length;
  const from = new Float64Array(rows);
  const to = new Float64Array(rows);
  const onPath = new Uint8Array(rows);
  for (let row = 0; row < rows; row += 1) {
    if (sortOf(flags[row]) !== SPAN) continue;
    from[row] = start[row];
    to[row] = start[row] + Math.max(0, duration[row]);
    const above = parent[row];
    if (above < 0 || sortOf(flags[above]) !== SPAN) {
      onPath[row] = 1;
    } else {
      from[row] = Math.max(from[row], from[above]);
      to[row] = Math.max(from[row], Math.min(to[row], to[above]));
    }
  }
  for (let row = 0; row < rows; row += 1) if (onPath[row] === 1 && size[row] > 1) step(row);
  return onPath;

  function step(row) {
    const children = [];
    const end = row + size[row];
    for (let child = row + 1; child < end; child += size[child]) {
      if (sortOf(flags[child]) === SPAN && to[child] > from[child]) children.push(child);
    }
    children.sort((a, b) => to[b] - to[a] || from[a] - from[b] || a - b);
    let then = to[row];
    for (const child of children) {
      if (to[child] > then) continue;
      onPath[child] = 1;
      then = from[child];
    }
  }
}

/**
 * @typedef {object} Groups siblings of one service and name, from five on
 * @property {Int32Array} of the group of each row, or -1
 * @property {Uint32Array} members rows of all groups, one group after the other
 * @property {Uint32Array} first where the members of each group begin; one more than there are groups
 * @property {Float64Array} total
 * @property {Float64Array} p95
 * @property {Uint32Array} failed
 * @property {Uint8Array} serial 1 where they run one after another
 */

/** Finds siblings that are alike. @returns {Groups} */
export function groups(outline, size) {
  const { parent, service, name, flags, names } = outline;
  const rows = parent.length;
  const of = new Int32Array(rows).fill(-1);
  const operations = new Map();
  const counts = [];
  const numbers = [];
  const members = [];
  const first = [0];
  // Children of nobody are siblings too.
  siblings(0, rows);
  for (let row = 0; row < rows; row += 1) if (size[row] > GROUP_MIN) siblings(row + 1, row + size[row]);
  return { of, ...measured(outline, Uint32Array.from(members), Uint32Array.from(first)) };

  function operation(row) {
    const key = service[row] * names.length + name[row];
    let number = operations.get(key);
    if (number === undefined) {
      number = operations.size;
      operations.set(key, number);
      counts.push(0);
      numbers.push(-1);
    }
    return number;
  }

  function siblings(from, end) {
    const touched = [];
    let spans = 0;
    for (let row = from; row < end; row += size[row]) {
      if (sortOf(flags[row]) !== SPAN) continue;
      spans += 1;
      const number = operation(row);
      if (counts[number] === 0) touched.push(number);
      counts[number] += 1;
    }
    if (spans >= GROUP_MIN) collect(from, end, touched);
    for (const number of touched) counts[number] = 0;
  }

  function collect(from, end, touched) {
    const places = new Map();
    let place = members.length;
    for (const number of touched) {
      if (counts[number] < GROUP_MIN) continue;
      numbers[number] = first.length - 1;
      places.set(number, place);
      place += counts[number];
      first.push(place);
    }
    if (places.size === 0) return;
    members.length = place;
    for (let row = from; row < end; row += size[row]) {
      if (sortOf(flags[row]) !== SPAN) continue;
      const number = operation(row);
      const at = places.get(number);
      if (at === undefined) continue;
      of[row] = numbers[number];
      members[at] = row;
      places.set(number, at + 1);
    }
  }
}

/** In how many groups each row stands: so many levels it is deeper for the eye. */
export function inGroups(parent, of) {
  const levels = new Uint16Array(parent.length);
  for (let row = 0; row < parent.length; row += 1) {
    levels[row] = (parent[row] < 0 ? 0 : levels[parent[row]]) + (of[row] < 0 ? 0 : 1);
  }
  return levels;
}

/** What a row says that stands for many. */
function measured({ start, duration, flags }, members, first) {
  const count = first.length - 1;
  const total = new Float64Array(count);
  const p95 = new Float64Array(count);
  const failed = new Uint32Array(count);
  const serial = new Uint8Array(count);
  for (let group = 0; group < count; group += 1) {
    const rows = members.subarray(first[group], first[group + 1]);
    const durations = new Float64Array(rows.length);
    let reached = -Infinity;
    serial[group] = 1;
    rows.forEach((row, at) => {
      durations[at] = duration[row];
      total[group] += duration[row];
      if ((flags[row] & FAILED) !== 0) failed[group] += 1;
      if (start[row] < reached) serial[group] = 0;
      reached = Math.max(reached, start[row] + duration[row]);
    });
    durations.sort();
    p95[group] = durations[Math.min(durations.length - 1, Math.ceil(durations.length * 0.95) - 1)];
  }
  return { members, first, total, p95, failed, serial };
}

/** Rows that match and all above them. @param {Uint8Array} matches */
export function withAncestors(matches, parent) {
  const kept = Uint8Array.from(matches);
  for (let row = kept.length - 1; row > 0; row -= 1) if (kept[row] !== 0 && parent[row] >= 0) kept[parent[row]] = 1;
  return kept;
}

/**
 * Which rows are shown, in order. A number from 0 is a row; -1 - g is the row that stands for group g.
 * @param {object} model `size`, `flags`, `groups`, `rows`
 * @param {object} state `folded` by row, `open` by group, `marks` whether logs and events are shown, `kept` rows or null
 * @param {Int32Array} into at least twice as long as there are rows
 * @returns {number} how many
 */
export function shownRows({ size, flags, groups, rows }, { folded, open, marks, kept }, into) {
  const { of, members, first } = groups;
  let count = 0;
  // Each level is a stretch of rows; that of a group goes on with the next of its members.
  const at = [0];
  const end = [rows];
  const group = [-1];
  const next = [0];
  while (at.length > 0) {
    const top = at.length - 1;
    if (at[top] >= end[top]) {
      if (group[top] >= 0 && next[top] < first[group[top] + 1]) {
        const row = members[next[top]];
        next[top] += 1;
        into[count++] = row;
        at[top] = folded[row] === 0 ? row + 1 : row + size[row];
        end[top] = row + size[row];
      } else {
        at.pop(), end.pop(), group.pop(), next.pop();
      }
      continue;
    }
    let row = at[top];
    const last = end[top];
    let opened = -1;
    while (row < last) {
      const sort = flags[row] & 3;
      if ((kept !== null && kept[row] === 0) || (!marks && (sort === LOG || sort === EVENT))) {
        row += size[row];
        continue;
      }
      const its = kept === null ? of[row] : -1;
      if (its < 0) {
        into[count++] = row;
        row += folded[row] === 0 ? 1 : size[row];
        continue;
      }
      const isFirst = members[first[its]] === row;
      row += size[row];
      if (!isFirst) continue;
      into[count++] = -1 - its;
      if (open[its] !== 0) {
        opened = its;
        break;
      }
    }
    at[top] = row;
    if (opened >= 0) {
      at.push(0), end.push(0), group.push(opened), next.push(first[opened]);
    }
  }
  return count;
}

/**
 * The longest span at each place of each level: the row, or -1. The longest are drawn first; what they took another need
 * not look at again, so that a million spans are about as many steps.
 */
export function strip({ start, duration, flags }, depth, whole) {
  const rows = flags.length;
  const grid = new Int32Array(STRIP_COLUMNS * STRIP_LEVELS).fill(-1);
  const errors = new Uint8Array(STRIP_COLUMNS);
  const free = new Uint32Array((STRIP_COLUMNS + 1) * STRIP_LEVELS);
  for (let at = 0; at < free.length; at += 1) free[at] = at;
  const scale = STRIP_COLUMNS / Math.max(1, whole);
  const column = (time) => Math.max(0, Math.min(STRIP_COLUMNS - 1, Math.floor(time * scale)));
  for (const row of byLength(duration, flags)) {
    const level = Math.min(depth[row], STRIP_LEVELS - 1);
    const base = level * (STRIP_COLUMNS + 1);
    const last = base + column(start[row] + Math.max(0, duration[row]));
    const begin = column(start[row]);
    if ((flags[row] & FAILED) !== 0) errors[begin] = 1;
    let place = find(base + begin);
    while (place <= last) {
      grid[level * STRIP_COLUMNS + place - base] = row;
      free[place] = place + 1;
      place = find(place + 1);
    }
  }
  return { grid, errors, levels: rows === 0 ? 0 : Math.min(STRIP_LEVELS, max(depth, flags) + 1) };

  function find(place) {
    while (free[place] !== place) {
      free[place] = free[free[place]];
      place = free[place];
    }
    return place;
  }
}

function max(depth, flags) {
  let deepest = 0;
  for (let row = 0; row < depth.length; row += 1) if (sortOf(flags[row]) === SPAN && depth[row] > deepest) deepest = depth[row];
  return deepest;
}

/** Spans by length, the longest first, to an eighth of a power of two: what differs less is drawn alike. */
function byLength(duration, flags) {
  const steps = 54 * 8;
  const counts = new Uint32Array(steps + 1);
  const step = (row) => steps - 1 - Math.min(steps - 1, Math.floor(Math.log2(Math.max(1, duration[row])) * 8));
  const places = new Uint16Array(duration.length);
  let spans = 0;
  for (let row = 0; row < duration.length; row += 1) {
    if (sortOf(flags[row]) !== SPAN) continue;
    places[row] = step(row);
    counts[places[row] + 1] += 1;
    spans += 1;
  }
  for (let at = 1; at <= steps; at += 1) counts[at] += counts[at - 1];
  const order = new Uint32Array(spans);
  for (let row = 0; row < duration.length; row += 1) {
    if (sortOf(flags[row]) === SPAN) order[counts[places[row]]++] = row;
  }
  return order;
}

/** The numbers of the colours of a trace's services: different ones while there are any, as `Palette` of colour.rs. */
export function colours(services) {
  const text = new TextEncoder();
  const order = services.map((_, number) => number).sort((a, b) => compareBytes(text.encode(services[a]), text.encode(services[b])));
  const taken = new Set();
  const colour = new Uint8Array(services.length);
  for (const number of order) {
    const wanted = colourOf(services[number]);
    let free = wanted;
    for (let step = 0; step < COLOURS && taken.has(free); step += 1) free = (wanted + step + 1) % COLOURS;
    if (taken.has(free)) free = wanted;
    taken.add(free);
    colour[number] = free;
  }
  return colour;
}

function compareBytes(a, b) {
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) if (a[at] !== b[at]) return a[at] - b[at];
  return a.length - b.length;
}

export { SPAN, EVENT, LOG, GAP, FAILED };
