use query::rows::{Node, Stats};

use super::*;
use crate::pages::checks;
use crate::sample::{self, HOSTILE, START};

fn graph(extra: &str) -> Graph {
    let node = |name: &str, kind: &str| Node { name: name.to_owned(), kind: kind.to_owned() };
    let edge = |from: &str, to: &str, kind: &str, errors: f64| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind: kind.to_owned(),
        calls: 3_600.0,
        errors,
        p95_ns: Some(2e7),
    };
    let range = Range::between(UnixNanos(START), UnixNanos(START + 3_600_000_000_000)).range;
    Graph {
        nodes: vec![
            node("frontend", "service"),
            node("checkout", "service"),
            node("payment", "service"),
            node("postgresql/orders", "database"),
            node("jobs", "queue"),
            node(extra, "external"),
        ],
        edges: vec![
            edge("frontend", "checkout", "call", 36.0),
            edge("checkout", "payment", "call", 0.0),
            edge("payment", "checkout", "call", 0.0),
            edge("checkout", "postgresql/orders", "call", 0.0),
            edge("checkout", "jobs", "async", 0.0),
            edge("payment", extra, "call", 0.0),
            edge("payment", "payment", "call", 0.0),
        ],
        range,
        stats: Stats::default(),
    }
}

fn asked(address: &str) -> Asked {
    Asked::of(&checks::visit(address), Some(UnixNanos(START)), UnixNanos(START)).unwrap()
}

fn page(name: &str, address: &str, graph: Option<&Graph>) -> String {
    let page =
        view(&checks::visit(address), "0.1.0", &asked(address), &sample::services(), graph).render().unwrap();
    checks::is_sound(name, &page);
    page
}

#[test]
fn surroundings_are_drawn_and_listed() {
    let page = page("map", "/map?service=checkout&t=now-1h", Some(&graph("api.bank.example")));
    for part in [
        "6 nodes, 7 edges",
        "icons.svg#database",
        "icons.svg#queue",
        "icons.svg#external",
        "class=\"node centre",
        "frontend to checkout, call: 1.00 /s, 1.0 % errors, p95 20.0 ms",
        "/map?service=payment&#38;hops=2&#38;t=now-1h",
        "/api/graph?service=checkout&#38;hops=2",
        "edge async",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("most calls are drawn"));
}

#[test]
fn a_large_map_says_what_is_not_drawn() {
    let mut large = graph("outside");
    large.nodes.extend(
        (0..10_000).map(|number| Node { name: format!("service-{number}"), kind: "service".to_owned() }),
    );
    large.edges.extend((0..9_999).map(|number| Edge {
        from: format!("service-{number}"),
        to: format!("service-{}", number + 1),
        kind: "call".to_owned(),
        calls: 1.0,
        errors: 0.0,
        p95_ns: None,
    }));
    let page = page("map-large", "/map?hops=all", Some(&large));
    assert!(page.contains("The 150 nodes with most calls are drawn; 9,856 more are not."), "{page}");
    assert!(page.contains("9,506 edges with fewer calls are in the JSON."), "{page}");
}

#[test]
fn hostile_names_stay_text_and_nothing_says_so() {
    page("map-hostile", "/map?service=payment", Some(&graph(HOSTILE)));
    let none = page("map-none", "/map?service=absent&t=now-1h", None);
    assert!(none.contains("Nothing is known around <bdi>absent</bdi> in this time"), "{none}");
}

#[test]
fn a_long_name_is_cut_and_has_no_link() {
    let long = "é".repeat(32_768);
    let asked = Asked { service: Some(long.clone()), chosen: true, ..asked("/map?t=now-1h") };
    let mut services = sample::services();
    services[0].name = long.clone();
    let mut graph = graph(&long);
    graph.edges[0].from = long.clone();
    let page =
        view(&checks::visit("/map?t=now-1h"), "0.1.0", &asked, &services, Some(&graph)).render().unwrap();
    checks::is_sound("map-long", &page);
    assert!(page.len() < 100_000, "{}", page.len());
    assert!(page.contains(&format!("Map around <bdi>{}…</bdi>", "é".repeat(200))), "{page}");
    for part in [
        "href=\"/map?hops=1&#38;t=now-1h\"",
        "/map?service=payment&#38;hops=2",
        "<option value=\"\" selected>",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("/api/graph"), "{page}");
}

#[test]
fn wrong_parameters_are_named() {
    for address in ["/map?hops=0", "/map?hops=4", "/map?t=pink", "/map?service=a&service=b"] {
        assert!(Asked::of(&checks::visit(address), None, UnixNanos(START)).is_err(), "{address}");
    }
    assert_eq!(asked("/map?hops=all").reach, Reach::Whole);
    assert_eq!(asked("/map").reach, Reach::Hops(2));
}
