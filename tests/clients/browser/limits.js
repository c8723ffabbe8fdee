"use strict";
// What no page should be brought down by: traces that are very deep or of very many services, names that are very long or
// run the other way.

const { send, withCauseway, withDirectory } = require("../causeway.js");
const { HEBREW, TURNED, chain, crowd, long, turned } = require("./traces.js");
const { LARGE_MS, PAGE_BYTES_MAX, address, asVisitor, fits, mainText, ready, visit } = require("./visitor.js");

const GRID = { name: "Spans, logs and events" };
const CHAIN_LENGTH = 100_000;
const SERVICES = 10_000;
/** How long a name is made, in bytes: the most that the receiver takes of an attribute. */
const NAME_BYTES = 64 * 1024;
/** The most rows of a table on a page. */
const ROWS_MAX = 1_000;

const count = (number) => number.toLocaleString("en");

async function timed(body) {
  const begun = performance.now();
  const result = await body();
  return [performance.now() - begun, result];
}

// Very deep, and very many.

async function checkChain(browser, server, checks, trace) {
  const last = `Rows ${count(CHAIN_LENGTH - 199)} to ${count(CHAIN_LENGTH)} of ${count(CHAIN_LENGTH)}`;
  await asVisitor(browser, { origin: server.http, checks, name: "a deep trace" }, async (page) => {
    page.setDefaultTimeout(LARGE_MS);
    const [opened] = await timed(async () => {
      await page.goto(`/traces/${trace.traceId}`);
      await ready(page);
    });
    const grid = page.getByRole("treegrid", GRID);
    checks.equal("rows of the chain", await grid.getAttribute("aria-rowcount"), String(CHAIN_LENGTH + 1));
    const facts = await page.locator(".trace-head .facts").innerText();
    checks.that("its number of spans is told", facts.includes(count(CHAIN_LENGTH)), facts);
    await page.keyboard.press("j");
    const row = page.locator("[role=row].cursor:not([hidden])");
    const [ended] = await timed(async () => {
      await page.keyboard.press("End");
      await row.getByText(`·${CHAIN_LENGTH}`).waitFor();
    });
    checks.equal("the level of the last row", await row.getAttribute("aria-level"), String(CHAIN_LENGTH));
    const [box, room] = [await row.boundingBox(), await page.locator(".grid-scroll").boundingBox()];
    const isInView = box.y >= room.y - 1 && box.y + box.height <= room.y + room.height + 1 && box.y + box.height <= page.viewportSize().height;
    checks.that("the last row is in view", isInView, { box, room });
    await page.keyboard.press("Enter");
    await page.getByRole("complementary", { name: "Span" }).waitFor();
    await fits(page, checks, "a deep trace");
    await page.keyboard.press("Home");
    await page.waitForFunction(() => document.querySelector("[role=row].cursor:not([hidden])")?.ariaLevel === "1");
    console.log(`  ${count(CHAIN_LENGTH)} spans in a chain: open in ${Math.round(opened)} ms, at the last row in ${Math.round(ended)} ms`);
  });
  await asVisitor(browser, { origin: server.http, script: false, checks, name: "a deep trace without script" }, async (page) => {
    page.setDefaultTimeout(LARGE_MS);
    await visit(page, checks, `/traces/${trace.traceId}`, "the first rows of a deep trace");
    await page.getByText(`Rows 1 to 200 of ${count(CHAIN_LENGTH)}`).waitFor();
    await page.getByRole("link", { name: "Last rows" }).click();
    await page.getByText(last).waitFor();
    checks.equal("rows of the last page", await page.locator("tbody tr").count(), 200);
    checks.equal("the level of its last row", await page.locator("tbody tr").last().getAttribute("aria-level"), String(CHAIN_LENGTH));
    await fits(page, checks, "the last rows of a deep trace");
    for (const view of ["table", "graph"]) {
      await visit(page, checks, `/traces/${trace.traceId}?view=${view}`, `a deep trace as a ${view}`);
    }
  });
}

