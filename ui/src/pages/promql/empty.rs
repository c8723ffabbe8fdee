//! A query that gives nothing: what was looked for, the nearest cause, and what to do.

use std::collections::{BTreeMap, BTreeSet};

use model::{Reader, TimeRange};
use query::promql::{MatchOp, Matcher, NAME};
use query::{MetricDescription, QueryError, SeriesQuestion, near_names};

use super::blame::selectors;
use super::explorer::PARTS;
use super::question::Asked;
use crate::Ui;
use crate::format::cut;

/// How many selections of a query are looked at.
const SELECTIONS_MAX: usize = 4;
/// How much of a name is said, in characters.
const NAME_CHARS_MAX: usize = 120;

/// Why nothing was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Empty {
    /// Each a sentence.
    pub(super) causes: Vec<String>,
    /// Address and text.
    pub(super) ways: Vec<(String, String)>,
}

/// What is known of one selection.
struct Sought {
    /// The name of its metric; empty if it names none.
    metric: String,
    /// Whether it has series in this time.
    is_here: bool,
    /// Whether it has series at any time.
    is_stored: bool,
    /// Whether its metric has, whatever their labels are.
    is_named: bool,
}

/// Looks for the causes that a query gives nothing.
pub(super) async fn why(ui: &Ui, reader: &Reader, asked: &Asked, text: &str) -> Result<Empty, QueryError> {
    let known = names(ui.engine.metric_descriptions(reader, None).await?);
    let mut empty = Empty::default();
    for matchers in selectors(text, asked).into_iter().take(SELECTIONS_MAX) {
        let has = async |matchers: Vec<Matcher>, range: TimeRange| {
            let question = SeriesQuestion { selectors: vec![matchers], range, limit: 1 };
            ui.engine.metric_series(reader, &question).await.map(|list| !list.series.is_empty())
        };
        let name: Vec<Matcher> = matchers.iter().filter(|matcher| matcher.name == NAME).cloned().collect();
        let is_named = !name.is_empty() && has(name.clone(), TimeRange::ALL).await?;
        let is_here = has(matchers.clone(), asked.covered()).await?;
        let is_stored = is_here || has(matchers, TimeRange::ALL).await?;
        let metric = name.into_iter().find(|matcher| matcher.op == MatchOp::Equal);
        let metric = metric.map(|matcher| matcher.value).unwrap_or_default();
        empty.add(asked, text, &known, &Sought { metric, is_here, is_stored, is_named });
    }
    if empty.causes.is_empty() {
        empty
            .causes
            .push("The series it selects are there, and what it makes of them has no value.".to_owned());
    }
    Ok(empty)
}

/// The names that can be asked for: of a histogram and a summary those of its parts, too.
fn names(described: BTreeMap<String, Vec<MetricDescription>>) -> BTreeSet<String> {
    let has_parts = |kind: &str| matches!(kind, "histogram" | "gaugehistogram" | "summary");
    let names = described.into_iter().flat_map(|(name, descriptions)| {
        let parts = if descriptions.iter().any(|one| has_parts(one.kind)) { &PARTS[..] } else { &[] };
        let parts: Vec<String> = parts.iter().map(|part| format!("{name}{part}")).collect();
        parts.into_iter().chain([name])
    });
    names.collect()
}

impl Empty {
    fn add(&mut self, asked: &Asked, text: &str, known: &BTreeSet<String>, sought: &Sought) {
        let metric = isolated(&sought.metric);
        let what = if sought.metric.is_empty() { "What it selects" } else { metric.as_str() };
        if sought.is_here {
            return;
        }
        if sought.is_stored {
            self.causes.push(format!("{what} has samples at other times only."));
            self.ways.push((asked.at("").to_string(), "The same in all that is stored".to_owned()));
        } else if sought.metric.is_empty() {
            self.causes.push("No series has these labels.".to_owned());
        } else if sought.is_named {
            self.causes.push(format!("{metric} has series, but none with these labels."));
            let any = asked.with_query(&sought.metric).link();
            self.ways.push((any, "The metric with any labels".to_owned()));
        } else {
            self.causes.push(format!("No metric {metric} is stored."));
            for near in near_names(&sought.metric, known) {
                let query = replaced(text, &sought.metric, &near);
                self.ways.push((asked.with_query(&query).link(), format!("With {}", isolated(&near))));
            }
        }
        self.ways.retain(|(href, _)| !href.is_empty());
    }
}

/// A query with one metric's name in place of another's, wherever that stands alone.
fn replaced(text: &str, old: &str, new: &str) -> String {
    let is_part = |one: char| one.is_ascii_alphanumeric() || one == '_' || one == ':';
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(old) {
        let (before, after) = (&rest[..at], &rest[at + old.len()..]);
        let alone = !before.chars().next_back().or(out.chars().next_back()).is_some_and(is_part)
            && !after.chars().next().is_some_and(is_part);
        out.push_str(before);
        out.push_str(if alone { new } else { old });
        rest = after;
    }
    out + rest
}

/// A name in a sentence, which it does not take along where it runs the other way.
fn isolated(name: &str) -> String {
    format!("\u{2068}{}\u{2069}", cut(name, NAME_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use model::UnixNanos;

    use super::*;
    use crate::pages::checks;

    #[test]
    fn a_name_is_replaced_wherever_it_stands_alone() {
        for (text, expected) in [
            ("rate(request[5m]) / request", "rate(requests[5m]) / requests"),
            ("request_total + my_request", "request_total + my_request"),
            ("{__name__=\"request\"}", "{__name__=\"requests\"}"),
        ] {
            assert_eq!(replaced(text, "request", "requests"), expected);
        }
    }

    #[test]
    fn the_parts_of_a_histogram_have_names_of_their_own() {
        let described = |kind| vec![MetricDescription { kind, help: String::new(), unit: String::new() }];
        let all = [("h".to_owned(), described("histogram")), ("up".to_owned(), described("gauge"))];
        let expected = ["h", "h_bucket", "h_count", "h_sum", "up"];
        assert_eq!(names(all.into()).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_nearest_cause_is_told() {
        let visit = checks::visit("/promql?q=x&t=now-1h");
        let asked = Asked::of(&visit, None, UnixNanos(1_700_000_000_000_000_000)).unwrap();
        let known = BTreeSet::from(["requests".to_owned()]);
        let no_metric = "No metric \u{2068}request\u{2069} is stored.";
        let labels = "\u{2068}request\u{2069} has series, but none with these labels.";
        let elsewhere = "\u{2068}request\u{2069} has samples at other times only.";
        for (metric, is_stored, is_named, cause, way) in [
            ("request", false, false, no_metric, Some("With \u{2068}requests\u{2069}")),
            ("request", false, true, labels, Some("The metric with any labels")),
            ("request", true, true, elsewhere, Some("The same in all that is stored")),
            (
                "",
                true,
                false,
                "What it selects has samples at other times only.",
                Some("The same in all that is stored"),
            ),
            ("", false, false, "No series has these labels.", None),
        ] {
            let mut empty = Empty::default();
            let sought = Sought { metric: metric.to_owned(), is_here: false, is_stored, is_named };
            empty.add(&asked, "sum(request)", &known, &sought);
            assert_eq!(empty.causes, [cause]);
            assert_eq!(empty.ways.first().map(|(_, text)| text.as_str()), way);
        }
    }
}
