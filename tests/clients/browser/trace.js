"use strict";
// The trace page: rows that script places, keys, folding, find, address, and what it says of odd traces.

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { ask } = require("../causeway.js");
const { chain, odd } = require("./traces.js");
const { asVisitor, violations } = require("./visitor.js");

const GRID = { name: "Spans, logs and events" };
const FIXTURE = join(__dirname, "../../../query/fixtures/outline-1.bin");
const CHAIN_LENGTH = 3_000;
const WIDTHS = [1440, 600];

async function send(server, trace) {
  for (const [path, body] of trace.requests()) {
    await ask(`${server.otlp}${path}`, body);
  }
}

async function open(page, address) {
  await page.goto(address);
  await page.locator("#trace[data-ready]").waitFor();
}

/** What stands in the rows in view, by position. */
function rows(page) {
  return page.getByRole("treegrid", GRID).evaluate((grid) =>
    [...grid.querySelectorAll(".grid-layer [role=row]")]
      .filter((row) => !row.hidden)
      .sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
      .map((row) => [...row.querySelectorAll(".level, a, .flag, .tally")].filter((part) => !part.hidden))
      .map((parts) => parts.map((part) => part.innerText.trim()).join(" ")),
  );
}

/** The text of the row that has the focus. */
const focused = (page) => page.evaluate(() => document.activeElement.closest("[role=row]")?.querySelector("a").innerText.trim() ?? document.activeElement.id);
const parameter = (page, name) => new URL(page.url()).searchParams.get(name);
const hasParameter = (page, name, value) =>
  page.waitForFunction(([key, expected]) => new URL(location.href).searchParams.get(key) === expected, [name, value]);

async function checkRows(page, id, checks) {
  await open(page, `/traces/${id}`);
  const found = await rows(page);
  const group = found.find((row) => row.includes("SELECT order")) ?? "";
  checks.that("forty queries are one row", group.includes("× 40") && group.includes("one after another"), found);
  await page.getByText("card declined for ann").first().waitFor();
  const all = (await rows(page)).join("\n");
  for (const part of ["event retry", "error card declined for ann", "begins before its parent", "repeats an id", "00000000000000aa is not stored", "<b>order</b> was not placed"]) {
    checks.that(`${part} is among the rows`, all.includes(part), all);
  }
  const warnings = await page.getByRole("list", { name: "What to know about this trace" }).innerText();
  for (const part of ["1 span has a parent that is not stored (1 parent missing)", "by up to 10 ms: clocks disagree", "1 span repeats the id of another span"]) {
    checks.that(`it says: ${part}`, warnings.includes(part), warnings);
  }
}

async function checkKeys(page, id, checks) {
  await open(page, `/traces/${id}`);
  const press = async (keys, expected) => {
    for (const key of keys.split(" ")) {
      await page.keyboard.press(key);
    }
    checks.equal(`the row after ${keys}`, await focused(page), expected);
  };
  await press("j", "orders list orders");
  await press("j", "orders SELECT order");
  const group = page.getByRole("row", { name: /SELECT order.*× 40/ });
  checks.equal("the group is folded", await group.getAttribute("aria-expanded"), "false");
  await press("l", "orders SELECT order");
  checks.equal("the group is open", await group.getAttribute("aria-expanded"), "true");
  await hasParameter(page, "fold", "*0000000000000003");
  await press("l p", "orders SELECT order");
  await press("h h", "orders list orders");
  await press("h", "orders list orders");
  checks.equal("the row is folded", await page.getByRole("row", { name: /list orders/ }).getAttribute("aria-expanded"), "false");
  await press("p", "web GET /orders");
  await press("e", "pay charge");
  await press("E", "web GET /orders");
  await page.keyboard.press("x");
  checks.that("x hides logs and events", !(await rows(page)).join().includes("card is slow"));
  await page.keyboard.press("x");
  await page.keyboard.press("c");
  checks.equal("c", await page.getByRole("button", { name: "Critical path" }).getAttribute("aria-pressed"), "false");
  await page.keyboard.press("w");
  await hasParameter(page, "z", "250000000..750000000");
  await page.keyboard.press("0");
  await hasParameter(page, "z", "all");
  await page.keyboard.press("f");
  await hasParameter(page, "z", null);
  await page.keyboard.press("?");
  checks.that("? tells the keys", (await page.getByRole("dialog").innerText()).includes("critical path"));
  await page.keyboard.press("Escape");
  await press("/", "q");
}

