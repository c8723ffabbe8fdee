"use strict";
// Counts what held and what did not; the last line of a run is `N passed, M failed`.

const { isDeepStrictEqual, inspect } = require("node:util");

class Checks {
  passed = 0;
  failed = 0;

  that(what, holds, detail = "") {
    if (holds) {
      this.passed += 1;
      return;
    }
    this.failed += 1;
    const text = typeof detail === "string" ? detail : inspect(detail, { depth: 6 });
    console.log(`  FAILED ${what}: ${text}`);
  }

  equal(what, found, expected) {
    this.that(what, isDeepStrictEqual(found, expected), { found, expected });
  }

  /** Runs `body`; an error in it is one failure. */
  async group(name, body) {
    try {
      await body();
    } catch (error) {
      this.that(name, false, error.stack);
    }
  }

  /** Prints the last line and sets the exit status. */
  close() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed > 0 ? 1 : 0;
  }
}

module.exports = { Checks };
