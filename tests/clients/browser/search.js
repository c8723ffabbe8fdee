"use strict";
// The search page with its four tabs, the live tail, /status, and hostile text on all of them: with script in both themes,
// and without. run.js calls `checkSearchPages` when the shop's telemetry is stored; alone it is
// `search.js PATH/TO/causeway`.

const { Checks } = require("../checks.js");
const { ask, withCauseway, withDirectory } = require("../causeway.js");
const HOSTILE = require("./hostile.json");
const { FAILURE, shop } = require("./shop.js");
const { asVisitor, violations, withBrowser } = require("./visitor.js");

/** The most bytes that a first load may take, compressed. */
const PAGE_BYTES_MAX = 50_000;
const NANOS_PER_MS = 1_000_000n;

const address = (parameters) => `/search?${new URLSearchParams(parameters)}`;
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);
const rows = (page) => page.getByRole("table").locator("tbody tr:not(.opened-row)");

/** A log of a service without ids, now or some time ago. */
function plainLog(service, body, agoMs = 0) {
  const resource = {
    attributes: [
      ["service.name", service],
      ["service.namespace", "shop"],
      ["deployment.environment.name", "production"],
      ["service.instance.id", `${service}-7d9f-1`],
    ].map(([key, value]) => ({ key, value: { stringValue: value } })),
  };
  const time = String((BigInt(Date.now()) - BigInt(agoMs)) * NANOS_PER_MS);
  const record = { timeUnixNano: time, severityNumber: 9, severityText: "INFO", body: { stringValue: body } };
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: "plain" }, logRecords: [record] }] }] };
}

const sendLog = (server, ...log) => ask(`${server.otlp}/v1/logs`, plainLog(...log));

/** Completion by the keyboard alone: a key, its value, and the search. */
async function checkCompletion(page, checks) {
  await page.goto(address({ tab: "logs" }));
  await page.keyboard.press("/");
  await page.keyboard.type("sever");
  const options = page.getByRole("option");
  await options.filter({ hasText: "severity" }).first().waitFor();
  await page.keyboard.press("ArrowDown");
  const query = page.getByRole("combobox", { name: "Query" });
  const active = await query.getAttribute("aria-activedescendant");
  checks.that("the chosen option is named", active !== null && (await page.locator(`#${active}`).getAttribute("aria-selected")) === "true");
  await page.keyboard.press("Enter");
  checks.equal("the key with its colon", await query.inputValue(), "severity:");
  await page.keyboard.type("err");
  await options.filter({ hasText: "error" }).first().waitFor();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Tab");
  checks.equal("the key with its value", await query.inputValue(), "severity:error ");
  await page.keyboard.press("Escape");
  checks.equal("Escape closes the options", await query.getAttribute("aria-expanded"), "false");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=severity/);
  const levels = await page.locator(".found-rows .level").allInnerTexts();
  checks.that("errors only", levels.length > 0 && levels.every((level) => level === "error"), levels);
}

