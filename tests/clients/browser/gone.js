"use strict";
// A program that goes away while pages of it are open, and comes back: pages say so, and go on.

const { send, withCauseway, withDirectory } = require("../causeway.js");
const { odd } = require("./traces.js");
const { address, ready, textOf } = require("./visitor.js");

const GRID = { name: "Spans, logs and events" };
/** How long a page may take to say what went wrong. */
const SAY_MS = 8_000;
const GONE = /does not answer/;

/** As `asVisitor`, but requests may fail: only what script says itself is noted. */
async function asWitness(browser, { origin, checks, name }, body) {
  const context = await browser.newContext({ baseURL: origin, locale: "en-GB", timezoneId: "UTC", viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  context.setDefaultTimeout(20_000);
  const noted = new Set();
  context.on("console", (message) => {
    const isNetwork = message.text().startsWith("Failed to load resource: ");
    if (["error", "warning"].includes(message.type()) && !isNetwork) noted.add(message.text());
  });
  context.on("weberror", (error) => noted.add(error.error().stack));
  await checks.group(name, () => body(context));
  await context.close();
  checks.equal(`errors that nobody caught (${name})`, [...noted], []);
}

/** Whether a page comes to say something. */
async function says(page, checks, what, locator, pattern) {
  const isSaid = await locator.filter({ hasText: pattern }).first().waitFor({ timeout: SAY_MS }).then(() => true, () => false);
  checks.that(what, isSaid, isSaid ? "" : `it says ${JSON.stringify(await textOf(locator))}`);
}

const lineOf = (page) => page.locator(".found-rows .message .line").first();
const live = (page) => page.getByRole("button", { name: "Live" });

/** The trace page without the program: keys go on, and what needs the program says that it is not there. */
async function checkTraceAlone(page, checks) {
  const cursor = page.locator("[role=row].cursor:not([hidden]) a");
  const news = page.locator("#news");
  const before = await cursor.innerText();
  await page.keyboard.press("j");
  checks.that("j goes on without the program", (await cursor.innerText()) !== before, before);
  await page.keyboard.press("Enter");
  await says(page, checks, "a row that cannot be chosen says why", news, GONE);
  const find = page.getByRole("textbox", { name: "Find in this trace" });
  await find.fill("http.route:/r1");
  await find.press("Enter");
  await says(page, checks, "a search that cannot be asked says why", page.locator("#found"), GONE);
  await find.fill("service:pay");
  await find.press("Enter");
  await says(page, checks, "a search of what is there is answered", page.locator("#found"), /\d/);
  await page.getByRole("treegrid", GRID).focus().catch(() => {});
  for (const key of ["j", "h", "l", "x", "e", "n"]) await page.keyboard.press(key);
  await page.keyboard.press("End");
  await page.waitForTimeout(700);
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("combobox", { name: "Go to, or do" });
  const isOpen = await palette.waitFor({ timeout: SAY_MS }).then(() => true, () => false);
  if (isOpen) await page.keyboard.press("Escape");
  else await says(page, checks, "a palette that cannot come says why", page.locator("#said"), GONE);
  await page.goBack().catch(() => {});
  await page.waitForTimeout(300);
}

/** The search page without the program. */
async function checkSearchAlone(page, checks) {
  await lineOf(page).click();
  await says(page, checks, "a row that cannot be opened says why", page.locator("#said"), GONE);
  checks.equal("the row is not open", await lineOf(page).getAttribute("aria-expanded"), "false");
  await page.locator("#q").fill("serv");
  await page.waitForTimeout(300);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await live(page).click();
  await says(page, checks, "a tail that cannot begin says so", page.locator(".tail-line [role=status]"), /does not answer|connection is gone/);
  await live(page).click();
  await lineOf(page).waitFor();
  await page.keyboard.press("j");
}

async function checkGone(browser, binary, data, server, checks, trace) {
  await asWitness(browser, { origin: server.http, checks, name: "a program that goes away" }, async (context) => {
    const [tracePage, searchPage, tailPage, streamPage] = [await context.newPage(), await context.newPage(), await context.newPage(), await context.newPage()];
    await tracePage.goto(`/traces/${trace.traceId}`);
    await ready(tracePage);
    await tracePage.keyboard.press("j");
    await searchPage.goto(address("/search", { tab: "logs", t: "now-1h" }));
    await lineOf(searchPage).waitFor();
    await tailPage.goto(address("/search", { tab: "logs", t: "now-1h" }));
    await live(tailPage).click();
    const tail = tailPage.locator(".tail-line [role=status]");
    await tail.getByText("Live", { exact: true }).waitFor();
    let isGone;
    const gone = new Promise((resolve) => (isGone = resolve));
    await streamPage.route(/\/search\/stream/, async (route) => {
      await gone;
      await route.continue();
    });
    await streamPage.goto(address("/search", { tab: "logs", t: "now-1h", whole: "0" }));
    checks.equal("exit status of a program with a tail open", await server.stop(), 0);
    isGone();
    await says(streamPage, checks, "an answer in pieces says that it ended", streamPage.locator("[data-part=partial]"), /went away/);
    await says(tailPage, checks, "a tail says that it is broken", tail, /connection is gone; trying again|does not answer/);
    await checkTraceAlone(tracePage, checks);
    await checkSearchAlone(searchPage, checks);
    await withCauseway(binary, data, checks, async (back) => {
      await says(tailPage, checks, "the tail goes on", tail, /^Live$/);
      await send(back, odd(Date.now()));
      await tailPage.getByRole("region", { name: "Live rows" }).locator("tbody tr").first().waitFor();
      await lineOf(searchPage).click();
      await searchPage.locator(".opened").waitFor();
      await tracePage.bringToFront();
      await tracePage.keyboard.press("Home");
      await tracePage.locator("[role=row].cursor:not([hidden]) a").click();
      await tracePage.getByRole("complementary", { name: "Span" }).waitFor();
      const find = tracePage.getByRole("textbox", { name: "Find in this trace" });
      await find.fill("http.route:/r1");
      await find.press("Enter");
      await says(tracePage, checks, "the search goes on", tracePage.locator("#found"), /\d/);
      await streamPage.reload();
      await lineOf(streamPage).waitFor();
    }, Number(new URL(server.http).port));
  });
}

/** All of it, with a program of its own. */
async function checkGoneAway(browser, binary, checks) {
  const own = (name, body) => checks.group(name, () => withDirectory((data) => withCauseway(binary, data, checks, body)));
  await own("a program that goes away", async (server, data) => {
    const trace = odd(Date.now());
    await send(server, trace);
    await checkGone(browser, binary, data, server, checks, trace);
  });
}

module.exports = { checkGoneAway };
