"use strict";
// The frame of all pages (time zone, preferences, palette, keys, copying), and the pages of a service, the map, SQL,
// comparisons and the overview. `checkPages` is called by run.js when the shop's telemetry is stored.

const { ask } = require("../causeway.js");
const { FAILURE } = require("./shop.js");
const { asVisitor, violations } = require("./visitor.js");

/** The most bytes that a first load may take, compressed: of any page, and of one with charts that are dragged. */
const PAGE_BYTES_MAX = 50_000;
const CHARTS_BYTES_MAX = 75_000;
const SQL = "SELECT service_name, count(*) AS spans, min(start_time) AS first FROM spans GROUP BY service_name ORDER BY service_name";

const address = (path, parameters) => `${path}?${new URLSearchParams(parameters)}`;

/** Addresses of the pages, each with what its heading says and how heavy it may be. */
function pages(traces) {
  const service = `/services/${FAILURE.service}`;
  return [
    ["/", /^Overview/, PAGE_BYTES_MAX],
    ["/services", /^Services/, PAGE_BYTES_MAX],
    [address(service, { t: "now-1h" }), /^payment/, CHARTS_BYTES_MAX],
    [address(service, { t: "now-1h", sel: "now-1h..now,1ms.." }), /^payment/, CHARTS_BYTES_MAX],
    [address("/map", { service: FAILURE.service, hops: "1", t: "now-1h" }), /^Map around payment/, PAGE_BYTES_MAX],
    [address("/map", { hops: "all", t: "now-1h" }), /^Map/, PAGE_BYTES_MAX],
    ["/sql", /^SQL/, PAGE_BYTES_MAX],
    [address("/sql", { q: SQL }), /^SQL/, PAGE_BYTES_MAX],
    [address("/sql", { q: SQL, as: "plan" }), /^SQL/, PAGE_BYTES_MAX],
    ["/dashboards", /^Dashboards/, PAGE_BYTES_MAX],
    ["/dashboards/new", /^New dashboard/, PAGE_BYTES_MAX],
    ["/dashboards/import", /^Import a dashboard/, PAGE_BYTES_MAX],
    ["/compare", /^Compare/, PAGE_BYTES_MAX],
    [address("/compare", { sel: "now-1h..now", vs: "now-2h..now" }), /^Compare/, PAGE_BYTES_MAX],
    [address("/compare", { q: "status:error", sel: "now-1h..now,1ms..", vs: "now-1h..now" }), /^Compare/, PAGE_BYTES_MAX],
    [address("/compare", { sel: traces[0], vs: traces[1] }), /^Trace against trace/, PAGE_BYTES_MAX],
    ["/preferences", /^Preferences/, PAGE_BYTES_MAX],
  ];
}

/** Addresses that are wrong, with their status and what the page names. */
const WRONG = [
  ["/services/payment?t=pink", 400, "now-15m"],
  ["/services/payment?sel=x", 400, "now-15m"],
  ["/services/payment?sel=1..2,5", 400, "100ms..2s"],
  ["/services/nobody?t=now-1h", 404, "No span of nobody"],
  ["/map?hops=9", 400, "2, 1, 3, all"],
  ["/map?t=pink", 400, "now-15m"],
  ["/promql?t=pink", 400, "now-15m"],
  ["/sql?as=pink", 400, "rows, plan"],
  [address("/sql", { q: "DROP TABLE spans" }), 403, "not answered"],
  [address("/sql", { q: "SELECT FROM" }), 400, "not right"],
  ["/compare?sel=x", 400, "now-15m"],
  ["/compare?sel=1..2&vs=x", 400, "now-15m"],
  [address("/compare", { q: '"open', sel: "now-1h..now" }), 400, "not right"],
  [`/compare?sel=${"1".repeat(32)}&vs=1..2`, 400, "compared with a trace"],
  ["/services?tz=Mars", 400, "Europe/Berlin"],
  ["/preferences?back=https://elsewhere.example", 400, "path of this page"],
  ["/preferences/keep?theme=pink", 400, "system, light, dark"],
  ["/preferences/keep?zone=Mars", 400, "Europe/Berlin"],
];

/** The bytes of a first load, as they were sent. */
async function weight(page, go) {
  const requests = [];
  const note = (request) => requests.push(request);
  page.on("requestfinished", note);
  await go();
  await page.waitForLoadState("networkidle");
  page.off("requestfinished", note);
  // What script asks of the API after the page stands is an answer, and no part of the page.
  const parts = requests.filter((request) => !new URL(request.url()).pathname.startsWith("/api/"));
  const sizes = await Promise.all(parts.map((request) => request.sizes()));
  return sizes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0);
}

