"use strict";
// A small shop's telemetry as OTLP JSON: six services, eight orders that went well and one that failed because the
// bank did not answer. What is in it is the same in every run, but for the time, which is shortly before now.

const FRONTEND = "frontend";
const CHECKOUT = "checkout";
const CART = "cart";
const INVENTORY = "inventory";
const PAYMENT = "payment";
const SHIPPING = "shipping";

/** The line of log that leads to the failing span, and the span it stands under. */
const FAILURE = {
  log: "bank did not answer within 800 ms, giving up after 3 attempts",
  span: "charge card",
  service: PAYMENT,
  exception: "BankTimeout",
  root: "POST /checkout",
};

/** The orders, and which of them fails. */
const PACES = [1, 1.31, 0.84, 1.12, 0.97, 1.66, 1, 1.05, 0.91];
const FAILING = 6;

const KINDS = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 };
const LEVELS = { DEBUG: 5, INFO: 9, WARN: 13, ERROR: 17 };
const NANOS_PER_MS = 1_000_000n;

/** An attribute value as OTLP writes it. */
function anyValue(value) {
  if (Array.isArray(value)) {
    return { arrayValue: { values: value.map(anyValue) } };
  }
  switch (typeof value) {
    case "boolean":
      return { boolValue: value };
    case "number":
      return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    default:
      return { stringValue: value };
  }
}

function attributes(record) {
  return Object.entries(record).map(([key, value]) => ({ key, value: anyValue(value) }));
}

/** Collects the spans and logs of one trace, with times in milliseconds from its start. */
class Recorder {
  /** With a pace above 1 all in it takes that much longer. */
  constructor(number, start, pace) {
    this.traceId = `4bf92f3577b34da6a3ce929d0e0e${number.toString(16).padStart(4, "0")}`;
    this.number = number;
    this.start = start;
    this.pace = pace;
    this.spans = [];
    this.logs = [];
  }

  nanos(ms) {
    return String(this.start + BigInt(Math.round(ms * this.pace * 1000)) * (NANOS_PER_MS / 1000n));
  }

  /** Adds a span and returns its id. */
  span(service, kind, name, parent, from, to, more = {}) {
    const id = `b7ad6b71${(0x6920_0000 + this.number * 256 + this.spans.length + 1).toString(16)}`;
    const status = more.error ? { code: 2, message: more.error } : {};
    const events = (more.events ?? []).map(([at, event, about]) => ({
      timeUnixNano: this.nanos(at),
      name: event,
      attributes: attributes(about),
    }));
    this.spans.push([
      service,
      {
        traceId: this.traceId,
        spanId: id,
        parentSpanId: parent ?? "",
        name,
        kind: KINDS[kind],
        startTimeUnixNano: this.nanos(from),
        endTimeUnixNano: this.nanos(to),
        attributes: attributes(more.about ?? {}),
        events,
        status,
      },
    ]);
    return id;
  }

  /** Adds a line of log under a span. */
  log(service, span, at, level, body, about = {}) {
    this.logs.push([
      service,
      {
        timeUnixNano: this.nanos(at),
        observedTimeUnixNano: this.nanos(at),
        severityNumber: LEVELS[level],
        severityText: level,
        body: { stringValue: body },
        attributes: attributes(about),
        traceId: this.traceId,
        spanId: span,
      },
    ]);
  }
}

function http(method, route, status) {
  return { "http.request.method": method, "http.route": route, "http.response.status_code": status };
}

function rpc(service, method) {
  return { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method };
}

function db(system, operation, statement) {
  return { "db.system.name": system, "db.operation.name": operation, "db.query.text": statement };
}

