// <sql-editor>: completes tables, columns, keywords and keys of attributes in the text area that it holds; Ctrl Enter runs.

import { say } from "./main.js";

const KEYWORDS = "SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET AS AND OR NOT IN IS NULL BETWEEN LIKE JOIN LEFT ON USING WITH UNION ALL DISTINCT CASE WHEN THEN ELSE END CAST DESC ASC HAVING EXPLAIN count sum avg min max quantile_merge quantile attr date_bin date_trunc now interval trace_tree".split(" ");
const SHOWN_MAX = 12;

let tables = null;

/** Names of tables and columns, asked for once. @returns {Promise<{ text: string, more: string }[]>} */
function names() {
  tables ??= fetch("/sql/words")
    .then((answer) => (answer.ok ? answer.json() : []))
    .catch(() => [])
    .then((rows) => {
      const columns = new Map();
      for (const [table, column, kind] of rows) columns.set(column, { kind, in: [...(columns.get(column)?.in ?? []), table] });
      const all = [...new Set(rows.map(([table]) => table))].map((text) => ({ text, more: "table" }));
      for (const [text, { in: where }] of columns) all.push({ text, more: where.length > 2 ? `${where.length} tables` : where.join(", ") });
      return [...all, ...KEYWORDS.map((text) => ({ text, more: "" }))];
    });
  return tables;
}

/** Keys of attributes that begin so. */
async function keysOf(begin) {
  const answer = await fetch(`/api/complete?${new URLSearchParams({ q: begin })}`).catch(() => null);
  if (!answer?.ok) return [];
  const { items } = await answer.json();
  return items.filter(({ kind }) => kind === "attribute").map(({ text, count }) => ({ text, more: count === null ? "attribute" : `${count} rows` }));
}

class SqlEditor extends HTMLElement {
  #at = 0;
  #items = [];
  #from = 0;
  #asked = 0;

  connectedCallback() {
    this.area = this.querySelector("textarea");
    this.list = this.appendChild(document.createElement("ul"));
    this.list.className = "words";
    this.list.id = "sql-words";
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "What can stand here");
    this.area.setAttribute("aria-autocomplete", "list");
    this.area.setAttribute("aria-controls", "sql-words");
    this.area.addEventListener("input", () => this.#offer());
    this.area.addEventListener("keydown", (event) => this.#key(event));
    this.area.addEventListener("blur", () => setTimeout(() => this.#close(), 150));
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const item = event.target.closest("li");
      if (item !== null) this.#take([...this.list.children].indexOf(item));
    });
  }

  async #offer() {
    this.#asked += 1;
    const mine = this.#asked;
    const before = this.area.value.slice(0, this.area.selectionStart);
    const key = /(?:attributes\[|attr\()'([^']*)$/i.exec(before);
    const word = key === null ? /[A-Za-z_][A-Za-z0-9_]*$/.exec(before) : null;
    if (key === null && (word === null || /'[^']*$/.test(before.replaceAll(/'[^']*'/g, "")))) return this.#close();
    const begin = key === null ? word[0] : key[1];
    const all = key === null ? await names() : await keysOf(begin);
    if (mine !== this.#asked) return undefined;
    const wanted = begin.toLowerCase();
    const fits = all.filter(({ text }) => text.toLowerCase().startsWith(wanted) && text !== begin);
    this.#from = before.length - begin.length;
    return this.#show(fits.slice(0, SHOWN_MAX));
  }

  #show(items) {
    this.#items = items;
    this.list.replaceChildren(...items.map(({ text, more }, place) => {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.id = `sql-word-${place}`;
      const note = document.createElement("span");
      note.className = "soft";
      note.textContent = more;
      item.append(text, note);
      return item;
    }));
    this.list.hidden = items.length === 0;
    if (items.length > 0) this.#mark(0);
    else this.area.removeAttribute("aria-activedescendant");
  }

  #mark(place) {
    this.#at = (place + this.#items.length) % this.#items.length;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === this.#at)));
    this.list.children[this.#at].scrollIntoView({ block: "nearest" });
    this.area.setAttribute("aria-activedescendant", `sql-word-${this.#at}`);
  }

  #close() {
    this.#asked += 1;
    this.#show([]);
  }

  #take(place) {
    const { text } = this.#items[place];
    this.area.setRangeText(text, this.#from, this.area.selectionStart, "end");
    this.#close();
    this.area.focus();
  }

  #key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      say("The query runs");
      this.area.form.requestSubmit(this.area.form.querySelector("[value='rows']"));
      return;
    }
    if (this.list.hidden || event.isComposing) return;
    if (event.key === "ArrowDown") this.#mark(this.#at + 1);
    else if (event.key === "ArrowUp") this.#mark(this.#at - 1);
    else if (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey)) this.#take(this.#at);
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

customElements.define("sql-editor", SqlEditor);
