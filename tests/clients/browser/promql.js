"use strict";
// Metrics: what is said before there are any, their list, queries with completion, lines, exemplars that open their trace,
// heatmaps, a box that is dragged, and what is said of queries that are wrong or find nothing.

const { ask, withCauseway, withDirectory } = require("../causeway.js");
const { FAILURE, shop } = require("./shop.js");
const { address, asVisitor, fits, mainText, violations, visit } = require("./visitor.js");

/** How many points each series has, and how far they are apart. */
const POINTS = 60;
const APART_MS = 30_000;
/** The most queries of the page. */
const QUERIES_MAX = 8;
const BOUNDS = [0.1, 0.5, 1, 2.5];
/** The most bytes of a first load, compressed. */
const BYTES_MAX = 75_000;
const HOSTILE = "<img src=x onerror=\"window.hostile=1\">";
const RATE = "sum by (http_route) (rate(http_server_requests_total[5m]))";
const BUCKETS = "sum by (le) (rate(http_server_request_duration_seconds_bucket[5m]))";
const QUANTILE = `histogram_quantile(0.95, ${BUCKETS})`;

const texts = (record) => Object.entries(record).map(([key, stringValue]) => ({ key, value: { stringValue } }));
const nanos = (ms) => String(BigInt(ms) * 1_000_000n);

/** Points of a series, the last of them now. */
function points(now, about, of) {
  const first = now - (POINTS - 1) * APART_MS;
  return Array.from({ length: POINTS }, (_, at) => ({
    attributes: texts(about),
    startTimeUnixNano: nanos(first - APART_MS),
    timeUnixNano: nanos(first + at * APART_MS),
    ...of(at, first + at * APART_MS),
  }));
}

/** A counter, a gauge, and a histogram whose exemplars are of one trace. */
function metrics(now, { traceId, spanId }) {
  const routes = ["/checkout", "/cart", HOSTILE];
  const cumulative = { aggregationTemporality: 2 };
  const counter = routes.flatMap((route, number) => points(now, { "http.route": route }, (at) => ({ asDouble: at * (number + 1) * 30 })));
  const buckets = (at) => ({ count: String(at * 10), sum: at * 4, explicitBounds: BOUNDS, bucketCounts: [at * 4, at * 3, at * 2, at, 0].map(String) });
  const exemplars = (at, time) => (at % 10 === 9 ? { exemplars: [{ timeUnixNano: nanos(time - 1000), asDouble: 0.8 + at / 100, traceId, spanId }] } : {});
  const durations = points(now, { "http.route": "/checkout" }, (at, time) => ({ ...buckets(at), ...exemplars(at, time) }));
  const list = [
    { name: "http.server.requests", unit: "{request}", description: "Requests that were answered.", sum: { ...cumulative, isMonotonic: true, dataPoints: counter } },
    { name: "http.server.request.duration", unit: "s", description: HOSTILE, histogram: { ...cumulative, dataPoints: durations } },
    { name: "queue.depth", unit: "{job}", gauge: { dataPoints: points(now, {}, (at) => ({ asDouble: at % 7 })) } },
  ];
  const resource = { attributes: texts({ "service.name": FAILURE.service }) };
  return { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: "shop" }, metrics: list }] }] };
}

async function checkNothing(browser, server, checks) {
  for (const theme of ["light", "dark"]) {
    await asVisitor(browser, { origin: server.http, theme, checks, name: `no metrics in ${theme}` }, async (page) => {
      await visit(page, checks, "/promql", "metrics before there are any");
      const text = await mainText(page);
      for (const part of ["No metric is stored yet", server.otlp, "/prometheus/api/v1/write"]) {
        checks.that(`${part} is told`, text.includes(part), text);
      }
      checks.equal(`axe without metrics in ${theme}`, await violations(page), []);
    });
  }
}

/** The bytes of a first load, as they were sent; what completion asks comes later. */
async function weight(page, path) {
  const sent = [];
  const note = (request) => sent.push(request);
  page.on("requestfinished", note);
  await page.goto(path);
  await page.waitForLoadState("networkidle");
  page.off("requestfinished", note);
  const sizes = await Promise.all(sent.map((request) => request.sizes()));
  return sizes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0);
}

