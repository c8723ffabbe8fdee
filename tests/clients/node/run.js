"use strict";
// A real Node service against a real Causeway: `run.js PATH/TO/causeway`.
//
// An express service exports traces, logs and metrics with the JavaScript SDK over http/json. It is then stopped,
// which sends what is left; since an answered export can be asked for at once, nothing is waited for after that.
// The same questions are put again after a restart.

const { spawn } = require("node:child_process");
const { join } = require("node:path");
const { createInterface } = require("node:readline");
const { Checks } = require("../checks.js");
const { withCauseway, withDirectory } = require("../causeway.js");

const STOP_MS = 60_000;
const USERS = ["ada", "ada", "grace", "nobody"];

/** Runs the service for the time of `body`; what it had not sent is sent when it ends. */
async function withService(server, body) {
  const child = spawn(process.execPath, ["--require", join(__dirname, "telemetry.js"), join(__dirname, "service.js")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      OTEL_SERVICE_NAME: "basket",
      OTEL_RESOURCE_ATTRIBUTES: "service.version=2.0.0,service.instance.id=basket-1",
      OTEL_EXPORTER_OTLP_ENDPOINT: server.otlp,
      OTEL_NODE_RESOURCE_DETECTORS: "env",
      OTEL_LOG_LEVEL: "warn",
    },
  });
  const exit = new Promise((resolve) => child.on("exit", resolve));
  const errors = [];
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  try {
    const lines = createInterface({ input: child.stdout });
    const port = await Promise.race([new Promise((resolve) => lines.once("line", resolve)), exit]);
    await body(`http://127.0.0.1:${port}`);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    child.kill("SIGTERM");
    const code = await exit;
    clearTimeout(timer);
    if (code !== 0 || errors.length > 0) {
      throw new Error(`the service ended with ${code}:\n${errors.join("\n")}`);
    }
  } finally {
    child.kill("SIGKILL");
  }
}

async function openBaskets(service) {
  const statuses = [];
  for (const user of USERS) {
    statuses.push((await fetch(`${service}/basket/${user}`)).status);
  }
  return statuses;
}

async function checkTrace(server, checks) {
  const { traces } = await server.get("/api/traces", { q: "service:basket" });
  checks.equal("traces", traces.length, USERS.length);
  const failing = (await server.get("/api/traces", { q: "status:error name:\"count the stock\"" })).traces;
  checks.equal("failing traces", failing.length, 1);
  const trace = await server.get(`/api/traces/${failing[0].trace_id}`);
  const stock = trace.spans.find((span) => span.name === "count the stock");
  checks.equal("status of the span", [stock.status, stock.status_message], ["error", "no such shelf"]);
  checks.equal("attributes keep their types", stock.attributes, {
    "stock.items": 12,
    "stock.share": 0.5,
    "stock.fresh": true,
    "stock.skus": ["A", "B"],
  });
  checks.equal("exception", stock.events.map((event) => [event.name, event.attributes["exception.type"]]), [
    ["exception", "RangeError"],
  ]);
  checks.equal("resource", [stock.instance, stock.resource["service.version"]], ["basket-1", "2.0.0"]);
  checks.equal("scope", [stock.scope.name, stock.scope.version], ["basket", "2.0.0"]);
  checkPath(trace, stock, checks);
  const [line, ...others] = trace.logs.filter((log) => log.body === "shelf is missing");
  checks.equal("lines about the shelf", others.length, 0);
  checks.equal("the line stands under its span", [line?.span_id, line?.severity], [stock.span_id, "error"]);
  return trace.trace_id;
}

/** From the span up to the root: server spans at both ends of the call, and the client's between them. */
function checkPath(trace, span, checks) {
  const byId = new Map(trace.spans.map((each) => [each.span_id, each]));
  const kinds = [];
  for (let each = span; each; each = byId.get(each.parent_span_id)) {
    kinds.push(each.kind);
  }
  checks.equal("kinds on the way to the root", kinds.filter((kind) => kind !== "internal"), [
    "server",
    "client",
    "server",
  ]);
}

async function checkLogs(server, checks, traceId) {
  const { logs } = await server.get("/api/logs", { q: "\"shelf is missing\"" });
  checks.equal("lines with the phrase", logs.map((log) => log.trace_id), [traceId]);
  const opened = (await server.get("/api/logs", { q: "user.name:grace" })).logs;
  checks.equal("structured body", opened.map((log) => log.body), [
    { message: "basket opened", user: "grace", items: 3, gift: false },
  ]);
}

async function checkMetrics(server, checks) {
  const types = Object.fromEntries(await server.sql("SELECT type, count(*) FROM metrics GROUP BY type"));
  for (const type of ["gauge", "sum", "histogram", "exponential_histogram"]) {
    checks.that(`points of type ${type}`, Number(types[type] ?? 0) > 0, types);
  }
  checks.equal(
    "baskets by ada",
    await server.sql("SELECT max(value) FROM metrics WHERE metric = 'node.baskets' AND attributes['user'] = 'ada'"),
    [[2]],
  );
  checks.equal(
    "bounds and unit",
    await server.sql("SELECT DISTINCT bounds, unit FROM metrics WHERE metric = 'node.basket.duration'"),
    [[[0.1, 1, 10], "s"]],
  );
  const { services } = await server.get("/api/services");
  checks.equal("services", services.map((service) => service.name), ["basket"]);
}

async function checkAll(server, checks) {
  const traceId = await checkTrace(server, checks);
  await checkLogs(server, checks, traceId);
  await checkMetrics(server, checks);
}

async function main() {
  const [binary] = process.argv.slice(2);
  if (!binary) {
    console.error("usage: run.js PATH/TO/causeway");
    process.exitCode = 2;
    return;
  }
  const checks = new Checks();
  console.log("node over http/json");
  await checks.group("the run", () =>
    withDirectory(async (data) => {
      await withCauseway(binary, data, checks, async (server) => {
        await withService(server, async (service) => {
          checks.equal("statuses", await openBaskets(service), [200, 200, 200, 500]);
        });
        await checkAll(server, checks);
      });
      await withCauseway(binary, data, checks, (server) => checkAll(server, checks));
    }),
  );
  checks.close();
}

main();
