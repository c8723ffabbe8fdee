//! The metrics that are stored, each with a query that says something about it.

use std::collections::{BTreeMap, BTreeSet};

use model::Reader;
use query::promql::{MatchOp, Matcher, NAME, parse};
use query::{MetricDescription, QueryError, SeriesList, SeriesQuestion};

use super::question::Asked;
use crate::Ui;
use crate::dashboards::fill::escape_text;
use crate::format::{count, counted, cut};

/// The most metrics that are listed.
const METRICS_MAX: usize = 300;
/// Among how many series those of a metric are counted.
const COUNTED_SERIES_MAX: usize = 20_000;
/// How much of a help text stands in a row, in characters.
const HELP_CHARS_MAX: usize = 300;
/// The endings of the series that a classic histogram or a summary consists of.
pub(super) const PARTS: [&str; 3] = ["_bucket", "_count", "_sum"];
/// What metrics made of spans begin with: they name services by `service_name` and not by `job`.
const OF_SPANS: &str = "traces_span_metrics_";
/// What metrics made of calls begin with: they name the services at both ends.
const OF_CALLS: &str = "traces_service_graph_";

/// The list of metrics.
pub(super) struct Explorer {
    pub(super) summary: String,
    pub(super) rows: Vec<MetricRow>,
}

/// One metric.
#[derive(Debug, PartialEq)]
pub(super) struct MetricRow {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) unit: String,
    pub(super) help: String,
    /// How many series it has, where that is known.
    pub(super) series: String,
    /// The query that is filled in, and its address.
    pub(super) query: String,
    pub(super) href: String,
}

/// What is known of all metrics.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) descriptions: BTreeMap<String, Vec<MetricDescription>>,
    /// How many series each name has in the time of the page; not known where there are too many series.
    pub(super) series: Option<BTreeMap<String, u64>>,
}

/// Asks what metrics there are.
pub(super) async fn look(ui: &Ui, reader: &Reader, asked: &Asked) -> Result<Known, QueryError> {
    let selectors = of_service(&asked.service);
    let question = SeriesQuestion { selectors, range: asked.covered(), limit: COUNTED_SERIES_MAX };
    let (descriptions, list) =
        tokio::join!(ui.engine.metric_descriptions(reader, None), ui.engine.metric_series(reader, &question));
    let series = match list {
        Ok(list) => counts(&list),
        // There are more series than can be counted.
        Err(QueryError::Limit(_)) => None,
        Err(error) => return Err(error),
    };
    Ok(Known { descriptions: descriptions?, series })
}

/// The series of a service, by the labels that name it; of none, all series.
fn of_service(service: &str) -> Vec<Vec<Matcher>> {
    if service.is_empty() {
        return Vec::new();
    }
    let matchers = [
        Matcher::new("job", MatchOp::Regex, &job(service)),
        Matcher::new("service_name", MatchOp::Equal, service),
    ];
    matchers.into_iter().flatten().map(|matcher| vec![matcher]).collect()
}

/// An expression for the label `job` of a service, in front of which its namespace may stand.
fn job(service: &str) -> String {
    let special = |one: char| r"\.+*?()|[]{}^$".contains(one);
    let escaped: String =
        service.chars().flat_map(|one| special(one).then_some('\\').into_iter().chain([one])).collect();
    format!("(.*/)?{escaped}")
}

fn counts(list: &SeriesList) -> Option<BTreeMap<String, u64>> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for labels in &list.series {
        *counts.entry(labels.name().to_owned()).or_default() += 1;
    }
    (!list.is_cut).then_some(counts)
}