/** From a line to its trace and back; the row, its context, and what can be done with its values. */
async function checkRows(page, checks) {
  await page.goto(address({ tab: "logs", q: '"giving up"' }));
  const before = page.url();
  await page.getByRole("link", { name: "Trace", exact: true }).click();
  await page.waitForURL(/\/traces\//);
  await page.goBack();
  checks.equal("back from the trace", page.url(), before);
  await page.getByRole("link", { name: FAILURE.log }).click();
  await page.getByRole("link", { name: /^Lines around it/ }).click();
  const context = page.getByRole("region", { name: /^Lines around it/ });
  await context.getByText("asking the bank, attempt 3 of 3").waitFor();
  await page.waitForURL(/stream\.10/);
  checks.that("the address says what is open", parameter(page, "open")?.endsWith(".stream.10"), page.url());
  const lines = await context.getByRole("listitem").allInnerTexts();
  const here = lines.findIndex((line) => line.includes(FAILURE.log));
  checks.that("the line stands between its neighbours", here > 2, lines);
  await page.reload();
  await context.getByText("asking the bank, attempt 3 of 3").waitFor();
  await page.getByRole("link", { name: "its trace", exact: true }).click();
  await page.getByRole("region", { name: "Lines around it, of its trace" }).getByText("order failed: payment unavailable").waitFor();
  await page.getByRole("link", { name: "Without rows with attempts of this value" }).click();
  await page.waitForURL(/NOT/);
  checks.equal("the value is filtered out", parameter(page, "q"), '"giving up" NOT attempts:3');
  await page.getByRole("heading", { name: "Nothing found" }).waitFor();
}

/** A line without ids finds the spans that ran in its service at its time. */
async function checkProbableSpans(page, server, checks) {
  const { spans } = await server.get("/api/spans", { q: `service:payment name:"${FAILURE.span}" status:error`, limit: 1 });
  const middle = BigInt(spans[0].start) / NANOS_PER_MS + 1000n;
  await sendLog(server, "payment", "a line that names no trace", Number(BigInt(Date.now()) - middle));
  await page.goto(address({ tab: "logs", q: '"names no trace"' }));
  await page.getByRole("link", { name: "a line that names no trace" }).click();
  const probable = page.getByRole("region", { name: "Probable spans" });
  await probable.getByText("inferred", { exact: true }).waitFor();
  const names = await probable.getByRole("listitem").allInnerTexts();
  checks.that("the span that ran is among them", names.some((name) => name.includes(FAILURE.span)), names);
  await probable.getByRole("link", { name: FAILURE.span }).click();
  await page.waitForURL(/\/traces\//);
}

/** Columns are added, dragged wider and sorted by, all of it in the address. */
async function checkColumns(page, checks) {
  await page.goto(address({ tab: "logs", q: "service:payment" }));
  await page.getByText("Columns", { exact: true }).click();
  await page.getByRole("link", { name: "attempt", exact: true }).click();
  await page.waitForURL(/cols=/);
  checks.equal("the new column stands before the message", parameter(page, "cols"), "time,severity,service,attempt,message");
  const head = page.getByRole("columnheader", { name: "attempt" });
  const before = (await head.boundingBox()).width;
  const grip = await head.locator(".grip").boundingBox();
  await page.mouse.move(grip.x + grip.width / 2, grip.y + 5);
  await page.mouse.down();
  await page.mouse.move(grip.x + grip.width / 2 - 60, grip.y + 5, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/attempt%3A/);
  checks.that("the address has the width", /attempt:1[12]\d/.test(parameter(page, "cols")), parameter(page, "cols"));
  await page.reload();
  const after = (await head.boundingBox()).width;
  checks.that("the width stays", Math.abs(before - 60 - after) < 4, { before, after });
  await page.goto(address({ tab: "spans" }));
  await page.getByRole("columnheader", { name: "Duration" }).getByRole("link").click();
  await page.waitForURL(/sort=-duration/);
  await page.getByRole("columnheader", { name: "Duration", exact: false }).and(page.locator("[aria-sort='descending']")).waitFor();
  const first = await rows(page).first().innerText();
  checks.that("the longest span is first", first.includes(FAILURE.root), first);
}

/** A box is dragged, explained, and still there after going back; the arrow keys do it too. */
async function checkBox(page, checks) {
  await page.goto(address({ tab: "logs", t: "now-1h" }));
  const chart = await page.locator("causeway-box svg").boundingBox();
  await page.mouse.move(chart.x + chart.width * 0.5, chart.y + 20);
  await page.mouse.down();
  await page.mouse.move(chart.x + chart.width * 0.99, chart.y + 20, { steps: 6 });
  await page.mouse.up();
  const explain = page.locator(".box-acts").getByRole("link", { name: "Explain" });
  await explain.waitFor();
  await page.waitForURL(/sel=/);
  const box = parameter(page, "sel");
  checks.that("the box is in the address", /^\d{4}-.*Z\.\.\d{4}-.*Z$/.test(box), box);
  await explain.click();
  await page.waitForURL(/\/explain/);
  checks.equal("what is explained", parameter(page, "t"), box);
  await page.goBack();
  checks.equal("the box after going back", parameter(page, "sel"), box);
  await explain.waitFor();
  await page.reload();
  await explain.waitFor();
  await page.locator(".box-acts").getByRole("link", { name: "Zoom in" }).click();
  await page.waitForURL((url) => url.searchParams.get("t") === box);
  await page.goto(address({ tab: "logs", t: "now-1h" }));
  await page.locator("causeway-box svg").focus();
  for (const key of ["ArrowLeft", "ArrowLeft", "Shift+ArrowRight"]) await page.keyboard.press(key);
  await page.waitForURL(/sel=/);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.searchParams.get("t") !== "now-1h");
}

/** Rows come as they are stored, wait while the pointer is over them, and come back after a reload. */
async function checkTail(page, server, checks) {
  await page.goto(address({ tab: "logs", q: "tailed" }));
  await page.getByRole("button", { name: "Live" }).click();
  const live = page.getByRole("region", { name: "Live rows" });
  await page.getByText("Live", { exact: true }).and(page.locator("[role=status]")).waitFor();
  await sendLog(server, "cart", "tailed one");
  await live.getByText("tailed one").waitFor();
  await live.hover();
  await sendLog(server, "cart", "tailed two");
  const show = page.getByRole("button", { name: "1 row waits: show it" });
  await show.waitFor();
  checks.equal("what waits is not shown", await live.getByText("tailed two").count(), 0);
  await page.mouse.move(2, 2);
  await live.getByText("tailed two").waitFor();
  await page.keyboard.press("f");
  await page.getByText("Paused as you said").waitFor();
  await sendLog(server, "cart", "tailed after f");
  await show.waitFor();
  await show.click();
  await live.getByText("tailed after f").waitFor();
  await page.reload();
  await page.getByText("Live", { exact: true }).and(page.locator("[role=status]")).waitFor();
  await sendLog(server, "cart", "tailed three");
  await live.getByText("tailed three").waitFor();
  checks.equal("axe on a live tail", await violations(page), []);
  await page.getByRole("button", { name: "Live" }).click();
  await page.getByRole("region", { name: /^Logs, newest first/ }).waitFor();
}

async function checkTemplates(page, checks) {
  await page.goto(address({ tab: "templates" }));
  const template = page.getByRole("row").filter({ hasText: "reserved" }).first();
  checks.that("its trend is told", (await template.getByRole("img").getAttribute("aria-label")).includes("24 parts"));
  await template.locator("summary").click();
  await template.getByRole("heading", { name: "Example" }).waitFor();
  await template.getByRole("link", { name: "Logs of this template" }).click();
  await page.waitForURL(/template%3A/);
  const lines = await page.locator(".message .line").allInnerTexts();
  checks.that("its logs", lines.length > 0 && lines.every((line) => line.startsWith("reserved")), lines);
  await page.goto(address({ tab: "templates", sort: "-first" }));
  await page.getByRole("link", { name: "newest first", exact: true }).and(page.locator("[aria-current]")).waitFor();
}

/** An answer that is not waited for comes in pieces, and is the same in the end. */
async function checkPieces(page, checks) {
  const whole = { tab: "logs", q: "service:payment" };
  await page.goto(address(whole));
  const ids = () => page.locator(".found-rows tbody tr").evaluateAll((found) => found.map((row) => row.id));
  const expected = await ids();
  await page.goto(address({ ...whole, whole: "0" }));
  await page.getByRole("button", { name: "Stop" }).waitFor({ state: "hidden" });
  checks.equal("rows in pieces", await ids(), expected);
  checks.that("no badge on what is whole", await page.locator("[data-part=partial]").isHidden());
  checks.that("how far it came", (await page.locator("[data-part=progress]").innerText()).includes("rows read"));
}

/** What nobody finds is explained. */
async function checkEmpty(page, checks) {
  await page.goto(address({ tab: "logs", q: "servce:payment" }));
  await page.getByText("Close to it: service.").waitFor();
  await page.getByRole("link", { name: "Search with service", exact: true }).click();
  await page.waitForURL(/service%3Apayment/);
  checks.that("what was meant is found", (await rows(page).count()) > 3);
  await page.goto(address({ tab: "logs", t: "2001-01-01T00:00:00Z..2001-01-02T00:00:00Z" }));
  await page.getByText("lie outside that time").waitFor();
}

async function checkStatus(page, server, checks) {
  await ask(`${server.otlp}/v1/logs`, plainLog("status-check", "late", 7_200_000));
  await page.goto("/status");
  await page.getByRole("row", { name: /payment spans/ }).first().waitFor();
  const odd = page.getByRole("region", { name: "Not as it was sent", exact: true });
  const late = odd.getByRole("row").filter({ hasText: "status-check" });
  checks.that("a late row is told", (await late.innerText()).includes("late"), await late.innerText());
  await late.getByRole("link", { name: /^Look/ }).click();
  await page.waitForURL(/\/search/);
  checks.equal("the late row", await page.locator(".message .line").allInnerTexts(), ["late"]);
}

/** Everything but the tail works without script. */
async function checkWithoutScript(page, checks) {
  await page.goto(address({ tab: "logs", q: '"giving up"' }));
  await page.getByRole("link", { name: FAILURE.log }).click();
  await page.getByRole("link", { name: /^Lines around it/ }).click();
  await page.getByRole("region", { name: /^Lines around it/ }).getByText("asking the bank, attempt 3 of 3").waitFor();
  await page.getByRole("link", { name: "Only rows with attempts of this value" }).click();
  checks.equal("the value is filtered in", parameter(page, "q"), '"giving up" attempts:3');
  checks.equal("rows with it", await rows(page).count(), 1);
  await page.getByText("Columns", { exact: true }).click();
  await page.getByRole("link", { name: "Level to the left" }).click();
  checks.equal("another order of columns", parameter(page, "cols"), "severity,time,service,message");
  checks.equal("no button that needs script", await page.getByRole("button", { name: "Live" }).count(), 0);
  await page.goto(address({ tab: "logs", whole: "0" }));
  await page.waitForURL(/whole=1/);
  checks.that("the address that waits", (await rows(page).count()) > 10);
}

/** Each parameter that is wrong is named on a page of its own. */
const WRONG = [
  ["tab", "pink", "traces, spans, logs, templates"],
  ["t", "yesterday", "now-15m"],
  ["q", '"open', "This query is not right"],
  ["cols", "time:1", "a width from 40 to 1600"],
  ["sort", "-pink", "-time"],
  ["sel", "now-1h", "A..B"],
  ["by", "a,b,c,d,e,f,g", "6 keys"],
  ["open", "1.2.pink", "TIME.ID"],
  ["cursor", "pink", "no cursor"],
  ["whole", "2", "one of"],
];

async function checkWrong(browser, server, checks) {
  await asVisitor(browser, { origin: server.http, failures: true, checks, name: "wrong addresses" }, async (page) => {
    for (const [name, value, says] of WRONG) {
      const answer = await page.goto(address({ [name]: value }));
      checks.equal(`the status of a wrong ${name}`, answer.status(), 400);
      const text = await page.getByRole("main").innerText();
      checks.that(`a wrong ${name} is named`, text.includes(says), text);
      checks.equal(`axe on a wrong ${name}`, await violations(page), []);
    }
  });
}

const PAGES = [
  address({ tab: "traces" }),
  address({ tab: "spans", t: "now-1h", sort: "-duration" }),
  address({ tab: "logs", t: "now-1h", sel: "now-30m..now-20m", by: "attempt", cols: "time,severity,message,attempt" }),
  address({ tab: "templates" }),
  address({ tab: "logs", q: "nothingsuch" }),
  address({ tab: "logs", whole: "0" }),
  "/status",
];

async function checkPagesIn(browser, server, checks, theme) {
  await asVisitor(browser, { origin: server.http, theme, checks, name: `search in ${theme}` }, async (page) => {
    for (const each of PAGES) {
      await page.goto(each);
      await page.waitForLoadState("networkidle");
      checks.equal(`axe on ${each} in ${theme}`, await violations(page), []);
    }
    await page.goto(address({ tab: "logs", q: '"giving up"' }));
    await page.getByRole("link", { name: FAILURE.log }).click();
    await page.getByRole("link", { name: /^Lines around it/ }).click();
    await page.getByRole("region", { name: /^Lines around it/ }).waitFor();
    checks.equal(`axe on an open row in ${theme}`, await violations(page), []);
  });
}

/** What a first load takes over the wire. */
async function checkWeight(browser, server, checks) {
  for (const each of PAGES.slice(0, 4)) {
    await asVisitor(browser, { origin: server.http, checks, name: `weight of ${each}` }, async (page) => {
      const session = await page.context().newCDPSession(page);
      await session.send("Network.enable");
      let bytes = 0;
      session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
      await page.goto(each);
      await page.waitForLoadState("networkidle");
      checks.that(`${each} loads in ${PAGE_BYTES_MAX} bytes`, bytes > 5_000 && bytes <= PAGE_BYTES_MAX, String(bytes));
    });
  }
}

/** Hostile text in the fields of a span and of logs. */
function hostileRequests(text, number) {
  const value = { stringValue: text };
  const attributes = [{ key: text, value }, { key: "plain", value }, { key: "nested", value: { kvlistValue: { values: [{ key: text, value }] } } }];
  const resource = { attributes: [...attributes, { key: "service.name", value }, { key: "service.instance.id", value }] };
  const scope = { name: text, version: text, attributes };
  const traceId = (number + 1).toString(16).padStart(32, "f");
  const spanId = (number + 1).toString(16).padStart(16, "f");
  const time = (ms) => String((BigInt(Date.now()) + BigInt(ms)) * NANOS_PER_MS);
  const span = {
    traceId, spanId, name: text, kind: 2, startTimeUnixNano: time(0), endTimeUnixNano: time(5), attributes,
    status: { code: 2, message: text }, events: [{ timeUnixNano: time(1), name: text, attributes }],
  };
  const log = (ids, body) => ({ timeUnixNano: time(2), severityNumber: 17, severityText: text, body, eventName: text, attributes, ...ids });
  const logRecords = [log({ traceId, spanId }, value), log({ traceId, spanId }, { kvlistValue: { values: [{ key: text, value }] } }), log({}, value)];
  const gauge = { dataPoints: [{ timeUnixNano: time(0), asDouble: 1, attributes }] };
  return {
    traceId,
    requests: {
      "/v1/traces": { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] },
      "/v1/logs": { resourceLogs: [{ resource, scopeLogs: [{ scope, logRecords }] }] },
      "/v1/metrics": { resourceMetrics: [{ resource, scopeMetrics: [{ scope, metrics: [{ name: text, unit: text, description: text, gauge }] }] }] },
    },
  };
}

