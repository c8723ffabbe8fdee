"use strict";
// The page in a real browser: `run.js PATH/TO/causeway [--screenshots DIR]`.
//
// A small shop's telemetry is sent, and visitors look for the reason of its failing order: with script in light and
// dark, and without script. They click from the list to the trace and find the log line under its span; from the
// line in the list of logs it is one click to the trace. On every page no violation by axe, no error on the console,
// no request to another origin, the policy's header. With --screenshots only the pictures of the documentation are made.

const { mkdirSync } = require("node:fs");
const { join } = require("node:path");
const { Checks } = require("../checks.js");
const { ask, withCauseway, withDirectory } = require("../causeway.js");
const { checkAddresses } = require("./addresses.js");
const { withIncident } = require("./broken.js");
const { checkDashboards } = require("./dashboards.js");
const { checkFile } = require("./file.js");
const { checkGoneAway } = require("./gone.js");
const { checkIncidents } = require("./incident.js");
const { checkLimits } = require("./limits.js");
const { checkPages } = require("./pages.js");
const { checkMetrics } = require("./promql.js");
const { checkSearchPages } = require("./search.js");
const { FAILURE, SERVICES, shop } = require("./shop.js");
const { checkTraces } = require("./trace.js");
const { asVisitor, violations, withBrowser } = require("./visitor.js");

const STEPS = ["Connected", "First span", "Service named", "Logs carry trace ids"];
const LATE_MS = 500;
const GRID = { name: "Spans, logs and events" };

async function send(server, requests) {
  for (const [path, body] of Object.entries(requests)) {
    await ask(`${server.otlp}${path}`, body);
  }
}

/** Each step of /start says this. */
async function stepsSay(page, word) {
  for (const step of STEPS) {
    await page.getByRole("listitem").filter({ hasText: step }).getByText(word, { exact: true }).waitFor();
  }
}

/** `/` leads to /start while there is nothing; its steps turn live when the first data arrive. */
async function checkFirstRun(browser, server, checks, requests) {
  await asVisitor(browser, { origin: server.http, checks, name: "first run" }, async (page) => {
    // The script that follows what arrives comes long after the one that it extends.
    await page.route("**/hx-sse.js", (route) => setTimeout(() => route.continue(), LATE_MS));
    await page.goto("/");
    checks.equal("the first page of an empty store", new URL(page.url()).pathname, "/start");
    await stepsSay(page, "waiting");
    checks.equal("axe on /start without data", await violations(page), []);
    const endpoints = await page.getByRole("main").innerText();
    checks.that("/start names the endpoint", endpoints.includes(server.otlp), endpoints);
    await send(server, requests);
    await stepsSay(page, "done");
  });
  await asVisitor(browser, { origin: server.http, script: false, checks, name: "start without script" }, async (page) => {
    await page.goto("/start");
    await stepsSay(page, "done");
  });
}

/** The rows of the waterfall: id, level and text, in the order of the page. */
async function waterfall(page, script) {
  const grid = page.getByRole("treegrid", GRID);
  if (script !== false) {
    // In a window that has room for all rows, what is behind them has come.
    await page.setViewportSize({ width: 1280, height: 2400 });
    await page.locator("#trace[data-ready]").waitFor();
    await page.waitForFunction(() => {
      const rows = document.querySelectorAll(".grid-layer [role=row]:not([hidden])").length;
      return rows >= Number(document.querySelector("[role=treegrid]").ariaRowCount) - 1;
    });
    await page.waitForFunction(() => document.querySelector("[role=row]:not([hidden])[id^=r-]") === null);
  }
  return grid.locator(script === false ? "tbody tr" : ".grid-layer [role=row]:not([hidden])").evaluateAll((rows) =>
    rows
      .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
      .map((row) => ({ id: row.id, level: Number(row.ariaLevel), text: row.innerText })),
  );
}

