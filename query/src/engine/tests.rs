mod sets;
mod stream;

use storage::Purpose;

use super::*;
use crate::testing::Fixture;

fn search(q: &str) -> Search {
    Search { q: q.to_owned(), limit: 10, ..Search::default() }
}

#[test]
fn searches_find_rows_newest_first() {
    let fixture = Fixture::new();
    let cases: [(&str, &[&str]); 6] = [
        ("", &["cart answered", "card refused"]),
        ("refused", &["card refused"]),
        ("service:cart", &["cart answered"]),
        ("severity>=error", &["card refused"]),
        ("NOT refused host.name:node-1", &["cart answered"]),
        ("absent", &[]),
    ];
    for state in ["fresh", "compacted"] {
        for (q, expected) in cases {
            let page = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &search(q))).unwrap();
            let bodies: Vec<&str> = page.rows.iter().filter_map(|log| log.body.as_str()).collect();
            assert_eq!(bodies, expected, "{state}: {q}");
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn questions_are_refused_while_memory_is_short() {
    let fixture = Fixture::new();
    let held = || fixture.budget.reserved_for(Purpose::Queries);
    let fresh = fixture.budget.gauge(Purpose::FreshRows);
    for (used, status) in [(85, None), (91, Some((503, "memory"))), (0, None)] {
        fresh.set(fixture.budget.bytes() as u64 / 100 * used);
        let page = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &search("")));
        assert_eq!(page.map(drop).err().map(|error| error.code()), status, "{used}");
        let rows = fixture.runtime.block_on(fixture.engine.sql(&fixture.reader, "SELECT 1"));
        assert_eq!(rows.map(drop).err().map(|error| error.code()), status, "{used}");
        assert_eq!(held(), 0, "{used}");
    }
    assert_eq!(fixture.budget.usage().refused[Purpose::Queries as usize], 2);
}

#[test]
fn counts_come_with_the_rows() {
    let fixture = Fixture::new();
    let question = Search {
        facets: vec!["service".into(), "host.name".into(), "absent".into()],
        histogram: Some(4),
        limit: 1,
        ..search("")
    };
    let page = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &question)).unwrap();
    assert_eq!((page.rows.len(), page.total), (1, Some(2)));
    let facets = page.facets.unwrap();
    let count =
        |key: &str| facets[key].iter().map(|value| (value.value.as_str(), value.count)).collect::<Vec<_>>();
    assert_eq!(count("service"), [("cart", 1), ("payment", 1)]);
    assert_eq!(count("host.name"), [("node-1", 2)]);
    assert!(count("absent").is_empty());
    let bars = page.histogram.unwrap();
    assert_eq!(
        bars.iter().map(|bar| (bar.count, bar.errors)).collect::<Vec<_>>(),
        [(1, 1), (0, 0), (0, 0), (1, 0)]
    );
}

#[test]
fn pages_of_traces_follow_on_one_another() {
    let fixture = Fixture::new();
    let mut question = Search { limit: 1, ..search("") };
    let mut roots = Vec::new();
    loop {
        let page = fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &question)).unwrap();
        roots.extend(
            page.rows.iter().map(|trace| (trace.root_name.clone(), trace.span_count, trace.error_count)),
        );
        question.cursor = page.cursor;
        if question.cursor.is_none() {
            break;
        }
    }
    assert_eq!(roots, [("ping".to_owned(), 1, 0), ("GET /cart".to_owned(), 2, 1)]);
    let page =
        fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &search("status:error"))).unwrap();
    assert_eq!(page.rows.len(), 1);
    assert_eq!(page.rows[0].services, ["cart", "payment"]);
}

#[test]
fn a_trace_belongs_to_the_range_it_begins_in_and_is_summed_up_whole() {
    let fixture = Fixture::new();
    let ask = |from: i64, to: i64| {
        let range = TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) };
        let page =
            fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &Search { range, ..search("") }));
        page.unwrap().rows.into_iter().map(|trace| (trace.root_name, trace.span_count)).collect::<Vec<_>>()
    };
    // The range ends before the second span starts, then begins between the two.
    assert_eq!(ask(900_000_000, 1_050_000_000), [("GET /cart".to_owned(), 2)]);
    assert_eq!(ask(1_050_000_000, 2_000_000_000), []);
    // Found by its failing span, which starts after the range.
    let range = TimeRange { from: None, to: Some(UnixNanos(1_050_000_000)) };
    let failed = Search { range, ..search("status:error") };
    let page = fixture.runtime.block_on(fixture.engine.traces(&fixture.reader, &failed)).unwrap();
    assert_eq!(page.rows.len(), 1);
}

