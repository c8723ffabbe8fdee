"use strict";
// Dashboards: the list, the three that are built in, the editor, an import from Grafana; with script in both themes and
// without. run.js calls `checkDashboards`; alone it is `dashboards.js PATH/TO/causeway`.

const { readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { Checks } = require("../checks.js");
const { ask, withCauseway, withDirectory } = require("../causeway.js");
const { FAILURE, shop } = require("./shop.js");
const { asVisitor, fits, violations, withBrowser } = require("./visitor.js");

/** How long a change of a file may take to be seen, in milliseconds. */
const SEEN_MS = 15_000;
const BUILT_IN = [["service", /^Service/], ["runtime", /^Runtime/], ["causeway", /^Causeway itself/]];
const TEXT = `title = "Mine"
tags = ["own"]

[[variable]]
name = "colour"
kind = "list"
values = ["red", "green"]
multi = true

# The first panel.
[[panel]]
title = "Words"
kind = "text"
text = "Of $colour."

[[panel]]
title = "Numbers"
kind = "stat"
unit = "s"
[[panel.query]]
expr = "vector(61)"

[[panel]]
title = "Lines"
kind = "graph"
[[panel.query]]
expr = 'label_replace(vector(1), "who", "$colour", "", "")'
legend = "{{who}}"
[[panel.query]]
expr = "time() - time() + 2"
legend = "two"
[[panel.threshold]]
from = 2.0
level = "bad"
`;
/** What stands behind the last panel, and is none. */
const BEHIND = '# Stays behind.\n[[variable]]\nname = "size"\nkind = "text"\n';
const UNDO = "Undo what was done with panels";
/** An act by the keyboard, what has the focus then, and what is said. The panels are Words, Numbers and Lines. */
const ACTS = [
  ["Move down Words", "Move down Words", "Moved Words down: panel 2 of 3"],
  ["Move down Words", "Move up Words", "Moved Words down: panel 3 of 3"],
  ["Make wider Words", "Make wider Words", "Words is 14 of 24 columns wide"],
  ["Make narrower Words", "Make narrower Words", "Words is 12 of 24 columns wide"],
  ["Remove Numbers", "Remove Lines", "Removed Numbers"],
  ["Remove Words", "Add a panel", "Removed Words"],
  [UNDO, UNDO, "Undone: Removed Words"],
];
const GRAFANA = JSON.stringify({
  title: "From there",
  templating: { list: [{ type: "custom", name: "size", query: "1,2" }, { type: "adhoc", name: "filters" }] },
  panels: [
    { type: "stat", title: "Kept", targets: [{ refId: "A", expr: "vector($size)" }], gridPos: { x: 0, y: 0, w: 6, h: 4 } },
    { type: "news", title: "Lost" },
  ],
});

const panel = (page, title) => page.getByRole("region", { name: title, exact: true });
const drawn = (page, title) => panel(page, title).locator(".drawn:not(:has-text('Waiting for its answer'))");

async function checkList(page, checks) {
  await page.goto("/dashboards");
  for (const title of ["Service", "Runtime", "Causeway itself"]) await page.getByRole("link", { name: title, exact: true }).waitFor();
  checks.equal("axe on the list of dashboards", await violations(page), []);
  await fits(page, checks, "the list of dashboards");
  await page.getByRole("textbox", { name: "Words of a dashboard" }).fill("neighbours");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=neighbours/);
  checks.equal("dashboards with a word", await page.getByRole("table").locator("tbody tr").count(), 1);
}

async function checkBuiltIn(page, checks, theme) {
  for (const [name, heading] of BUILT_IN) {
    await page.goto(`/dashboards/${name}?t=now-1h`);
    await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    checks.equal(`axe on ${name} in ${theme}`, await violations(page), []);
    await fits(page, checks, `the dashboard ${name}`);
    checks.equal(`panels of ${name} that failed`, await page.locator(".drawn .failure").allInnerTexts(), []);
  }
}

/** What others call of the service that fails. */
const CALLED = "shop.Payment/Charge";

/** The service's calls are those that were sent, and one panel asks on the page of metrics. */
async function checkService(page, checks) {
  await page.goto(`/dashboards/service?t=now-1h&var-service=${FAILURE.service}`);
  await drawn(page, "Calls by operation").waitFor();
  const words = await panel(page, "Calls by operation").innerText();
  checks.that("the operation that is called is drawn", words.includes(CALLED), words);
  await page.waitForFunction(() => document.querySelector(".dash-panel .plot canvas") !== null);
  checks.that("its queries lead to the page of metrics", (await panel(page, "Calls by operation").getByRole("link", { name: /^Query/ }).getAttribute("href")).startsWith("/promql?q="));
}

