// <promql-query>: completes a query where the cursor stands: metrics, labels, values, functions and aggregations.

import { Completing } from "./completing.js";
import { AGGREGATIONS, FUNCTIONS, KEYWORDS } from "./promql-words.js";

/** How many items are offered, and how many values the program is asked for. */
const SHOWN_MAX = 30;
const ASKED_MAX = 10_000;
/** White space, comments, texts, names, numbers, operators, and whatever else. */
const TOKEN = /\s+|#[^\n]*|"(?:[^"\\]|\\.)*(?:"|$)|'(?:[^'\\]|\\.)*(?:'|$)|`[^`]*(?:`|$)|[A-Za-z_:][\w:]*|[\d.][\w.]*|[=!]~|!=|[^]/g;
const NAME = /^[A-Za-z_:]/;
const GROUPING = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);
const NOTHING = { items: [], from: 0, to: 0 };

/** @typedef {{ kind: "name" | "label" | "grouping" | "value", begin: string, from: number, metric: string, label: string, quote: string }} Place */

const isText = (token) => /^["'`]/.test(token);
const isOpen = (token) => token.length < 2 || token.at(-1) !== token[0] || /[^\\](\\\\)*\\.$/.test(token);
const isPlain = (name) => /^[A-Za-z_:][\w:]*$/.test(name);
const quoted = (text, quote = '"') => text.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`).replaceAll("\n", "\\n");
const unescaped = (text) => text.replaceAll(/\\(.)/g, "$1");

/** The first metric that a query names. @param {string[]} tokens */
function firstMetric(tokens) {
  const words = tokens.filter((token) => !/^[\s#]/.test(token));
  const depths = [];
  const metric = words.find((word, at) => {
    if (word === "{" || (word === "(" && GROUPING.has(words[at - 1]))) depths.push(word);
    else if (word === "}" || (word === ")" && depths.at(-1) === "(")) depths.pop();
    return depths.length === 0 && NAME.test(word) && words[at + 1] !== "(" && !(word in KEYWORDS) && !(word in AGGREGATIONS);
  });
  return metric ?? "";
}

/** What can stand at a place of a query; null where nothing can be told. @param {string} q @param {number} at @returns {Place | null} */
export function placeOf(q, at) {
  const tokens = q.slice(0, at).match(TOKEN) ?? [];
  /** @type {{ token: string, metric: string }[]} */
  const open = [];
  let [word, label, operator] = ["", "", ""];
  for (const token of tokens.slice(0, -1)) {
    if (/^[\s#]/.test(token)) continue;
    if (token === "{" || token === "(" || token === "[") {
      open.push({ token: token === "(" && GROUPING.has(word) ? "by" : token, metric: token === "{" ? word : "" });
      [label, operator] = ["", ""];
    } else if (token === "}" || token === ")" || token === "]") open.pop();
    else if (token === ",") [label, operator] = ["", ""];
    else if (/^(=|!=|=~|!~)$/.test(token)) [label, operator] = [word, token];
    word = NAME.test(token) ? token : "";
  }
  const last = tokens.at(-1) ?? "";
  return within(last, at, open.at(-1), { label, operator: last === "," ? "" : operator, word, all: q.match(TOKEN) ?? [] });
}

/** The place of the last token before the cursor, in what is open around it. */
function within(last, at, open, { label, operator, word, all }) {
  const inBraces = open?.token === "{";
  if (last.startsWith("#") || open?.token === "[") return null;
  if (isText(last)) {
    if (!inBraces || operator === "" || !isOpen(last)) return null;
    return { kind: "value", begin: unescaped(last.slice(1)), from: at - last.length + 1, metric: open.metric, label, quote: last[0] };
  }
  const begin = NAME.test(last) ? last : "";
  const here = { begin, from: at - begin.length, label: "", quote: "" };
  if (last === "{") return { ...here, kind: "label", metric: word };
  const isGrouping = open?.token === "by" || (last === "(" && GROUPING.has(word));
  if (isGrouping) return last === ")" ? null : { ...here, kind: "grouping", metric: firstMetric(all) };
  if (inBraces) return operator === "" && !/^[=!}]/.test(last) ? { ...here, kind: "label", metric: open.metric } : null;
  return begin === "" && last !== "" ? null : { ...here, kind: "name", metric: "" };
}

/** Answers of the program that were asked for on this page. @type {Map<string, Promise<any>>} */
const kept = new Map();

/** What the program answers, asked for once; null where it does not, and then it is asked again the next time. @param {string} path @param {Record<string, string>} [parameters] */
function data(path, parameters = {}) {
  const { from, to } = document.body.dataset;
  const seconds = (nanos) => String(Number(nanos) / 1e9);
  const range = { ...(from === undefined ? {} : { start: seconds(from) }), ...(to === undefined ? {} : { end: seconds(to) }) };
  const address = `/prometheus/api/v1/${path}?${new URLSearchParams({ ...parameters, ...range, limit: String(ASKED_MAX) })}`;
  if (!kept.has(address)) {
    const answer = fetch(address).then((found) => (found.ok ? found.json() : Promise.reject(new Error(found.statusText))));
    const failed = () => {
      kept.delete(address);
      return null;
    };
    kept.set(address, answer.then((found) => found.data).catch(failed));
  }
  return kept.get(address);
}

const selected = (metric) => (metric === "" ? {} : { "match[]": metric });

/** Metrics with what they are for. */
async function metrics() {
  const [names, described] = await Promise.all([data("label/__name__/values"), data("metadata")]);
  return (names ?? []).map((text) => {
    const family = described?.[text] ?? described?.[text.replace(/_(bucket|count|sum)$/, "")];
    return { text, kind: family?.[0]?.type ?? "metric", more: family?.[0]?.help ?? "" };
  });
}

const words = (all, kind) => Object.entries(all).map(([text, more]) => ({ text, kind, more }));

/** All that may stand at a place. @param {Place} place */
async function all(place) {
  if (place.kind === "value") {
    const values = await data(`label/${encodeURIComponent(place.label)}/values`, selected(place.metric));
    return (values ?? []).map((text) => ({ text, kind: "value", more: "", quote: place.quote }));
  }
  if (place.kind === "label" || place.kind === "grouping") {
    const labels = (await data("labels", selected(place.metric))) ?? [];
    return labels.filter((text) => text !== "__name__").map((text) => ({ text, kind: "label", more: "", isCompared: place.kind === "label" }));
  }
  return [...words(AGGREGATIONS, "aggregation"), ...words(FUNCTIONS, "function"), ...words(KEYWORDS, "word"), ...(await metrics())];
}

class PromqlQuery extends Completing {
  async find(q, at) {
    const place = placeOf(q, at);
    if (place === null) return NOTHING;
    const wanted = place.begin.toLowerCase();
    const fits = (await all(place)).map((item) => ({ item, at: item.text.toLowerCase().indexOf(wanted) }));
    const found = fits.filter((each) => each.at >= 0 && each.item.text !== place.begin);
    found.sort((a, b) => Math.sign(a.at) - Math.sign(b.at));
    const items = found.slice(0, SHOWN_MAX).map(({ item }) => item);
    const note = found.length > SHOWN_MAX ? `The first ${SHOWN_MAX} of ${found.length} that fit: type on for fewer` : "";
    return { items, from: place.from, to: at, note };
  }

  what({ kind, more }) {
    return more === "" ? kind : `${kind} · ${more}`;
  }

  textOf({ text, kind, quote, isCompared }, after) {
    if (kind === "function" || kind === "aggregation") return after.startsWith("(") ? text : `${text}(`;
    if (kind === "value") {
      const escaped = quote === "`" ? text : quoted(text, quote);
      return after.startsWith(quote) ? escaped : escaped + quote;
    }
    // A name that is no word of the language stands in quotes, that of a metric in braces.
    const name = isPlain(text) ? text : `"${quoted(text)}"`;
    if (kind !== "label") return name === text ? text : `{${name}}`;
    return isCompared && !/^\s*[=!]/.test(after) ? `${name}="` : name;
  }

  idleKey(event) {
    // A new line is asked for with Shift.
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.input.form.requestSubmit();
  }
}

customElements.define("promql-query", PromqlQuery);
