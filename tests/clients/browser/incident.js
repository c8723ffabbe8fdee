"use strict";
// From an open incident to the line that says why: to a trace at the guilty span, with its log, in three clicks.

const { REASON, withIncident } = require("./broken.js");
const { asVisitor, violations } = require("./visitor.js");

async function isSound(page, checks, what) {
  checks.equal(`axe on ${what}`, await violations(page), []);
  await page.setViewportSize({ width: 700, height: 900 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  checks.that(`${what} fits a narrow window`, wide <= 700, `${wide} pixels wide`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

/** Three clicks: the incident, its trace, the line. */
async function checkWay(page, checks, incident, theme) {
  await page.goto("/");
  await isSound(page, checks, `the overview with an incident in ${theme}`);
  await page.getByRole("main").locator(`a[href="/incidents/${incident.id}"]`).first().click();
  await page.waitForURL(/\/incidents\//);
  const suspect = await page.getByRole("main").innerText();
  checks.that("the page names the first suspect", suspect.includes("catalog"), suspect);
  await isSound(page, checks, `an incident in ${theme}`);
  await page.getByRole("main").locator('a[href^="/traces/"]').first().click();
  await page.waitForURL(/\/traces\/.*span=/);
  await page.locator("#trace[data-ready]").waitFor();
  await page.getByRole("complementary", { name: "Span" }).waitFor();
  const line = page.getByRole("treegrid").getByRole("link", { name: REASON }).last();
  await line.waitFor();
  await line.click();
  await page.getByRole("complementary", { name: /^Log/ }).getByText(REASON).first().waitFor();
  // Whether script shows the line or the server does, nothing is under way when the visitor goes on.
  await page.waitForURL(/[?&]log=/);
  await page.waitForLoadState("networkidle");
}

async function checkPages(page, checks, incident, theme) {
  await page.goto("/incidents");
  await page.getByRole("main").locator(`a[href="/incidents/${incident.id}"]`).first().waitFor();
  await isSound(page, checks, `the incidents in ${theme}`);
  await page.goto("/explain?t=now-5m");
  await page.getByRole("heading", { level: 1 }).waitFor();
  const text = await page.getByRole("main").innerText();
  checks.that("the newest minutes are explained", text.includes("catalog"), text);
  await isSound(page, checks, `an explanation in ${theme}`);
}

async function checkIncidents(browser, binary, checks) {
  await withIncident(binary, checks, async (server, incident) => {
    checks.equal("the first suspect", incident.suspects[0].service, "catalog");
    for (const visitor of [{ theme: "light" }, { theme: "dark" }, { script: false }]) {
      const name = `incident, ${visitor.theme ?? "without script"}`;
      await asVisitor(browser, { ...visitor, origin: server.http, checks, name }, async (page) => {
        if (visitor.script === false) return checkWithoutScript(page, incident);
        await checkWay(page, checks, incident, visitor.theme);
        await checkPages(page, checks, incident, visitor.theme);
      });
    }
  });
}

async function checkWithoutScript(page, incident) {
  await page.goto("/");
  await page.getByRole("main").locator(`a[href="/incidents/${incident.id}"]`).first().click();
  await page.getByRole("main").locator('a[href^="/traces/"]').first().click();
  await page.getByRole("treegrid").getByText(REASON).first().waitFor();
}

module.exports = { checkIncidents };