/** The log line stands below its span, before any row that is not below that span. */
function checkLogUnderSpan(rows, trace, checks) {
  const total = trace.spans.length + trace.logs.length + trace.spans.flatMap((span) => span.events).length;
  checks.equal("rows of the waterfall", rows.length, total);
  const at = rows.findIndex((row) => row.id.startsWith("l-") && row.text.includes(FAILURE.log));
  checks.that("the line is among the rows", at > 0, rows.map((row) => row.text));
  const log = rows[at];
  const above = rows.slice(0, at).findLastIndex((row) => row.level < log.level);
  const span = trace.spans.find((each) => each.name === FAILURE.span);
  checks.equal("the row that the line stands under", rows[above].id, `s-${span.span_id}`);
  checks.that("its name", rows[above].text.includes(FAILURE.span), rows[above]);
  checks.equal("the level of the line", log.level, rows[above].level + 1);
  checks.that("the level of the log", log.text.toLowerCase().includes("error"), log.text);
}

/** From the list to the failing trace, the line in it, the span of the line, and its logs. */
async function checkTraceToLog(page, server, checks, failing, script) {
  await page.goto("/search?tab=traces");
  const row = page.getByRole("row").filter({ hasText: "failed" });
  checks.equal("failing traces in the list", await row.count(), 1);
  await row.getByRole("link").first().click();
  await page.getByRole("treegrid", GRID).waitFor();
  checks.equal("address of the trace", new URL(page.url()).pathname, `/traces/${failing}`);
  checkLogUnderSpan(await waterfall(page, script), await server.get(`/api/traces/${failing}`), checks);
  const grid = page.getByRole("treegrid", GRID);
  await grid.getByRole("link", { name: FAILURE.log }).first().click();
  const detail = page.getByRole("complementary", { name: /^Log/ });
  await detail.getByRole("heading", { name: FAILURE.log }).waitFor();
  await detail.getByRole("link", { name: "Its span" }).click();
  await checkSpanDetail(page, checks);
}

async function checkSpanDetail(page, checks) {
  const detail = page.getByRole("complementary", { name: "Span" });
  await detail.getByRole("heading", { name: FAILURE.span }).waitFor();
  const text = await detail.innerText();
  for (const part of [FAILURE.exception, "retry.max", "bank-a:443", "payment-7d9f-1", FAILURE.log]) {
    checks.that(`${part} beside the span`, text.includes(part), text);
  }
  const address = page.url();
  checks.that("the address names the span", new URL(address).searchParams.get("span") !== null, address);
  await page.reload();
  await detail.getByRole("heading", { name: FAILURE.span }).waitFor();
  await detail.getByRole("link", { name: "Its logs" }).click();
  await page.getByRole("table").getByText(FAILURE.log).first().waitFor();
  checks.equal("logs of the span", await page.getByRole("table").locator("tbody tr").count(), 4);
  await page.goBack();
  await detail.getByRole("heading", { name: FAILURE.span }).waitFor();
  checks.equal("the address after going back", page.url(), address);
}

/** From the list of logs it is one click to the trace. */
async function checkLogToTrace(page, checks, failing) {
  await page.goto(`/search?${new URLSearchParams({ tab: "logs", q: '"giving up" severity:error' })}`);
  const row = page.getByRole("row").filter({ hasText: FAILURE.log });
  checks.equal("lines that match", await row.count(), 1);
  await row.getByRole("link", { name: "Trace" }).click();
  await page.getByRole("treegrid", GRID).waitFor();
  checks.equal("the trace of the line", new URL(page.url()).pathname, `/traces/${failing}`);
}

async function checkServices(page, checks) {
  await page.goto("/");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Services" }).click();
  await page.getByRole("heading", { name: "Services", level: 1 }).waitFor();
  const names = await page.getByRole("table").getByRole("rowheader").allInnerTexts();
  checks.equal("services", names.map((name) => name.trim()).sort(), SERVICES);
  const payment = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: FAILURE.service }) });
  checks.that("payment has errors", /[1-9]/.test(await payment.getByRole("cell").nth(3).innerText()));
  await payment.getByRole("link", { name: `Logs of ${FAILURE.service}` }).click();
  await page.getByRole("table").getByText(FAILURE.log).first().waitFor();
}

