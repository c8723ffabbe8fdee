// What script adds to every page: copying, keys, times on hover, and the palette. Every page works without it.

import { ownZone, rfc3339 } from "./times.js";

const typing = (target) => target.closest("input:not([type='radio'], [type='checkbox']), textarea, select, [contenteditable]") !== null;
const said = document.getElementById("said");
let saying;

/** Shows a word on what was done, and has it read aloud. @param {string} text */
export function say(text) {
  said.textContent = text;
  said.classList.remove("vh");
  clearTimeout(saying);
  saying = setTimeout(() => said.classList.add("vh"), 2500);
}

/** Asks the program; where nobody answers, the error says so. @param {string | URL} address @param {RequestInit} [options] */
export async function ask(address, options) {
  try {
    return await fetch(address, options);
  } catch {
    throw new Error("the program does not answer");
  }
}

/** Shows what only script can do below an element. @param {ParentNode} root */
export function enhance(root) {
  for (const button of root.querySelectorAll("[data-copy], [data-copy-link], [data-copy-json]")) {
    button.hidden = navigator.clipboard === undefined;
  }
  for (const button of root.querySelectorAll("[data-own-zone]")) button.hidden = false;
}

/** Copies a text, and says so. @param {string} text @param {string} what */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
    return true;
  } catch {
    say(`This browser does not let ${what} be copied`);
    return false;
  }
}

/** The address of this page as a colleague should see it: with times frozen, where the page offers that. */
export function link() {
  const frozen = document.querySelector("[data-copy-link]")?.dataset.copyLink;
  return new URL(frozen ?? location.href, location.href).href;
}

async function copyJson(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) return say(`The answer could not be read${answer ? `: ${answer.status}` : ""}`);
  return copyText(await answer.text(), "the answer as JSON");
}

async function copy(button) {
  if (button.dataset.copyJson !== undefined) return copyJson(button.dataset.copyJson);
  const isLink = button.dataset.copyLink !== undefined;
  const text = isLink ? new URL(button.dataset.copyLink, location.href).href : button.dataset.copy;
  if (!(await copyText(text, isLink ? "the link" : "the text"))) return;
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1200);
}

/** Moves the focus to the next row that a selector finds, before or after the one in focus. */
function move(selector, step) {
  const rows = [...document.querySelectorAll(selector)];
  if (rows.length === 0) return;
  const all = [...document.querySelectorAll("[data-row]")];
  const at = all.indexOf(document.activeElement);
  const chosen = document.querySelector("[aria-selected='true'] [data-row]");
  const from = at >= 0 ? at : chosen === null ? -1 : all.indexOf(chosen);
  const places = rows.map((row) => all.indexOf(row));
  const next = step > 0 ? places.find((place) => place > from) : places.findLast((place) => place < from);
  const row = all[next ?? (step > 0 ? places.at(-1) : places[0])];
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

/** The same page, its range moved by its length. */
function shift(step) {
  const { from, to } = document.body.dataset;
  if (from === undefined) return say("This page has no beginning in time to move");
  const [begin, end] = [BigInt(from), to === undefined ? BigInt(Date.now()) * 1_000_000n : BigInt(to)];
  const length = BigInt(step) * (end - begin);
  const address = new URL(location.href);
  for (const name of ["cursor", "page", "sel"]) address.searchParams.delete(name);
  address.searchParams.set("t", `${rfc3339(begin + length)}..${rfc3339(end + length)}`);
  location.assign(address);
}

function toTime() {
  const field = document.getElementById("t");
  if (field !== null) return field.select();
  (document.querySelector(".presets [aria-current]") ?? document.querySelector(".presets a"))?.focus();
}

const keys = document.getElementById("keys");
const pages = { o: "/", i: "/incidents", s: "/services", m: "/map", t: "/search?tab=traces", l: "/search?tab=logs", p: "/promql", q: "/sql", d: "/dashboards" };
let going = false;

const acts = {
  "/": () => {
    const field = document.querySelector("[data-query], #q");
    if (field === null) location.assign("/search");
    else field.select?.() ?? field.focus();
  },
  "?": () => keys.showModal(),
  t: toTime,
  "[": () => shift(-1),
  "]": () => shift(1),
  y: () => copyText(link(), "the link"),
  Y: () => {
    const button = document.querySelector("[data-copy-json]");
    if (button === null) say("This page has no answer as JSON");
    else copyJson(button.dataset.copyJson);
  },
  j: () => move("[data-row]", 1),
  k: () => move("[data-row]", -1),
  e: () => move("[data-row][data-error]", 1),
  E: () => move("[data-row][data-error]", -1),
};

/** Adds keys of a page to those that all pages have, or puts them in their place. @param {Record<string, () => void>} own */
export function addKeys(own) {
  Object.assign(acts, own);
}

/** Opens the palette. */
async function openPalette() {
  try {
    await import("./palette.js");
  } catch {
    return say("The program does not answer");
  }
  const palette = document.querySelector("command-palette") ?? document.body.appendChild(document.createElement("command-palette"));
  palette.open();
}

function key(event) {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") return escape(event);
  if (document.documentElement.dataset.keys === "off" || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (going && pages[event.key]) {
    location.assign(pages[event.key]);
    return;
  }
  going = event.key === "g";
  const act = Object.hasOwn(acts, event.key) ? acts[event.key] : undefined;
  if (act === undefined) return;
  event.preventDefault();
  act();
}

function escape(event) {
  if (document.querySelector("dialog[open]")) return;
  if (typing(event.target)) return event.target.blur();
  const menu = openMenu();
  if (menu !== null) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else document.querySelector("[data-close]")?.click();
}

const openMenu = () => document.querySelector(".help[open], .menu[open]");

/** Questions that were asked lately, for the palette. */
function remember() {
  const q = new URLSearchParams(location.search).get("q");
  if (!q || !["/search", "/promql", "/sql", "/compare"].includes(location.pathname)) return;
  try {
    const kept = JSON.parse(localStorage.getItem("questions") ?? "[]");
    const others = kept.filter((each) => each.q !== q || each.page !== location.pathname);
    const mine = { q: q.slice(0, 300), page: location.pathname, href: location.pathname + location.search };
    localStorage.setItem("questions", JSON.stringify([mine, ...others].slice(0, 20)));
  } catch {
    // A browser that keeps nothing has no recent questions.
  }
}

document.addEventListener("keydown", key);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-link], [data-copy-json]");
  if (button !== null) copy(button);
  const menu = openMenu();
  if (menu !== null && !menu.contains(event.target)) menu.open = false;
  if (event.target.closest("[data-own-zone]")) document.getElementById("zone").value = ownZone;
});

for (const [id, open] of [["keys-open", () => keys.showModal()], ["palette-open", openPalette]]) {
  const button = document.getElementById(id);
  button.hidden = false;
  button.addEventListener("click", open);
}
enhance(document);
remember();
