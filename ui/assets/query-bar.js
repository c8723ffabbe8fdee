// <causeway-query>: completes a search where the cursor stands, from /api/complete.

import { Completing } from "./completing.js";

const encoder = new TextEncoder();

/** The range of the time field as parameters of the API. @param {string} t */
function range(t) {
  const [from, to] = t.includes("..") ? t.split("..", 2) : [t, ""];
  return { from: from.trim(), to: to.trim() };
}

/** The place in a text that so many bytes of it reach to. @param {string} text @param {number} bytes */
function place(text, bytes) {
  let at = 0;
  for (const letter of text) {
    if (bytes <= 0) break;
    bytes -= encoder.encode(letter).length;
    at += letter.length;
  }
  return at;
}

class QueryBar extends Completing {
  async find(q, cursor, signal) {
    const at = encoder.encode(q.slice(0, cursor)).length;
    const t = /** @type {HTMLInputElement | null} */ (document.getElementById("t"))?.value ?? "";
    const asked = { q, at: String(at), signal: this.dataset.signal ?? "spans", ...range(t) };
    const params = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
    const answer = await fetch(`/api/complete?${params}`, { signal });
    // A time that is not one yet is no reason to say anything.
    const { items, from, to } = answer.ok ? await answer.json() : { items: [], from: 0, to: 0 };
    return { items, from: place(q, from), to: place(q, to) };
  }

  what({ kind, count }) {
    return count === null ? kind : `${kind} · ${count.toLocaleString("en")}`;
  }

  textOf({ text, kind }, after) {
    // A key wants its value; a whole term, the next one.
    const isKey = kind === "field" || kind === "attribute";
    const isRelation = kind === "operator" && /[:<>=]$/.test(text);
    const ending = isKey ? ":" : isRelation || after.startsWith(" ") ? "" : " ";
    return text + (isKey && after.startsWith(":") ? "" : ending);
  }
}

customElements.define("causeway-query", QueryBar);
