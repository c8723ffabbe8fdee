"use strict";
// Traces made for the tests of the trace page, as OTLP JSON. What is in them is the same in every run but for the time.

const NANOS_PER_MS = 1_000_000n;
const KINDS = { internal: 1, server: 2, client: 3 };
/** Spans in a request. */
const SPANS_PER_REQUEST = 5_000;

const hex = (number, digits) => BigInt(number).toString(16).padStart(digits, "0");

/** Collects the spans and logs of one trace, with times in milliseconds from its start. */
class Maker {
  constructor(number, now) {
    this.traceId = hex(0xace0_0000 + number, 32);
    this.start = BigInt(now) * NANOS_PER_MS - 60_000n * NANOS_PER_MS;
    this.spans = [];
    this.logs = [];
  }

  nanos(ms) {
    return String(this.start + BigInt(Math.round(ms * 1e6)));
  }

  /** Adds a span and returns its id. */
  span(service, name, parent, from, to, { error, id, kind = "internal", events = [], attributes = [] } = {}) {
    const spanId = id ?? hex(this.spans.length + 1, 16);
    this.spans.push([
      service,
      {
        traceId: this.traceId,
        spanId,
        parentSpanId: parent ?? "",
        name,
        kind: KINDS[kind],
        startTimeUnixNano: this.nanos(from),
        endTimeUnixNano: this.nanos(to),
        attributes: [{ key: "http.route", value: { stringValue: `/r${this.spans.length % 3}` } }, ...texts(attributes)],
        events: events.map(([at, event]) => ({ timeUnixNano: this.nanos(at), name: event, attributes: [] })),
        status: error ? { code: 2, message: error } : {},
      },
    ]);
    return spanId;
  }

  log(service, span, at, severityNumber, body, attributes = []) {
    const record = { timeUnixNano: this.nanos(at), severityNumber, body: { stringValue: body }, traceId: this.traceId, attributes: texts(attributes) };
    this.logs.push([service, span ? { ...record, spanId: span } : record]);
  }

  /** Requests by path, each small enough for the receiver. */
  *requests() {
    for (let at = 0; at < this.spans.length; at += SPANS_PER_REQUEST) {
      const part = this.spans.slice(at, at + SPANS_PER_REQUEST);
      yield ["/v1/traces", { resourceSpans: resources(part, (spans) => ({ scopeSpans: [{ spans }] })) }];
    }
    if (this.logs.length > 0) {
      yield ["/v1/logs", { resourceLogs: resources(this.logs, (logRecords) => ({ scopeLogs: [{ logRecords }] })) }];
    }
  }
}

const texts = (pairs) => pairs.map(([key, value]) => ({ key, value: { stringValue: value } }));

function resources(records, scoped) {
  const byService = new Map();
  for (const [service, record] of records) {
    byService.set(service, [...(byService.get(service) ?? []), record]);
  }
  return [...byService].map(([service, list]) => ({
    resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
    ...scoped(list),
  }));
}

/** Queries one after another, a failing branch, logs and events, and all that can be odd about a trace. */
function odd(now) {
  const trace = new Maker(1, now);
  const root = trace.span("web", "GET /orders", null, 0, 1000, { kind: "server", error: "upstream failed" });
  const list = trace.span("orders", "list orders", root, 10, 700, { kind: "server" });
  for (let query = 0; query < 40; query += 1) {
    trace.span("orders", "SELECT order", list, 20 + 16 * query, 34 + 16 * query, { kind: "client" });
  }
  const charge = trace.span("pay", "charge", root, 720, 980, { error: "card declined", events: [[730, "retry"], [960, "exception"]] });
  trace.log("pay", charge, 740, 13, "card is slow");
  trace.log("pay", charge, 970, 17, "card declined for ann");
  const bank = trace.span("bank", "authorize", charge, 725, 950, { error: "no answer" });
  trace.span("bank", "parse", bank, 715, 740);
  trace.span("cart", "lost", "00000000000000aa", 300, 320);
  trace.span("cart", "twice", root, 100, 110, { id: "00000000000000bb" });
  trace.span("cart", "twice", root, 120, 130, { id: "00000000000000bb" });
  trace.log("web", null, 990, 9, "<b>order</b> was not placed");
  return trace;
}

/** A chain of spans, each the parent of the next. */
function chain(length, now) {
  const trace = new Maker(2, now);
  let parent = null;
  for (let depth = 0; depth < length; depth += 1) {
    parent = trace.span(`s${depth % 30}`, `step ${depth % 7}`, parent, depth * 0.001, length * 0.001 + 5);
  }
  return trace;
}

