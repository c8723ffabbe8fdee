// Times as the page shows them: in its zone, with UTC, the browser's clock, the distance from now and nanoseconds on hover.

const MILLI = 1_000_000n;
const SECOND = 1_000_000_000n;

/** The zone of the page. */
export const zone = document.documentElement.dataset.zone ?? "UTC";
/** The zone of this browser. */
export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";

const clocks = new Map();

/** The clock of a zone. @param {string} name */
function clock(name) {
  if (!clocks.has(name)) {
    const digits = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
    clocks.set(name, new Intl.DateTimeFormat("en-CA", { ...digits, hourCycle: "h23", timeZone: name }));
  }
  return clocks.get(name);
}

/**
 * A time as the server writes it.
 * @param {bigint} nanos since 1970
 * @param {{ name?: string, date?: boolean, digits?: number }} [form] zone, with its date, digits after the second
 */
export function written(nanos, { name = zone, date = true, digits = 3 } = {}) {
  const milli = Number((nanos - (((nanos % MILLI) + MILLI) % MILLI)) / MILLI);
  const part = Object.fromEntries(clock(name).formatToParts(milli).map(({ type, value }) => [type, value]));
  const fraction = String(((nanos % SECOND) + SECOND) % SECOND).padStart(9, "0").slice(0, digits);
  const time = `${part.hour}:${part.minute}:${part.second}${digits > 0 ? `.${fraction}` : ""}`;
  return date ? `${part.year}-${part.month}-${part.day} ${time}` : time;
}

/** A time in the form of addresses. @param {bigint} nanos @param {number} [digits] after the second */
export function rfc3339(nanos, digits = 3) {
  return `${written(nanos, { name: "UTC", digits }).replace(" ", "T")}Z`;
}

/** How far from now: `3 minutes ago`. @param {bigint} nanos */
export function distance(nanos) {
  const seconds = Number(nanos / MILLI) / 1000 - Date.now() / 1000;
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const [unit, length] = units.find(([, each]) => Math.abs(seconds) >= each) ?? units.at(-1);
  return new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(Math.trunc(seconds / length), unit);
}

/** All that is told of a time on hover. @param {bigint} nanos @param {string} [exact] UTC with all digits */
export function told(nanos, exact = `${written(nanos, { name: "UTC", digits: 9 })} UTC`) {
  const own = `${written(nanos, { name: ownZone })} ${ownZone} (this browser)`;
  return `${exact}\n${own}\n${distance(nanos)}\n${nanos} ns`;
}

/** The nanoseconds of a `<time>` that the server wrote. @param {HTMLTimeElement} element */
function nanosOf(element) {
  const [, whole, fraction = ""] = /^(.+?)(?:\.(\d+))?Z$/.exec(element.dateTime) ?? [];
  const milli = Date.parse(`${whole}Z`);
  return Number.isNaN(milli) ? null : BigInt(milli) * MILLI + BigInt(fraction.padEnd(9, "0"));
}

document.addEventListener("pointerover", (event) => {
  const element = event.target.closest?.("time[datetime]");
  if (!element) return;
  const nanos = nanosOf(element);
  if (nanos !== null) element.title = told(nanos, element.dateTime);
});
