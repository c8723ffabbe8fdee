"use strict";
// From an open incident to the line that says why: a shop whose catalog begins to fail, shortly before now, in a server of its
// own. Incidents open by themselves, and lead to a trace at the guilty span, with its log, in three clicks.

const { ask, withCauseway, withDirectory } = require("../causeway.js");
const { Recorder, http, requestsOf } = require("./shop.js");
const { asVisitor, violations } = require("./visitor.js");

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

async function isSound(page, checks, what) {
  checks.equal(`axe on ${what}`, await violations(page), []);
  await page.setViewportSize({ width: 700, height: 900 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  checks.that(`${what} fits a narrow window`, wide <= 700, `${wide} pixels wide`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** Three clicks: the incident, its trace, the line. */
async function checkWay(page, checks, incident, theme) {
  await page.goto("/");
  await isSound(page, checks, `the overview with an incident in ${theme}`);
  await page.getByRole("main").locator(`a[href="/incidents/${incident.id}"]`).first().click();
  await page.waitForURL(/\/incidents\//);
  const suspect = await page.getByRole("main").innerText();
  checks.that("the page names the first suspect", suspect.includes("catalog"), suspect);
  await isSound(page, checks, `an incident in ${theme}`);
  await page.getByRole("main").locator('a[href^="/traces/"]').first().click();
  await page.waitForURL(/\/traces\/.*span=/);
  await page.locator("#trace[data-ready]").waitFor();
  await page.getByRole("complementary", { name: "Span" }).waitFor();
  const line = page.getByRole("treegrid").getByRole("link", { name: REASON }).last();
  await line.waitFor();
  await line.click();
  await page.getByRole("complementary", { name: /^Log/ }).getByText(REASON).first().waitFor();
}

async function checkPages(page, checks, incident, theme) {
  await page.goto("/incidents");
  await page.getByRole("main").locator(`a[href="/incidents/${incident.id}"]`).first().waitFor();
  await isSound(page, checks, `the incidents in ${theme}`);
  await page.goto("/explain?t=now-5m");
  await page.getByRole("heading", { level: 1 }).waitFor();
  const text = await page.getByRole("main").innerText();
  checks.that("the newest minutes are explained", text.includes("catalog"), text);
  await isSound(page, checks, `an explanation in ${theme}`);
}

async function checkIncidents(browser, binary, checks) {
  await withDirectory((data) =>
    withCauseway(binary, data, checks, async (server) => {
      for (const requests of minutes(Date.now())) {
        for (const [path, body] of Object.entries(requests)) await ask(`${server.otlp}${path}`, body);
      }
      const incident = await opened(server);
      checks.equal("the first suspect", incident.suspects[0].service, "catalog");
      for (const visitor of [{ theme: "light" }, { theme: "dark" }, { script: false }]) {
        const name = `incident, ${visitor.theme ?? "without script"}`;
        await asVisitor(browser, { ...visitor, origin: server.http, checks, name }, async (page) => {
          if (visitor.script === false) return checkWithoutScript(page, incident);
          await checkWay(page, checks, incident, visitor.theme);
          await checkPages(page, checks, incident, visitor.theme);
        });
      }
    }),
  );
}

async function checkWithoutScript(page, incident) {
  await page.goto("/");
  await page.getByRole("main").locator(`a[href="/incidents/${incident.id}"]`).first().click();
  await page.getByRole("main").locator('a[href^="/traces/"]').first().click();
  await page.getByRole("treegrid").getByText(REASON).first().waitFor();
}

module.exports = { checkIncidents };
