//! The tab of templates: what logs say, how often, since when, and what came or went.

use askama::Template;
use model::Signal;
use query::Templates;
use query::rows;

use super::question::{Question, ROWS_MAX, Tab};
use crate::address::term;
use crate::format::{Moment, count, counted, first_line};
use crate::pages::rows::ServiceMark;
use crate::range;

/// How many templates are asked for where the newest are wanted: the most frequent of them are put in order.
pub(super) const NEWEST_OF: usize = 1_000;
/// The size of a trend in units of its SVG.
const TREND_WIDTH: f64 = 120.0;
const TREND_HEIGHT: f64 = 20.0;
/// How many services of a template are named; the rest are counted.
const SERVICES_MAX: usize = 3;
/// How much of the names of all of them stands beside, in characters.
const SERVICES_CHARS_MAX: usize = 2_000;
/// How much of an example is shown, in characters.
const EXAMPLE_CHARS_MAX: usize = 600;

/// Templates, one a row.
#[derive(Template)]
#[template(path = "part/search_templates.html")]
pub(super) struct TemplateTable {
    pub(super) caption: String,
    pub(super) rows: Vec<TemplateRow>,
    /// The addresses of the two orders, and whether each is this one.
    pub(super) orders: Vec<(String, &'static str, bool)>,
    /// What was left out, and how much.
    pub(super) notes: Vec<String>,
}

/// A template.
pub(super) struct TemplateRow {
    pub(super) count: String,
    pub(super) trend: Trend,
    pub(super) state: &'static str,
    /// Text and variable places, in turn: whether it is a place.
    pub(super) parts: Vec<(String, bool)>,
    pub(super) first_seen: Moment,
    pub(super) last_seen: Moment,
    /// What is new since this one came.
    pub(super) since: String,
    pub(super) services: Vec<ServiceMark>,
    pub(super) more: usize,
    pub(super) all_services: String,
    pub(super) logs: String,
    pub(super) example: Option<String>,
    /// The commonest values of each place.
    pub(super) variables: Vec<Vec<(String, String)>>,
}

/// Counts over time as one path.
#[derive(Debug, PartialEq)]
pub(super) struct Trend {
    /// The path of the bars.
    pub(super) path: String,
    /// What it shows.
    pub(super) label: String,
}

impl Trend {
    fn new(counts: &[u64]) -> Self {
        let highest = counts.iter().copied().max().unwrap_or(0);
        let step = TREND_WIDTH / counts.len().max(1) as f64;
        let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| {
            // What is there is seen, however little it is.
            let height = (*count as f64 / highest as f64 * TREND_HEIGHT).max(1.5);
            let (x, y) = (at as f64 * step, TREND_HEIGHT - height);
            format!("M{x:.1} {y:.1}h{:.1}v{height:.1}h-{:.1}z", step * 0.8, step * 0.8)
        });
        let label = format!(
            "{} parts of the time, at most {} in one, {} in the last",
            counts.len(),
            count(highest),
            count(counts.last().copied().unwrap_or(0))
        );
        Self { path: bars.collect(), label }
    }
}

impl TemplateTable {
    pub(super) fn new(question: &Question, answer: &Templates) -> Self {
        let newest_first = question.sort.word == "-first";
        let mut templates: Vec<&rows::Template> = answer.templates.iter().collect();
        let mut notes = Vec::new();
        if newest_first {
            templates.sort_by(|a, b| (b.first_seen, &b.id).cmp(&(a.first_seen, &a.id)));
            if answer.templates_total > answer.templates.len() {
                notes.push(format!(
                    "the newest of the {} most frequent templates; there are {}",
                    count(answer.templates.len() as u64),
                    count(answer.templates_total as u64)
                ));
            }
            if templates.len() > ROWS_MAX {
                notes.push(format!("the first {ROWS_MAX} of {} are shown", count(templates.len() as u64)));
                templates.truncate(ROWS_MAX);
            }
        }
        if answer.without > 0 {
            notes.push(format!("{} without a template", counted(answer.without, "matching log")));
        }
        let orders = Tab::Templates.sorts().iter().map(|sort| {
            let href = question.with(|other| other.sort = *sort).href();
            (href, sort.name, sort.word == question.sort.word)
        });
        Self {
            caption: format!("Templates, {}", question.sort.name),
            rows: templates.into_iter().map(|template| TemplateRow::new(question, template)).collect(),
            orders: orders.collect(),
            notes,
        }
    }
}

impl TemplateRow {
    fn new(question: &Question, template: &rows::Template) -> Self {
        let own = term("template", &template.id);
        let logs = question.with(|other| {
            (other.tab, other.sort) = (Tab::Logs, Tab::Logs.sorts()[0]);
            other.cols.clear();
            other.q = crate::address::and(&question.q, &own);
        });
        let since = question.with(|other| {
            other.range.text = format!("{}..", crate::format::rfc3339(template.first_seen));
            (other.sel, other.sort) = (None, Tab::Templates.sorts()[1]);
        });
        let variables = template.variables.iter().map(|values| {
            values.iter().map(|value| (first_line(&value.value, 60), count(value.count))).collect()
        });
        Self {
            count: count(template.count),
            trend: Trend::new(&template.trend),
            state: match template.state.as_str() {
                "new" => "new",
                "gone" => "gone",
                _ => "",
            },
            parts: parts(&template.template),
            first_seen: Moment::to_second(template.first_seen),
            last_seen: Moment::to_second(template.last_seen),
            since: since.href(),
            services: template
                .services
                .iter()
                .take(SERVICES_MAX)
                .map(|name| ServiceMark::new(name))
                .collect(),
            more: template.services.len().saturating_sub(SERVICES_MAX),
            all_services: first_line(&template.services.join(", "), SERVICES_CHARS_MAX),
            logs: logs.href(),
            example: template.example.as_ref().map(|text| text.chars().take(EXAMPLE_CHARS_MAX).collect()),
            variables: variables.collect(),
        }
    }
}

/// A template's text with its variable places apart.
fn parts(template: &str) -> Vec<(String, bool)> {
    let mut parts = Vec::new();
    for (at, text) in template.split("<*>").enumerate() {
        if at > 0 {
            parts.push(("<*>".to_owned(), true));
        }
        if !text.is_empty() {
            parts.push((text.to_owned(), false));
        }
    }
    parts
}

/// The words for what was covered.
pub(super) fn covered(answer: &Templates) -> String {
    format!(
        "{} in {} · {}",
        counted(answer.templates_total as u64, "template"),
        counted(answer.total, Signal::Logs.table().trim_end_matches('s')),
        range::words(&answer.range)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trends_are_drawn_with_every_count_visible() {
        let trend = Trend::new(&[0, 1000, 1]);
        assert_eq!(trend.path, "M40.0 0.0h32.0v20.0h-32.0zM80.0 18.5h32.0v1.5h-32.0z");
        assert_eq!(trend.label, "3 parts of the time, at most 1,000 in one, 1 in the last");
        assert_eq!(Trend::new(&[]).path, "");
        assert_eq!(Trend::new(&[0, 0]).path, "");
    }

    #[test]
    fn places_stand_apart() {
        let text = |text: &str| (text.to_owned(), text == "<*>");
        assert_eq!(parts("order <*> by <*>"), ["order ", "<*>", " by ", "<*>"].map(text));
        assert_eq!(parts(""), []);
    }
}
