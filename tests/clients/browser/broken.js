"use strict";
// A shop whose catalog begins to fail, shortly before now, in a server of its own, on which an incident opens by itself.

const { ask, withCauseway, withDirectory } = require("../causeway.js");
const { Recorder, http, requestsOf } = require("./shop.js");

/** Minutes that go well, and minutes that do not; orders of each. */
const HEALTHY = 20;
const BROKEN = 4;
const ORDERS = 30;
/** Which order of a broken minute fails. */
const FAILS_EVERY = 2;
const MINUTE_MS = 60_000;
/** How long an incident may take to open, on a machine that has other work. */
const OPEN_MS = 90_000;
const LOOK_MS = 500;

const REASON = "no price of a bundle: bundles are not priced since 3.12.0";

/** One order: the frontend asks the catalog, which asks its database, and may fail after that. */
function order(number, start, failed) {
  const trace = new Recorder(0x4000 + number, BigInt(start) * 1_000_000n, 0.9 + (number % 7) / 30);
  const [error, status] = failed ? ["internal error", 500] : ["", 200];
  const root = trace.span("frontend", "server", "GET /products/{id}", null, 0, 40, { about: http("GET", "/products/{id}", status), error });
  const call = trace.span("frontend", "client", "GET", root, 2, 38, { about: http("GET", "/items/{id}", status), error });
  const events = failed ? [[30, "exception", { "exception.type": "PriceMissing", "exception.message": REASON }]] : [];
  const served = trace.span("catalog", "server", "GET /items/{id}", call, 4, 36, { about: http("GET", "/items/{id}", status), error, events });
  trace.span("catalog", "client", "SELECT items", served, 6, 20, { about: { "db.system.name": "postgresql" } });
  trace.log("catalog", served, 22, "INFO", "item was read");
  if (failed) trace.log("catalog", served, 30, "ERROR", REASON);
  else trace.log("catalog", served, 30, "INFO", "item was priced");
  return trace;
}

/** Everything, in requests of a minute each. */
function minutes(now) {
  const first = Math.floor(now / MINUTE_MS) * MINUTE_MS - (HEALTHY + BROKEN) * MINUTE_MS;
  return Array.from({ length: HEALTHY + BROKEN }, (_, minute) => {
    const orders = Array.from({ length: ORDERS }, (_, number) => {
      const start = first + minute * MINUTE_MS + number * (MINUTE_MS / ORDERS);
      return order(minute * ORDERS + number, start, minute >= HEALTHY && number % FAILS_EVERY === 0);
    });
    return requestsOf(orders);
  });
}

/** The incident that opened. */
async function opened(server) {
  const end = Date.now() + OPEN_MS;
  while (Date.now() < end) {
    const { incidents } = await server.get("/api/incidents", { open: "true" });
    if (incidents.length > 0 && incidents[0].suspects.length > 0) return incidents[0];
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error("no incident has opened");
}

/** Runs `body(server, incident)` with a server of its own, on which an incident has opened. */
async function withIncident(binary, checks, body) {
  await withDirectory((data) =>
    withCauseway(binary, data, checks, async (server) => {
      for (const requests of minutes(Date.now())) {
        for (const [path, request] of Object.entries(requests)) await ask(`${server.otlp}${path}`, request);
      }
      await body(server, await opened(server));
    }),
  );
}

module.exports = { REASON, withIncident };
