// Choosing a row swaps the trace's part of the page in place, so the view does not move.

import { enhance } from "./main.js";

let asked = 0;

/** Fetches an address of this trace and shows its rows and detail here; falls back to going there. */
async function show(href) {
  asked += 1;
  const mine = asked;
  const address = new URL(href, location.href);
  const answer = await fetch(address, { headers: { accept: "text/html" } });
  if (mine !== asked) return false;
  if (!answer.ok) throw new Error(`${address.pathname} answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return false;
  const next = document.adoptNode(page.getElementById("trace"));
  const top = window.scrollY;
  document.getElementById("trace").replaceWith(next);
  document.title = page.title;
  enhance(next);
  window.scrollTo({ top, behavior: "instant" });
  return true;
}

async function choose(link) {
  // A link in the detail names its row by the address; closing goes back to the row that was chosen.
  const named = decodeURIComponent(new URL(link.href).hash.slice(1));
  const id = link.closest("tr")?.id ?? (named || document.querySelector("tr[aria-selected]")?.id);
  try {
    if (!(await show(link.href))) return;
  } catch {
    location.assign(link.href);
    return;
  }
  history.pushState(null, "", link.href);
  const row = document.getElementById(id);
  row?.querySelector("[data-row]")?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-select], a[data-close]");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (link === null || !plain) return;
  event.preventDefault();
  choose(link);
});

window.addEventListener("popstate", () => {
  show(location.href).catch(() => location.reload());
});
