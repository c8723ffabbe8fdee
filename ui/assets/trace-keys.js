// The keys of the trace page. They come before those of every page, which go on with what is left.

/** Keys and what they say in the help. */
export const HELP = [
  [["j", "k"], "next and previous row"],
  [["h", "l"], "fold and unfold"],
  [["p"], "parent"],
  [["Enter"], "show the row's details"],
  [["/"], "find in this trace"],
  [["n", "N"], "next and previous match"],
  [["e", "E"], "next and previous error"],
  [["c"], "critical path"],
  [["x"], "logs and events"],
  [["w", "s", "a", "d"], "zoom in, out, earlier, later"],
  [["0"], "the whole trace"],
  [["f"], "the axis follows the rows"],
  [["v"], "next view"],
  [["+", "-"], "find this operation, leave it out"],
];

const isTyping = (target) => target.closest?.("input, textarea, select, [contenteditable]") !== null;

/** @param {Record<string, (event: KeyboardEvent) => unknown>} acts by key; one that gives false did nothing */
export function listen(acts) {
  let going = false;
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      if (document.querySelector("dialog[open]") !== null || isTyping(event.target)) return;
      // After `g` a key names a page.
      const isSecond = going;
      going = event.key === "g";
      const act = acts[event.key];
      if (isSecond || act === undefined || document.documentElement.dataset.keys === "off") return;
      if (act(event) === false) return;
      event.preventDefault();
      event.stopPropagation();
    },
    { capture: true },
  );
}

/** Puts the keys into the help of the page. */
export function explain() {
  const list = document.querySelector("#keys .keys");
  if (list === null) return;
  const rows = HELP.map(([keys, words]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    for (const key of keys) {
      const sign = document.createElement("kbd");
      sign.textContent = key;
      term.append(sign, " ");
    }
    const text = document.createElement("dd");
    text.textContent = words;
    row.append(term, text);
    return row;
  });
  const key = (row) => row.querySelector("kbd")?.textContent;
  const known = new Set(rows.map(key));
  for (const row of [...list.children]) if (known.has(key(row))) row.remove();
  list.prepend(...rows);
}