const VIEWS = [
  address("/promql", { t: "now-1h" }),
  address("/promql", { q: RATE, t: "now-1h" }),
  address("/promql", { q: RATE, t: "now-1h", show: "table" }),
  address("/promql", { q: BUCKETS, t: "now-1h", show: "heat" }),
  address("/promql", { q: QUANTILE, t: "now-1h", sel: "now-30m..now-20m" }),
];

async function checkViews(browser, server, checks) {
  for (const theme of ["light", "dark"]) {
    for (const path of VIEWS) {
      const name = `${path} in ${theme}`;
      await asVisitor(browser, { origin: server.http, theme, checks, name }, async (page) => {
        const bytes = await weight(page, path);
        checks.that(`${name} is light`, bytes <= BYTES_MAX, `${bytes} bytes`);
        checks.equal(`axe on ${name}`, await violations(page), []);
        await fits(page, checks, name);
        checks.equal(`no text became an element of ${name}`, await page.evaluate(() => window.hostile), undefined);
      });
    }
  }
}

async function checkWithoutScript(browser, server, checks) {
  await asVisitor(browser, { origin: server.http, script: false, checks, name: "metrics without script" }, async (page) => {
    await page.goto(address("/promql", { t: "now-1h" }));
    await page.getByRole("table").getByRole("link", { name: "http_server_requests_total" }).click();
    await page.getByRole("img", { name: /over time/ }).waitFor();
    checks.equal("lines that the server drew", await page.locator(".lines .line").count(), 1);
    await page.getByRole("textbox", { name: "Query 1" }).fill(RATE);
    await page.getByRole("button", { name: "Another query" }).click();
    await page.getByRole("textbox", { name: "Query 2" }).fill("queue_depth");
    await page.getByRole("button", { name: "Run" }).last().click();
    checks.equal("lines of two queries", await page.locator(".lines .line").count(), 4);
    await page.getByRole("checkbox", { name: /query 1/ }).check();
    await page.getByRole("button", { name: "Run" }).last().click();
    checks.equal("lines with one of them off", await page.locator(".lines .line").count(), 1);
    await page.getByRole("link", { name: "Table" }).click();
    const cells = await page.getByRole("table", { name: /Values at all steps/ }).locator("tbody td").allInnerTexts();
    checks.that("the table has the numbers of the gauge", cells.includes("6") && cells.every((cell) => /^[0-6–]$/.test(cell)), cells);
  });
}

/** The list of metrics leads to a chart; queries are added, switched off and taken away. */
async function checkRows(page, checks) {
  await page.goto(address("/promql", { t: "now-1h" }));
  await page.getByRole("textbox", { name: "Filter" }).fill("requests");
  await page.getByRole("button", { name: "Filter" }).click();
  const list = page.getByRole("table", { name: /Metrics by name/ });
  checks.that("the filter keeps what has it", (await list.innerText()).includes("http_server_requests_total"), await list.innerText());
  checks.that("a metric says what it is", (await list.innerText()).includes("counter"), await list.innerText());
  await list.getByRole("link", { name: "http_server_requests_total" }).click();
  await page.locator(".plot .u-over").waitFor();
  checks.that("the query is in the address", new URL(page.url()).searchParams.get("q").includes("rate(http_server_requests_total[5m])"), page.url());
  await page.getByRole("button", { name: "Another query" }).click();
  await page.getByRole("textbox", { name: "Query 2" }).fill("queue_depth");
  await page.getByRole("textbox", { name: "Query 2" }).press("Enter");
  await page.waitForURL(/q=queue_depth/);
  checks.equal("series of both", await page.locator(".legend tbody tr").count(), 2);
  await page.getByRole("checkbox", { name: /query 1/ }).check();
  await page.waitForURL(/off=1/);
  checks.equal("series with the first off", await page.locator(".legend tbody tr").count(), 1);
  await page.getByRole("link", { name: "Remove query 1" }).click();
  await page.waitForURL((url) => url.searchParams.getAll("q").length === 1 && !url.searchParams.has("off"));
  const before = page.url();
  await page.goBack();
  await page.waitForURL(/off=1/);
  await page.goForward();
  checks.equal("forward restores the address", page.url(), before);
}