/** A trace of many services: each calls up to ten others. */
function crowd(services, now) {
  const trace = new Maker(3, now);
  for (let number = 0; number < services; number += 1) {
    const caller = number === 0 ? null : hex(Math.floor((number - 1) / 10) + 1, 16);
    const depth = Math.ceil(Math.log10(number * 0.9 + 1));
    const name = `service-${String(number).padStart(5, "0")}`;
    trace.span(name, "GET /", caller, depth + number * 1e-4, 100 - depth, { kind: "server", error: number % 1000 === 999 && "it failed" });
  }
  return trace;
}

/** A trace whose every name, text, key and value has `bytes` bytes, some of them in letters of two bytes. */
function long(bytes, now) {
  const trace = new Maker(4, now);
  const of = (begin, letter) => begin + letter.repeat((bytes - begin.length) / Buffer.byteLength(letter));
  const [caller, callee] = [of("caller", "é"), of("callee", "s")];
  const attributes = [[of("key", "k"), "short"], ["short.key", of("value", "v")]];
  const message = of("message", "m");
  const root = trace.span(caller, of("root", "r"), null, 0, 100, { kind: "server", error: message });
  const call = trace.span(caller, of("call", "<"), root, 10, 90, { kind: "client", error: message });
  const span = trace.span(callee, of("name", "n"), call, 20, 80, { kind: "server", error: message, attributes, events: [[30, of("event", "e")]] });
  trace.log(callee, span, 40, 17, of("body", "b"), attributes);
  trace.log(callee, span, 50, 9, of("words ", "of é "), attributes);
  return { traceId: trace.traceId, span, requests: () => trace.requests() };
}

/** Letters that run from right to left, and a mark that turns around all that follows it, as names and texts. */
const HEBREW = "\u05e9\u05dc\u05d5\u05dd";
const TURNED = "gnp.exe";

function turned(now) {
  const trace = new Maker(5, now);
  const mark = `\u202e${TURNED}`;
  const attributes = [["hebrew", HEBREW], ["mark", mark]];
  const root = trace.span(HEBREW, mark, null, 0, 900, { kind: "server", error: mark, attributes });
  const call = trace.span(mark, HEBREW, root, 100, 800, { kind: "server", error: HEBREW, attributes, events: [[200, HEBREW], [300, mark]] });
  for (let query = 0; query < 12; query += 1) {
    trace.span(mark, HEBREW, call, 110 + 20 * query, 120 + 20 * query, { kind: "client" });
  }
  trace.log(HEBREW, root, 400, 17, mark, attributes);
  trace.log(mark, call, 500, 17, HEBREW, attributes);
  return trace;
}

/** Two spans that are each other's parents, with one below them, and a span that is its own parent. */
function rings(now) {
  const trace = new Maker(6, now);
  const [hen, egg, self] = ["00000000000000a1", "00000000000000a2", "00000000000000a3"];
  trace.span("farm", "hen", egg, 0, 50, { id: hen });
  trace.span("farm", "egg", hen, 10, 40, { id: egg });
  trace.span("farm", "feather", egg, 20, 30);
  trace.span("farm", "self", self, 60, 70, { id: self });
  return trace;
}

/** Many spans as services make them: trees of trees, a thousandth of them failed. */
function* large(spans, now) {
  const operations = 40;
  const start = new Float64Array(spans);
  const length = new Float64Array(spans);
  let seed = 12_345;
  const random = () => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return seed / 0x7fff_ffff;
  };
  let trace = new Maker(1_000 + spans, now);
  for (let number = 0; number < spans; number += 1) {
    let parent = -1;
    length[number] = 50_000;
    if (number > 0) {
      // Mostly near, so that subtrees are as large as they are in life.
      parent = random() < 0.2 ? Math.floor(random() * number) : Math.max(0, number - 1 - Math.floor(random() * 12));
      start[number] = start[parent] + random() * length[parent] * 0.9;
      length[number] = Math.max(0.001, random() * (length[parent] + start[parent] - start[number]) * 0.8);
    }
    const operation = Math.floor(random() * random() * operations);
    const error = random() < 0.001 && "it failed";
    trace.span(`service-${operation % 13}`, `operation ${operation}`, parent < 0 ? null : hex(parent + 1, 16), start[number], start[number] + length[number], { error, id: hex(number + 1, 16) });
    if (trace.spans.length === SPANS_PER_REQUEST) {
      yield* trace.requests();
      trace = new Maker(1_000 + spans, now);
    }
  }
  yield* trace.requests();
}

/** The id of a trace of [`large`]. */
const largeId = (spans) => hex(0xace0_0000 + 1_000 + spans, 32);

module.exports = { odd, chain, crowd, long, turned, rings, large, largeId, HEBREW, TURNED };
