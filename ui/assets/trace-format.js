// Numbers and times as the server writes them (`ui/src/format.rs`).

const three = (value) => (value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2));
const two = (value) => String(Math.floor(value)).padStart(2, "0");

/** A length of time with three digits: `850 ns`, `12.3 µs`, `1.23 s`, `2 m 03 s`. @param {number} nanos */
export function duration(nanos) {
  const sign = nanos < 0 ? "−" : "";
  const length = Math.abs(nanos);
  return sign + positive(length);
}

function positive(nanos) {
  if (nanos < 1e3) return `${Math.round(nanos)} ns`;
  if (nanos / 1e3 < 999.5) return `${three(nanos / 1e3)} µs`;
  if (nanos / 1e6 < 999.5) return `${three(nanos / 1e6)} ms`;
  if (nanos / 1e9 < 59.95) return `${three(nanos / 1e9)} s`;
  const seconds = Math.round(nanos / 1e9);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} m`;
  return `${Math.floor(seconds / 86_400)} d ${two((seconds % 86_400) / 3600)} h`;
}

/** A distance from the beginning: `+12.3 ms`. @param {number} nanos */
export const offset = (nanos) => (nanos < 0 ? duration(nanos) : `+${duration(nanos)}`);

/** A count with its thousands apart. @param {number} number */
export const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** A count with its noun: `1 span`, `2,000 spans`. */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Round distances of lines over a length of time: at most six lines. */
export function ticks(from, to) {
  const length = Math.max(1, to - from);
  let step = 1;
  for (let factors = [1, 2, 5], at = 0; length / step >= 6; at += 1) step = factors[(at + 1) % 3] * 10 ** Math.floor((at + 1) / 3);
  const lines = [];
  for (let time = Math.ceil(from / step) * step; time <= to && lines.length < 8; time += step) {
    lines.push({ share: (time - from) / length, label: axisLabel(time, step) });
  }
  return lines;
}

/** A place on the axis, as exact as its step. */
function axisLabel(nanos, step) {
  if (nanos === 0) return "0";
  const [unit, word] = nanos < 1e3 ? [1, "ns"] : nanos < 1e6 ? [1e3, "µs"] : nanos < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  if (nanos >= 120e9 && step >= 1e9) return duration(nanos);
  const digits = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  return `${(nanos / unit).toFixed(Math.min(digits, 9))} ${word}`;
}
