"use strict";
// A trace as one HTML file, opened from the disk with no server: it shows the spans and logs, finds the line that says why, and
// asks nobody for anything.

const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { withDirectory } = require("../causeway.js");
const { FAILURE } = require("./shop.js");
const { violations } = require("./visitor.js");

/** Runs `body(page)` with the file in a browser that is offline. */
async function opened(browser, address, theme, checks, body) {
  const context = await browser.newContext({ colorScheme: theme, offline: true, viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const noted = [];
  page.on("console", (message) => noted.push(message.text()));
  page.on("pageerror", (error) => noted.push(error.stack));
  page.on("request", (request) => {
    if (request.url() !== address) noted.push(request.url());
  });
  await page.goto(address);
  await body(page);
  await context.close();
  checks.equal(`console and requests of the file in ${theme}`, noted, []);
}

async function checkShown(page, checks, trace, theme) {
  const grid = page.getByRole("treegrid");
  await grid.getByText(FAILURE.span).first().waitFor();
  const rows = Number(await grid.getAttribute("aria-rowcount")) - 1;
  const events = trace.spans.flatMap((span) => span.events).length;
  checks.equal(`rows of the file in ${theme}`, rows, trace.spans.length + trace.logs.length + events);
  await page.getByRole("searchbox").fill("giving up");
  const detail = page.getByRole("complementary");
  await detail.getByText(FAILURE.log).first().waitFor();
  checks.equal(`axe on the file in ${theme}`, await violations(page), []);
  await page.keyboard.press("Escape");
  await grid.focus();
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowLeft");
  checks.equal("one row is left of what is folded", Number(await grid.getAttribute("aria-rowcount")), 2);
  await page.keyboard.press("e");
  checks.that("e opens a failure", (await detail.innerText()).includes("error"), await detail.innerText());
  await page.setViewportSize({ width: 700, height: 900 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  checks.that("the file fits a narrow window", wide <= 700, `${wide} pixels wide`);
}

async function checkFile(browser, server, checks, failing) {
  const trace = await server.get(`/api/traces/${failing}`);
  const answer = await fetch(`${server.http}/traces/${failing}/file`);
  checks.that("the file is kept and not shown", answer.headers.get("content-disposition").startsWith("attachment"));
  await withDirectory(async (directory) => {
    const path = join(directory, "trace.html");
    writeFileSync(path, await answer.text());
    for (const theme of ["light", "dark"]) {
      await opened(browser, pathToFileURL(path).href, theme, checks, (page) => checkShown(page, checks, trace, theme));
    }
  });
}

module.exports = { checkFile };