#[test]
fn a_trace_comes_with_its_logs() {
    let fixture = Fixture::new();
    let id: TraceId = "0af7651916cd43dd8448eb211c80319c".parse().unwrap();
    let trace = fixture.runtime.block_on(fixture.engine.trace(&fixture.reader, id)).unwrap();
    assert_eq!((trace.spans.len(), trace.logs.len(), trace.duration_ns), (2, 2, 500_000_000));
    assert_eq!(trace.logs[0].span_id.as_deref(), Some(trace.spans[1].span_id.as_str()));
    assert!(trace.warnings.is_empty() && !trace.truncated);
    let unknown = fixture.runtime.block_on(fixture.engine.trace(&fixture.reader, TraceId([9; 16])));
    assert!(matches!(unknown, Err(QueryError::NotFound(_))));
}

#[test]
fn services_count_calls_from_outside() {
    let fixture = Fixture::new();
    let answer = fixture.runtime.block_on(fixture.engine.services(&fixture.reader, TimeRange::ALL)).unwrap();
    let rows: Vec<_> = answer
        .services
        .iter()
        .map(|one| (one.name.as_str(), one.calls, one.errors, one.error_ratio))
        .collect();
    assert_eq!(rows, [("cart", 2.0, 0.0, 0.0), ("payment", 1.0, 1.0, 1.0)]);
    let p95 = answer.services[1].p95_ns.unwrap();
    assert!((p95 / 300_000_000.0 - 1.0).abs() < 0.02, "{p95}");
}

#[test]
fn one_service_is_told_by_operation_instance_edge_and_minute() {
    let fixture = Fixture::new();
    let ask = |name: &str| {
        let question = ServiceQuestion { name: name.to_owned(), ..ServiceQuestion::default() };
        fixture.runtime.block_on(fixture.engine.service(&fixture.reader, &question))
    };
    for state in ["fresh", "compacted"] {
        let cart = ask("cart").unwrap();
        assert_eq!((cart.service.calls, cart.service.errors), (2.0, 0.0), "{state}");
        let one = ServiceKey { namespace: None, environment: None };
        assert_eq!(cart.merged, [one], "{state}");
        let operations: Vec<_> =
            cart.operations.iter().map(|one| (one.name.as_str(), one.kind.as_str(), one.calls)).collect();
        assert_eq!(operations, [("GET /cart", "server", 1.0), ("ping", "internal", 1.0)], "{state}");
        assert_eq!(cart.instances.iter().map(|one| one.calls).collect::<Vec<_>>(), [2.0], "{state}");
        let points: Vec<_> = cart.series.iter().map(|point| (point.time, point.calls)).collect();
        assert_eq!((points, cart.step_ns), (vec![(0, 2.0)], 60_000_000_000), "{state}");
        for edges in [cart.edges, ask("payment").unwrap().edges] {
            let edges: Vec<_> =
                edges.iter().map(|edge| (edge.from.as_str(), edge.to.as_str(), edge.errors)).collect();
            assert_eq!(edges, [("cart", "payment", 1.0)], "{state}");
        }
        assert!(matches!(ask("absent"), Err(QueryError::NotFound(_))), "{state}");
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn templates_are_listed_with_their_states() {
    let fixture = Fixture::new();
    let ask = |from: Option<i64>, to: Option<i64>, q: &str| {
        let range = TimeRange { from: from.map(UnixNanos), to: to.map(UnixNanos) };
        let question = Search { range, ..search(q) };
        let answer = fixture.runtime.block_on(fixture.engine.templates(&fixture.reader, &question)).unwrap();
        let rows = answer.templates.into_iter().map(|row| (row.template, row.state, row.trend));
        rows.map(|(text, state, trend)| format!("{text} {state} {}", trend.iter().sum::<u64>()))
            .collect::<std::collections::BTreeSet<_>>()
    };
    // The logs are at 1.20 and 1.45 seconds.
    type Case<'a> = (Option<i64>, Option<i64>, &'a str, &'a [&'a str]);
    let chain = "refused trace in spans({ service:cart } > { status:error })";
    let cases: [Case<'_>; 9] = [
        // Nothing is older than the range: the first part of what is stored is what the rest is compared with.
        (None, None, "", &["card refused gone 1", "cart answered new 1"]),
        (Some(1_000_000_000), Some(2_000_000_000), "", &["card refused gone 1", "cart answered new 1"]),
        (Some(1_300_000_000), Some(2_000_000_000), "", &["cart answered new 1"]),
        (None, Some(1_300_000_000), "", &["card refused gone 1"]),
        (None, None, "refused", &["card refused gone 1"]),
        (Some(5_000_000_000), None, "", &[]),
        (None, None, chain, &["card refused gone 1"]),
        (None, None, "trace in spans(name:ping)", &[]),
        (None, None, "NOT trace in spans(name:ping)", &["card refused gone 1", "cart answered new 1"]),
    ];
    for state in ["fresh", "compacted"] {
        for (from, to, q, expected) in cases {
            assert_eq!(ask(from, to, q).iter().collect::<Vec<_>>(), expected, "{state}: {from:?} {to:?} {q}");
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn pages_of_templates_follow_on_one_another() {
    let fixture = Fixture::new();
    let mut question = Search { limit: 1, ..search("") };
    let mut examples = Vec::new();
    loop {
        let answer = fixture.runtime.block_on(fixture.engine.templates(&fixture.reader, &question)).unwrap();
        assert_eq!((answer.total, answer.templates_total, answer.without), (2, 2, 0));
        examples.extend(answer.templates.into_iter().map(|row| (row.example.unwrap(), row.services)));
        question.cursor = answer.cursor;
        if question.cursor.is_none() {
            break;
        }
    }
    examples.sort();
    let expected = [("card refused", "payment"), ("cart answered", "cart")];
    assert_eq!(examples, expected.map(|(body, service)| (body.to_owned(), vec![service.to_owned()])));
    for wrong in
        [Search { cursor: Some("1".into()), ..search("") }, Search { limit: LIMIT_MAX + 1, ..search("") }]
    {
        let answer = fixture.runtime.block_on(fixture.engine.templates(&fixture.reader, &wrong));
        assert!(matches!(answer, Err(QueryError::Bad { .. })), "{wrong:?}");
    }
}

#[test]
fn a_log_has_its_template_and_is_found_by_it() {
    let fixture = Fixture::new();
    for state in ["fresh", "compacted"] {
        let page =
            fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &search("refused"))).unwrap();
        let id = page.rows[0].template_id.clone().unwrap();
        let found = search(&format!("template:{id}"));
        let found = Search { facets: vec!["template".into()], ..found };
        let page = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &found)).unwrap();
        assert_eq!(
            page.rows.iter().filter_map(|log| log.body.as_str()).collect::<Vec<_>>(),
            ["card refused"]
        );
        let counted = &page.facets.unwrap()["template"];
        assert_eq!(
            counted.iter().map(|value| (&value.value, value.count)).collect::<Vec<_>>(),
            [(&id, 1)],
            "{state}"
        );
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}

