use askama::Template;
use model::{SpanId, TraceId};
use query::MetricDescription;
use query::promql::{Answer, Labels, NAME, Note, Options, Point, Points};
use query::rows::Stats;

use super::explorer::Known;
use super::*;
use crate::Endpoints;
use crate::pages::checks;
use crate::sample::HOSTILE;

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

fn asked(address: &str) -> (Visit, Asked) {
    let visit = checks::visit(address);
    let asked = Asked::of(&visit, None, NOW).unwrap();
    (visit, asked)
}

/// A series with the value of its number at every step.
fn series(asked: &Asked, labels: &[(&str, &str)], value: f64) -> Points {
    let points = (0..asked.steps.count()).map(|place| (asked.steps.time_ms(place), Point::Float(value)));
    Points { labels: Labels::new(labels.to_vec()), points: points.collect() }
}

fn answer(value: Value) -> MetricAnswer {
    let note = |text: &str| Note { text: text.to_owned(), line: 1, column: 5 };
    let answer = Answer { value, warnings: vec![note(HOSTILE)], infos: vec![note("PromQL info: perhaps")] };
    let stats = Stats { elapsed_ms: 2310, ..Stats::default() };
    MetricAnswer { answer, series: 48_211, samples: 3, widest: Some((HOSTILE.to_owned(), 48_211)), stats }
}

fn reply(found: Result<MetricAnswer, QueryError>) -> Option<Reply> {
    let blame = Blame {
        selection: Some(HOSTILE.to_owned()),
        series: "48,211".to_owned(),
        label: Some((HOSTILE.to_owned(), "48,000 values".to_owned())),
    };
    Some(Reply { found, blame: Some(blame), empty: None })
}

fn exemplar(asked: &Asked) -> (String, Exemplar) {
    let exemplar = Exemplar {
        labels: Labels::new([("user", HOSTILE)]),
        value: 2.5,
        time_ms: asked.steps.start_ms + 1,
        trace_id: TraceId::from_bytes(&[1; 16]),
        span_id: SpanId::from_bytes(&[2; 8]),
    };
    (HOSTILE.to_owned(), exemplar)
}

fn rendered(name: &str, address: &str, replies: impl FnOnce(&Asked) -> Replies) -> String {
    let (visit, asked) = asked(address);
    let page = view::answered(&visit, "0.1.0", &asked, &replies(&asked)).render().unwrap();
    checks::is_sound(name, &page);
    page
}

#[test]
fn lines_and_exemplars_are_drawn() {
    for show in ["graph", "table", "heat"] {
        let address = format!("/promql?q=up&q=sum(up)&off=2&t=now-1h&show={show}&sel=now-30m..now-20m");
        let page = rendered(&format!("promql-{show}"), &address, |asked| {
            let labels = [(NAME, "up"), ("job", HOSTILE)];
            let value = Value::Matrix(vec![series(asked, &labels, 1.0), series(asked, &[], 3.0)]);
            Replies { replies: vec![reply(Ok(answer(value))), None], exemplars: Ok(vec![exemplar(asked)]) }
        });
        for part in [
            "slow</span>",
            "alone has 48,000 values",
            "2 series from 3 samples of 48,211 series in 2,310 ms",
            "PromQL info: perhaps (1:5)",
            "/traces/01010101010101010101010101010101?span=0202020202020202#s-0202020202020202",
            "data-pattern=\"/promql?q=up&#38;q=sum%28up%29&#38;off=2",
        ] {
            assert!(page.contains(part), "{show}: {part} is not in {page}");
        }
        assert_eq!(page.contains("<path class=\"line c0\""), show != "table", "{show}");
        assert_eq!(page.contains("Values at all steps"), show == "table", "{show}");
        assert_eq!(page.contains("a heatmap needs native histograms"), show == "heat", "{show}");
        assert!(page.contains("value=\"2\" checked"), "{page}");
    }
}

