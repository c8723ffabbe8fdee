"use strict";
// Starts a Causeway on free ports with a data directory of its own, and asks its API.

const { spawn } = require("node:child_process");
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const START_MS = 60_000;
const STOP_MS = 60_000;

/** Makes an empty directory for the time of `body`. */
async function withDirectory(body) {
  const directory = mkdtempSync(join(tmpdir(), "causeway-client-"));
  try {
    return await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs `body` with a server on `data`, at a port of its own or at `port`; the server must then end cleanly. */
async function withCauseway(binary, data, checks, body, port = 0) {
  const server = await start(binary, data, port);
  try {
    await body(server, data);
    checks.equal("exit status of causeway after SIGTERM", await server.stop(), 0);
  } finally {
    server.process.kill("SIGKILL");
  }
}

async function start(binary, data, port) {
  const free = "127.0.0.1:0";
  const child = spawn(
    binary,
    ["serve", "--data", data, "--listen", `127.0.0.1:${port}`, "--otlp-grpc", free, "--otlp-http", free],
    { stdio: ["ignore", "ignore", "pipe"], env: withoutSettings(process.env) },
  );
  const exit = new Promise((resolve) => child.on("exit", (code, name) => resolve(code ?? name)));
  const addresses = await readAddresses(child, exit);
  return {
    process: child,
    http: `http://${addresses.http}`,
    otlp: `http://${addresses["otlp-http"]}`,
    get: (path, query = {}) => ask(`http://${addresses.http}${path}?${new URLSearchParams(query)}`),
    sql: async (sql) => (await ask(`http://${addresses.http}/api/sql`, { sql })).rows,
    stop: () => stop(child, exit),
  };
}

/** The environment without what would configure the server. */
function withoutSettings(environment) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("CAUSEWAY_")));
}

function readAddresses(child, exit) {
  const addresses = {};
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), START_MS);
    exit.then((code) => reject(new Error(`causeway ended (${code}) or was too slow before it said ready`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      const [word, name, address] = line.split(" ");
      if (word === "listening") {
        addresses[name] = address;
      } else if (line === "ready") {
        clearTimeout(timer);
        resolve(addresses);
      } else {
        console.log(`  causeway: ${line}`);
      }
    });
  });
}

async function stop(child, exit) {
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  const code = await exit;
  clearTimeout(timer);
  return code;
}

/** The JSON of an answer; POST if there is a body. An answer other than 2xx is an error. */
async function ask(url, body) {
  const options = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const answer = await fetch(url, options);
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(`${answer.status} from ${decodeURIComponent(url)}: ${text}`);
  }
  return JSON.parse(text);
}

/** Sends a trace as an exporter does: again, where there was no room. */
async function send(server, trace) {
  for (const [path, body] of trace.requests()) {
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    for (;;) {
      const answer = await fetch(`${server.otlp}${path}`, request);
      if (answer.ok) break;
      if (![429, 503].includes(answer.status)) throw new Error(`${answer.status} from ${path}: ${await answer.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

module.exports = { withDirectory, withCauseway, ask, send };
