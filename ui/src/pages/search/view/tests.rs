use model::{TimeRange, UnixNanos};
use query::rows;
use query::{QueryError, Templates, Unknown};

use super::*;
use crate::pages::checks;
use crate::sample;

fn asked(address: &str) -> (Visit, Question) {
    let visit = checks::visit(address);
    let question = Question::of(&visit).unwrap();
    (visit, question)
}

fn rendered(name: &str, address: &str, answer: Found, nothing: Option<(Extent, Advice)>) -> String {
    let (visit, question) = asked(address);
    let page = found(&visit, "0.1.0", &question, &answer, None, nothing).render().unwrap();
    checks::is_sound(name, &page);
    page
}

#[test]
fn logs_lead_to_their_trace_and_open() {
    let mut logs = sample::shop().logs;
    logs.extend(sample::hostile_logs());
    let page = rendered("search-logs", "/search?tab=logs&t=now-1h", Found::Logs(sample::page(logs)), None);
    for part in [
        "charge failed",
        "3,339 logs",
        "?span=",
        "&#38;open=",
        "aria-sort=\"descending\"",
        "code.line.number",
        "cursor=1763715600-42",
        "/explain?t=now-1h",
        "data-live=\"logs\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn chosen_columns_and_boxes_are_shown() {
    let address = "/search?tab=logs&cols=message,code.file.path:222&sel=1763714000..1763715000&by=host";
    let page = rendered("search-columns", address, Found::Logs(sample::page(sample::shop().logs)), None);
    for part in [
        "<col width=\"222\">",
        "payment/charge.py",
        "class=\"band\"",
        ">Explain<",
        "/explain?t=1763714000..1763715000",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<p class=\"box-acts\" hidden>"), "a box is chosen");
}

#[test]
fn traces_and_spans_are_listed() {
    let traces = Found::Traces(sample::page(sample::summaries()));
    let page = rendered("search-traces", "/search?q=service:checkout", traces, None);
    assert!(!page.contains("Explain this time"), "everything is no window");
    // A facet narrows the query that is there.
    assert!(page.contains("q=service%3Acheckout%20status%3Aerror"));
    assert!(page.contains("q=service%3Acheckout%20NOT%20status%3Aerror"));
    let mut spans = sample::shop().spans;
    spans.extend(sample::hostile_trace().spans);
    spans.iter_mut().enumerate().for_each(|(at, span)| span.id = at.to_string());
    let page =
        rendered("search-spans", "/search?tab=spans&cursor=x", Found::Spans(sample::page(spans)), None);
    assert!(page.contains("Checkout/PlaceOrder"));
    assert!(page.contains("First page"));
}

fn template(text: &str, first_seen: i64, state: &str) -> rows::Template {
    let value = |value: &str| query::rows::FacetValue { value: value.to_owned(), count: 3 };
    rows::Template {
        id: format!("{first_seen:016x}"),
        template: text.to_owned(),
        count: 1200,
        first_seen,
        last_seen: sample::START,
        services: vec!["checkout".to_owned(), sample::HOSTILE.to_owned()],
        example: Some(sample::HOSTILE.to_owned()),
        state: state.to_owned(),
        trend: (0..24).collect(),
        variables: vec![vec![value("ann"), value(sample::HOSTILE)]],
    }
}

fn templates() -> Templates {
    Templates {
        templates: vec![template("order <*> placed", 5, "steady"), template(sample::HOSTILE, 9, "new")],
        templates_total: 31,
        total: 4100,
        without: 3,
        range: TimeRange { from: Some(UnixNanos(0)), to: Some(UnixNanos(sample::START)) },
        cursor: Some("1200.5f0b8c1d7a2e4639".to_owned()),
        stats: Stats::default(),
    }
}

#[test]
fn templates_are_marked_drawn_and_lead_to_their_logs() {
    let found = || Found::Templates(templates());
    let page = rendered("search-templates", "/search?tab=templates&q=x&t=now-1h", found(), None);
    for part in [
        "31 templates in 4,100 logs",
        "<span class=\"state new\">new</span>",
        "<var>&#60;*&#62;</var> placed",
        "tab=logs&#38;q=x%20template%3A0000000000000005",
        "3 matching logs without a template",
        "class=\"trend\"",
        "rel=\"next\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let newest = rendered("search-templates-new", "/search?tab=templates&sort=-first", found(), None);
    assert!(newest.find("template%3A0000000000000009") < newest.find("template%3A0000000000000005"));
    assert!(newest.contains("there are 31") && !newest.contains("rel=\"next\""));
}

#[test]
fn a_wrong_query_is_marked() {
    let (visit, question) = asked("/search?q=service:%22a%20%3Cscript%3E");
    let error = QueryError::bad("a quote is not closed", 8, &["\""]);
    let wrong_query = WrongQuery::of(&question.q, &error).unwrap();
    let page = wrong(&visit, "0.1.0", &question, wrong_query).render().unwrap();
    checks::is_sound("search-wrong", &page);
    assert!(page.contains("a quote is not closed"));
    assert!(page.contains("service:<mark>&#34;</mark>a &#60;script&#62;"), "{page}");
}

#[test]
fn a_slow_answer_is_announced_and_can_be_waited_for() {
    let (visit, question) = asked("/search?tab=logs&q=%22%3E%3Cimg%3E&t=now-1h");
    let page = waiting(&visit, "0.1.0", &question).render().unwrap();
    checks::is_sound("search-waiting", &page);
    for part in [
        "data-pieces=\"/search/stream?tab=logs",
        "<noscript><meta http-equiv=\"refresh\"",
        "whole=1",
        "data-stop",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn nothing_found_names_the_nearest_cause() {
    let extent = Some(TimeRange { from: Some(UnixNanos(0)), to: Some(UnixNanos(10_000_000_000)) });
    let unknown = |name: &str, kind, near: &str| Advice {
        unknown: vec![Unknown { name: name.to_owned(), kind, near: vec![near.to_owned()] }],
        untraced: false,
    };
    let untraced = Advice { untraced: true, ..Advice::default() };
    let none = Advice::default;
    for (number, (address, extent, advice, cause, way)) in [
        ("/search?tab=logs", None, none(), "No logs are stored yet", "/start"),
        ("/search?tab=logs&t=now-1h", extent, none(), "outside that time", "1969-12-31T23"),
        ("/search?tab=logs&q=a%3Cb", extent, none(), "none matches", "/search?tab=logs\""),
        ("/search?tab=logs&t=0..5&q=a", extent, none(), "none matches", "Search everything stored"),
        (
            "/search?tab=logs&q=rout:x",
            extent,
            unknown("rout", "key", "route"),
            "Close to it: route.",
            "q=route%3Ax",
        ),
        (
            "/search?tab=logs&q=service:a",
            extent,
            unknown("a", "service", "b"),
            "No service a was met",
            "Search with b",
        ),
        ("/search?tab=logs&q=trace:0*", extent, untraced, "carries a trace id", "/start"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut empty = sample::page(Vec::new());
        (empty.cursor, empty.total, empty.facets, empty.histogram) = (None, Some(0), None, None);
        let name = format!("search-empty-{number}");
        let page = rendered(&name, address, Found::Logs(empty), Some((extent, advice)));
        assert!(page.contains(cause), "{cause}");
        assert!(page.contains(way), "{way}");
    }
}