async function checkFind(page, id, checks) {
  await open(page, `/traces/${id}`);
  const said = page.locator("#found");
  await page.keyboard.press("/");
  await page.keyboard.type("status:error");
  await page.keyboard.press("Enter");
  await said.getByText("1 of 3").waitFor();
  await page.keyboard.press("n");
  await page.keyboard.press("n");
  checks.equal("the third match", [await said.innerText(), await focused(page)], ["3 of 3", "bank authorize"]);
  await page.keyboard.press("N");
  checks.equal("the second match", await focused(page), "pay charge");
  await page.getByRole("button", { name: "Only matches" }).click();
  checks.equal("only matches and what is above them", await rows(page), ["web GET /orders failed", "pay charge failed", "bank authorize failed"]);
  await hasParameter(page, "fold", "m");
  await page.reload();
  await page.locator("#trace[data-ready]").waitFor();
  checks.equal("after loading again", (await rows(page)).length, 3);
  await page.getByRole("textbox", { name: "Find in this trace" }).fill("status:");
  await page.keyboard.press("Enter");
  await said.locator(".bad").waitFor();
  await page.goBack();
  await said.getByText(/3/).waitFor();
}

/** Selecting adds history; back and reload give the same view. */
async function checkAddress(page, id, checks) {
  await open(page, `/traces/${id}`);
  const before = page.url();
  await page.getByRole("row", { name: /pay charge/ }).getByRole("link").click();
  const detail = page.getByRole("complementary", { name: "Span" });
  await detail.getByRole("heading", { name: "charge" }).waitFor();
  await page.waitForURL(/span=/);
  await detail.getByText(/longer than|the only one/).waitFor();
  await detail.getByRole("button", { name: "How common is this value of http.route?" }).click();
  await detail.getByText(/spans of this operation/).waitFor();
  await detail.getByRole("searchbox", { name: "Filter the attributes" }).fill("service.name");
  checks.equal("attributes that are left", await detail.locator(".attributes dl > div:visible").count(), 1);
  const chosen = page.url();
  await page.reload();
  await page.locator("#trace[data-ready]").waitFor();
  await detail.getByRole("heading", { name: "charge" }).waitFor();
  checks.equal("the chosen row", await page.locator("[role=row][aria-selected=true] a").innerText(), "pay charge");
  await detail.getByRole("link", { name: "Parent" }).click();
  await detail.getByRole("heading", { name: "GET /orders" }).waitFor();
  await page.goBack();
  await detail.getByRole("heading", { name: "charge" }).waitFor();
  checks.equal("the address after going back", page.url().split("#")[0], chosen.split("#")[0]);
  await page.keyboard.press("Escape");
  await detail.waitFor({ state: "detached" });
  checks.equal("without a choice", page.url().split("#")[0], before);
}

async function checkViews(page, id, checks) {
  await open(page, `/traces/${id}?find=service%3Apay`);
  for (const [view, part] of [["flame", "as wide as the time they spent themselves"], ["table", "SELECT order"], ["graph", "Calls between services"], ["logs", "card is slow"]]) {
    await page.keyboard.press("v");
    await page.waitForURL(new RegExp(`view=${view}`));
    await page.locator("#trace[data-ready]").waitFor();
    await page.getByText(part).first().waitFor({ state: "attached" });
    checks.equal(`the search in ${view}`, parameter(page, "find"), "service:pay");
    checks.equal(`axe on ${view}`, await violations(page), []);
  }
}

/** What comes to a trace that grows is offered; the row that is looked at stays, and its details and folds. */
async function checkGrowth(page, id, checks, server) {
  await open(page, `/traces/${id}`);
  for (const key of ["j", "e", "e", "Enter"]) {
    await page.keyboard.press(key);
  }
  await page.waitForURL(/span=/);
  const looked = page.locator("[role=row].cursor:not([hidden])");
  const before = [await looked.innerText(), await looked.boundingBox()];
  const late = odd(Date.now());
  // Not what is there already: a span that began before most of them.
  late.spans = [];
  late.logs = [];
  late.span("late", "came late", "0000000000000001", 5, 6, { id: "00000000000000cc" });
  await send(server, late);
  await page.getByText("1 new span came since.").waitFor();
  checks.that("the view has not changed", !(await rows(page)).join().includes("came late"));
  await page.getByRole("button", { name: "Show" }).click();
  await page.locator("[role=row]", { hasText: "came late" }).waitFor();
  const after = [await looked.innerText(), await looked.boundingBox()];
  checks.equal("the row that is looked at", after[0], before[0]);
  await page.getByRole("complementary", { name: "Span" }).waitFor();
}