/** The form works, and so does each value beside the rows. */
async function checkSearch(page, checks) {
  await page.goto("/search?tab=logs");
  // With script it is a combobox.
  await page.locator("#q").fill("service:payment attempt");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL(/q=service/);
  checks.equal("lines about attempts", await page.getByRole("table").locator("tbody tr").count(), 3);
  await page.getByRole("link", { name: "warn", exact: true }).click();
  await page.waitForURL(/severity/);
  checks.equal("warnings about attempts", await page.getByRole("table").locator("tbody tr").count(), 2);
}

/** Any time can be explained; nine orders are not enough to tell, which is said with what to try. */
async function checkExplain(page, checks) {
  await page.goto("/");
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Incidents" }).click();
  await page.getByRole("heading", { name: "No incident so far" }).waitFor();
  await page.getByRole("link", { name: "Explain the newest minutes" }).click();
  await page.getByRole("textbox", { name: "Time" }).fill("now-30m");
  await page.getByRole("textbox", { name: "Service" }).fill(FAILURE.service);
  await page.getByRole("button", { name: "Explain" }).click();
  await page.waitForURL(/t=now-30m&service=payment/);
  await page.getByRole("heading", { name: "There is not enough to tell" }).waitFor();
  await page.getByRole("link", { name: "The same window, all services" }).click();
  await page.getByRole("heading", { name: "There is not enough to tell" }).waitFor();
  checks.equal("the window that is explained", new URL(page.url()).searchParams.get("t"), "now-30m");
}

/** The keyboard alone leads to the failing trace, and to the query. */
async function checkKeys(page, checks, failing) {
  await page.goto("/search?tab=traces");
  await page.keyboard.press("/");
  const focused = () => page.evaluate(() => document.activeElement.id);
  checks.equal("/ goes to the query", await focused(), "q");
  await page.keyboard.press("Escape");
  await page.keyboard.press("e");
  await page.keyboard.press("Enter");
  await page.getByRole("treegrid", GRID).waitFor();
  checks.equal("e and Enter open the failing trace", new URL(page.url()).pathname, `/traces/${failing}`);
}

async function checkVisitor(browser, server, checks, failing, visitor) {
  const name = `${visitor.theme ?? "light"}, ${visitor.script === false ? "without script" : "with script"}`;
  await asVisitor(browser, { ...visitor, origin: server.http, checks, name }, async (page) => {
    await checkServices(page, checks);
    await checkSearch(page, checks);
    await checkExplain(page, checks);
    await checkTraceToLog(page, server, checks, failing, visitor.script);
    await checkLogToTrace(page, checks, failing);
    if (visitor.script !== false) {
      await checkKeys(page, checks, failing);
    }
  });
}

/** axe on every page, those that say what is wrong included. */
async function checkAxe(browser, server, checks, failing, theme) {
  const { spans } = await server.get(`/api/traces/${failing}`);
  const { span_id: span } = spans.find((each) => each.name === FAILURE.span);
  const good = ["/", "/start", "/start?for=node", "/incidents", "/incidents?t=now-1h", "/services", "/search", "/search?tab=spans", "/search?tab=logs"];
  good.push("/search?tab=logs&q=nothingsuch", `/traces/${failing}`, `/traces/${failing}?span=${span}`);
  good.push("/explain", "/explain?t=now-1h&service=payment");
  const wrong = [`/search?q=${encodeURIComponent('"open')}`, "/nowhere", `/traces/${"0".repeat(31)}1`];
  wrong.push("/incidents/none", "/explain?t=pink");
  for (const [addresses, failures] of [[good, false], [wrong, true]]) {
    const name = `axe in ${theme}`;
    await asVisitor(browser, { origin: server.http, theme, failures, checks, name }, async (page) => {
      for (const address of addresses) {
        await page.goto(address);
        checks.equal(`axe on ${address} in ${theme}`, await violations(page), []);
      }
    });
  }
}

