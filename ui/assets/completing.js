// A field that completes what is typed in it: a text field with a list of options, as the authoring practices of ARIA have
// it. What fits is found by those who extend it; without script it is the plain field that it holds.

/** How long nothing is typed before it is asked, in milliseconds. */
const PAUSE_MS = 90;
const FITS = "What fits here";

/** @typedef {{ text: string, kind: string }} Item */
/** @typedef {{ items: Item[], from: number, to: number, note?: string }} Found what fits, the place that it takes, and what to know of it */

export class Completing extends HTMLElement {
  connectedCallback() {
    this.input = /** @type {HTMLInputElement} */ (this.querySelector("input, textarea"));
    this.list = document.createElement("ul");
    this.list.className = "options";
    this.list.id = `${this.input.id}-options`;
    this.list.hidden = true;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", FITS);
    this.append(this.list);
    // Fields of several lines cannot be comboboxes.
    this.isCombobox = this.input instanceof HTMLInputElement;
    const states = { "aria-autocomplete": "list", "aria-controls": this.list.id, ...(this.isCombobox ? { role: "combobox" } : {}) };
    for (const [name, value] of Object.entries(states)) this.input.setAttribute(name, value);
    this.expand(false);
    /** @type {Found} */
    this.found = { items: [], from: 0, to: 0 };
    this.chosen = -1;
    this.input.addEventListener("input", () => this.askSoon());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.close());
    // Down and not click: the field keeps the focus.
    this.list.addEventListener("mousedown", (event) => this.press(event));
  }

  /** What fits at a place of a text. @param {string} _q @param {number} _at @param {AbortSignal} _signal @returns {Promise<Found>} */
  async find(_q, _at, _signal) {
    return { items: [], from: 0, to: 0 };
  }

  /** What an item is, in a word or a sentence. @param {Item} item */
  what(item) {
    return item.kind;
  }

  /** What is put in the place of an item that is taken. @param {Item} item @param {string} _after what stands behind it */
  textOf(item, _after) {
    return item.text;
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
    try {
      const found = await this.find(q, this.input.selectionStart ?? q.length, this.asking.signal);
      if (this.input.value === q) this.show(found);
    } catch (error) {
      if (error.name !== "AbortError") this.close();
    }
  }

  show(found) {
    this.found = found;
    const note = found.note ?? "";
    this.list.replaceChildren(...found.items.map((item, at) => this.option(item, at)), ...(note === "" ? [] : [this.note(note)]));
    this.list.setAttribute("aria-label", note === "" ? FITS : `${FITS}. ${note}`);
    const isOpen = found.items.length > 0 && document.activeElement === this.input;
    this.list.hidden = !isOpen;
    this.expand(isOpen);
    this.choose(-1);
  }

  expand(isOpen) {
    if (this.isCombobox) this.input.setAttribute("aria-expanded", String(isOpen));
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
    what.textContent = this.what(item);
    option.append(text, what);
    return option;
  }

  /** What to know of the list, below it: it cannot be taken. @param {string} text */
  note(text) {
    const note = document.createElement("li");
    note.setAttribute("role", "option");
    note.setAttribute("aria-disabled", "true");
    note.setAttribute("aria-selected", "false");
    note.textContent = text;
    return note;
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
    this.expand(false);
    this.choose(-1);
  }

  /** Puts an item in its place, and asks what may follow. */
  take(at) {
    const item = this.found.items[at];
    if (item === undefined) return;
    const q = this.input.value;
    const { from, to } = this.found;
    const text = this.textOf(item, q.slice(to));
    this.input.value = q.slice(0, from) + text + q.slice(to);
    this.input.setSelectionRange(from + text.length, from + text.length);
    this.ask();
  }

  key(event) {
    if (event.isComposing) return;
    const count = this.found.items.length;
    if (this.list.hidden) {
      const isAsked = event.key === "ArrowDown" || (event.key === " " && event.ctrlKey);
      if (isAsked && (this.isCombobox || event.ctrlKey || !this.input.value.includes("\n"))) {
        event.preventDefault();
        this.ask();
      } else this.idleKey(event);
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
    if (act === undefined) return this.idleKey(event);
    event.preventDefault();
    event.stopPropagation();
    return act();
  }

  /** A key that is none of the list's. @param {KeyboardEvent} _event */
  idleKey(_event) {}

  press(event) {
    event.preventDefault();
    const option = event.target.closest("[role='option']");
    if (option !== null) this.take([...this.list.children].indexOf(option));
  }
}
