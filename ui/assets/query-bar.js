// <causeway-query>: completes a search where the cursor stands, from /api/complete. A combobox with a list of options,
// as the authoring practices of ARIA have it; without script it is the plain field that it holds.

/** How long nothing is typed before it is asked, in milliseconds. */
const PAUSE_MS = 90;
const encoder = new TextEncoder();

/** @typedef {{text: string, kind: string, count: number | null}} Item */

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

class QueryBar extends HTMLElement {
  connectedCallback() {
    this.input = /** @type {HTMLInputElement} */ (this.querySelector("input"));
    this.list = document.createElement("ul");
    this.list.className = "options";
    this.list.id = `${this.input.id}-options`;
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "What fits here");
    this.append(this.list);
    const states = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id };
    for (const [name, value] of Object.entries(states)) this.input.setAttribute(name, value);
    /** @type {{items: Item[], from: number, to: number}} */
    this.found = { items: [], from: 0, to: 0 };
    this.chosen = -1;
    this.input.addEventListener("input", () => this.askSoon());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    // Down and not click: the field keeps the focus.
    this.list.addEventListener("mousedown", (event) => this.press(event));
  }

  askSoon() {
    // What fitted before fits no more: it must not be taken while the answer is under way.
    this.close();
    this.timer = setTimeout(() => this.ask(), PAUSE_MS);
  }

  async ask() {
    this.asking?.abort();
    this.asking = new AbortController();
    const q = this.input.value;
    const at = encoder.encode(q.slice(0, this.input.selectionStart ?? q.length)).length;
    const t = /** @type {HTMLInputElement | null} */ (document.getElementById("t"))?.value ?? "";
    const asked = { q, at: String(at), signal: this.dataset.signal ?? "spans", ...range(t) };
    const params = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
    try {
      const answer = await fetch(`/api/complete?${params}`, { signal: this.asking.signal });
      // A time that is not one yet is no reason to say anything.
      const found = answer.ok ? await answer.json() : { items: [] };
      if (this.input.value === q) this.show(found);
    } catch (error) {
      if (error.name !== "AbortError") this.close();
    }
  }

  show(found) {
    this.found = found;
    this.list.replaceChildren(...found.items.map((item, at) => this.option(item, at)));
    const isOpen = found.items.length > 0 && document.activeElement === this.input;
    this.list.hidden = !isOpen;
    this.input.setAttribute("aria-expanded", String(isOpen));
    this.choose(-1);
  }

  /** @param {Item} item @param {number} at */
  option(item, at) {
    const option = document.createElement("li");
    option.id = `${this.list.id}-${at}`;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", "false");
    const text = document.createElement("code");
    text.textContent = item.text;
    const what = document.createElement("span");
    what.className = "what";
    what.textContent = item.count === null ? item.kind : `${item.kind} · ${item.count.toLocaleString("en")}`;
    option.append(text, what);
    return option;
  }

  choose(at) {
    const options = [...this.list.children];
    options[this.chosen]?.setAttribute("aria-selected", "false");
    this.chosen = at;
    const option = options[at];
    if (option === undefined) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.choose(-1);
  }

  /** Puts an item in its place, and asks what may follow. */
  take(at) {
    const item = this.found.items[at];
    if (item === undefined) return;
    const q = this.input.value;
    const from = place(q, this.found.from);
    const to = place(q, this.found.to);
    // A key wants its value; a whole term, the next one.
    const isKey = item.kind === "field" || item.kind === "attribute";
    const isRelation = item.kind === "operator" && /[:<>=]$/.test(item.text);
    const after = q.slice(to);
    const ending = isKey ? ":" : isRelation || after.startsWith(" ") ? "" : " ";
    const text = item.text + (isKey && after.startsWith(":") ? "" : ending);
    this.input.value = q.slice(0, from) + text + after;
    this.input.setSelectionRange(from + text.length, from + text.length);
    this.ask();
  }

  key(event) {
    if (event.isComposing) return;
    const count = this.found.items.length;
    if (this.list.hidden) {
      const isAsked = event.key === "ArrowDown" || (event.key === " " && event.ctrlKey);
      if (isAsked) {
        event.preventDefault();
        this.ask();
      }
      return;
    }
    const acts = {
      ArrowDown: () => this.choose((this.chosen + 1) % count),
      ArrowUp: () => this.choose((this.chosen <= 0 ? count : this.chosen) - 1),
      Escape: () => this.close(),
    };
    if (this.chosen >= 0) {
      acts.Enter = () => this.take(this.chosen);
      acts.Tab = () => this.take(this.chosen);
    }
    const act = acts[event.key];
    if (act === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  press(event) {
    event.preventDefault();
    const option = event.target.closest("[role='option']");
    if (option !== null) this.take([...this.list.children].indexOf(option));
  }
}

customElements.define("causeway-query", QueryBar);
