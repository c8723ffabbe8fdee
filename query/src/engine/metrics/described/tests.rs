use super::*;

fn head(metric: &str, kind: &str, unit: &str) -> Head {
    Head {
        metric: metric.to_owned(),
        kind: kind.to_owned(),
        unit: unit.to_owned(),
        description: String::new(),
        is_delta: false,
        is_monotonic: kind == "sum",
        metadata: String::new(),
    }
}

fn described(head: Head, resource: &str, own: &str) -> Described {
    Described::new(&Arc::new(Metric::new(head)), resource, own)
}

const RESOURCE: &str =
    r#"{"host.name":"node-1","service.instance.id":"a","service.name":"cart","service.namespace":"shop"}"#;

#[test]
fn what_came_over_otlp_has_prometheus_names_and_its_own() {
    let series =
        described(head("http.requests", "sum", "1"), RESOURCE, r#"{"http.route":"/cart","ok":true,"n":2}"#);
    assert_eq!(&*series.metric.name, "http_requests_total");
    assert_eq!(series.metric.original.as_deref(), Some("http.requests"));
    assert_eq!(series.metric.names(), ["http_requests_total", "http.requests"]);
    assert_eq!(series.metric.kind, "counter");
    let labels = r#"{http_route="/cart", instance="a", job="shop/cart", n="2", ok="true"}"#;
    assert_eq!(series.labels.to_string(), labels);
    let original = r#"{"http.route"="/cart", instance="a", job="shop/cart", n="2", ok="true"}"#;
    assert_eq!(series.original_labels.unwrap().to_string(), original);
    let target = r#"{__name__="target_info", host_name="node-1", instance="a", job="shop/cart"}"#;
    assert_eq!(series.target.unwrap().to_string(), target);
}

#[test]
fn what_prometheus_wrote_keeps_its_names() {
    let metadata = r#"{"prometheus.remote_write":"1","prometheus.type":"counter"}"#.to_owned();
    let head = Head { metadata, ..head("http.requests", "sum", "s") };
    let series = described(head, RESOURCE, r#"{"http.route":"/cart","job":"cart"}"#);
    assert_eq!(series.metric.names(), ["http.requests"]);
    assert_eq!(series.metric.kind, "counter");
    assert_eq!(series.labels.to_string(), r#"{"http.route"="/cart", job="cart"}"#);
    assert!(series.original_labels.is_none() && series.target.is_none());
}

#[test]
fn attributes_that_become_one_label_are_joined_and_the_resource_goes_first() {
    let series = described(head("a", "gauge", ""), RESOURCE, r#"{"a.b":"1","a_b":"2","job":"mine"}"#);
    assert_eq!(series.labels.to_string(), r#"{a_b="1;2", instance="a", job="shop/cart"}"#);
}

#[test]
fn a_resource_that_says_nothing_more_has_no_target() {
    let own = described(head("a", "gauge", ""), r#"{"service.name":"cart"}"#, "{}");
    assert_eq!(own.labels.to_string(), r#"{job="cart"}"#);
    assert!(own.target.is_none());
    let nobody = described(head("a", "gauge", ""), r#"{"host.name":"x"}"#, "{}");
    assert!(nobody.labels.is_empty() && nobody.target.is_none());
}

#[test]
fn histograms_and_summaries_are_several_series() {
    let classic = described(head("d", "histogram", "s"), "{}", "{}");
    let names = ["d_seconds_bucket", "d_seconds_count", "d_seconds_sum", "d_bucket", "d_count", "d_sum"];
    assert_eq!(classic.metric.names(), names);
    assert_eq!((classic.metric.shape, classic.metric.kind), (Shape::Classic, "histogram"));
    let summary = described(head("d_seconds", "summary", "s"), "{}", "{}");
    assert_eq!(summary.metric.names(), ["d_seconds", "d_seconds_count", "d_seconds_sum"]);
}