/** Rows far down and far in have their place; the page does not grow with them. */
async function checkDepth(page, id, checks) {
  await open(page, `/traces/${id}`);
  await page.keyboard.press("j");
  await page.keyboard.press("End");
  const last = page.locator("[role=row].cursor:not([hidden])");
  await last.getByText(`·${CHAIN_LENGTH}`).waitFor();
  checks.equal("level of the last row", await last.getAttribute("aria-level"), String(CHAIN_LENGTH));
  checks.equal("rows that are told", await page.getByRole("treegrid", GRID).getAttribute("aria-rowcount"), String(CHAIN_LENGTH + 1));
  const elements = await page.locator(".grid-layer [role=row]").count();
  checks.that("some fifty elements carry the rows", elements < 80, elements);
}

/** Script decodes what Rust encodes, and colours as the server does. */
async function checkDecoder(page, id, checks) {
  await open(page, `/traces/${id}`);
  const decoded = await page.evaluate(async (bytes) => {
    const { Decoder } = await import(new URL("trace-outline.js", document.querySelector("script[src*='/trace.js']").src));
    const decoder = new Decoder();
    // Byte by byte, as a network may bring it.
    for (const byte of bytes) decoder.push(Uint8Array.of(byte));
    const { start, duration, parent, service, name, flags, services, names } = decoder.outline;
    return { columns: [start, duration, parent, service, name, flags].map((column) => [...column]), services, names };
  }, [...readFileSync(FIXTURE)]);
  const expected = {
    columns: [
      [0, 1200, 700_000_000, 800_000_000, 5, 5, 3],
      [940_000_000, 800_000_000, 0, 0, 0, -40, 2 ** 53 - 1],
      [-1, 0, 1, 1, -1, 4, 5],
      [0, 1, 1, 1, 2, 2, 2],
      [1, 2, 3, 0, 0, 2, 2],
      [8, 44, 33, 54, 3, 128, 68],
    ],
    services: ["frontend", "zahlung·支付", "unknown_service"],
    names: ["", "GET /cart", "charge", "exception"],
  };
  checks.equal("the fixture of outlines", decoded, expected);
  const legend = await page.locator(".legend li").evaluateAll((items) =>
    items.map((item) => [item.innerText.split(/\s/)[0] || item.innerText.trim().split(/\s/)[0], item.querySelector(".chip").className]),
  );
  for (const [service, chip] of legend) {
    const rows = page.locator(".grid-layer [role=row].span").filter({ has: page.locator(".service", { hasText: new RegExp(`^${service}$`) }) });
    checks.equal(`the colour of ${service}`, await rows.first().locator(".chip").getAttribute("class"), chip);
  }
}

/** All of it. */
async function checkTraces(browser, server, checks) {
  const now = Date.now();
  const [strange, deep] = [odd(now), chain(CHAIN_LENGTH, now)];
  await send(server, strange);
  await send(server, deep);
  const visits = [
    ["rows", checkRows, strange],
    ["keys", checkKeys, strange],
    ["find", checkFind, strange],
    ["address", checkAddress, strange],
    ["views", checkViews, strange],
    ["depth", checkDepth, deep],
    ["decoder", checkDecoder, strange],
    ["growth", checkGrowth, strange],
  ];
  for (const [name, check, { traceId }] of visits) {
    // A search that is wrong is answered with a failure.
    const visitor = { origin: server.http, checks, name: `trace, ${name}`, failures: name === "find" };
    await asVisitor(browser, visitor, (page) => check(page, traceId, checks, server));
  }
  for (const theme of ["light", "dark"]) {
    await asVisitor(browser, { origin: server.http, theme, checks, name: `trace, ${theme}` }, async (page) => {
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        for (const query of ["", "?span=0000000000000001", "?find=status%3Aerror"]) {
          await open(page, `/traces/${strange.traceId}${query}`);
          checks.equal(`axe on a trace ${query} in ${theme}, ${width} wide`, await violations(page), []);
          const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          checks.that(`nothing stands out at ${width}`, over <= 0, over);
        }
      }
    });
  }
  await asVisitor(browser, { origin: server.http, script: false, checks, name: "trace without script" }, async (page) => {
    await page.goto(`/traces/${deep.traceId}`);
    await page.getByText("Rows 1 to 200 of 3,000").waitFor();
    await page.getByRole("link", { name: "Last rows" }).click();
    await page.getByText("Rows 2,801 to 3,000 of 3,000").waitFor();
    await page.goto(`/traces/${strange.traceId}`);
    await page.getByRole("textbox", { name: "Find in this trace" }).fill("status:error");
    await page.keyboard.press("Enter");
    await page.getByText("3 rows found").waitFor();
    checks.equal("rows that are marked", await page.locator("tr.match").count(), 3);
    for (const name of ["Operations", "Services", "Logs"]) {
      await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name }).click();
      await page.getByRole("table").first().waitFor();
    }
  });
}

module.exports = { checkTraces };
