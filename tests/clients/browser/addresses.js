"use strict";
// Addresses that are wrong or strange, and traces whose spans are their own ancestors: each has its page.

const { send, withCauseway, withDirectory } = require("../causeway.js");
const { rings, turned } = require("./traces.js");
const { address, asVisitor, fits, mainText, ready, textOf, visit } = require("./visitor.js");

const GRID = { name: "Spans, logs and events" };

// Spans that are their own ancestors.

async function checkRings(browser, server, checks, trace) {
  for (const script of [true, false]) {
    await asVisitor(browser, { origin: server.http, script, checks, name: `rings of spans ${script ? "with" : "without"} script` }, async (page) => {
      await visit(page, checks, `/traces/${trace.traceId}`, "a trace with rings");
      if (script) await ready(page);
      const warnings = await textOf(page.getByRole("list", { name: "What to know about this trace" }));
      checks.that("rings are told", warnings.includes("2 rings of spans that are each other's ancestors"), warnings);
      const grid = page.getByRole("treegrid", GRID);
      for (const name of ["hen", "egg", "feather", "self"]) await grid.getByText(name, { exact: true }).first().waitFor();
      await grid.getByText("the spans below are each other's ancestors; cut at the earliest").first().waitFor();
      checks.equal("rows of rings", await grid.getAttribute("aria-rowcount"), String(4 + 2 + 1));
      await visit(page, checks, `/traces/${trace.traceId}?span=00000000000000a3`, "a span that is its own parent");
      const detail = page.getByRole("complementary", { name: "Span" });
      await detail.getByRole("heading", { name: "self" }).waitFor();
      await detail.getByRole("link", { name: "Parent" }).click();
      await detail.getByRole("heading", { name: "self" }).waitFor();
      for (const view of ["flame", "table", "graph"]) await visit(page, checks, `/traces/${trace.traceId}?view=${view}`, `rings as a ${view}`);
    });
  }
}

// Wrong addresses.