/** Nothing of it runs, whatever page shows it and whatever part of that is opened. */
async function checkHostile(browser, server, checks) {
  const sent = HOSTILE.map(({ text, times = 1 }, number) => hostileRequests(text.repeat(times), number));
  for (const { requests } of sent) {
    for (const [path, body] of Object.entries(requests)) await ask(`${server.otlp}${path}`, body);
  }
  const pages = ["/", "/services", "/map", "/status", ...["traces", "spans", "logs", "templates"].map((tab) => address({ tab, t: "now-15m" }))];
  pages.push(address({ tab: "logs", t: "now-15m", cols: "message,plain,nested,scope,event", by: "plain,nested" }), address({ tab: "logs", t: "now-15m", whole: "0" }));
  pages.push("/promql?t=now-15m", `/promql?${new URLSearchParams({ t: "now-15m", q: '{__name__!=""}' })}`);
  pages.push(...sent.map(({ traceId }) => `/traces/${traceId}`));
  await asVisitor(browser, { origin: server.http, failures: true, checks, name: "hostile text" }, async (page) => {
    const isClean = async (where) => {
      const found = await page.evaluate(() => [window.hostile, document.querySelectorAll("img, iframe, object, [onload], [onerror], [style*=fixed]").length]);
      checks.equal(`nothing runs on ${where}`, found, [undefined, 0]);
    };
    for (const each of pages) {
      await page.goto(each);
      await page.waitForLoadState("networkidle");
      await isClean(each);
    }
    await page.goto(address({ tab: "logs", t: "now-15m" }));
    const lines = page.locator(".found-rows [data-open]");
    const many = 12;
    await lines.nth(many - 1).waitFor();
    for (let at = 0; at < many; at += 1) await lines.nth(at).click();
    await page.locator(".opened").nth(many - 1).waitFor();
    await isClean("rows that are open");
    await page.locator("#q").fill("plain:");
    await page.getByRole("option").first().waitFor();
    await isClean("completion");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Live" }).click();
    await page.locator("[role=status]").getByText("Live", { exact: true }).waitFor();
    for (const { requests } of sent.map((_, number) => hostileRequests(`${HOSTILE[number].text} again`, number))) {
      await ask(`${server.otlp}/v1/logs`, requests["/v1/logs"]);
    }
    await page.getByRole("region", { name: "Live rows" }).getByText("again").first().waitFor();
    await isClean("a live tail");
  });
}

