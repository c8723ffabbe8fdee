"use strict";
// The pages as Lighthouse scores them: `run.js PATH/TO/causeway`.
//
// A small shop's telemetry is sent, and to another server one with an incident; each page is loaded once by a desktop browser
// whose network and processor Lighthouse makes slower. A line is printed for each page as it comes; below it, what cost a page its goal.

const { accessSync, constants } = require("node:fs");
const { join } = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { pathToFileURL } = require("node:url");
const { Checks } = require("../checks.js");
const { ask, withCauseway, withDirectory } = require("../causeway.js");
const { withIncident } = require("../browser/broken.js");
const { shop } = require("../browser/shop.js");

/** The categories, each with its heading and the least score. */
const GOALS = [
  ["performance", "performance", 95],
  ["accessibility", "accessibility", 100],
  ["best-practices", "best practices", 100],
];

/** How long what was sent may take to be found. */
const APPEAR_MS = 20_000;

/** Nodes or messages that are printed of one audit. */
const MOST_ITEMS = 5;

// What chrome-launcher does not set itself; visitor.js says why.
const ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"];

function pages(failing) {
  return [
    "/",
    "/explain",
    "/services",
    "/services/payment",
    "/map",
    "/search?tab=traces",
    "/search?tab=logs",
    "/search?tab=spans",
    "/search?tab=templates",
    `/traces/${failing}`,
    `/traces/${failing}?view=flame`,
    `/traces/${failing}?view=table`,
    "/compare?sel=now-1h..now&vs=now-2h..now",
    "/promql",
    "/sql",
    "/status",
    "/start",
    "/preferences",
  ];
}

/** Those where an incident is open. */
function pagesOf(incident) {
  return ["/", "/incidents", `/incidents/${incident.id}`, "/explain?t=now-5m"];
}

/** A package that has no other form than a module; `import` itself does not look into NODE_PATH. */
function load(name) {
  return import(pathToFileURL(require.resolve(name)));
}

async function send(server, { failingTrace, requests }) {
  for (const [path, body] of Object.entries(requests)) {
    await ask(`${server.otlp}${path}`, body);
  }
  const late = Date.now() + APPEAR_MS;
  for (;;) {
    try {
      return await server.get(`/api/traces/${failingTrace}`);
    } catch (error) {
      if (Date.now() > late) throw error;
      await sleep(100);
    }
  }
}

/** Runs `body(score)`, where `score(url)` is Lighthouse's result for a page. */
async function withLighthouse(body) {
  const { launch } = await load("chrome-launcher");
  const { default: lighthouse, desktopConfig } = await load("lighthouse");
  const chromePath = process.env.CHROMIUM || "/usr/bin/chromium";
  // Without it chrome-launcher ends this program, and the server stays.
  accessSync(chromePath, constants.X_OK);
  const chrome = await launch({ chromePath, chromeFlags: ARGUMENTS, logLevel: "silent" });
  const options = {
    port: chrome.port,
    logLevel: "silent",
    onlyCategories: GOALS.map(([category]) => category),
    disableFullPageScreenshot: true,
  };
  try {
    await body(async (url) => (await lighthouse(url, options, desktopConfig)).lhr);
  } finally {
    chrome.kill();
  }
}

/** Of 100; 0 if Lighthouse could not tell. */
function scoreOf(result, category) {
  return Math.round((result.categories[category]?.score ?? 0) * 100);
}

/** The audits that make a category's score less than 100, and for performance what would make its metrics better. */
function costs(result, category) {
  const references = result.categories[category]?.auditRefs ?? [];
  const audits = references.map(({ id, weight }) => ({ ...result.audits[id], weight }));
  return audits.filter(({ score, scoreDisplayMode, weight, metricSavings }) => {
    if (scoreDisplayMode === "error") return weight > 0;
    const saves = Object.values(metricSavings ?? {}).some((saving) => saving > 0);
    return score !== null && score < 1 && (weight > 0 || saves);
  });
}

/** What an audit's details name: nodes, and messages of the console. */
function itemsOf(details) {
  if (!details || typeof details !== "object") {
    return [];
  }
  const text = [details.snippet, details.description].find((each) => typeof each === "string");
  const place = details.selector ?? details.sourceLocation?.url;
  const found = text === undefined ? [] : [place ? `${text} (${place})` : text];
  return [...found, ...Object.values(details).flatMap(itemsOf)];
}

function describe({ id, title, displayValue, errorMessage, details }) {
  const value = errorMessage ?? displayValue;
  const items = [...new Set(itemsOf(details?.items))].slice(0, MOST_ITEMS);
  return [`${title} [${id}]${value ? `: ${value}` : ""}`, ...items.map((item) => `  ${item}`)];
}

/** The score, and a line for each thing that cost it. */
function explain(result, category, goal) {
  const reasons = result.runtimeError ? [result.runtimeError.message] : costs(result, category).flatMap(describe);
  return [`${scoreOf(result, category)} of ${goal}`, ...reasons.map((reason) => `      ${reason}`)].join("\n");
}

/** One line of the table. */
function line(page, cells) {
  return [page.padEnd(52), ...cells.map((cell, index) => String(cell).padStart(GOALS[index][1].length + 2))].join("");
}

function checkPage(checks, page, url, result) {
  console.log(line(page, GOALS.map(([category]) => scoreOf(result, category))));
  for (const warning of result.runWarnings) {
    console.log(`      ${warning}`);
  }
  for (const [category, name, goal] of GOALS) {
    checks.that(`${name} of ${page}`, scoreOf(result, category) >= goal, explain(result, category, goal));
  }
  // Not another page, to which this one leads.
  checks.equal(`address of ${page}`, result.mainDocumentUrl, url);
}

async function main() {
  const [binary, ...others] = process.argv.slice(2);
  if (!binary || others.length > 0) {
    console.error("usage: run.js PATH/TO/causeway");
    process.exitCode = 2;
    return;
  }
  const checks = new Checks();
  const telemetry = shop(Date.now());
  const measure = async (score, server, addresses) => {
    for (const page of addresses) {
      const url = `${server.http}${page}`;
      await checks.group(page, async () => checkPage(checks, page, url, await score(url)));
    }
  };
  const ofShop = (score) => async (server) => {
    await send(server, telemetry);
    await measure(score, server, pages(telemetry.failingTrace));
  };
  await checks.group("lighthouse", () =>
    withLighthouse(async (score) => {
      console.log(`desktop, the pages of ${binary}`);
      console.log(line("page", GOALS.map(([, name]) => name)));
      await withDirectory((directory) => withCauseway(binary, join(directory, "data"), checks, ofShop(score)));
      await withIncident(binary, checks, (server, incident) => measure(score, server, pagesOf(incident)));
    }),
  );
  checks.close();
}

main();