/** Addresses that are wrong: the status, and what the page says, of which the first is what is wrong where it has a name. */
function wrongAddresses(id) {
  const trace = (parameters) => address(`/traces/${id}`, parameters);
  const search = (parameters) => address("/search", parameters);
  const sides = { sel: "now-1h..now" };
  const zone = ["tz", "Europe/Berlin"];
  const time = ["t", "now-15m"];
  return [
    [`/traces/${"f".repeat(32)}`, 404, "f".repeat(32)],
    [`/traces/${"f".repeat(32)}/file`, 404, "f".repeat(32)],
    ["/traces/xyz", 400, "trace id", "xyz", "32 hexadecimal digits"],
    [`/traces/${"0".repeat(32)}`, 400, "trace id", "32 hexadecimal digits"],
    ["/traces/%22%3E%3Cb%3E", 400, "trace id", "\"><b>", "32 hexadecimal digits"],
    ["/traces/xyz/detail", 400, "trace id", "32 hexadecimal digits"],
    ["/traces/xyz/file", 400, "trace id", "32 hexadecimal digits"],
    [trace({ view: "nope" }), 400, "view", "waterfall, flame, table, graph, logs"],
    [trace({ span: "zz" }), 400, "span", "16 hexadecimal digits"],
    [trace({ z: "abc" }), 400, "z", "0..1500000"],
    [trace({ page: "x" }), 400, "page", "a whole number from 1"],
    [trace({ page: "-1" }), 400, "page", "a whole number from 1"],
    [trace({ page: "0" }), 400, "page", "a whole number from 1"],
    [trace({ page: "99" }), 400, "page", "a page of 1 page"],
    [trace({ tz: "Nowhere" }), 400, ...zone],
    [address(`/traces/${id}/detail`, { row: "x" }), 400, "row", "the number of a row"],
    [address(`/traces/${id}/detail`, { row: "-1" }), 400, "row", "the number of a row"],
    [address(`/traces/${id}/detail`, { row: "99999" }), 400, "row", "this outline has"],
    [address(`/traces/${id}/detail`, { row: "0", outline: "nope" }), 400, "outline", "from the head of one"],
    ["/incidents/nope", 404, "nope"],
    ["/incidents?t=abc", 400, ...time],
    ["/services/nope", 404, "No span of nope"],
    ["/services/nope?t=abc", 400, ...time],
    ["/services/nope?sel=abc", 400, "sel", "now-15m"],
    ["/services?t=abc", 400, ...time],
    ["/services?t=now..now-1h", 400, "t", "ends before it begins"],
    ["/services?t=now-1h&t=now-2h", 400, "t", "once only"],
    [search({ t: "abc" }), 400, ...time],
    [search({ tab: "nope" }), 400, "tab", "traces, spans, logs, templates"],
    [search({ cursor: "nope" }), 400, "cursor"],
    [search({ sort: "nope" }), 400, "sort", "-time"],
    [search({ tab: "logs", sort: "-duration" }), 400, "sort", "-severity"],
    [search({ sel: "abc" }), 400, "sel", "A..B"],
    [search({ sel: "now-1h" }), 400, "sel", "both of its ends"],
    [search({ by: "a,b,c,d,e,f,g" }), 400, "by", "6 keys"],
    [search({ cols: "time:1" }), 400, "cols", "a width from 40 to 1600"],
    [search({ open: "nope" }), 400, "open", "TIME.ID"],
    [search({ whole: "2" }), 400, "whole", "one of"],
    [search({ tz: "Nowhere" }), 400, ...zone],
    [search({ q: "(" }), 400, "not right"],
    [search({ q: "a:/(/" }), 400, "not right"],
    [search({ q: "x".repeat(9_000) }), 400, "q", "8192 bytes"],
    [address("/search/row", { tab: "logs", open: "nope" }), 400, "open", "TIME.ID"],
    [address("/search/stream", { tab: "nope" }), 400, "tab", "traces, spans, logs, templates"],
    [address("/compare", { sel: "abc" }), 400, "sel", "now-15m"],
    [address("/compare", { ...sides, vs: "abc" }), 400, "vs", "now-15m"],
    [address("/compare", { ...sides, t: "abc" }), 400, ...time],
    [address("/compare", { sel: id, vs: "now-1h..now" }), 400, "vs", "its id was expected"],
    [address("/compare", { sel: "now-1h..now", vs: id }), 400, "sel", "its id was expected"],
    [address("/compare", { sel: id, vs: "f".repeat(32) }), 404, "f".repeat(32)],
    [address("/compare", { ...sides, q: "(" }), 400, "not right"],
    [address("/compare", { ...sides, tz: "Nowhere" }), 400, ...zone],
    [address("/map", { hops: "nope" }), 400, "hops", "2, 1, 3, all"],
    [address("/map", { t: "abc" }), 400, ...time],
    [address("/map", { tz: "Nowhere" }), 400, ...zone],
    [address("/explain", { t: "abc" }), 400, ...time],
    [address("/explain", { vs: "abc" }), 400, "vs", "now-15m"],
    [address("/explain", { tz: "Nowhere" }), 400, ...zone],
    [address("/sql", { as: "nope" }), 400, "as", "rows, plan"],
    [address("/sql", { q: "SELEC 1" }), 400, "not right"],
    [address("/sql", { q: "SELECT nope FROM spans" }), 400, "not right"],
    [address("/sql", { tz: "Nowhere" }), 400, ...zone],
    [address("/promql", { t: "abc" }), 400, ...time],
    [address("/promql", { step: "abc" }), 400, "step", "15s"],
    [address("/promql", { off: "9" }), 400, "off", "1 to 8"],
    [address("/promql", { show: "nope" }), 400, "show", "graph, table, heat"],
    [address("/promql", { sel: "abc" }), 400, "sel", "now-15m"],
    [address("/promql", { q: "sum(" }), 400, "not right"],
    [address("/promql", { tz: "Nowhere" }), 400, ...zone],
    ["/sql/nope", 404, "/sql/nope"],
    ["/dashboards/nope", 404, "nope"],
    ["/dashboards/nope/edit", 404, "nope"],
    ["/dashboards/service?t=abc", 400, ...time],
    ["/dashboards/service?refresh=1s", 400, "refresh", "off, 10s"],
    ["/dashboards/service/panel?n=0", 400, "n", "a whole number from 1"],
    ["/dashboards/service/panel?n=99", 400, "n", "panels was expected"],
    ["/start?for=nope", 400, "for", "one of"],
    ["/preferences/keep?theme=nope", 400, "theme", "system, light, dark"],
    ["/nope", 404, "/nope"],
    ["/traces", 404, "/traces"],
    // Bytes that are no text.
    ["/traces/%ff", 400, "UTF-8"],
    ["/services/%ff", 400, "UTF-8"],
    ["/incidents/%ff", 400, "UTF-8"],
    ["/sql/%ff", 400, "UTF-8"],
    ["/dashboards/%ff", 400, "UTF-8"],
  ];
}