/** All of it. The shop's telemetry is stored; the hostile text comes last. */
async function checkSearchPages(browser, server, checks) {
  await asVisitor(browser, { origin: server.http, checks, name: "search with script" }, async (page) => {
    await checkCompletion(page, checks);
    await checkRows(page, checks);
    await checkProbableSpans(page, server, checks);
    await checkColumns(page, checks);
    await checkBox(page, checks);
    await checkTemplates(page, checks);
    await checkPieces(page, checks);
    await checkEmpty(page, checks);
    await checkTail(page, server, checks);
    await checkStatus(page, server, checks);
  });
  await asVisitor(browser, { origin: server.http, script: false, checks, name: "search without script" }, (page) => checkWithoutScript(page, checks));
  await checkPagesIn(browser, server, checks, "light");
  await checkPagesIn(browser, server, checks, "dark");
  await checkWeight(browser, server, checks);
  await checkWrong(browser, server, checks);
  await checkHostile(browser, server, checks);
}

async function main() {
  const checks = new Checks();
  const { requests } = shop(Date.now());
  const everything = async (server) => {
    for (const [path, body] of Object.entries(requests)) await ask(`${server.otlp}${path}`, body);
    await withBrowser((browser) => checkSearchPages(browser, server, checks));
  };
  await checks.group("the run", () => withDirectory((data) => withCauseway(process.argv[2], data, checks, everything)));
  checks.close();
}

if (require.main === module) main();

module.exports = { checkSearchPages };