/** The part that all orders have: the cart, three reservations, the quote for shipping. */
function beforePayment(trace, failed) {
  const status = failed ? 502 : 200;
  const error = failed && "payment failed";
  const length = failed ? 2604 : 196;
  const about = { ...http("POST", "/checkout", status), "user.id": "u-1042", "cart.total": 129.9 };
  const root = trace.span(FRONTEND, "server", FAILURE.root, null, 0, length, { about, error });
  trace.log(FRONTEND, root, 1.2, "INFO", "checkout started for u-1042");
  const call = trace.span(FRONTEND, "client", "shop.Checkout/PlaceOrder", root, 2, length - 2, {
    about: rpc("shop.Checkout", "PlaceOrder"),
    error,
  });
  const order = trace.span(CHECKOUT, "server", "shop.Checkout/PlaceOrder", call, 4, length - 4, {
    about: { ...rpc("shop.Checkout", "PlaceOrder"), "order.items": 3 },
    error,
  });
  readCart(trace, order);
  reserve(trace, order);
  const quote = trace.span(CHECKOUT, "client", "shop.Shipping/Quote", order, 96, 118, { about: rpc("shop.Shipping", "Quote") });
  const quoted = trace.span(SHIPPING, "server", "shop.Shipping/Quote", quote, 98, 116, { about: rpc("shop.Shipping", "Quote") });
  trace.log(SHIPPING, quoted, 112, "DEBUG", "parcel of 1.4 kg to DE-10115: 4.90 EUR", { "parcel.kg": 1.4 });
  return { root, order };
}

function readCart(trace, order) {
  const call = trace.span(CHECKOUT, "client", "shop.Cart/Get", order, 6, 21, { about: rpc("shop.Cart", "Get") });
  const cart = trace.span(CART, "server", "shop.Cart/Get", call, 8, 19, { about: rpc("shop.Cart", "Get") });
  trace.span(CART, "client", "HGETALL cart", cart, 10, 16, { about: db("redis", "HGETALL", "HGETALL cart:u-1042") });
  trace.log(CART, cart, 17, "INFO", "cart of u-1042 has 3 items");
}

function reserve(trace, order) {
  const call = trace.span(CHECKOUT, "client", "shop.Inventory/Reserve", order, 23, 94, { about: rpc("shop.Inventory", "Reserve") });
  const server = trace.span(INVENTORY, "server", "shop.Inventory/Reserve", call, 25, 92, { about: rpc("shop.Inventory", "Reserve") });
  ["A-1", "B-2", "C-3"].forEach((sku, index) => {
    const from = 27 + 21 * index;
    trace.span(INVENTORY, "client", "UPDATE stock", server, from, from + 18, {
      about: db("postgresql", "UPDATE", "UPDATE stock SET reserved = reserved + 1 WHERE sku = $1"),
    });
    trace.log(INVENTORY, server, from + 19, "INFO", `reserved 1 of ${sku}`, { sku });
  });
}

/** An order that went well. */
function goodOrder(trace) {
  const { order } = beforePayment(trace, false);
  const call = trace.span(CHECKOUT, "client", "shop.Payment/Charge", order, 120, 168, { about: rpc("shop.Payment", "Charge") });
  const charge = trace.span(PAYMENT, "server", "shop.Payment/Charge", call, 122, 166, { about: rpc("shop.Payment", "Charge") });
  const card = trace.span(PAYMENT, "internal", FAILURE.span, charge, 126, 164, { about: { "card.network": "visa" } });
  trace.span(PAYMENT, "client", "POST bank", card, 128, 162, { about: http("POST", "/v2/charges", 201) });
  trace.log(PAYMENT, card, 163, "INFO", "charged 129.90 EUR");
  trace.span(CHECKOUT, "producer", "orders send", order, 171, 176, { about: { "messaging.system": "kafka" } });
  trace.log(CHECKOUT, order, 186, "INFO", "order placed");
}