/** Addresses that name what is not there, but not in vain. */
const odder = (id) => [
  [address(`/traces/${id}`, { span: "00000000000000ff" }), "not among the rows of this trace"],
  [address(`/traces/${id}`, { log: "nope" }), "not among the rows of this trace"],
  [address(`/traces/${id}`, { fold: "nope,*zz,x", z: "all" }), "Waterfall"],
  [address(`/traces/${id}`, { find: "(" }), "expected"],
  ["/map?service=nope", "Nothing is known around nope"],
  ["/explain?service=nope&t=now-1h", "nope"],
];

async function checkWrong(browser, server, checks, trace) {
  for (const script of [true, false]) {
    await asVisitor(browser, { origin: server.http, script, failures: true, checks, name: `bad addresses ${script ? "with" : "without"} script` }, async (page) => {
      for (const [path, status, ...parts] of wrongAddresses(trace.traceId)) {
        const answer = await page.goto(path);
        const shown = path.slice(0, 80);
        checks.equal(`status of ${shown}`, answer.status(), status);
        checks.equal(`navigation on ${shown}`, await page.getByRole("navigation", { name: "Pages" }).count(), 1);
        const text = await textOf(page.locator("main"));
        for (const part of parts) checks.that(`${shown} says ${part}`, text.includes(part), text || (await page.content()).slice(0, 300));
        await fits(page, checks, shown);
      }
      for (const [path, part] of odder(trace.traceId)) {
        const answer = await page.goto(path);
        checks.equal(`status of ${path}`, answer.status(), 200);
        if (script && path.startsWith("/traces/")) await ready(page);
        const text = await mainText(page);
        checks.that(`${path} says so`, text.includes(part), text);
      }
    });
  }
}

/** Pages with the parameters that they read. */
const PARAMETERS = {
  "/": [],
  "/incidents": ["t"],
  "/incidents/nope": ["t"],
  "/services": ["t"],
  "/services/farm": ["t", "sel", "namespace", "environment"],
  "/map": ["t", "service", "hops"],
  "/search": ["tab", "t", "q", "cursor", "cols", "sort", "sel", "by", "open", "whole"],
  "/search/row": ["tab", "t", "open"],
  "/compare": ["sel", "vs", "t", "q"],
  "/explain": ["t", "vs", "service"],
  "/promql": ["q", "off", "t", "step", "show", "sel", "find", "service"],
  "/sql": ["q", "as"],
  "/sql/rows.csv": ["q"],
  "/dashboards": ["q", "tag"],
  "/dashboards/service": ["t", "var-service", "refresh", "whole"],
  "/dashboards/service/panel": ["n", "t", "var-service"],
  "/status": [],
  "/start": ["for"],
  "/preferences": ["back"],
};

const STRANGE = ["%00", "%ff%fe", "%F0%9F%92%A9", "-1", "1e999", "9".repeat(40), "..", "0..0", "now-99999999999999999999w", "-9223372036854775808..9223372036854775807", "1.2.3", ",,,:,", "%22", "%5C", "*".repeat(200), "(".repeat(300), "a".repeat(9_000), "../../etc/passwd", "%3Cscript%3E"];

/** Whatever a parameter is, the answer is a page with its frame or a file, and no failure of the program. */
async function checkStrange(server, checks, trace) {
  const all = { ...PARAMETERS, [`/traces/${trace.traceId}`]: ["view", "z", "span", "log", "find", "page"], [`/traces/${trace.traceId}/detail`]: ["row", "outline"] };
  const wrong = new Set();
  let asked = 0;
  for (const [path, names] of Object.entries(all)) {
    for (const name of [...names, "tz", "unknown"]) {
      for (const value of STRANGE) {
        const answer = await fetch(`${server.http}${path}?${name}=${value}`, { redirect: "manual" });
        const text = await answer.text();
        asked += 1;
        const isFramed = text.includes('aria-label="Pages"');
        const isRight = answer.status < 400 || ([400, 403, 404, 422].includes(answer.status) && isFramed);
        if (!isRight) wrong.add(`${answer.status} ${path}?${name}=${value.slice(0, 40)}${isFramed ? "" : " without the frame"}: ${text.slice(0, 200)}`);
      }
    }
  }
  checks.that("strange values were tried", asked > 500, String(asked));
  checks.equal("strange values are answered", [...wrong], []);
}

/** All of it, with a program of its own. */
async function checkAddresses(browser, binary, checks) {
  const own = (name, body) => checks.group(name, () => withDirectory((data) => withCauseway(binary, data, checks, body)));
  await own("odd traces and addresses", async (server) => {
    const [circles, trace] = [rings(Date.now()), turned(Date.now())];
    await send(server, circles);
    await checkRings(browser, server, checks, circles);
    await checkStrange(server, checks, circles);
    await send(server, trace);
    await checkWrong(browser, server, checks, trace);
  });
}

module.exports = { checkAddresses };
