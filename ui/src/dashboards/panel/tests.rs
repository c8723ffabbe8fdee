use std::sync::Arc;

use query::promql::{Answer, Histogram, Labels, Point, Points, Reset, Sample, Value};
use query::rows::Stats;

use super::*;
use crate::dashboards::model::{Level, Threshold};

const SPAN: Span = Span { from_ms: 0, to_ms: 120_000, step_ms: 60_000, interval_ms: 15_000 };

fn panel(kind: PanelKind, queries: usize) -> Panel {
    let query = PanelQuery { expr: "up".to_owned(), legend: String::new() };
    let threshold = Threshold { from: 5.0, level: Level::Bad };
    Panel { queries: vec![query; queries], thresholds: vec![threshold], ..Panel::new(kind, "Calls") }
}

fn answer(value: Value) -> Result<MetricAnswer, String> {
    let answer = Answer { value, warnings: Vec::new(), infos: Vec::new() };
    Ok(MetricAnswer { answer, series: 0, samples: 0, widest: None, stats: Stats::default() })
}

fn over(labels: &[(&str, &str)], values: &[f64]) -> Points {
    let points = values.iter().enumerate().map(|(step, value)| (step as i64 * 60_000, Point::Float(*value)));
    Points { labels: Labels::new(labels.iter().copied()), points: points.collect() }
}

fn drawn(kind: PanelKind, answers: Vec<Result<MetricAnswer, String>>) -> Drawn {
    let panel = panel(kind, answers.len());
    let answered: Vec<_> = panel.queries.iter().zip(answers).collect();
    draw(&panel, &answered, &Choices::new(), &SPAN)
}

#[test]
fn times_have_round_steps() {
    for (seconds, step) in [(60, 1_000), (3_600, 15_000), (86_400, 600_000), (30 * 86_400, 10_800_000)] {
        let span = Span::new(7 * 1_000_000_000, (7 + seconds) * 1_000_000_000, 15_000);
        assert_eq!((span.step_ms, span.from_ms % span.step_ms), (step, 0), "{seconds}");
        assert!(span.count() <= STEPS as usize + 2, "{}", span.count());
    }
    for (from, to) in [(0, 0), (5, 1), (i64::MIN, i64::MAX)] {
        let span = Span::new(from, to, 60_000);
        assert!((1..=STEPS as usize + 2).contains(&span.count()), "{span:?}");
    }
}

#[test]
fn intervals_follow_from_the_step() {
    let of = |span: Span, name: &str| span.choices()[name].values[0].clone();
    assert_eq!(of(SPAN, "__interval"), "60s");
    assert_eq!(of(SPAN, "__rate_interval"), "75s");
    assert_eq!(of(Span { step_ms: 1_500, ..SPAN }, "__rate_interval"), "60s");
    assert_eq!(of(Span { step_ms: 1_500, ..SPAN }, "__interval"), "1500ms");
    assert_eq!(of(SPAN, "__range_s"), "120");
}

#[test]
fn graphs_draw_what_was_answered() {
    let series = vec![over(&[("a", "1")], &[1.0, 2.0, 10.0]), over(&[("a", "2")], &[5.0])];
    let Drawn { body: Body::Graph(graph), notes } =
        drawn(PanelKind::Graph, vec![answer(Value::Matrix(series))])
    else {
        panic!("a graph was expected");
    };
    assert_eq!(notes, [""; 0]);
    assert_eq!(graph.lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["a=1", "a=2"]);
    assert_eq!((graph.lines[0].last.as_str(), graph.lines[0].level), ("10", "bad"));
    assert_eq!(graph.ticks[2], ("100%".to_owned(), "0".to_owned()));
    assert_eq!(graph.thresholds.len(), 1);
    assert!(graph.label.starts_with("Calls: a=1 10, at most 10"), "{}", graph.label);
    let data: serde_json::Value = serde_json::from_str(&graph.data).unwrap();
    assert_eq!(data["series"][1]["values"], serde_json::json!([5.0, null, null]));
}

#[test]
fn stacked_lines_stand_on_one_another() {
    let series = vec![over(&[("a", "1")], &[1.0, 1.0, 1.0]), over(&[("a", "2")], &[3.0, 3.0, 3.0])];
    let panel = Panel { stack: true, ..panel(PanelKind::Graph, 1) };
    let answered: Vec<_> = panel.queries.iter().zip([answer(Value::Matrix(series))]).collect();
    let Body::Graph(graph) = draw(&panel, &answered, &Choices::new(), &SPAN).body else {
        panic!("a graph was expected")
    };
    assert_eq!(graph.ticks[0].1, "4.20");
}

#[test]
fn many_lines_are_cut_and_said() {
    let series =
        (0..60).map(|number| over(&[("a", &format!("{number:02}"))], &[f64::from(number)])).collect();
    let Drawn { body: Body::Graph(graph), notes } =
        drawn(PanelKind::Graph, vec![answer(Value::Matrix(series))])
    else {
        panic!("a graph was expected");
    };
    assert_eq!((graph.lines.len(), graph.lines[0].name.as_str()), (40, "a=59"));
    assert_eq!(notes, ["The highest 40 of 60 series are drawn."]);
}