/** A table on a page of very many has an end, and the page says how many there are more, or of how many it shows some. */
async function isBounded(page, checks, what, total) {
  const rows = await page.getByRole("table").locator("tbody tr").count();
  checks.that(`${what} has rows, and an end`, rows > 0 && rows <= ROWS_MAX, `${rows} rows`);
  const text = await mainText(page);
  const isSaid = [total, total - rows].some((number) => text.includes(count(number)));
  checks.that(`${what} says what is left out`, isSaid, `neither ${count(total)} nor ${count(total - rows)}`);
}

async function checkCrowd(browser, server, checks, trace) {
  const left = (shown) => count(SERVICES - shown);
  await asVisitor(browser, { origin: server.http, checks, name: "very many services" }, async (page) => {
    page.setDefaultTimeout(LARGE_MS);
    const here = `/traces/${trace.traceId}`;
    const [opened] = await timed(async () => {
      await visit(page, checks, here, "a trace of very many services");
      await ready(page);
    });
    const legend = await page.locator(".legend li").allInnerTexts();
    checks.that("the legend has an end", legend.length > 5 && legend.length <= 50, legend.length);
    checks.equal("the legend counts the rest", legend.at(-1), `and ${left(legend.length - 1)} more`);
    for (const [view, total] of [["graph", SERVICES - 1], ["table", SERVICES]]) {
      await visit(page, checks, `${here}?view=${view}`, `a ${view} of very many services`);
      await ready(page);
      await isBounded(page, checks, `a ${view} of very many services`, total);
    }
    await page.goto(`${here}?view=flame`);
    await ready(page);
    const times = {};
    for (const path of ["/", "/services?t=now-1h", "/map?t=now-1h", "/map?hops=all&t=now-1h", "/status"]) {
      [times[path]] = await timed(() => visit(page, checks, path));
    }
    await page.goto("/services?t=now-1h");
    await isBounded(page, checks, "the list of services", SERVICES);
    await page.goto("/map?hops=all&t=now-1h");
    await isBounded(page, checks, "the table of the map", SERVICES - 1);
    const nodes = await page.locator(".graph .node").count();
    checks.that("the map draws some", nodes > 10 && nodes <= 500, nodes);
    const { nodes: known } = await server.get("/api/graph", { from: "now-1h" });
    const hints = await page.locator(".hint").allInnerTexts();
    const isLeft = hints.some((hint) => hint.includes(`${count(known.length - nodes)} more are not`));
    checks.that("the map says how many it does not draw", known.length >= SERVICES && isLeft, hints);
    const options = await page.locator("#service option").count();
    checks.that("services to choose from have an end", options > 10 && options <= ROWS_MAX, options);
    for (const tab of ["traces", "spans"]) {
      await visit(page, checks, address("/search", { tab, t: "now-1h", whole: "1" }));
      const values = await page.locator(".facets section").first().locator("li").count();
      checks.that(`values beside ${tab} have an end`, values > 0 && values <= 20, values);
      const facets = await page.locator(".facets").innerText();
      checks.that(`how many values more there are beside ${tab}`, facets.includes("more"), facets);
    }
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: "Go to, or do" }).fill("service-0");
    await page.getByRole("option", { name: "service-0" }).first().waitFor();
    const found = await page.getByRole("option").count();
    checks.that("what the palette offers has an end", found <= 50, found);
    const words = Object.entries(times).map(([path, time]) => `${path} ${Math.round(time)} ms`);
    console.log(`  ${count(SERVICES)} services: their trace in ${Math.round(opened)} ms, ${words.join(", ")}`);
  });
  await asVisitor(browser, { origin: server.http, script: false, checks, name: "very many services without script" }, async (page) => {
    await visit(page, checks, `/traces/${trace.traceId}`, "a trace of very many services without script");
    await page.getByText(`Rows 1 to 200 of ${count(SERVICES)}`).waitFor();
  });
}

