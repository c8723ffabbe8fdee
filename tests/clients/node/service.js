"use strict";
// An express service that asks itself over HTTP, so that one trace has client and server spans. The basket of
// `nobody` fails, and says so inside the span. Its port is its first line on standard output.

const http = require("node:http");
const express = require("express");
const { trace, metrics, SpanStatusCode } = require("@opentelemetry/api");
const { logs, SeverityNumber } = require("@opentelemetry/api-logs");

const tracer = trace.getTracer("basket", "2.0.0");
const logger = logs.getLogger("basket", "2.0.0");
const meter = metrics.getMeter("basket");
const baskets = meter.createCounter("node.baskets", { unit: "{basket}" });
const took = meter.createHistogram("node.basket.duration", {
  unit: "s",
  advice: { explicitBucketBoundaries: [0.1, 1, 10] },
});
const worth = meter.createHistogram("node.basket.worth", { unit: "EUR" });
const open = meter.createUpDownCounter("node.baskets.open");
meter.createObservableGauge("node.heap.used", { unit: "By" }).addCallback((result) => {
  result.observe(process.memoryUsage().heapUsed, { kind: "v8" });
});

const app = express();

app.get("/basket/:user", async (request, response) => {
  const { user } = request.params;
  open.add(1);
  took.record(0.25, { user });
  worth.record(99.5, { user });
  logger.emit({
    severityNumber: SeverityNumber.INFO,
    severityText: "INFO",
    body: { message: "basket opened", user, items: 3, gift: false },
    attributes: { "user.name": user },
  });
  const stock = await get(`http://127.0.0.1:${request.socket.localPort}/stock/${user}`);
  baskets.add(1, { user });
  open.add(-1);
  response.status(stock).json({ stock });
});

app.get("/stock/:user", (request, response) => {
  tracer.startActiveSpan("count the stock", (span) => {
    span.setAttributes({ "stock.items": 12, "stock.share": 0.5, "stock.fresh": true, "stock.skus": ["A", "B"] });
    const fails = request.params.user === "nobody";
    if (fails) {
      const error = new RangeError("no such shelf");
      span.recordException(error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      logger.emit({ severityNumber: SeverityNumber.ERROR, severityText: "ERROR", body: "shelf is missing" });
    }
    span.end();
    response.status(fails ? 500 : 200).json({ items: 12 });
  });
});

/** Status of a GET. */
function get(url) {
  return new Promise((resolve, reject) => {
    http.get(url, (answer) => answer.resume().on("end", () => resolve(answer.statusCode))).on("error", reject);
  });
}

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
