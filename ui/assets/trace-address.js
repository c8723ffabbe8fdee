// What the reader sees, as parameters of the address: `view`, `z` zoom, `fold`, `find`, `span` or `log`.
//
// `z` is `A..B`, nanoseconds from the start of the trace, or `all`; without it the axis follows the rows in view. `fold`
// has words with dots between: a span id is folded, a span id after `*` begins a group that is open, `x` hides logs and
// events, `c` the critical path, `m` all rows but those that match.

/** The most folds that an address keeps; of more the last. */
export const FOLDS_MAX = 60;

/** @param {string} text @returns {null | "all" | [number, number]} */
export function readZoom(text) {
  if (text === "all") return "all";
  const [from, to] = (text ?? "").split("..").map(Number);
  return Number.isFinite(from) && Number.isFinite(to) && to > from && from >= 0 ? [from, to] : null;
}

export function writeZoom(zoom) {
  if (zoom === null) return "";
  return zoom === "all" ? "all" : `${Math.floor(zoom[0])}..${Math.ceil(zoom[1])}`;
}

/** @param {string} text */
export function readFolds(text) {
  const words = (text ?? "").split(".").filter((word) => /^(\*?[0-9a-f]{16}|[xcm])$/.test(word));
  return {
    folded: words.filter((word) => word.length === 16),
    open: words.filter((word) => word.startsWith("*")).map((word) => word.slice(1)),
    marks: !words.includes("x"),
    critical: !words.includes("c"),
    alone: words.includes("m"),
  };
}

/** @param {{folded: string[], open: string[], marks: boolean, critical: boolean, alone: boolean}} folds */
export function writeFolds({ folded, open, marks, critical, alone }) {
  const words = [...(marks ? [] : ["x"]), ...(critical ? [] : ["c"]), ...(alone ? ["m"] : [])];
  const ids = [...folded, ...open.map((id) => `*${id}`)];
  return [...words, ...ids.slice(-FOLDS_MAX)].join(".");
}

/** The address of this page with other parameters; empty ones are left out. */
export function withParameters(changes) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null || value === undefined) address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  address.searchParams.delete("page");
  // Dots, stars and colons need no other form here, and are easier to read.
  address.search = address.searchParams.toString().replaceAll("%2A", "*").replaceAll("%3A", ":");
  return address;
}