/** There is room for eight queries, and the zone of the address stays. */
async function checkRoom(page, checks) {
  await page.goto(address("/promql", { t: "now-1h", tz: "Asia/Tokyo" }));
  const more = page.getByRole("button", { name: "Another query" });
  const query = (number) => page.getByRole("textbox", { name: `Query ${number}`, exact: true });
  for (let number = 2; number <= QUERIES_MAX; number += 1) {
    await more.click();
    await query(number).waitFor();
  }
  checks.that("one more is not offered", await more.isDisabled());
  await page.getByText(`no more than ${QUERIES_MAX} queries`).waitFor();
  await page.getByRole("link", { name: `Remove query ${QUERIES_MAX}` }).click();
  checks.that("there is room again", await more.isEnabled());
  await query(1).fill(RATE);
  await query(1).press("Enter");
  await page.waitForURL(/q=sum/);
  checks.equal("the zone stays in the address", new URL(page.url()).searchParams.get("tz"), "Asia/Tokyo");
}

async function checkCompletion(page, checks) {
  await page.goto(address("/promql", { t: "now-1h" }));
  const field = page.getByRole("textbox", { name: "Query 1" });
  await page.keyboard.press("/");
  checks.equal("/ goes to the query", await page.evaluate(() => document.activeElement.id), "q-1");
  const offered = async (typed, name) => {
    await page.keyboard.type(typed);
    const option = page.getByRole("option", { name }).first();
    await option.waitFor();
    return option;
  };
  const quantile = await offered("histogram_q", /^histogram_quantile/);
  checks.that("a function says what it does", (await quantile.innerText()).includes("a quantile from histograms"), await quantile.innerText());
  checks.equal("axe with the completion open", await violations(page), []);
  await field.fill("");
  await offered("su", /^sum aggregation/);
  await field.fill("");
  await offered("http_server_req", /^http_server_requests_total counter/);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  checks.that("a metric is taken", (await field.inputValue()).startsWith("http_server_request"), await field.inputValue());
  await field.fill("");
  await page.keyboard.type("sum by (");
  await field.fill("http_server_requests_total");
  await offered("{http_r", /^http_route/);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  await offered("/che", /^\/checkout/);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  checks.equal("label and value are taken", await field.inputValue(), 'http_server_requests_total{http_route="/checkout"');
  await field.fill("");
  await page.keyboard.type("sum by () (http_server_requests_total)");
  await field.evaluate((area) => area.setSelectionRange(8, 8));
  await offered("http", /^http_route/);
}

/** An exemplar opens its trace: from the chart and from the list. */
async function checkExemplars(page, checks, traceId) {
  await page.goto(address("/promql", { q: QUANTILE, t: "now-1h" }));
  const list = page.getByRole("region", { name: "Exemplars by time" });
  checks.equal("exemplars of the histogram", await list.locator("tbody tr").count(), POINTS / 10);
  checks.equal("marks in the chart", await page.locator(".marks a").count(), POINTS / 10);
  await page.locator(".plot .u-over").waitFor();
  await page.locator(".marks a").first().click();
  await page.waitForURL(new RegExp(`/traces/${traceId}`));
  await page.goBack();
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.waitForURL(new RegExp(`/traces/${traceId}`));
}

