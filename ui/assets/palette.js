// <command-palette>: a dialog that goes to a page, a service or a recent question, or does something. A text field with
// a list of options, as the ARIA pattern of a combobox has it.

import { copyText, link } from "./main.js";
import { ownZone, zone } from "./times.js";

/** How many services are asked for and how many options are shown. */
const SERVICES_MAX = 2000;
const SHOWN_MAX = 50;

/** @typedef {{ kind: string, text: string, more?: string, href?: string, act?: () => void }} Entry */

/** An element with attributes and children. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The address that keeps a preference and comes back here. */
function keeping(name, value) {
  return `/preferences/keep?${new URLSearchParams({ [name]: value, back: location.pathname + location.search })}`;
}

/** @returns {Entry[]} */
function pages() {
  const links = [...document.querySelectorAll(".sections a")];
  const named = links.map((each) => ({ kind: "page", text: each.textContent, href: each.getAttribute("href") }));
  const others = [["Traces", "/search?tab=traces"], ["Logs", "/search?tab=logs"], ["Templates of logs", "/search?tab=templates"], ["Compare", "/compare"], ["Explain the newest minutes", "/explain"], ["Preferences", `/preferences?${new URLSearchParams({ back: location.pathname + location.search })}`]];
  return [...named, ...others.map(([text, href]) => ({ kind: "page", text, href }))];
}

/** @returns {Entry[]} */
function questions() {
  try {
    const kept = JSON.parse(localStorage.getItem("questions") ?? "[]");
    return kept.map(({ q, page, href }) => ({ kind: "recent", text: String(q), more: String(page), href: String(href) })).filter(({ href }) => /^\/[a-z]/.test(href));
  } catch {
    return [];
  }
}

/** @returns {Entry[]} */
function actions() {
  const root = document.documentElement;
  const keep = (text, name, value) => ({ kind: "action", text, href: keeping(name, value) });
  const json = document.querySelector("[data-copy-json]");
  return [
    { kind: "action", text: "Copy the link, its times frozen", act: () => copyText(link(), "the link") },
    ...(json === null ? [] : [{ kind: "action", text: "Copy the answer as JSON", act: () => json.click() }]),
    { kind: "action", text: "Show the keys", act: () => document.getElementById("keys").showModal() },
    ...["system", "light", "dark"].map((theme) => keep(theme === "system" ? "Theme of the system" : `Theme: ${theme}`, "theme", theme)),
    root.dataset.dense === undefined ? keep("Rows: dense", "density", "dense") : keep("Rows: normal", "density", "normal"),
    ...[...new Set(["UTC", ownZone])].filter((name) => name !== zone).map((name) => keep(`Times in ${name}`, "zone", name)),
    root.dataset.keys === "off" ? keep("Single keys: on", "keys", "on") : keep("Single keys: off", "keys", "off"),
  ];
}

let services = null;

/** Services of the last day, asked for once a page. @returns {Promise<Entry[]>} */
async function serviceEntries() {
  services ??= fetch("/api/services?from=now-1d")
    .then((answer) => (answer.ok ? answer.json() : { services: [] }))
    .catch(() => ({ services: [] }));
  const names = new Set((await services).services.slice(0, SERVICES_MAX).map(({ name }) => name));
  return [...names].map((text) => ({ kind: "service", text, href: `/services/${encodeURIComponent(text)}` }));
}

/** How well a text fits what was typed: all words in it, at the beginning best; -1 if one is missing. */
function fit(text, words) {
  const lower = text.toLowerCase();
  let sum = 0;
  for (const word of words) {
    const at = lower.indexOf(word);
    if (at < 0) return -1;
    sum += at === 0 ? 3 : /\W/.test(lower[at - 1]) ? 2 : 1;
  }
  return sum;
}

class CommandPalette extends HTMLElement {
  /** @type {Entry[]} */
  #all = [];
  /** @type {Entry[]} */
  #shown = [];
  #at = 0;

  connectedCallback() {
    if (this.firstChild) return;
    this.list = element("ul", { id: "palette-list", role: "listbox", "aria-label": "Where to go, what to do" });
    const combobox = { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", "aria-label": "Go to, or do", placeholder: "A page, a service, a recent question, an action", autocomplete: "off", spellcheck: "false" };
    this.input = element("input", combobox);
    this.none = element("p", { class: "none", role: "status" });
    this.dialog = element("dialog", { class: "palette", "aria-label": "Go to, or do" }, this.input, this.list, this.none);
    this.append(this.dialog);
    this.input.addEventListener("input", () => this.#filter());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("click", (event) => this.#choose([...this.list.children].indexOf(event.target.closest("li"))));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  /** Shows it, empty. */
  open() {
    if (this.dialog.open) return;
    this.input.value = "";
    this.#all = [...pages(), ...questions(), ...actions()];
    this.#filter();
    this.dialog.showModal();
    this.input.focus();
    serviceEntries().then((found) => {
      this.#all.push(...found);
      if (this.dialog.open) this.#filter();
    });
  }

  #filter() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = this.#all.map((entry) => ({ entry, fit: fit(entry.text, words) })).filter((each) => each.fit >= 0);
    fits.sort((a, b) => b.fit - a.fit);
    this.#shown = fits.slice(0, SHOWN_MAX).map(({ entry }) => entry);
    this.list.replaceChildren(...this.#shown.map((entry, place) => this.#option(entry, place)));
    const left = fits.length - this.#shown.length;
    this.none.textContent = fits.length === 0 ? "Nothing has this name." : left > 0 ? `${left} more: type on.` : "";
    this.#mark(0);
  }

  #option(entry, place) {
    const kind = element("span", { class: "kind" }, entry.kind);
    const text = element("span", { class: "text" }, entry.text);
    const more = entry.more === undefined ? [] : [element("span", { class: "soft" }, entry.more)];
    return element("li", { role: "option", id: `palette-${place}`, "aria-selected": "false" }, kind, text, ...more);
  }

  #mark(place) {
    this.#at = Math.max(0, Math.min(place, this.#shown.length - 1));
    [...this.list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === this.#at)));
    const option = this.list.children[this.#at];
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (event.isComposing) return;
    const steps = { ArrowDown: this.#at + 1, ArrowUp: this.#at - 1, PageDown: this.#at + 10, PageUp: this.#at - 10 };
    if (event.key in steps) this.#mark(steps[event.key]);
    else if (event.key === "Enter") this.#choose(this.#at);
    else return;
    event.preventDefault();
  }

  #choose(place) {
    const entry = this.#shown[place];
    if (entry === undefined) return;
    this.dialog.close();
    if (entry.href === undefined) entry.act();
    else location.assign(entry.href);
  }
}

customElements.define("command-palette", CommandPalette);