/** Variables, the crosshair, a stretch of time by the keyboard, and refreshing. */
async function checkPanels(page, checks) {
  await page.goto("/dashboards/mine?t=now-1h&var-colour=red&refresh=10s&tz=Asia%2FTokyo");
  await drawn(page, "Words").waitFor();
  checks.that("a text has the variable", (await panel(page, "Words").innerText()).includes("Of red."));
  await drawn(page, "Numbers").waitFor();
  checks.that("a figure has its unit", (await panel(page, "Numbers").innerText()).includes("1 m 01 s"));
  const plot = panel(page, "Lines").locator(".plot");
  await plot.waitFor();
  await page.getByRole("region", { name: "Series of Lines", exact: true }).waitFor();
  checks.equal("what is bad is said, too", await panel(page, "Lines").locator(".legend td.bad:has(.icon)").allTextContents(), ["bad: 2"]);
  await plot.focus();
  for (const key of ["ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft"]) await page.keyboard.press(key);
  await page.keyboard.press("Enter");
  await page.waitForURL(/t=\d{4}-/);
  const address = new URL(page.url());
  checks.equal("the variable stays in the address", address.searchParams.get("var-colour"), "red");
  await page.goBack();
  await drawn(page, "Words").waitFor();
  await page.locator("summary").filter({ hasText: "colour" }).click();
  await page.getByRole("checkbox", { name: "green" }).check();
  await page.getByRole("button", { name: "Show" }).click();
  await page.waitForURL(/var-colour=red&var-colour=green/);
  checks.equal("the zone stays in the address", new URL(page.url()).searchParams.get("tz"), "Asia/Tokyo");
  await drawn(page, "Lines").waitFor();
  checks.that("two values in one place are refused", (await panel(page, "Lines").innerText()).includes("=~"));
}

/** Writes one, changes it, and is told of a change by somebody else. */
async function checkEditor(page, checks, data) {
  await page.goto("/dashboards/new");
  await page.getByLabel("Name of the file").fill("mine");
  const area = page.getByRole("textbox", { name: "Text of the dashboard" });
  await area.fill("title = 1");
  await page.locator("#checked").getByText("line 1").waitFor();
  await area.fill(TEXT);
  await page.locator("#checked").getByText("The text is right").waitFor();
  checks.equal("axe on the editor", await violations(page), []);
  await page.getByRole("button", { name: "Make wider Words" }).click();
  await page.getByRole("button", { name: "Move down Words" }).click();
  const text = await area.inputValue();
  checks.that("a panel is wider and keeps its comment", text.includes("# The first panel.\n[[panel]]\nwidth = 14\ntitle = \"Words\""), text);
  checks.that("a panel is moved", text.indexOf("Numbers") < text.indexOf("Words"), text);
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/dashboards\/mine$/);
  checks.equal("the file", readFileSync(join(data, "dashboards", "mine.toml"), "utf8"), text);
  await page.getByRole("link", { name: "Edit" }).click();
  await area.waitFor();
  writeFileSync(join(data, "dashboards", "mine.toml"), `${text}\n`);
  await area.fill(text.replace("Mine", "Ours"));
  const [answer] = await Promise.all([page.waitForResponse((each) => each.request().method() === "POST" && each.url().endsWith("/edit")), page.getByRole("button", { name: "Save" }).click()]);
  checks.equal("a change by somebody else", answer.status(), 409);
  await page.getByText("was changed since it was opened").waitFor();
  checks.that("what was written stays", (await area.inputValue()).includes("Ours"));
  checks.equal("nothing is left beside the file", readdirSync(join(data, "dashboards")), ["mine.toml"]);
}

/** Each act leaves the focus at the next one; what is written is not disturbed; a text that cannot be checked is said to be so. */
async function checkEditorKeys(page, checks) {
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id);
  await page.goto("/dashboards/new");
  const area = page.getByRole("textbox", { name: "Text of the dashboard" });
  await area.fill(`${TEXT}\n${BEHIND}`);
  for (const [act, expected, words] of ACTS) {
    await page.getByRole("button", { name: act, exact: true }).focus();
    await page.keyboard.press("Enter");
    checks.equal(`the focus after ${act}`, await focused(), expected);
    checks.equal(`what is said after ${act}`, await page.locator("#said").innerText(), words);
  }
  checks.that("what is no panel stays where it was", (await area.inputValue()).endsWith(BEHIND), await area.inputValue());
  await area.focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("x");
  await page.locator("#checked .failure").waitFor();
  checks.equal("the focus after the text was checked", await focused(), "text");
  await page.route("**/dashboards/check", (route) => route.fulfill({ status: 413, body: "" }));
  await page.keyboard.type("y");
  await page.getByRole("status").getByText("could not be checked: it was answered with 413").waitFor();
}