#[test]
fn buckets_are_lines_or_a_heatmap() {
    for (show, is_heat) in [("graph", false), ("heat", true)] {
        let page = rendered(
            &format!("promql-buckets-{show}"),
            &format!("/promql?q=x_bucket&t=now-1h&show={show}"),
            |asked| {
                let all = [("1", 1.0), ("+Inf", 4.0)].map(|(le, value)| series(asked, &[("le", le)], value));
                Replies {
                    replies: vec![reply(Ok(answer(Value::Matrix(all.into()))))],
                    exemplars: Ok(Vec::new()),
                }
            },
        );
        assert_eq!(page.contains("class=\"chart heat\""), is_heat, "{page}");
        assert_eq!(page.contains("class=\"chart lines\""), !is_heat, "{page}");
    }
}

#[test]
fn what_is_wrong_and_what_is_empty_is_said() {
    let page = rendered("promql-wrong", "/promql?q=up)&q=b&q=c&q=d&t=now-1h", |_| {
        let nothing = || answer(Value::Matrix(Vec::new()));
        let why = Empty {
            causes: vec![HOSTILE.to_owned()],
            ways: vec![("/promql?q=x".to_owned(), HOSTILE.to_owned())],
        };
        let empty = Reply { found: Ok(nothing()), blame: None, empty: Some(Ok(why)) };
        let unknown =
            Reply { found: Ok(nothing()), blame: None, empty: Some(Err(QueryError::invalid(HOSTILE))) };
        Replies {
            replies: vec![
                reply(Err(QueryError::bad(format!("1:3: parse error: {HOSTILE}"), 2, &["an operator"]))),
                reply(Err(QueryError::Timeout("30 s passed".to_owned()))),
                Some(empty),
                Some(unknown),
            ],
            exemplars: Err(QueryError::Store("disk".to_owned())),
        }
    });
    for part in [
        "<mark>)</mark>",
        "Query 1 is not right: &#60;script",
        "Query 2 was not answered</h2><p>30 s passed",
        "Query 3 gives nothing in this time",
        "Why could not be found out",
        "Exemplars could not be read: disk",
        "There is nothing to draw",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
}

#[test]
fn the_metrics_are_listed_or_it_is_said_how_to_send_some() {
    let endpoints =
        Endpoints { otlp_grpc: ([127, 0, 0, 1], 4317).into(), otlp_http: ([127, 0, 0, 1], 4318).into() };
    let described = MetricDescription { kind: "counter", help: HOSTILE.to_owned(), unit: HOSTILE.to_owned() };
    let known = Known { descriptions: [(HOSTILE.to_owned(), vec![described])].into(), series: None };
    let (visit, asked) = asked("/promql?t=now-1h&find=%3Cscript&service=a%22%3E");
    let page = view::metrics(&visit, "0.1.0", endpoints, &asked, Some(&known)).render().unwrap();
    checks::is_sound("promql-metrics", &page);
    assert!(page.contains("1 of 1 metric") && page.contains("counter"), "{page}");
    let page = view::metrics(&visit, "0.1.0", endpoints, &asked, None).render().unwrap();
    checks::is_sound("promql-nothing", &page);
    assert!(page.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318"), "{page}");
    assert!(page.contains("url: http://localhost:4319/prometheus/api/v1/write"), "{page}");
}

/// Every function and aggregation that completion offers is one that may be called.
#[test]
fn completion_offers_what_there_is() {
    let words = include_str!("../../../assets/promql-words.js");
    let (called, _) = words.split_once("export const KEYWORDS").unwrap();
    let names =
        called.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": \"")).map(|(name, _)| name);
    let options = Options { experimental_functions: true, ..Options::default() };
    let mut count = 0;
    for name in names {
        let error = query::promql::parse(&format!("{name}("), &options).unwrap_err().to_string();
        assert!(!error.contains("unknown") && !error.contains("experimental"), "{name}: {error}");
        count += 1;
    }
    assert_eq!(count, 80 + 14);
}

#[test]
fn the_largest_exemplars_are_kept() {
    let (_, asked) = asked("/promql?q=up");
    let (name, one) = exemplar(&asked);
    let mut all: Vec<_> =
        (0..100).map(|number| (name.clone(), Exemplar { value: f64::from(number), ..one.clone() })).collect();
    largest(&mut all);
    assert_eq!((all.len(), all[EXEMPLARS_MAX - 1].1.value), (EXEMPLARS_MAX, 60.0));
}