#[test]
fn tables_bring_queries_together_by_labels() {
    let sample = |label: &str, value: f64| Sample {
        labels: Labels::new([("a", label)]),
        time_ms: 0,
        point: Point::Float(value),
    };
    let answers = vec![
        answer(Value::Vector(vec![sample("1", 1.0), sample("2", 7.0)])),
        answer(Value::Vector(vec![sample("1", 3.0)])),
    ];
    let Body::Table(table) = drawn(PanelKind::Table, answers).body else { panic!("a table was expected") };
    assert_eq!(
        (table.labels.len(), table.figures.as_slice()),
        (1, ["value".to_owned(), "value 2".to_owned()].as_slice())
    );
    assert_eq!(table.rows[0].labels, ["2"]);
    assert_eq!(table.rows[0].figures, [("7".to_owned(), "bad"), ("–".to_owned(), "")]);
    assert_eq!(table.rows[1].figures[1].0, "3");
}

#[test]
fn rows_of_several_metrics_have_their_names() {
    let sample = |name: &str, value: f64| Sample {
        labels: Labels::new([("__name__", name), ("a", "1")]),
        time_ms: 0,
        point: Point::Float(value),
    };
    let both = answer(Value::Vector(vec![sample("x", 1.0), sample("y", 2.0)]));
    let Body::Table(table) = drawn(PanelKind::Table, vec![both]).body else { panic!("a table was expected") };
    assert_eq!(table.labels, ["__name__", "a"]);
    assert_eq!(table.rows.iter().map(|row| row.labels.join(" ")).collect::<Vec<_>>(), ["y 1", "x 1"]);
    let each = [("x", 1.0), ("y", 2.0)].map(|(name, value)| answer(Value::Vector(vec![sample(name, value)])));
    let Body::Table(table) = drawn(PanelKind::Table, each.into()).body else {
        panic!("a table was expected")
    };
    assert_eq!((table.labels.join(" "), table.rows.len()), ("a".to_owned(), 1));
}

#[test]
fn headings_have_what_is_chosen_and_labels_a_limit() {
    let labels = (0..60).map(|number| (format!("l{number:02}"), "x"));
    let sample = Sample { labels: Labels::new(labels), time_ms: 0, point: Point::Float(1.0) };
    let mut panel = panel(PanelKind::Table, 1);
    panel.queries[0].legend = "of $job".to_owned();
    let answered: Vec<_> = panel.queries.iter().zip([answer(Value::Vector(vec![sample]))]).collect();
    let choices = Choices::from([("job".to_owned(), fill::Chosen::one("shop"))]);
    let Drawn { body: Body::Table(table), notes } = draw(&panel, &answered, &choices, &SPAN) else {
        panic!("a table was expected")
    };
    assert_eq!((table.labels.len(), table.figures.join(" ").as_str()), (24, "of shop"));
    assert_eq!(notes, ["The first 24 of 60 labels are shown."]);
}

#[test]
fn heatmaps_show_classic_and_native_buckets() {
    let series = vec![
        over(&[("le", "1")], &[1.0, 0.0, 4.0]),
        over(&[("le", "+Inf")], &[1.0, 2.0, 4.0]),
        over(&[("x", "y")], &[9.0]),
    ];
    let Body::Heat(heat) = drawn(PanelKind::Heatmap, vec![answer(Value::Matrix(series))]).body else {
        panic!("a heatmap was expected");
    };
    assert_eq!(heat.highest, "4");
    assert_eq!(heat.bounds, [("50%".to_owned(), "1".to_owned()), ("0%".to_owned(), "+Inf".to_owned())]);
    let histogram = Histogram {
        schema: 0,
        count: 6.0,
        sum: 1.0,
        zero_threshold: 0.001,
        zero_count: 1.0,
        positive: vec![(0, 2.0), (1, 3.0)],
        negative: Vec::new(),
        bounds: Arc::from([]),
        reset: Reset::Unknown,
    };
    let points = vec![(60_000, Point::Histogram(Arc::new(histogram)))];
    let series = vec![Points { labels: Labels::empty(), points }];
    let Body::Heat(heat) = drawn(PanelKind::Heatmap, vec![answer(Value::Matrix(series))]).body else {
        panic!("a heatmap was expected");
    };
    assert_eq!(heat.bounds.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["0.0010", "1", "2"]);
    assert_eq!(heat.highest, "3");
}

#[test]
fn nothing_and_what_fails_is_said() {
    assert!(drawn(PanelKind::Graph, vec![answer(Value::Matrix(Vec::new()))]).is_empty());
    let flat = vec![over(&[("a", "1")], &[1.0])];
    assert!(drawn(PanelKind::Heatmap, vec![answer(Value::Matrix(flat))]).is_empty());
    let failed = || Err("30 s passed".to_owned());
    let Body::Wrong(message) = drawn(PanelKind::Graph, vec![failed()]).body else {
        panic!("an error was expected")
    };
    assert_eq!(message, "30 s passed");
    let half = drawn(PanelKind::Stat, vec![failed(), answer(Value::Matrix(vec![over(&[], &[1.0])]))]);
    assert_eq!(half.notes, ["30 s passed"]);
    assert!(matches!(half.body, Body::Stat(_)));
}