/** A file that becomes wrong is listed with its line, and what was right stays shown. */
async function checkWrongFile(page, checks, data) {
  const file = join(data, "dashboards", "mine.toml");
  const right = readFileSync(file, "utf8");
  writeFileSync(file, `${right}\ncolour = 1\n`);
  const seen = async () => {
    await page.goto("/dashboards");
    return (await page.getByText("unknown field").count()) > 0;
  };
  const until = Date.now() + SEEN_MS;
  while (!(await seen()) && Date.now() < until) await page.waitForTimeout(500);
  checks.that("the list says what is wrong", await seen());
  await page.goto("/dashboards/mine");
  await page.getByText("The file is not right any more").waitFor();
  await drawn(page, "Words").waitFor();
  writeFileSync(file, right);
}

async function checkImport(page, checks) {
  await page.goto("/dashboards/import");
  checks.equal("axe on the import", await violations(page), []);
  await page.getByLabel("A file that Grafana exported").setInputFiles({ name: "g.json", mimeType: "application/json", buffer: Buffer.from(GRAFANA) });
  await page.waitForFunction(() => document.getElementById("text").value.includes("From there"));
  await page.getByRole("button", { name: "Import" }).click();
  await page.getByRole("heading", { name: "What was left out" }).waitFor();
  const left = await page.locator("#left-out li").allInnerTexts();
  checks.equal("what was left out", left.map((line) => line.split(":")[0]), ['variable "filters"', 'panel "Lost"']);
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/dashboards\/from-there$/);
  await drawn(page, "Kept").waitFor();
  checks.that("its panel is answered", (await panel(page, "Kept").innerText()).includes("1"));
}

/** Without script all panels are drawn by the server, and texts can be saved. */
async function checkWithoutScript(page, checks) {
  await page.goto("/dashboards/mine?t=now-1h&var-colour=green");
  await page.waitForURL(/whole=1/);
  checks.that("panels are drawn", (await panel(page, "Words").innerText()).includes("Of green."));
  checks.equal("a graph is drawn", await panel(page, "Lines").locator("svg path.line").count(), 2);
  await page.goto("/dashboards/mine/edit");
  await page.getByRole("button", { name: "Save" }).click();
  await page.waitForURL(/dashboards\/mine(\?|$)/);
}

/** A page of another origin changes nothing. */
async function checkOrigins(server, checks) {
  const body = new URLSearchParams({ name: "stolen", text: 'title = "Stolen"' });
  const answer = await fetch(`${server.http}/dashboards/new`, { method: "POST", body, headers: { origin: "https://elsewhere.example" }, redirect: "manual" });
  checks.equal("a form of another origin", answer.status, 403);
  const there = await fetch(`${server.http}/dashboards/stolen`);
  checks.equal("what it would have written", there.status, 404);
}

async function checkEach(browser, server, checks, data) {
  const as = (options, body) => asVisitor(browser, { origin: server.http, checks, ...options }, body);
  await as({ name: "list of dashboards" }, (page) => checkList(page, checks));
  for (const theme of ["light", "dark"]) await as({ theme, name: `dashboards in ${theme}` }, (page) => checkBuiltIn(page, checks, theme));
  await as({ name: "dashboard of a service" }, (page) => checkService(page, checks));
  await as({ name: "editor of dashboards", failures: true }, (page) => checkEditor(page, checks, data));
  await as({ name: "editor of dashboards by keyboard", failures: true }, (page) => checkEditorKeys(page, checks));
  await as({ name: "panels" }, (page) => checkPanels(page, checks));
  await as({ name: "a dashboard's file that is wrong" }, (page) => checkWrongFile(page, checks, data));
  await as({ name: "import of a dashboard" }, (page) => checkImport(page, checks));
  await as({ script: false, name: "dashboards without script" }, (page) => checkWithoutScript(page, checks));
  await checkOrigins(server, checks);
}

/** All of it, with a program of its own whose folder is written into. */
async function checkDashboards(browser, binary, checks) {
  const { requests } = shop(Date.now());
  const everything = (data) => async (server) => {
    for (const [path, body] of Object.entries(requests)) await ask(`${server.otlp}${path}`, body);
    await checkEach(browser, server, checks, data);
  };
  await checks.group("dashboards", () => withDirectory((data) => withCauseway(binary, data, checks, everything(data))));
}

async function main() {
  const checks = new Checks();
  await checks.group("the run", () => withBrowser((browser) => checkDashboards(browser, process.argv[2], checks)));
  checks.close();
}

if (require.main === module) main();

module.exports = { checkDashboards };
