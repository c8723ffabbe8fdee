"use strict";
// How long the page of a large trace takes in a real browser: `trace-bench.js PATH/TO/causeway [SPANS ...]`, 10000,
// 100000 and 1000000 spans without a number. Prints a line for each; docs/performance.md has those of one machine.

const { gzipSync } = require("node:zlib");
const { Checks } = require("../checks.js");
const { withCauseway, withDirectory } = require("../causeway.js");
const { large, largeId } = require("./traces.js");
const { withBrowser } = require("./visitor.js");

const SIZES = [10_000, 100_000, 1_000_000];
const WAIT_MS = 120_000;
/** Frames of each scroll that is measured. */
const FRAMES = 120;

async function send(server, spans) {
  for (const [path, body] of large(spans, Date.now())) {
    const request = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    // As an exporter does when there is no room.
    for (;;) {
      const answer = await fetch(`${server.otlp}${path}`, request);
      if (answer.ok) break;
      if (![429, 503].includes(answer.status)) throw new Error(`${answer.status}: ${await answer.text()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function timed(body) {
  const begun = performance.now();
  const result = await body();
  return [performance.now() - begun, result];
}

/** The outline: made, then kept; its size as it is and compressed. */
async function outline(server, id) {
  const get = async () => Buffer.from(await (await fetch(`${server.http}/api/traces/${id}/outline`, { headers: { "accept-encoding": "identity" } })).arrayBuffer());
  const [made, bytes] = await timed(get);
  const [kept] = await timed(get);
  return { made, kept, bytes: bytes.length, gzip: gzipSync(bytes).length };
}

/** Times between frames while the rows are scrolled, by wheel and all over the trace. */
async function scroll(page) {
  return page.evaluate(async (frames) => {
    const scroller = document.querySelector(".grid-scroll");
    const times = [];
    let before = performance.now();
    for (let frame = 0; frame < frames; frame += 1) {
      if (frame % 2 === 0) scroller.scrollTop = ((frame * 7919) % frames) * (scroller.scrollHeight / frames);
      else scroller.dispatchEvent(new WheelEvent("wheel", { deltaY: 600, bubbles: true, cancelable: true }));
      await new Promise(requestAnimationFrame);
      times.push(performance.now() - before);
      before = performance.now();
    }
    times.sort((a, b) => a - b);
    return { median: times[Math.floor(frames / 2)], p95: times[Math.floor(frames * 0.95)] };
  }, FRAMES);
}

const last = (page, name) => page.evaluate((each) => performance.getEntriesByName(each).at(-1)?.duration ?? NaN, name);

async function find(page, q) {
  const before = await page.evaluate(() => performance.getEntriesByName("trace-find").length);
  await page.fill("#q", q);
  await page.press("#q", "Enter");
  await page.waitForFunction((count) => performance.getEntriesByName("trace-find").length > count, before, { timeout: WAIT_MS });
  return last(page, "trace-find");
}

async function fold(page) {
  await page.keyboard.press("j");
  await page.keyboard.press("Home");
  const times = [];
  for (const key of ["h", "l", "h", "l"]) {
    await page.keyboard.press(key);
    times.push(await last(page, "trace-fold"));
  }
  return Math.max(...times);
}

async function heap(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize = 0 } = await session.send("Runtime.getHeapUsage");
  return usedSize + backingStorageSize;
}

async function measure(browser, server, spans) {
  await send(server, spans);
  const id = largeId(spans);
  const made = await outline(server, id);
  const context = await browser.newContext({ baseURL: server.http, viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  await page.goto(`/traces/${id}`, { timeout: WAIT_MS });
  await page.locator("#trace[data-ready]").waitFor({ timeout: WAIT_MS });
  const first = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN);
  const opened = await last(page, "trace-open");
  const frames = await scroll(page);
  const byName = await find(page, 'name:"operation 3"');
  const byAttribute = await find(page, "http.route:/r1");
  const folded = await fold(page);
  const memory = await heap(page);
  await context.close();
  const ms = (time) => `${time.toFixed(time < 10 ? 1 : 0)} ms`;
  const mb = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
  console.log(
    `${spans} spans: outline made ${ms(made.made)}, kept ${ms(made.kept)}, ${mb(made.bytes)}, gzip ${mb(made.gzip)}; ` +
      `first paint ${ms(first)}, open ${ms(opened)}; scroll median ${ms(frames.median)}, 95th ${ms(frames.p95)}; ` +
      `find by name ${ms(byName)}, by attribute ${ms(byAttribute)}; fold ${ms(folded)}; memory ${mb(memory)}`,
  );
}

async function main() {
  const [binary, ...words] = process.argv.slice(2);
  const sizes = words.length > 0 ? words.map(Number) : SIZES;
  if (!binary || sizes.some((size) => !(size > 0))) {
    console.error("usage: trace-bench.js PATH/TO/causeway [SPANS ...]");
    process.exitCode = 2;
    return;
  }
  const checks = new Checks();
  const everything = (server) =>
    withBrowser(async (browser) => {
      for (const size of sizes) {
        await measure(browser, server, size);
      }
    });
  await checks.group("the benchmark", () => withDirectory((data) => withCauseway(binary, data, checks, everything)));
  checks.close();
}

main();