// Very long names.

/** The links of a page that are longer than any address has to be. */
const longLinks = (page) =>
  page.evaluate(() => [...document.querySelectorAll("a[href^='/']")].map((link) => link.getAttribute("href")).filter((href) => href.length > 8_000));

async function checkLong(browser, server, checks, trace) {
  const here = `/traces/${trace.traceId}`;
  const { logs } = await server.get(`/api${here}`);
  const log = logs[0].id;
  const pages = ["/", "/services?t=now-1h", "/map?t=now-1h", "/map?hops=all&t=now-1h", "/incidents", "/explain?t=now-1h", "/status"];
  for (const tab of ["traces", "spans", "logs", "templates"]) pages.push(address("/search", { tab, t: "now-1h" }));
  pages.push(address("/search", { tab: "logs", t: "now-1h", cols: "time,service,message,short.key,scope", by: "short.key" }));
  pages.push(here, `${here}?span=${trace.span}`, `${here}?log=${log}`, ...["table", "graph", "logs"].map((view) => `${here}?view=${view}`));
  for (const script of [true, false]) {
    const name = `long names ${script ? "with" : "without"} script`;
    await asVisitor(browser, { origin: server.http, script, checks, name }, async (page) => {
      for (const path of pages) {
        await visit(page, checks, path, `${path}, ${name}`);
        if (script && path.startsWith(here)) {
          await ready(page);
          await fits(page, checks, `${path} with its rows`);
        }
        if (script) continue;
        const refused = [];
        for (const href of new Set((await longLinks(page)).map((each) => each.split("#")[0]))) {
          const { status } = await fetch(`${server.http}${href}`);
          if (status >= 400) refused.push(`${status} from ${href.length} bytes of ${href.slice(0, 40)}…`);
        }
        checks.equal(`long links of ${path} that are refused`, refused, []);
      }
    });
  }
  await asVisitor(browser, { origin: server.http, checks, name: "a long row that is opened" }, async (page) => {
    await page.goto(address("/search", { tab: "logs", t: "now-1h" }));
    const [row] = await Promise.all([page.waitForResponse(/\/search\/row/), page.locator(".found-rows [data-open]").first().click()]);
    const bytes = (await row.body()).length;
    checks.that("an open row is not too large", bytes <= PAGE_BYTES_MAX, String(bytes));
    await page.locator(".opened").waitFor();
    await fits(page, checks, "an open row of long values");
    await page.getByRole("link", { name: /^Lines around it/ }).click();
    await page.getByRole("region", { name: /^Lines around it/ }).waitFor();
    await fits(page, checks, "long lines around a line");
    await page.getByRole("button", { name: "Live" }).click();
    await page.locator("[role=status]").getByText("Live", { exact: true }).waitFor();
    await send(server, long(NAME_BYTES, Date.now()));
    await page.getByRole("region", { name: "Live rows" }).locator("tbody tr").first().waitFor();
    await fits(page, checks, "live rows of long lines");
    await page.goto(here);
    await ready(page);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.getByRole("complementary", { name: "Span" }).waitFor();
    await fits(page, checks, "a long span that is chosen");
  });
}

// Text that runs the other way.

/**
 * Runs in the page: finds texts, and what stands beside them on the same line of the same block but not in the order of
 * the document. What runs the other way must not take its neighbours along.
 */
