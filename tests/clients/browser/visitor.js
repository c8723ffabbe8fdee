"use strict";
// Somebody at a browser: with or without script, in light or dark. Notes on the way what no page may do.

const { tmpdir } = require("node:os");
const { join } = require("node:path");
const axe = require("axe-core");
const { chromium } = require("playwright-core");

/** How long an element may take to appear. */
const APPEAR_MS = 20_000;

const VIEWPORT = { width: 1280, height: 900 };
/** The widths that every page fits. */
const WIDTHS = [1280, 700];

/** The most bytes of a page. */
const PAGE_BYTES_MAX = 1_000_000;
/** How long a large page may take to stand. */
const LARGE_MS = 60_000;

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

// No part of the browser may look for the network: neither is there one in the tests, nor may it slow them down.
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** An address of a page with parameters. */
const address = (path, parameters) => `${path}?${new URLSearchParams(parameters)}`;

/** Runs `body` with a browser. */
async function withBrowser(body) {
  const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS });
  try {
    await body(browser);
  } finally {
    await browser.close();
  }
}

/**
 * Runs `body(page)` as a visitor to `origin`, and then checks what was noted. With `failures`, answers that are no
 * success are expected. If the body fails, a picture of the page is left and named.
 */
async function asVisitor(browser, { origin, script = true, theme = "light", failures = false, permissions = [], checks, name }, body) {
  const context = await browser.newContext({
    baseURL: origin,
    colorScheme: theme,
    javaScriptEnabled: script,
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: VIEWPORT,
    reducedMotion: "reduce",
    permissions,
  });
  context.setDefaultTimeout(APPEAR_MS);
  const page = await context.newPage();
  const noted = note(page, origin, failures);
  try {
    await body(page);
  } catch (error) {
    const path = join(tmpdir(), `causeway-browser-${name.replaceAll(/\W+/g, "-")}.png`);
    await page.screenshot({ path, fullPage: true });
    checks.that(name, false, `${error.stack}\n  at ${page.url()}, see ${path}`);
  } finally {
    await context.close();
  }
  for (const [what, list] of Object.entries(noted)) {
    checks.equal(`${what} (${name})`, [...new Set(list)], []);
  }
}

function note(page, origin, failures) {
  const noted = { "errors on the console": [], "requests to elsewhere": [], "pages without the policy": [], "failed requests": [] };
  page.on("console", (message) => {
    const isAnswer = message.text().startsWith("Failed to load resource: the server responded");
    if (["error", "warning"].includes(message.type()) && !(failures && isAnswer)) {
      noted["errors on the console"].push(`${page.url()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => noted["errors on the console"].push(`${page.url()}: ${error.stack}`));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) {
      noted["requests to elsewhere"].push(request.url());
    }
  });
  page.on("response", (response) => {
    if (response.status() >= 400 && !failures) {
      noted["failed requests"].push(`${response.status()} ${response.url()}`);
    }
    const isPage = response.request().resourceType() === "document" && (response.status() < 300 || failures);
    if (isPage && response.headers()["content-security-policy"] !== POLICY) {
      noted["pages without the policy"].push(response.url());
    }
  });
  return noted;
}

/** The violations that axe finds on the page as it is. */
async function violations(page) {
  // A function, not text: the policy forbids evaluated text.
  await page.evaluate(new Function(axe.source));
  const found = await page.evaluate(async () => {
    const results = await window.axe.run(document, { resultTypes: ["violations"] });
    return results.violations.map(({ id, nodes }) => ({ id, nodes: nodes.map((node) => `${node.html} ${node.failureSummary}`) }));
  });
  return found.map(({ id, nodes }) => `${id}: ${nodes.length} times, first ${nodes[0]}`);
}

/** Goes to a page and checks what holds for every one: its status, its bytes, and that nothing is wider than the window. */
async function visit(page, checks, path, what = path) {
  const answer = await page.goto(path, { timeout: LARGE_MS });
  checks.equal(`status of ${what}`, answer.status(), 200);
  const bytes = (await answer.body()).length;
  checks.that(`${what} is no more than ${PAGE_BYTES_MAX} bytes`, bytes <= PAGE_BYTES_MAX, String(bytes));
  await fits(page, checks, what);
}

/** Checks that nothing is wider than the window. */
async function fits(page, checks, what) {
  const before = page.viewportSize();
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: before.height });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    checks.that(`${what} fits ${width} pixels`, over <= 0, `${over} more`);
  }
  await page.setViewportSize(before);
}

/** Waits for the rows of a trace. */
const ready = (page) => page.locator("#trace[data-ready]").waitFor({ timeout: LARGE_MS });
/** The text of an element that may not be there. */
const textOf = async (locator) => ((await locator.count()) > 0 ? locator.first().innerText() : "");
const mainText = (page) => page.getByRole("main").innerText();

module.exports = { LARGE_MS, PAGE_BYTES_MAX, address, asVisitor, fits, mainText, ready, textOf, violations, visit, withBrowser };