/** The pictures of the documentation: one of every page. */
async function takePictures(browser, server, checks, failing, { binary, directory }) {
  mkdirSync(directory, { recursive: true });
  const { spans } = await server.get(`/api/traces/${failing}`);
  const { span_id: span } = spans.find((each) => each.name === FAILURE.span);
  const sql = "SELECT service_name, count(*) AS spans, approx_percentile_cont(duration_ns, 0.95) / 1e6 AS p95_ms FROM spans GROUP BY 1 ORDER BY 2 DESC";
  const calls = "sum by (service_name) (rate(traces_span_metrics_calls_total[5m]))";
  await takeAll(browser, server, checks, directory, [
    ["trace", `/traces/${failing}`, { fullPage: true }],
    ["trace-dark", `/traces/${failing}`, { fullPage: true, theme: "dark" }],
    ["trace-span", `/traces/${failing}?span=${span}`],
    ["trace-flame", `/traces/${failing}?view=flame`],
    ["trace-table", `/traces/${failing}?view=table`],
    ["trace-graph", `/traces/${failing}?view=graph`],
    ["overview", "/"],
    ["services", "/services"],
    ["service", `/services/${FAILURE.service}`],
    ["map", "/map?hops=all&t=now-1h"],
    ["search-traces", "/search?tab=traces"],
    ["search-spans", "/search?tab=spans"],
    ["search", "/search?tab=logs"],
    ["search-templates", "/search?tab=templates"],
    ["metrics", `/promql?${new URLSearchParams({ q: calls, t: "now-30m" })}`],
    ["sql", `/sql?q=${encodeURIComponent(sql)}`],
    ["status", "/status"],
    ["start", "/start?for=python"],
    ["preferences", "/preferences"],
  ]);
  await withIncident(binary, checks, (other, incident) =>
    takeAll(browser, other, checks, directory, [
      ["overview-incident", "/"],
      ["incidents", "/incidents"],
      ["incident", `/incidents/${incident.id}`],
      ["explain", "/explain?t=now-5m"],
      ["compare", "/compare?sel=now-4m..now&vs=now-30m..now-5m"],
    ]),
  );
}

async function takeAll(browser, server, checks, directory, pictures) {
  for (const [name, address, { theme = "light", fullPage = false } = {}] of pictures) {
    await asVisitor(browser, { origin: server.http, theme, checks, name }, async (page) => {
      await page.goto(address);
      await page.waitForLoadState("networkidle");
      await page.screenshot({ path: join(directory, `${name}.png`), fullPage });
    });
  }
}

function readArguments(words) {
  const [binary, option, directory, ...others] = words;
  const isRight = binary && (option === undefined || (option === "--screenshots" && directory)) && others.length === 0;
  return isRight ? { binary, directory } : null;
}

async function main() {
  const asked = readArguments(process.argv.slice(2));
  if (!asked) {
    console.error("usage: run.js PATH/TO/causeway [--screenshots DIR]");
    process.exitCode = 2;
    return;
  }
  const checks = new Checks();
  const { failingTrace: failing, requests } = shop(Date.now());
  const everything = async (server) =>
    withBrowser(async (browser) => {
      await checkFirstRun(browser, server, checks, requests);
      if (asked.directory) {
        return takePictures(browser, server, checks, failing, asked);
      }
      await checkVisitor(browser, server, checks, failing, { theme: "light" });
      await checkVisitor(browser, server, checks, failing, { theme: "dark" });
      await checkVisitor(browser, server, checks, failing, { script: false });
      await checkAxe(browser, server, checks, failing, "light");
      await checkAxe(browser, server, checks, failing, "dark");
      await checkPages(browser, server, checks);
      await checkSearchPages(browser, server, checks);
      await checkFile(browser, server, checks, failing);
      await checkMetrics(browser, asked.binary, checks);
      await checkIncidents(browser, asked.binary, checks);
      await checkLimits(browser, asked.binary, checks);
      await checkAddresses(browser, asked.binary, checks);
      await checkDashboards(browser, asked.binary, checks);
      await checkGoneAway(browser, asked.binary, checks);
      // Last, since it sends traces of its own.
      await checkTraces(browser, server, checks);
    });
  await checks.group("the run", () =>
    withDirectory((data) => withCauseway(asked.binary, data, checks, everything)),
  );
  checks.close();
}

main();