function misplaced(cores) {
  const wrong = [];
  let found = 0;
  const isInline = (element) => ["inline", "contents"].includes(getComputedStyle(element).display);
  const blockOf = (node) => {
    let block = node.parentElement;
    while (isInline(block)) block = block.parentElement;
    return block;
  };
  const isApart = (node, block) => {
    for (let at = node.nodeType === Node.TEXT_NODE ? node.parentElement : node; at !== null && at !== block; at = at.parentElement) {
      if (["absolute", "fixed"].includes(getComputedStyle(at).position)) return true;
    }
    return false;
  };
  /** The first and last of the boxes of a part of a text, no wider than what can be seen of them. */
  const boxes = (node, from, to, block) => {
    const range = document.createRange();
    range.setStart(node, from);
    range.setEnd(node, to);
    let [left, right] = [-Infinity, Infinity];
    for (let at = node.parentElement; at !== null; at = at.parentElement) {
      if (getComputedStyle(at).overflowX !== "visible") {
        const { left: begin, right: end } = at.getBoundingClientRect();
        [left, right] = [Math.max(left, begin), Math.min(right, end)];
      }
      if (at === block) break;
    }
    const cut = [...range.getClientRects()].map(({ left: a, right: b, top, bottom }) => ({ left: Math.max(a, left), right: Math.min(b, right), top, bottom }));
    return cut.filter((box) => box.right - box.left > 0.5 && box.bottom - box.top > 0.5);
  };
  const isBeside = (one, other) => Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 3;
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) texts.push(walker.currentNode);
  texts.forEach((node, place) => {
    for (const core of cores) {
      const at = node.data.indexOf(core);
      if (at < 0) continue;
      const block = blockOf(node);
      if (isApart(node, block.parentElement)) continue;
      const own = boxes(node, at, at + core.length, block);
      if (own.length === 0) continue;
      found += 1;
      // A command or a query stands as it is to be copied.
      const isQuoted = node.parentElement.closest("code, pre, textarea") !== null;
      // What stands between marks of isolation with it may be turned around.
      const [opens, closes] = [node.data.lastIndexOf("\u2068", at), node.data.indexOf("\u2069", at)];
      const [from, to] = opens >= 0 && closes >= 0 ? [opens, closes + 1] : [at, at + core.length];
      const parts = isQuoted ? [] : [[node, 0, from], [node, to, node.data.length]];
      for (const other of [texts[place - 1], texts[place + 1], texts[place - 2], texts[place + 2]]) {
        if (other !== undefined && block.contains(other) && !isApart(other, block)) parts.push([other, 0, other.data.length]);
      }
      for (const [other, from, to] of parts) {
        // A mark itself has no place.
        if (other.data.slice(from, to).replaceAll(/[\s\u200e-\u202e\u2066-\u2069]/g, "") === "") continue;
        const isBefore = other === node ? to <= at : (node.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_PRECEDING) !== 0;
        for (const box of boxes(other, from, to, block)) {
          const beside = own.filter((each) => isBeside(each, box));
          const isWrong = beside.some((each) => (isBefore ? box.right > each.left + 1.5 : box.left < each.right - 1.5));
          if (isWrong) wrong.push(`<${node.parentElement.tagName.toLowerCase()} class="${node.parentElement.className.baseVal ?? node.parentElement.className}"> in <${block.tagName.toLowerCase()} class="${block.className.baseVal ?? block.className}">: ${JSON.stringify(other.data.slice(from, to).trim().slice(0, 60))} is not ${isBefore ? "before" : "after"} ${JSON.stringify(core)}`);
        }
      }
    }
  });
  return { found, wrong: [...new Set(wrong)] };
}

async function keepsOrder(page, checks, what) {
  const { found, wrong } = await page.evaluate(misplaced, [HEBREW, TURNED]);
  checks.that(`${what} shows the text`, found > 0, await page.title());
  checks.equal(`${what} keeps what stands beside it`, wrong, []);
}