#[test]
fn what_is_wrong_is_said() {
    let fixture = Fixture::new();
    let cases = [
        Search { limit: LIMIT_MAX + 1, ..search("") },
        Search { cursor: Some("x".into()), ..search("") },
        Search { histogram: Some(0), ..search("") },
        search("\"open"),
    ];
    for question in cases {
        let wrong = fixture.runtime.block_on(fixture.engine.logs(&fixture.reader, &question));
        assert!(matches!(wrong, Err(QueryError::Bad { .. })), "{question:?}");
    }
}

#[test]
fn places_of_a_search_are_completed_from_the_data() {
    let fixture = Fixture::new();
    // A search with `|` at the place, what is searched, the first items as `kind text count`, and what is not offered.
    let cases: [(&str, Signal, &[&str], &str); 16] = [
        ("ser|", Signal::Spans, &["field service -"], "operator AND -"),
        ("sta|", Signal::Spans, &["field status -"], "field duration -"),
        ("status|", Signal::Spans, &["operator status: -", "field status -"], "operator status> -"),
        ("duration|", Signal::Spans, &["operator duration: -", "operator duration> -"], ""),
        ("sev|", Signal::Logs, &["field severity -"], ""),
        ("sev|", Signal::Spans, &[], "field severity -"),
        ("http.r|", Signal::Spans, &["attribute http.response.status_code ", "attribute http.route "], ""),
        ("host|", Signal::Logs, &["attribute host.name -"], ""),
        ("resource.ho|", Signal::Logs, &["attribute resource.host.name -"], ""),
        ("service:|", Signal::Spans, &["value cart 2", "value payment 1"], ""),
        ("service:\"pay|", Signal::Spans, &["value payment 1"], "value cart 2"),
        ("name:|", Signal::Spans, &["value \"GET /cart\" 1", "value charge 1", "value ping 1"], ""),
        ("kind:|", Signal::Spans, &["value server 2", "value internal 1", "value client -"], ""),
        ("http.status_code:5| AND \"open", Signal::Spans, &["value 500 1"], ""),
        ("a AN|", Signal::Spans, &["operator AND -"], "operator OR -"),
        ("\"GET |", Signal::Spans, &[], "field service -"),
    ];
    for state in ["fresh", "compacted"] {
        for (text, signal, first, absent) in &cases {
            let at = text.find('|').unwrap();
            let range = TimeRange::ALL;
            let question = Completion { q: text.replace('|', ""), at, signal: *signal, range };
            let answer =
                fixture.runtime.block_on(fixture.engine.complete(&fixture.reader, &question)).unwrap();
            let count = |item: &Item| item.count.map_or_else(|| "-".to_owned(), |count| count.to_string());
            let items: Vec<String> = answer
                .items
                .iter()
                .map(|item| format!("{} {} {}", item.kind, item.text, count(item)))
                .collect();
            let begins = items.iter().zip(*first).all(|(item, first)| item.starts_with(first));
            assert!(begins && items.len() >= first.len(), "{state}: {text}: {items:?}");
            assert!(!items.iter().any(|item| item == absent), "{state}: {text}: {items:?}");
            assert_eq!(answer.to, at, "{state}: {text}");
        }
        fixture.runtime.block_on(fixture.engine.compact()).unwrap();
    }
}