impl Known {
    /// Those metrics that the address asks for.
    pub(super) fn listed(&self, asked: &Asked) -> Explorer {
        let wanted = asked.find.to_lowercase();
        let names: Vec<String> = self.names(!asked.service.is_empty());
        let all = names.len();
        let found: Vec<&String> = names.iter().filter(|name| name.to_lowercase().contains(&wanted)).collect();
        let rows: Vec<MetricRow> = found.iter().take(METRICS_MAX).map(|name| self.row(asked, name)).collect();
        let mut summary = counted(all as u64, "metric");
        if !wanted.is_empty() {
            summary = format!("{} of {summary}", count(found.len() as u64));
        }
        if rows.len() < found.len() {
            summary = format!("the first {} of {summary}", count(rows.len() as u64));
        }
        Explorer { summary, rows }
    }

    /// Names in order: the series of a classic histogram stand under one. Those of a service have series in this time.
    fn names(&self, of_service: bool) -> Vec<String> {
        let series = self.series.iter().flat_map(BTreeMap::keys).map(|name| self.family(name).to_owned());
        let described = self.descriptions.keys().filter(|_| !of_service || self.series.is_none()).cloned();
        series.chain(described).collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// The metric that a series belongs to.
    fn family<'a>(&self, name: &'a str) -> &'a str {
        let parts = PARTS.iter().filter_map(|part| name.strip_suffix(part));
        let consists =
            |family: &&str| matches!(self.kind(family), "histogram" | "gaugehistogram" | "summary");
        parts.into_iter().find(consists).unwrap_or(name)
    }

    fn described(&self, name: &str) -> Option<&MetricDescription> {
        self.descriptions.get(name)?.first()
    }

    fn kind(&self, name: &str) -> &'static str {
        self.described(name).map_or("unknown", |described| described.kind)
    }

    fn row(&self, asked: &Asked, name: &str) -> MetricRow {
        let described = self.described(name);
        let query = self.query(name, &asked.service);
        // A name with letters that a query cannot say leads nowhere.
        let is_query = parse(&query, &asked.options).is_ok();
        let of_parts = |series: &BTreeMap<String, u64>| {
            let parts = PARTS.iter().map(|part| format!("{name}{part}")).chain([name.to_owned()]);
            parts.filter_map(|name| series.get(&name)).sum::<u64>()
        };
        MetricRow {
            kind: self.kind(name),
            unit: described.map(|described| described.unit.clone()).unwrap_or_default(),
            help: described.map(|described| cut(&described.help, HELP_CHARS_MAX)).unwrap_or_default(),
            series: self.series.as_ref().map_or_else(|| "–".to_owned(), |series| count(of_parts(series))),
            href: if is_query { asked.with_query(&query).link() } else { String::new() },
            query,
            name: name.to_owned(),
        }
    }

    /// A query that says something about a metric of its kind.
    fn query(&self, name: &str, service: &str) -> String {
        let (label, only) = match name {
            name if name.starts_with(OF_SPANS) => {
                ("service_name", format!("service_name={}", quoted(service)))
            }
            name if name.starts_with(OF_CALLS) => ("client, server", format!("server={}", quoted(service))),
            _ => ("job", format!("job=~{}", quoted(&job(service)))),
        };
        let only = if service.is_empty() { String::new() } else { only };
        let is_there = |part: &str| {
            self.series.as_ref().is_some_and(|series| series.contains_key(&format!("{name}{part}")))
        };
        let windowed = |part: &str| format!("rate({}[5m])", selector(&format!("{name}{part}"), &only));
        match self.kind(name) {
            "counter" => format!("sum by ({label}) ({})", windowed("")),
            "histogram" if is_there("") && !is_there("_bucket") => {
                format!("histogram_quantile(0.95, sum by ({label}) ({}))", windowed(""))
            }
            "histogram" => {
                format!("histogram_quantile(0.95, sum by ({label}, le) ({}))", windowed("_bucket"))
            }
            _ if name.ends_with("_total") => format!("sum by ({label}) ({})", windowed("")),
            _ => selector(name, &only),
        }
    }
}

