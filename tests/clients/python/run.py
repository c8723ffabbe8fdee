"""Real Python services against a real Causeway: `run.py PATH/TO/causeway`.

Two Flask services, instrumented by `opentelemetry-instrument` alone, talk to each other and export traces, logs
and metrics; once over gRPC and once over http/protobuf, each into a fresh store. They are then stopped, which
sends what is left; since an answered export can be asked for at once, nothing is waited for after that. The same
questions are put again after a restart, and once more when all is merged and indexed. Ends with a line
`N passed, M failed`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import parquet

HERE = Path(__file__).resolve().parent
START_SECONDS = 60
STOP_SECONDS = 60
PROTOCOLS = ["grpc", "http/protobuf"]


class Checks:
    """Counts what held and what did not."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def equal(self, what, found, expected):
        self.that(what, found == expected, f"found {found!r}, expected {expected!r}")

    def that(self, what, holds, detail=""):
        if holds:
            self.passed += 1
            return
        self.failed += 1
        print(f"  FAILED {what}: {detail}", flush=True)


class Causeway:
    """A running server: its addresses, and its API."""

    def __init__(self, binary, data):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CAUSEWAY_")}
        self.process = subprocess.Popen(
            [binary, "serve", "--data", str(data), "--listen", "127.0.0.1:0",
             "--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"], env=environment,
            stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.listening = {}
        self._read_addresses()
        # The rest is read too, or the pipe would fill up.
        threading.Thread(target=self._pass_on, daemon=True).start()

    def _read_addresses(self):
        timer = threading.Timer(START_SECONDS, self.process.kill)
        timer.start()
        for line in self.process.stderr:
            words = line.split()
            if words[:1] == ["listening"]:
                self.listening[words[1]] = words[2]
            elif words == ["ready"]:
                timer.cancel()
                return
            else:
                print(f"  causeway: {line.rstrip()}", flush=True)
        timer.cancel()
        raise SystemExit("causeway ended or was too slow before it said `ready`")

    def _pass_on(self):
        for line in self.process.stderr:
            print(f"  causeway: {line.rstrip()}", flush=True)

    def get(self, path, **parameters):
        return ask(f"http://{self.listening['http']}{path}?{urllib.parse.urlencode(parameters)}")

    def sql(self, text):
        request = urllib.request.Request(
            f"http://{self.listening['http']}/api/sql", data=json.dumps({"sql": text}).encode(),
            headers={"Content-Type": "application/json"})
        return ask(request)["rows"]

    def compact(self):
        """Merges and indexes all that is stored."""
        url = f"http://{self.listening['http']}/api/compact"
        return ask(urllib.request.Request(url, data=b"", method="POST"))

    def stop(self):
        """Ends it as a service manager would, and returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)


def ask(request):
    """The JSON of an answer; an answer that is no success is an error with its text."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        asked = request if isinstance(request, str) else request.data.decode()
        raise RuntimeError(f"{error.code} for {urllib.parse.unquote(asked)}: {error.read().decode()}") from error


@contextmanager
def causeway(binary, data, checks):
    """A server for the time of the block; it must end cleanly."""
    server = Causeway(binary, data)
    try:
        yield server
        checks.equal("exit status of causeway after SIGTERM", server.stop(), 0)
    finally:
        server.process.kill()


def exporter_settings(protocol, server, name, histograms, temporality):
    """The environment of one service: what the page at /start tells people to set, and a few choices."""
    grpc = protocol == "grpc"
    listener = server.listening["otlp-grpc" if grpc else "otlp-http"]
    return {
        "OTEL_SERVICE_NAME": name,
        "OTEL_RESOURCE_ATTRIBUTES": "service.namespace=clients,service.version=1.4.2,"
                                    f"service.instance.id={name}-1,deployment.environment.name=test",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{listener}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": histograms,
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_METRICS_EXEMPLAR_FILTER": "trace_based",
    }


@contextmanager
def service(script, arguments, settings):
    """A service for the time of the block; what it had not sent is sent when it ends."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")} | settings
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, script, *arguments],
        cwd=HERE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    errors = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True)
    reader.start()
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise SystemExit(f"{script} did not start:\n{''.join(errors)}")
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.wait(STOP_SECONDS)
        reader.join(STOP_SECONDS)
        refused = [line for line in errors if "Failed to export" in line or "Exception while export" in line]
        if refused:
            raise SystemExit(f"{script} could not export: {''.join(refused)}")
    finally:
        process.kill()


def place_orders(shop):
    """Three orders that succeed and one that fails; returns the statuses."""
    statuses = []
    for card in ["visa", "visa", "master", "expired"]:
        try:
            with urllib.request.urlopen(f"{shop}/order/{card}", timeout=30) as answer:
                statuses.append(answer.status)
        except urllib.error.HTTPError as error:
            statuses.append(error.code)
    return statuses


def check_traces(server, checks):
    """The list names the failing trace, and the trace has both services with the exception in it."""
    listed = server.get("/api/traces", q="service:payment")["traces"]
    checks.equal("traces in which payment took part", len(listed), 4)
    failing = server.get("/api/traces", q="service:payment status:error")["traces"]
    checks.equal("failing traces", len(failing), 1)
    if not failing:
        return None
    summary = failing[0]
    checks.equal("services of the failing trace", sorted(summary["services"]), ["payment", "shop"])
    checks.equal("its root", summary["root_service"], "shop")
    trace = server.get(f"/api/traces/{summary['trace_id']}")
    checks.equal("spans of the trace", len(trace["spans"]), summary["span_count"])
    spans = {span["span_id"]: span for span in trace["spans"]}
    bank = next((s for s in trace["spans"] if s["name"] == "ask the bank"), None)
    checks.that("the payment's own span is there", bank is not None, sorted(s["name"] for s in trace["spans"]))
    if bank is None:
        return None
    check_bank_span(bank, spans, checks)
    check_logs_in_trace(server, trace, bank, checks)
    return summary["trace_id"]


def check_bank_span(bank, spans, checks):
    """Status, exception, link, resource, and a path of parents that crosses to the shop."""
    checks.equal("status of the failing span", bank["status"], "error")
    exceptions = [event for event in bank["events"] if event["name"] == "exception"]
    checks.equal("exceptions in the failing span", len(exceptions), 1)
    for event in exceptions:
        checks.that("type of the exception", "CardExpired" in event["attributes"]["exception.type"], event)
        checks.that("stack of the exception", "payment.py" in event["attributes"]["exception.stacktrace"], event)
    checks.equal("links of the span", [link["attributes"] for link in bank["links"]], [{"why": "asked by"}])
    checks.equal("instance", bank["instance"], "payment-1")
    checks.equal("resource", bank["resource"].get("service.version"), "1.4.2")
    path, span = [], bank
    while span is not None:
        path.append((span["service"], span["kind"]))
        span = spans.get(span["parent_span_id"])
    expected = [("payment", "internal"), ("payment", "server"), ("shop", "client"), ("shop", "server")]
    checks.equal("path from the span to the root", path, expected)
    cart = next(s for s in spans.values() if s["name"] == "price the cart")
    checks.equal("attributes keep their types", cart["attributes"], {
        "cart.items": 3, "cart.total": 59.97, "cart.gift": False, "cart.skus": ["A-1", "B-2", "C-3"],
        "cart.weights": [0.5, 1.25], "cart.title": "Bücher & Söhne <b>"})
    checks.equal("event of the cart", [e["name"] for e in cart["events"]], ["discount applied"])
    checks.equal("scope of the cart", (cart["scope"]["name"], cart["scope"]["version"]), ("shop", "1.4.2"))


def check_logs_in_trace(server, trace, bank, checks):
    """The error's line stands under its span, in the trace and in the list of logs."""
    refused = [log for log in trace["logs"] if "card refused by the bank" in str(log["body"])]
    checks.equal("lines about the refusal in the trace", len(refused), 1)
    for log in refused:
        checks.equal("span of the line", log["span_id"], bank["span_id"])
        checks.equal("level of the line", log["severity"], "error")
    found = server.get("/api/logs", q='"card refused by the bank"')["logs"]
    checks.equal("lines with the phrase", [log["trace_id"] for log in found], [trace["trace_id"]])
    for question, count in [("service:payment severity:error refused", 1), ("service:shop cart.items:3 cards placed", 4),
                            ("service:payment severity:warn receipt", 3)]:
        checks.equal(f"lines for {question}", len(server.get("/api/logs", q=question)["logs"]), count)


def check_metrics(server, checks, trace_id):
    """Every type that the SDK sends, with values, and an exemplar that leads to a trace."""
    types = dict(server.sql("SELECT type, count(*) FROM metrics GROUP BY type"))
    for kind in ["gauge", "sum", "histogram", "exponential_histogram"]:
        checks.that(f"points of type {kind}", int(types.get(kind, 0)) > 0, types)
    orders = server.sql("SELECT max(value), max(temporality), bool_and(monotonic) FROM metrics"
                        " WHERE metric = 'shop.orders' AND attributes['card'] = 'visa'")
    checks.equal("orders by visa", orders, [[2.0, "cumulative", True]])
    charges = server.sql("SELECT sum(count), sum(sum), max(temporality) FROM metrics"
                         " WHERE metric = 'payment.charge.duration'")
    checks.equal("charges", [[int(charges[0][0]), charges[0][1], charges[0][2]]], [[4, 50.0, "delta"]])
    bounds = server.sql("SELECT bounds FROM metrics WHERE metric = 'payment.charge.duration' LIMIT 1")
    checks.equal("bounds", bounds, [[[1.0, 5.0, 10.0, 50.0, 100.0]]])
    scale = server.sql("SELECT count(*) FROM metrics WHERE metric = 'shop.order.amount'"
                       " AND type = 'exponential_histogram' AND scale IS NOT NULL")
    checks.that("scale of the exponential histogram", int(scale[0][0]) > 0, scale)
    exemplars = server.sql("SELECT exemplars FROM metrics WHERE metric = 'payment.charge.duration'")
    traces = {exemplar["trace_id"] for row in exemplars for exemplar in row[0] or []}
    checks.that("an exemplar names the failing trace", trace_id in traces, traces)


def check_tables(server, checks):
    """The same by SQL, and the services."""
    names = sorted(service["name"] for service in server.get("/api/services")["services"])
    checks.equal("services", names, ["payment", "shop"])
    rows = server.sql("SELECT service_name, deployment_environment, service_namespace, count(*) > 0 FROM logs"
                      " WHERE trace_id IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1")
    checks.equal("logs within traces", rows,
                 [["payment", "test", "clients", True], ["shop", "test", "clients", True]])
    # The instrumentation still writes the old name; either name finds it.
    for key in ["http.method", "http.request.method"]:
        found = server.get("/api/spans", q=f"kind:server {key}:GET")["spans"]
        checks.equal(f"server spans with {key}", len(found), 8)
    rows = server.sql("SELECT count(*) FROM spans WHERE kind = 'server' AND attributes['http.status_code'] = 500")
    checks.equal("server spans that answered 500", [[int(row[0])] for row in rows], [[2]])


def check_all(server, checks):
    """Everything that is asked: of fresh data, after a restart, and of an index."""
    trace_id = check_traces(server, checks)
    check_metrics(server, checks, trace_id)
    check_tables(server, checks)


def run(binary, protocol, checks):
    """One protocol, one fresh store."""
    data = Path(tempfile.mkdtemp(prefix="causeway-python-"))
    try:
        with causeway(binary, data, checks) as server:
            exponential = "base2_exponential_bucket_histogram"
            explicit = "explicit_bucket_histogram"
            payment = exporter_settings(protocol, server, "payment", explicit, "delta")
            shop = exporter_settings(protocol, server, "shop", exponential, "cumulative")
            with service("payment.py", [], payment) as bank, service("shop.py", [bank], shop) as front:
                checks.equal("statuses of the orders", place_orders(front), [200, 200, 200, 500])
            check_all(server, checks)
        with causeway(binary, data, checks) as server:
            check_all(server, checks)
            server.compact()
            check_all(server, checks)
            parquet.check(server, data, checks)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: run.py PATH/TO/causeway")
    checks = Checks()
    for protocol in PROTOCOLS:
        before = checks.passed, checks.failed
        print(f"python over {protocol}", flush=True)
        try:
            run(sys.argv[1], protocol, checks)
        except (Exception, SystemExit) as error:  # a broken run is one failure; the other protocol is still tried
            checks.that(protocol, False, repr(error))
        print(f"  {checks.passed - before[0]} held, {checks.failed - before[1]} did not", flush=True)
    print(f"{checks.passed} passed, {checks.failed} failed", flush=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