/** The order whose bank did not answer, three times over. */
function failedOrder(trace) {
  const { root, order } = beforePayment(trace, true);
  const error = "payment failed";
  const call = trace.span(CHECKOUT, "client", "shop.Payment/Charge", order, 120, 2590, { about: rpc("shop.Payment", "Charge"), error });
  const charge = trace.span(PAYMENT, "server", "shop.Payment/Charge", call, 123, 2587, { about: rpc("shop.Payment", "Charge"), error });
  trace.span(PAYMENT, "client", "SELECT token", charge, 126, 133, {
    about: db("postgresql", "SELECT", "SELECT token FROM cards WHERE user_id = $1"),
  });
  const card = trace.span(PAYMENT, "internal", FAILURE.span, charge, 136, 2584, {
    about: { "card.network": "visa", "retry.max": 3, "bank.endpoints": ["bank-a:443", "bank-b:443"] },
    error: FAILURE.log,
    events: [
      [
        2581,
        "exception",
        {
          "exception.type": FAILURE.exception,
          "exception.message": "no answer from bank-a:443 within 800 ms",
          "exception.stacktrace": "BankTimeout: no answer from bank-a:443 within 800 ms\n    at Bank.charge (bank.js:41)\n    at charge (payment.js:88)",
        },
      ],
    ],
  });
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const from = 138 + (attempt - 1) * 815;
    trace.log(PAYMENT, card, from - 1, attempt === 1 ? "INFO" : "WARN", `asking the bank, attempt ${attempt} of 3`, { attempt });
    trace.span(PAYMENT, "client", "POST bank", card, from, from + 800, {
      about: { "http.request.method": "POST", "server.address": "bank-a", "http.request.resend_count": attempt - 1 },
      error: "timeout",
    });
  }
  trace.log(PAYMENT, card, 2582, "ERROR", FAILURE.log, { "bank.endpoint": "bank-a:443", attempts: 3 });
  const release = trace.span(CHECKOUT, "client", "shop.Inventory/Release", order, 2592, 2598, { about: rpc("shop.Inventory", "Release") });
  const released = trace.span(INVENTORY, "server", "shop.Inventory/Release", release, 2593, 2597, { about: rpc("shop.Inventory", "Release") });
  trace.span(INVENTORY, "client", "UPDATE stock", released, 2594, 2596, {
    about: db("postgresql", "UPDATE", "UPDATE stock SET reserved = reserved - 1 WHERE sku = ANY($1)"),
  });
  trace.log(CHECKOUT, order, 2599, "ERROR", "order failed: payment unavailable", { "order.items": 3 });
  trace.log(FRONTEND, root, 2602, "WARN", "answered 502 after 2.6 s");
}

/** Groups `[service, record]` pairs by service into OTLP's envelopes. */
function envelopes(pairs, scopes, records) {
  const services = new Map();
  for (const [service, record] of pairs) {
    services.set(service, [...(services.get(service) ?? []), record]);
  }
  return [...services].map(([service, list]) => ({
    resource: {
      attributes: attributes({
        "service.name": service,
        "service.namespace": "shop",
        "service.version": service === PAYMENT ? "1.42.0" : "1.41.3",
        "service.instance.id": `${service}-7d9f-1`,
        "deployment.environment.name": "production",
      }),
    },
    [scopes]: [{ scope: { name: `shop.${service}`, version: "1.0.0" }, [records]: list }],
  }));
}

/** The requests for the paths of an OTLP receiver, and the id of the failing trace. */
function shop(nowMs) {
  const orders = PACES.map((pace, index) => {
    // Two minutes apart, the last a minute ago.
    const start = BigInt(nowMs - 60_000 - (PACES.length - 1 - index) * 120_000) * NANOS_PER_MS;
    return { trace: new Recorder(index + 1, start, pace), fails: index === FAILING };
  });
  orders.forEach(({ trace, fails }) => (fails ? failedOrder : goodOrder)(trace));
  const traces = orders.map(({ trace }) => trace);
  return {
    failingTrace: orders.find(({ fails }) => fails).trace.traceId,
    requests: requestsOf(traces),
  };
}

/** What was recorded, by the path that takes it. */
function requestsOf(traces) {
  return {
    "/v1/traces": { resourceSpans: envelopes(traces.flatMap((trace) => trace.spans), "scopeSpans", "spans") },
    "/v1/logs": { resourceLogs: envelopes(traces.flatMap((trace) => trace.logs), "scopeLogs", "logRecords") },
  };
}

const SERVICES = [CART, CHECKOUT, FRONTEND, INVENTORY, PAYMENT, SHIPPING];

module.exports = { shop, requestsOf, http, Recorder, FAILURE, SERVICES };
