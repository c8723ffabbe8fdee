//! Incidents for tests: one that is over, one that is open, one with hostile text in every field.

use diagnosis::Incident;
use serde_json::{Value, json};

use super::{HOSTILE, START};

const SECOND: i64 = 1_000_000_000;

fn at(second: i64) -> String {
    (START + second * SECOND).to_string()
}

fn evidence(kind: &str, statement: &str, value: Value, expected: Value, unit: &str, href: &str) -> Value {
    json!({
        "kind": kind, "statement": statement, "value": value, "expected": expected, "unit": unit,
        "query": "SELECT median(duration_ns) AS ns FROM spans WHERE service_name = 'payment'", "href": href,
    })
}

fn suspects() -> Value {
    let trace = "/traces/0af7651916cd43dd8448eb211c80319c?span=00f067aa0ba902b7#s-00f067aa0ba902b7";
    let first = [
        evidence(
            "missing_event",
            "after `charge::begin#73`, `charge::done#86` follows in 2.0 % of 410 spans charge card; usual are 99.6 %",
            json!(0.02),
            json!(0.996),
            "1",
            "/search?tab=spans&q=service%3Apayment&t=1..2",
        ),
        evidence(
            "own_time",
            "797 ms in payment `charge card` itself, in the median of 410 spans; usual are 61.2 ms",
            json!(797e6),
            json!(61.2e6),
            "ns",
            "/search?tab=spans&q=service%3Apayment&t=1..2",
        ),
        evidence("trace", "trace 0af7 shows it", Value::Null, Value::Null, "", trace),
        evidence("trace", "trace 1af7 shows it", Value::Null, Value::Null, "", "/traces/1af7"),
    ];
    let second = [evidence(
        "metric",
        "container.memory.usage of cart-1 is 3.5 GiB; usual is 1.2 GiB",
        json!(3.5 * 1_073_741_824.0),
        json!(1.2 * 1_073_741_824.0),
        "By",
        "",
    )];
    json!([
        {
            "service": "payment", "namespace": "shop", "environment": "production", "instance": "payment-7d9f-1",
            "kind": "code", "target": {"type": "code", "from": "charge::begin#73", "to": "charge::done#86"},
            "score": 0.97,
            "summary": "in payment, `charge::begin#73` is no longer followed by `charge::done#86`; it tells for 97 % of \
                        what is wrong and 34.0 % of the traces of this window",
            "evidence": first,
        },
        {
            "service": "cart", "namespace": "shop", "environment": null, "instance": null, "kind": "memory",
            "target": {"type": "resource", "resource": "memory"}, "score": 0.03,
            "summary": "cart lacks memory", "evidence": second,
        },
    ])
}

fn value() -> Value {
    json!({
        "id": "i-0001",
        "title": "Checkout is slow and fails",
        "start": at(0),
        "end": at(300),
        "services": ["payment", "checkout", "frontend"],
        "operations": [
            {"service": "payment", "operation": "charge card", "signal": "duration", "value": 797e6,
             "expected": 61.2e6, "unit": "ns", "start": at(0)},
            {"service": "checkout", "operation": "POST /checkout", "signal": "errors", "value": 0.34,
             "expected": 0.004, "unit": "1", "start": at(60)},
            {"service": "frontend", "operation": "GET /", "signal": "messages", "value": 40.0,
             "expected": 120.0, "unit": "1/min", "start": at(60)},
        ],
        "traffic_share": 0.34,
        "suspects": suspects(),
        "baseline": {"from": at(-1_800), "to": at(-60), "minutes": 24,
                     "why": "24 of 29 minutes: the least unusual and the most alike; 2 had sequences of their own"},
        "changes": [
            {"id": "c1", "time": at(-40), "kind": "deploy", "service": "payment", "namespace": null,
             "environment": null, "version": "1.42.0", "text": "rollout 17", "source": "api"},
            {"id": "c2", "time": at(-30), "kind": "restart", "service": "cart", "namespace": null,
             "environment": null, "version": null, "text": null, "source": "telemetry"},
        ],
        "timeline": [
            {"time": at(-40), "text": "deploy of payment 1.42.0"},
            {"time": at(0), "text": "payment `charge card` takes 797 ms; usual are 61.2 ms"},
            {"time": at(300), "text": "over"},
        ],
    })
}

/// Five minutes of a payment that fails.
pub(crate) fn incident() -> Incident {
    serde_json::from_value(value()).unwrap()
}

/// The same, not over.
pub(crate) fn open_incident() -> Incident {
    Incident { id: "i-0002".to_owned(), end: None, ..incident() }
}

/// The same with hostile text wherever there is text, and times that are none.
pub(crate) fn hostile_incident() -> Incident {
    let mut value = value();
    soil(&mut value);
    serde_json::from_value(value).unwrap()
}

fn soil(value: &mut Value) {
    match value {
        Value::String(text) => *text = format!("{HOSTILE}`</style>|{text}"),
        Value::Array(values) => values.iter_mut().for_each(soil),
        Value::Object(fields) => {
            fields.iter_mut().filter(|(key, _)| key.as_str() != "kind").for_each(|(_, value)| soil(value))
        }
        _ => {}
    }
}
