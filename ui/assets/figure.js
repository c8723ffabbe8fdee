// Figures in the units of panels, as the server writes them (`ui/src/dashboards/units.rs`).

import { duration } from "./trace-format.js";

const NANOS = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
const AFTER = { ops: " /s", "per-minute": " /min" };

const three = (value) => (value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2));

/** A number of three digits: `1.23`, `12.3k`. */
function plain(value) {
  if (value < 1e-6) return "0";
  if (value < 0.1) return String(Number(value.toPrecision(3)));
  if (value < 1000 && Number.isInteger(value)) return String(value);
  const [unit, word] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([each]) => value >= each * 0.9995) ?? [1, ""];
  return three(value / unit) + word;
}

function bytes(value) {
  const [unit, word] = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([each]) => value >= each * 0.9995) ?? [1, "B"];
  return `${unit === 1 ? value.toFixed(0) : three(value / unit)} ${word}`;
}

/** A figure in a unit; a dash where there is none. @param {number | null} value @param {string} unit */
export function figure(value, unit) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (unit in NANOS) return duration(value * NANOS[unit]);
  if (unit === "bool") return value === 0 ? "no" : "yes";
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  if (unit === "ratio" || unit === "percent") return `${sign}${plain(unit === "ratio" ? Number((size * 100).toPrecision(6)) : size)} %`;
  if (unit.startsWith("bytes")) return `${sign}${bytes(size)}${unit === "bytes/s" ? " /s" : ""}`;
  return `${sign}${plain(size)}${AFTER[unit] ?? ""}`;
}
