// The text of a dashboard as a row of blocks, each from one heading of TOML to the next. Panels among them are moved, made
// wider and taken away; all that people wrote around them stays where it is.

const COLUMNS = 24;
/** How much wider or narrower one press makes a panel, in columns. */
const STEP = 2;
/** What can hide a heading: texts, comments, and the ends of lines. A basic text keeps its quotes behind backslashes. */
const TOKEN = /"""|'''|"(?:[^"\\\n]+|\\.)*"?|'[^'\n]*'?|#[^\n]*|\n/g;
const HEADING = /^[ \t]*\[{1,2}[ \t]*[A-Za-z_][\w.\- \t]*\]{1,2}[ \t]*(?:#|$)/;
const PANEL = /^[ \t]*\[\[[ \t]*panel[ \t]*\]\]/;
/** The heading of a part of a panel. */
const WITHIN = /^[ \t]*\[{1,2}[ \t]*panel[ \t]*\./;
const COMMENT = /^[ \t]*#/;
const WIDTH = /^([ \t]*width[ \t]*=[ \t]*)(\d+)/;
const NEW = '[[panel]]\ntitle = "A new panel"\nkind = "graph"\nwidth = 12\n[[panel.query]]\nexpr = "up"\n';

/** @typedef {{ isPanel: boolean, text: string }} Block */

/** Where a text of several lines ends that began before a place. */
function closed(text, quote, from) {
  let at = text.indexOf(quote, from);
  while (quote === '"""' && at >= 0) {
    let slashes = 0;
    while (at - slashes > from && text[at - slashes - 1] === "\\") slashes += 1;
    if (slashes % 2 === 0) break;
    at = text.indexOf(quote, at + 1);
  }
  return at < 0 ? text.length : at + quote.length;
}

/** The lines of a text with their ends. A value of several lines is in that which it begins in. @param {string} text */
function lines(text) {
  const found = [];
  let begin = 0;
  TOKEN.lastIndex = 0;
  for (let token = TOKEN.exec(text); token !== null; token = TOKEN.exec(text)) {
    if (token[0] === '"""' || token[0] === "'''") TOKEN.lastIndex = closed(text, token[0], TOKEN.lastIndex);
    if (token[0] !== "\n") continue;
    found.push(text.slice(begin, TOKEN.lastIndex));
    begin = TOKEN.lastIndex;
  }
  return [...found, text.slice(begin)];
}

/** The blocks of a text, in order: joined, they are the text. Comments right above a heading belong to it. @returns {Block[]} */
export function blocks(text) {
  const all = lines(text);
  const found = [];
  let [begin, isPanel] = [0, false];
  const end = (before) => found.push({ isPanel, text: all.slice(begin, before).join("") });
  for (const [at, line] of all.entries()) {
    if (!HEADING.test(line.trimEnd()) || (isPanel && WITHIN.test(line))) continue;
    let first = at;
    while (first > begin && COMMENT.test(all[first - 1])) first -= 1;
    end(first);
    [begin, isPanel] = [first, PANEL.test(line)];
  }
  end(all.length);
  return found;
}

/** A text of blocks with an empty line between them. @param {Block[]} all */
export const joined = (all) => all.map(({ text }) => text).filter((text) => text.trim() !== "").map((text) => `${text.trimEnd()}\n`).join("\n");

/** Which of the blocks are panels. @param {Block[]} all */
export const places = (all) => [...all.keys()].filter((at) => all[at].isPanel);

/** The lines of a panel before those of its parts. */
function own(panel) {
  const all = lines(panel);
  const within = all.findIndex((line) => WITHIN.test(line));
  return within < 0 ? all : all.slice(0, within);
}

const widthOf = (panel) => Number(own(panel).map((line) => WIDTH.exec(line)).find((found) => found !== null)?.[2] ?? COLUMNS / 2);

/** What a panel is called: its title, or else its kind. @param {string} panel */
export function nameOf(panel) {
  const all = own(panel);
  const said = (key) => {
    const value = new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*(?:"+([^"\\n]*)|'+([^'\\n]*))`);
    const found = all.map((line) => value.exec(line)).find((each) => each !== null);
    return (found?.[1] ?? found?.[2] ?? "").trim();
  };
  return said("title") || said("kind") || "a panel";
}

/** The panel with another width, and that width. @param {string} panel @param {number} by in columns */
function resized(panel, by) {
  const all = own(panel);
  const rest = panel.slice(all.join("").length);
  const width = Math.max(1, Math.min(COLUMNS, widthOf(panel) + by));
  const at = all.findIndex((line) => WIDTH.test(line));
  const heading = all.findIndex((line) => PANEL.test(line));
  if (at >= 0) all[at] = all[at].replace(WIDTH, `$1${width}`);
  else all.splice(heading, 1, `${all[heading].trimEnd()}\n`, `width = ${width}\n`);
  return { text: all.join("") + rest, width };
}

/** @typedef {{ all: Block[], words: string }} Done the blocks afterwards, and what was done */

/** What can be done with the panel of a number. @type {Record<string, (all: Block[], number: number) => Done>} */
export const ACTS = {
  up: (all, number) => swapped(all, number, number - 1, "up"),
  down: (all, number) => swapped(all, number, number + 1, "down"),
  narrower: (all, number) => stretched(all, number, -STEP),
  wider: (all, number) => stretched(all, number, STEP),
  remove: (all, number) => {
    const at = places(all)[number];
    return { all: all.toSpliced(at, 1), words: `Removed ${nameOf(all[at].text)}` };
  },
};

/** Panels that change places. What stands between them stays. */
function swapped(all, from, to, way) {
  const found = places(all);
  const [one, other] = [all[found[from]], all[found[to]]];
  const words = `Moved ${nameOf(one.text)} ${way}: panel ${to + 1} of ${found.length}`;
  return { all: all.with(found[from], other).with(found[to], one), words };
}

function stretched(all, number, by) {
  const at = places(all)[number];
  const { text, width } = resized(all[at].text, by);
  return { all: all.with(at, { isPanel: true, text }), words: `${nameOf(text)} is ${width} of ${COLUMNS} columns wide` };
}

/** The blocks with a new panel behind the last one. @param {Block[]} all @returns {Done} */
export function added(all) {
  const after = places(all).at(-1) ?? all.length - 1;
  return { all: all.toSpliced(after + 1, 0, { isPanel: true, text: NEW }), words: "Added a panel" };
}