async function checkTurned(browser, server, checks, trace) {
  const here = `/traces/${trace.traceId}`;
  const { logs } = await server.get(`/api${here}`);
  const mark = `\u202e${TURNED}`;
  const pages = ["/", "/services?t=now-1h", "/map?hops=all&t=now-1h", "/map?t=now-1h", "/status"];
  for (const tab of ["traces", "spans", "logs", "templates"]) pages.push(address("/search", { tab, t: "now-1h" }));
  pages.push(address("/search", { tab: "logs", t: "now-1h", cols: "time,service,message,mark,hebrew", by: "mark,hebrew" }));
  pages.push(address("/search", { tab: "spans", q: `name:"${mark}" nothingsuch`, t: "now-1h" }));
  for (const service of [HEBREW, mark]) {
    pages.push(`/services/${encodeURIComponent(service)}?t=now-1h`, address("/map", { service, t: "now-1h" }), address("/explain", { service, t: "now-1h" }));
  }
  pages.push(address("/map", { service: `no ${mark}`, t: "now-1h" }));
  const own = [here, ...["0000000000000001", "0000000000000002"].map((span) => `${here}?span=${span}`), ...logs.map(({ id }) => `${here}?log=${id}`)];
  own.push(...["table", "graph", "logs"].map((view) => `${here}?view=${view}`), `${here}?find=nothing`);
  for (const script of [true, false]) {
    await asVisitor(browser, { origin: server.http, script, checks, name: `text from right to left ${script ? "with" : "without"} script` }, async (page) => {
      for (const path of script ? [...pages, ...own] : own) {
        await visit(page, checks, path, decodeURIComponent(path));
        if (script && own.includes(path)) await ready(page);
        await keepsOrder(page, checks, `${decodeURIComponent(path)} ${script ? "with" : "without"} script`);
      }
      if (script) await checkTurnedByHand(page, server, checks, here);
    });
  }
}

/** Text that script puts on the page: an open row, a row that is chosen, live rows, the palette. */
async function checkTurnedByHand(page, server, checks, here) {
  await page.goto(address("/search", { tab: "logs", t: "now-1h" }));
  await page.locator(".found-rows [data-open]").first().click();
  await page.locator(".opened").waitFor();
  await keepsOrder(page, checks, "an open row");
  await page.getByRole("link", { name: /^Lines around it/ }).click();
  await page.getByRole("region", { name: /^Lines around it/ }).waitFor();
  await keepsOrder(page, checks, "lines around a line");
  for (const tab of ["logs", "spans"]) {
    await page.goto(address("/search", { tab, t: "now-1h" }));
    await page.getByRole("button", { name: "Live" }).click();
    await page.locator("[role=status]").getByText("Live", { exact: true }).waitFor();
    await send(server, turned(Date.now()));
    await page.getByRole("region", { name: "Live rows" }).locator("tbody tr").first().waitFor();
    await keepsOrder(page, checks, `live ${tab}`);
  }
  await page.goto(here);
  await ready(page);
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  const detail = page.getByRole("complementary", { name: "Span" });
  await detail.waitFor();
  await detail.getByText(/longer than|the only one/).waitFor();
  await keepsOrder(page, checks, "a span that is chosen");
  // Questions that were asked stand there as they were written.
  await page.evaluate(() => localStorage.clear());
  await page.keyboard.press("Control+k");
  await page.getByRole("option", { name: HEBREW }).first().waitFor();
  await keepsOrder(page, checks, "the palette");
}

/** All of it, each with a program of its own. */
async function checkLimits(browser, binary, checks) {
  const own = (name, body) => checks.group(name, () => withDirectory((data) => withCauseway(binary, data, checks, body)));
  await own("very deep and very many", async (server) => {
    const [deep, many] = [chain(CHAIN_LENGTH, Date.now()), crowd(SERVICES, Date.now())];
    const [sent] = await timed(() => send(server, deep));
    console.log(`  ${count(CHAIN_LENGTH)} spans sent in ${Math.round(sent)} ms`);
    await checkChain(browser, server, checks, deep);
    await send(server, many);
    await checkCrowd(browser, server, checks, many);
  });
  await own("long names", async (server) => {
    const trace = long(NAME_BYTES, Date.now());
    await send(server, trace);
    await checkLong(browser, server, checks, trace);
  });
  await own("text from right to left", async (server) => {
    const trace = turned(Date.now());
    await send(server, trace);
    await checkTurned(browser, server, checks, trace);
  });
}

module.exports = { checkLimits };
