// The editor of a dashboard. <dashboard-editor> checks the text while it is written and lists its panels, which can be moved,
// made wider or narrower, added and removed, and all that undone. <dashboard-file> reads a file into the text.

import { ACTS, added, blocks, joined, nameOf, places } from "./dashboard-text.js";
import { ask, say } from "./main.js";

/** How long nobody writes before the text is checked, in milliseconds. */
const REST_MS = 500;
/** How many acts can be undone. */
const UNDONE_MAX = 20;
/** The acts of a panel: name, sign, what it does. */
const BUTTONS = [["up", "↑", "Move up"], ["down", "↓", "Move down"], ["narrower", "−", "Make narrower"], ["wider", "+", "Make wider"], ["remove", "×", "Remove"]];

/** @typedef {{ at: number, act: string }} Focus an act of the panel of a number */

class DashboardEditor extends HTMLElement {
  #timer = null;
  #asked = 0;
  /** The texts before each act, with what it did. @type {{ text: string, words: string }[]} */
  #past = [];
  /** The text whose panels are listed. */
  #listed = "";

  connectedCallback() {
    this.area = this.querySelector("textarea");
    this.list = this.querySelector(".blocks");
    this.area.addEventListener("input", () => this.#changed());
    this.area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.area.form.requestSubmit();
    });
    this.#list();
  }

  #changed() {
    // To undo what was done before would lose what is written now.
    this.#past = [];
    this.list.querySelector("[data-act='undo']")?.setAttribute("disabled", "");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#check();
      this.#list();
    }, REST_MS);
  }

  async #check() {
    this.#asked += 1;
    const mine = this.#asked;
    const verdict = await this.#verdict();
    const shown = document.getElementById("checked");
    // What is said already is not said again.
    if (mine === this.#asked && shown.textContent.trim() !== verdict.textContent.trim()) shown.replaceWith(verdict);
  }

  /** What the program says of the text, or why it says nothing. */
  async #verdict() {
    const body = new URLSearchParams({ text: this.area.value, form: this.area.form.elements.form.value });
    try {
      const answer = await ask("/dashboards/check", { method: "POST", body });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const checked = page.getElementById("checked");
      if (answer.ok && checked !== null) return document.adoptNode(checked);
      throw new Error(page.querySelector("main p")?.textContent ?? `it was answered with ${answer.status}`);
    } catch (error) {
      const verdict = document.createElement("div");
      verdict.id = "checked";
      const words = document.createElement("p");
      words.className = "failure";
      words.textContent = `The text could not be checked: ${error.message}`;
      verdict.append(words);
      return verdict;
    }
  }

  /** The panels beside the text; what had the focus there has it again. JSON has none: only its text is edited. */
  #list(focus = this.#focused()) {
    this.list.hidden = this.area.form.elements.form.value !== "toml";
    if (this.list.hidden) return;
    const title = document.createElement("h2");
    title.textContent = "Panels";
    const items = document.createElement("ul");
    this.#listed = this.area.value;
    const all = blocks(this.#listed);
    const panels = places(all);
    items.append(...panels.map((place, at) => this.#item(nameOf(all[place].text), at, panels.length)));
    const bar = document.createElement("div");
    bar.className = "bar";
    const undo = this.#button("Undo", "button", () => this.#undo(), "Undo what was done with panels", "undo");
    undo.disabled = this.#past.length === 0;
    bar.append(this.#button("Add a panel", "button", () => this.#add(), "Add a panel", "add"), undo);
    this.list.replaceChildren(title, items, bar);
    if (focus !== null) this.#focus(focus);
  }

  #item(name, at, count) {
    const item = document.createElement("li");
    const acts = document.createElement("div");
    acts.className = "acts";
    for (const [act, sign, what] of BUTTONS) {
      const button = this.#button(sign, "ghost", () => this.#fresh() && this.#act(act, at), `${what} ${name}`, act);
      button.disabled = (act === "up" && at === 0) || (act === "down" && at + 1 === count);
      acts.append(button);
    }
    item.append(this.#button(name, "ghost", () => this.#fresh() && this.#find(at), `To the text of ${name}`, "find"), acts);
    return item;
  }

  #button(text, kind, press, what, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = kind;
    button.textContent = text;
    button.title = what;
    button.dataset.act = act;
    button.setAttribute("aria-label", what);
    button.addEventListener("click", press);
    return button;
  }

  /** The act that has the focus. @returns {Focus | null} */
  #focused() {
    const button = document.activeElement?.closest("[data-act]") ?? null;
    if (button === null || !this.list.contains(button)) return null;
    return { at: [...this.list.querySelectorAll("li")].indexOf(button.closest("li")), act: button.dataset.act };
  }

  /** Gives the focus to an act, or to one beside it where it cannot be done; where there is none, to that which adds a panel. */
  #focus({ at, act }) {
    const panel = this.list.querySelectorAll("li")[at] ?? this.list.querySelector(".bar");
    const button = panel.querySelector(`[data-act="${act}"]`) ?? this.list.querySelector("[data-act='add']");
    const near = [button, button.previousElementSibling, button.nextElementSibling, panel.querySelector("button:enabled")];
    near.find((each) => each !== null && !each.disabled)?.focus();
  }

  /** Whether the list is that of the text; where it is not, it becomes so. */
  #fresh() {
    const isFresh = this.area.value === this.#listed;
    if (!isFresh) {
      this.#list();
      say("The text was changed: its panels are listed anew");
    }
    return isFresh;
  }

  #act(act, at) {
    this.#edit(ACTS[act](blocks(this.area.value), at));
    this.#list({ at: at + ({ up: -1, down: 1 }[act] ?? 0), act });
  }

  #add() {
    const done = added(blocks(this.area.value));
    this.#edit(done);
    this.#list(null);
    this.#find(places(done.all).length - 1);
  }

  /** Takes what was done with panels into the text. @param {import("./dashboard-text.js").Done} done */
  #edit({ all, words }) {
    this.#past = [...this.#past, { text: this.area.value, words }].slice(-UNDONE_MAX);
    this.#write(joined(all));
    say(words);
  }

  #undo() {
    const { text, words } = this.#past.pop();
    this.#write(text);
    this.#list({ at: -1, act: "undo" });
    say(`Undone: ${words}`);
  }

  #write(text) {
    clearTimeout(this.#timer);
    this.area.value = text;
    this.#check();
  }

  /** Selects a panel in the text. */
  #find(at) {
    const all = blocks(this.area.value);
    const place = places(all)[at];
    const begin = all.slice(0, place).reduce((sum, { text }) => sum + text.length, 0);
    this.area.focus();
    this.area.setSelectionRange(begin, begin + all[place].text.trimEnd().length);
    const lines = this.area.value.slice(0, begin).split("\n").length - 1;
    this.area.scrollTop = lines * Number.parseFloat(getComputedStyle(this.area).lineHeight);
  }
}

class DashboardFile extends HTMLElement {
  connectedCallback() {
    this.hidden = false;
    this.querySelector("input").addEventListener("change", async (event) => {
      const [file] = event.target.files;
      if (file === undefined) return;
      document.getElementById("text").value = await file.text();
      say(`Read ${file.name}`);
    });
  }
}

customElements.define("dashboard-editor", DashboardEditor);
customElements.define("dashboard-file", DashboardFile);