/// A metric with a condition, whatever its name is.
fn selector(name: &str, only: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    let begins = name.starts_with(|first: char| !first.is_ascii_digit());
    match (begins && name.bytes().all(plain), only) {
        (true, "") => name.to_owned(),
        (true, only) => format!("{name}{{{only}}}"),
        (false, "") => format!("{{{NAME}={}}}", quoted(name)),
        (false, only) => format!("{{{NAME}={}, {only}}}", quoted(name)),
    }
}

/// A text as PromQL writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escape_text(text, '"'))
}

#[cfg(test)]
mod tests {
    use model::UnixNanos;
    use query::promql::Options;

    use super::*;
    use crate::pages::checks;

    fn known() -> Known {
        let described =
            |kind| vec![MetricDescription { kind, help: "what it is".to_owned(), unit: "s".to_owned() }];
        let kinds = [
            ("calls_total", "counter"),
            ("classic", "histogram"),
            ("native", "histogram"),
            ("gone", "gauge"),
            ("traces_service_graph_request_total", "counter"),
        ];
        let names = [
            "calls_total",
            "classic_bucket",
            "classic_count",
            "native",
            "old_total",
            "up",
            "http.active requests",
            "traces_service_graph_request_total",
        ];
        Known {
            descriptions: kinds.map(|(name, kind)| (name.to_owned(), described(kind))).into(),
            series: Some(names.map(|name| (name.to_owned(), 2)).into()),
        }
    }

    fn asked(address: &str) -> Asked {
        Asked::of(&checks::visit(address), None, UnixNanos(1_700_000_000_000_000_000)).unwrap()
    }

    #[test]
    fn each_metric_has_a_query_that_can_be_read() {
        let rows = known().listed(&asked("/promql?t=now-1h")).rows;
        let found: Vec<_> =
            rows.iter().map(|row| (row.name.as_str(), row.series.as_str(), row.query.as_str())).collect();
        assert_eq!(
            found,
            [
                ("calls_total", "2", "sum by (job) (rate(calls_total[5m]))"),
                ("classic", "4", "histogram_quantile(0.95, sum by (job, le) (rate(classic_bucket[5m])))"),
                ("gone", "0", "gone"),
                ("http.active requests", "2", "{__name__=\"http.active requests\"}"),
                ("native", "2", "histogram_quantile(0.95, sum by (job) (rate(native[5m])))"),
                ("old_total", "2", "sum by (job) (rate(old_total[5m]))"),
                (
                    "traces_service_graph_request_total",
                    "2",
                    "sum by (client, server) (rate(traces_service_graph_request_total[5m]))"
                ),
                ("up", "2", "up"),
            ]
        );
        for row in known().listed(&asked("/promql?t=now-1h&service=a.b%22c")).rows {
            assert!(parse(&row.query, &Options::default()).is_ok(), "{}", row.query);
            let only = match row.name.starts_with(OF_CALLS) {
                true => r#"server="a.b\"c""#,
                false => r#"job=~"(.*/)?a\\.b\"c""#,
            };
            assert!(row.query.contains(only), "{}", row.query);
        }
    }

    #[test]
    fn texts_are_quoted_as_queries_are_read() {
        for (text, expected) in [
            ("a", "\"a\""),
            ("a\"b\\c\nd", "\"a\\\"b\\\\c\\nd\""),
            ("\u{301}\u{200b}'", "\"\u{301}\u{200b}'\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn the_filter_and_the_limit_are_told() {
        let listed = known().listed(&asked("/promql?find=TOTAL&t=now-1h"));
        assert_eq!((listed.rows.len(), listed.summary.as_str()), (3, "3 of 8 metrics"));
        let names = (0..400).map(|number| (format!("m{number:03}"), Vec::new()));
        let many = Known { descriptions: names.collect(), series: None };
        let listed = many.listed(&asked("/promql?t=now-1h"));
        assert_eq!(
            (listed.rows.len(), listed.summary.as_str()),
            (METRICS_MAX, "the first 300 of 400 metrics")
        );
    }
}
