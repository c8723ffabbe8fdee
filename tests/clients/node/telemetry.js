"use strict";
// Loaded before the service (`node --require ./telemetry.js`): the SDK with OTLP over HTTP in JSON, gzipped.
// Endpoint and service name come from the environment, as the page at /start tells people to set them.

const { NodeSDK } = require("@opentelemetry/sdk-node");
const { BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
const { AggregationType, InstrumentType, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-http");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-http");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");

const gzip = { compression: "gzip" };
const sdk = new NodeSDK({
  traceExporter: new OTLPTraceExporter(gzip),
  logRecordProcessors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(gzip) })],
  metricReaders: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(gzip) })],
  views: [
    {
      instrumentName: "node.basket.worth",
      instrumentType: InstrumentType.HISTOGRAM,
      aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
    },
  ],
  instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()],
});
sdk.start();

// What has not been sent is sent now.
process.on("SIGTERM", async () => {
  await sdk.shutdown();
  process.exit(0);
});
