// What script adds to every page: copy buttons and keys. Every page works without it.

const typing = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

/** Shows the copy buttons below an element. */
export function enhance(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = navigator.clipboard === undefined;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.dataset.copy);
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

const keys = document.getElementById("keys");
const pages = { o: "/", i: "/incidents", s: "/services", t: "/search?tab=traces", l: "/search?tab=logs" };
let going = false;

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") return escape(event);
  if (typing(event.target) || keys.open) return;
  if (going && pages[event.key]) {
    location.assign(pages[event.key]);
    return;
  }
  going = event.key === "g";
  const acts = {
    "/": () => (document.getElementById("q") === null ? location.assign("/search") : document.getElementById("q").select()),
    "?": () => keys.showModal(),
    j: () => move("[data-row]", 1),
    k: () => move("[data-row]", -1),
    e: () => move("[data-row][data-error]", 1),
    E: () => move("[data-row][data-error]", -1),
  };
  const act = acts[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

function escape(event) {
  if (keys.open) return;
  if (typing(event.target)) return event.target.blur();
  const help = document.querySelector(".help[open]");
  if (help !== null) help.open = false;
  else document.querySelector("[data-close]")?.click();
}

document.addEventListener("keydown", key);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button !== null) copy(button);
  const help = document.querySelector(".help[open]");
  if (help !== null && !help.contains(event.target)) help.open = false;
});

const open = document.getElementById("keys-open");
open.hidden = false;
open.addEventListener("click", () => keys.showModal());
enhance(document);