async function checkEach(browser, server, checks, traces, theme) {
  for (const [path, heading, most] of pages(traces)) {
    const name = `${path} in ${theme}`;
    await asVisitor(browser, { origin: server.http, theme, checks, name }, async (page) => {
      const bytes = await weight(page, () => page.goto(path));
      checks.that(`${name} is light`, bytes <= most, `${bytes} bytes, ${most} at most`);
      await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
      checks.equal(`axe on ${name}`, await violations(page), []);
      await page.setViewportSize({ width: 700, height: 900 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      checks.that(`${name} fits a narrow window`, wide <= 700, `${wide} pixels wide`);
    });
  }
}

async function checkWithoutScript(browser, server, checks, traces) {
  for (const [path, heading] of pages(traces)) {
    await asVisitor(browser, { origin: server.http, script: false, checks, name: `${path} without script` }, async (page) => {
      await page.goto(path);
      await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    });
  }
}

async function checkWrong(browser, server, checks) {
  await asVisitor(browser, { origin: server.http, failures: true, checks, name: "wrong addresses" }, async (page) => {
    for (const [path, status, part] of WRONG) {
      const answer = await page.goto(path);
      checks.equal(`status of ${path}`, answer.status(), status);
      const text = await page.getByRole("main").innerText();
      checks.that(`${path} says what would be right`, text.includes(part), text);
    }
    checks.equal("axe on a wrong address", await violations(page), []);
  });
}

/** Times are in the zone of the address or of the cookie, and tell the rest on hover. */
async function checkZones(page, checks) {
  await page.goto("/services?tz=Asia/Tokyo");
  checks.that("the zone of the address is named", (await page.getByRole("contentinfo").innerText()).includes("Asia/Tokyo"));
  await page.goto(address("/preferences", { back: "/search?tab=logs" }));
  await page.getByLabel("Time zone").fill("America/New_York");
  await page.getByLabel("20 pixels").check();
  await page.getByRole("button", { name: "Keep" }).click();
  await page.waitForURL(/search\?tab=logs/);
  checks.equal("rows are dense", await page.evaluate(() => document.documentElement.dataset.dense), "");
  checks.that("the column names its zone", (await page.getByRole("columnheader").first().innerText()).includes("America/New_York"));
  const time = page.locator("tbody time").first();
  const [shown, exact] = [await time.innerText(), await time.getAttribute("datetime")];
  const local = new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", timeStyle: "medium" }).format(new Date(exact));
  checks.that("times are in it", shown.includes(local), `${shown} for ${exact}, ${local}`);
  await time.hover();
  const title = await time.getAttribute("title");
  for (const part of [exact, "(this browser)", "ago", " ns"]) {
    checks.that(`${part} on hover`, title.includes(part), title);
  }
}

/** The palette by keyboard alone, and the keys of every page. */
async function checkKeyboard(page, checks) {
  await page.goto("/");
  await page.keyboard.press("Control+k");
  const field = page.getByRole("combobox", { name: "Go to, or do" });
  await field.waitFor();
  await page.getByRole("option", { name: FAILURE.service }).waitFor();
  checks.equal("axe with the palette open", await violations(page), []);
  await page.keyboard.type(FAILURE.service);
  await page.keyboard.press("Enter");
  await page.waitForURL(/services\/payment/);
  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await page.waitForURL(/\/map/);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  checks.equal("axe with the keys open", await violations(page), []);
  await page.keyboard.press("Escape");
  await page.goto("/services?t=now-1h");
  await page.keyboard.press("[");
  await page.waitForURL(/t=\d{4}-/);
  const [from, to] = new URL(page.url()).searchParams.get("t").split("..").map(Date.parse);
  checks.that("[ goes an hour back", Math.abs(to - from - 3_600_000) < 2000 && to < Date.now(), page.url());
  await page.keyboard.press("y");
  await page.getByRole("status").filter({ hasText: "Copied the link" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  checks.that("the link is frozen and names its zone", /t=\d{4}-.*tz=/.test(copied), copied);
  await page.goto("/preferences/keep?keys=off&back=/services");
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.keyboard.press("Control+k");
  await field.waitFor();
  checks.equal("single keys do nothing when they are off", new URL(page.url()).pathname, "/services");
}

/** A box is dragged over a chart and over the heatmap; it stands in the address, and back and reload restore it. */
async function checkDrag(page, checks) {
  await page.goto("/services/payment?t=now-1h");
  const plot = page.locator(".plot .u-over").first();
  await plot.waitFor();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.98, box.y + 20, { steps: 4 });
  await page.mouse.up();
  const selected = page.getByRole("region", { name: "The selected box" });
  await selected.waitFor();
  const first = page.url();
  checks.that("the box is in the address", /sel=[^&]+/.test(first), first);
  const explain = await selected.getByRole("link", { name: "Explain" }).getAttribute("href");
  checks.that("it can be explained", /^\/explain\?t=.*service=payment/.test(explain), explain);
  const heat = await page.locator(".heat-area").boundingBox();
  await page.mouse.move(heat.x + heat.width * 0.6, heat.y + heat.height * 0.9);
  await page.mouse.down();
  await page.mouse.move(heat.x + heat.width * 0.99, heat.y + 4, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/ns\.\./);
  checks.that("a box of the heatmap has durations", new URL(page.url()).searchParams.get("sel").includes(","), page.url());
  await page.goBack();
  checks.equal("back restores the first box", page.url(), first);
  await selected.getByRole("heading", { name: /UTC$/ }).waitFor();
  const words = await selected.getByRole("heading").innerText();
  await page.reload();
  checks.equal("reload restores it", await selected.getByRole("heading").innerText(), words);
  await selected.getByRole("link", { name: "Compare with the rest" }).click();
  await page.getByRole("heading", { name: "Compare", level: 1 }).waitFor();
  await page.goBack();
  await page.locator(".plot").first().focus();
  for (const key of ["ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Enter"]) await page.keyboard.press(key);
  await page.waitForFunction((before) => location.href !== before, first);
  checks.that("the keyboard selects, too", /sel=[^&]+/.test(page.url()), page.url());
}

/** SQL with completion, its table, its file, and the place of what is wrong. */
async function checkSql(page, checks) {
  await page.goto("/sql");
  const editor = page.getByRole("textbox", { name: "Query" });
  await editor.click();
  await page.keyboard.type("SELECT service_na");
  await page.getByRole("option", { name: /service_name/ }).first().waitFor();
  checks.equal("axe with the completion open", await violations(page), []);
  await page.keyboard.press("Enter");
  await page.keyboard.type(", count(*) AS n FROM spans ");
  await page.keyboard.press("Escape");
  await editor.press("End");
  await page.keyboard.type("GROUP BY 1 ");
  await editor.press("Control+Enter");
  await page.waitForURL(/as=rows/);
  checks.that("rows of each service", (await page.getByRole("table").locator("tbody tr").count()) > 2);
  const heading = await page.getByRole("columnheader").first().innerText();
  checks.that("columns have types", heading.includes("service_name") && heading.includes("text"), heading);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  checks.equal("the file's name", download.suggestedFilename(), "rows.csv");
  await page.reload();
  checks.that("reload asks again", (await page.getByRole("table").locator("tbody tr").count()) > 2);
}

async function checkMapAndCompare(page, checks, traces) {
  await page.goto("/map?t=now-1h");
  const node = page.locator(".graph a").filter({ hasText: "payment" });
  await node.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/service=payment/);
  checks.that("the table says who calls payment", (await page.getByRole("table", { name: "Who calls whom" }).innerText()).includes("payment"));
  await page.goto(address("/compare", { sel: traces[0], vs: traces[1] }));
  const states = await page.locator(".paths .state").allInnerTexts();
  checks.that("paths have states", states.length > 2 && states.every((state) => /added|missing|slower|faster|same/.test(state)), states);
}

async function checkPages(browser, server, checks) {
  const { traces } = await server.get("/api/traces", { limit: 2 });
  const ids = traces.map((trace) => trace.trace_id);
  await ask(`${server.http}/api/changes`, { kind: "deploy", service: FAILURE.service, version: "9.9.9" });
  for (const theme of ["light", "dark"]) {
    await checkEach(browser, server, checks, ids, theme);
  }
  await checkWithoutScript(browser, server, checks, ids);
  await checkWrong(browser, server, checks);
  const flows = { zones: checkZones, keyboard: checkKeyboard, drag: checkDrag, sql: checkSql };
  flows["map and compare"] = (page) => checkMapAndCompare(page, checks, ids);
  for (const [name, flow] of Object.entries(flows)) {
    const permissions = ["clipboard-read", "clipboard-write"];
    await asVisitor(browser, { origin: server.http, permissions, checks, name }, (page) => flow(page, checks));
  }
}

module.exports = { checkPages };