/** A box is dragged, and chosen with the keyboard; it stands in the address and leads on. */
async function checkBox(page, checks) {
  await page.goto(address("/promql", { q: 'queue_depth{job="payment"}', t: "now-1h" }));
  const over = page.locator(".plot .u-over");
  await over.waitFor();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 30, { steps: 4 });
  await page.mouse.up();
  const acts = page.locator(".box-acts");
  await acts.getByRole("link", { name: "Zoom in" }).waitFor();
  const first = page.url();
  checks.that("the box is in the address", new URL(first).searchParams.get("sel")?.includes(".."), first);
  const href = await acts.getByRole("link", { name: "Search spans" }).getAttribute("href");
  checks.that("spans of the service are searched in it", /tab=spans&q=service%3Apayment&t=\d{4}-/.test(href), href);
  await page.reload();
  await over.waitFor();
  checks.that("reload keeps the box", await acts.getByRole("link", { name: "Explain" }).isVisible());
  await page.locator(".plot").focus();
  for (const key of ["ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Enter"]) await page.keyboard.press(key);
  await page.waitForFunction((before) => location.href !== before, first);
  await page.goBack();
  checks.equal("back restores the first box", page.url(), first);
  await acts.getByRole("link", { name: "Zoom in" }).click();
  await page.waitForURL((url) => !url.searchParams.has("sel"));
  await over.waitFor();
  await over.hover();
  const value = await page.locator(".legend tbody td.at").first().innerText();
  checks.that("the table tells the value below the pointer", /^[0-6–]$/.test(value), value);
}

async function checkHeat(page, checks) {
  await page.goto(address("/promql", { q: BUCKETS, t: "now-1h" }));
  await page.getByRole("link", { name: "Heatmap" }).click();
  await page.getByRole("img", { name: /^Buckets of/ }).waitFor();
  const bounds = await page.locator(".heat").getAttribute("data-bounds");
  checks.equal("the bounds of the heatmap", bounds, "0 0.1 0.5 1 2.5");
  await page.locator(".heat .marks a").first().click();
  await page.waitForURL(/\/traces\//);
}

const WRONG = [
  [{ q: "sum(" }, 400, "Query 1 is not right"],
  [{ q: "up", q2: "rate(up)" }, 400, "Query 2 is not right"],
  [{ q: "up", t: "pink" }, 400, "now-15m"],
  [{ q: "up", step: "1s", t: "now-1d" }, 400, "shortest step"],
  [{ q: "up", show: "pink" }, 400, "graph, table, heat"],
  [{ q: "http_server_request_total", t: "now-1h" }, 200, "No metric"],
  [{ q: "http_server_request_total", t: "now-1h" }, 200, "http_server_requests_total"],
  [{ q: 'queue_depth{job="nobody"}', t: "now-1h" }, 200, "none with these labels"],
  [{ q: "queue_depth", t: "now-3d..now-2d" }, 200, "at other times only"],
  [{ q: "rate(queue_depth[5m])", t: "now-1h" }, 200, "might not be a counter"],
];

async function checkWrong(page, checks) {
  for (const [{ q2, ...parameters }, status, part] of WRONG) {
    const path = address("/promql", parameters) + (q2 === undefined ? "" : `&q=${encodeURIComponent(q2)}`);
    const answer = await page.goto(path);
    checks.equal(`status of ${path}`, answer.status(), status);
    const text = await mainText(page);
    checks.that(`${path} says ${part}`, text.includes(part), text);
    checks.equal(`axe on ${path}`, await violations(page), []);
  }
}

/** All of it, with a program of its own. */
async function checkMetrics(browser, binary, checks) {
  const own = (body) => checks.group("metrics", () => withDirectory((data) => withCauseway(binary, data, checks, body)));
  await own(async (server) => {
    await checkNothing(browser, server, checks);
    const now = Date.now();
    const { failingTrace: traceId, requests } = shop(now);
    for (const [path, body] of Object.entries(requests)) await ask(`${server.otlp}${path}`, body);
    const { spans } = await server.get(`/api/traces/${traceId}`);
    await ask(`${server.otlp}/v1/metrics`, metrics(now, { traceId, spanId: spans[0].span_id }));
    await checkViews(browser, server, checks);
    await checkWithoutScript(browser, server, checks);
    const flows = { rows: checkRows, room: checkRoom, completion: checkCompletion, box: checkBox, heat: checkHeat };
    flows.exemplars = (page) => checkExemplars(page, checks, traceId);
    for (const [name, flow] of Object.entries(flows)) {
      await asVisitor(browser, { origin: server.http, checks, name: `metrics, ${name}` }, (page) => flow(page, checks));
    }
    await asVisitor(browser, { origin: server.http, failures: true, checks, name: "wrong queries" }, (page) => checkWrong(page, checks));
  });
}

module.exports = { checkMetrics };
