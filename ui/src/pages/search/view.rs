//! What the search page shows.

use std::collections::BTreeMap;

use askama::Template;
use query::rows::{FacetValue, Page, Stats};

use super::{Extent, Found, Question, Tab};
use crate::address::{Address, and, term};
use crate::chart::Histogram;
use crate::format::{count, counted, svg_percent};
use crate::pages::rows::{LogTable, SpanTable, TraceTable};
use crate::problem::WrongQuery;
use crate::range::{self, PRESETS, Range};
use crate::visit::{Frame, Section, Visit};

/// How many values of a facet are shown.
const FACET_VALUES_MAX: usize = 12;

#[derive(Template)]
#[template(path = "search.html")]
pub(super) struct SearchPage {
    frame: Frame,
    tab: &'static str,
    /// Address, title, whether it is this one.
    tabs: Vec<(String, &'static str, bool)>,
    q: String,
    t: String,
    range: String,
    /// The diagnosis of this time, if it is a certain one.
    explain: Option<String>,
    presets: Vec<(String, &'static str, bool)>,
    wrong: Option<WrongQuery>,
    results: Option<Results>,
}

/// What an answered question adds.
struct Results {
    table: Table,
    histogram: Option<Histogram>,
    facets: Vec<Facet>,
    /// How many match and are shown.
    summary: String,
    /// What it cost.
    cost: String,
    /// Why the answer is cut short.
    partial: Option<String>,
    /// The next page.
    older: Option<String>,
    /// Back to the first page.
    newest: Option<String>,
    empty: Option<Empty>,
}

enum Table {
    Traces(TraceTable),
    Spans(SpanTable),
    Logs(LogTable),
}

struct Facet {
    title: &'static str,
    values: Vec<Value>,
}

struct Value {
    text: String,
    count: String,
    width: String,
    only: String,
    without: String,
}

/// Why nothing was found, and what to do.
#[derive(Debug, PartialEq)]
struct Empty {
    searched: String,
    cause: String,
    /// Address and text.
    ways: Vec<(String, &'static str)>,
}

/// The page of a query that is wrong.
pub(super) fn wrong(
    visit: &Visit,
    version: &'static str,
    question: &Question,
    wrong: WrongQuery,
) -> SearchPage {
    SearchPage { wrong: Some(wrong), ..bare(visit, version, question) }
}

/// The page of an answer.
pub(super) fn found(
    visit: &Visit,
    version: &'static str,
    question: &Question,
    found: &Found,
    extent: Extent,
) -> SearchPage {
    let results = match found {
        Found::Traces(page) => Results::new(
            question,
            page,
            Table::Traces(TraceTable::new("Traces, newest first", &page.rows)),
            extent,
        ),
        Found::Spans(page) => Results::new(
            question,
            page,
            Table::Spans(SpanTable::new("Spans, newest first", &page.rows)),
            extent,
        ),
        Found::Logs(page) => {
            Results::new(question, page, Table::Logs(LogTable::new("Logs, newest first", &page.rows)), extent)
        }
    };
    SearchPage { results: Some(results), ..bare(visit, version, question) }
}

fn bare(visit: &Visit, version: &'static str, question: &Question) -> SearchPage {
    let t = &question.range.text;
    let tabs = Tab::ALL
        .iter()
        .map(|(_, tab)| (question.href(*tab, &question.q, t), tab.title(), *tab == question.tab));
    let presets =
        PRESETS.iter().map(|(t, name)| (question.href_of_time(t), *name, *t == question.range.text));
    SearchPage {
        frame: visit.frame(question.tab.title(), Section::Search, version),
        tab: question.tab.word(),
        tabs: tabs.collect(),
        q: question.q.clone(),
        t: t.clone(),
        range: question.range.words(),
        explain: (!t.is_empty()).then(|| Address::new("/explain").with("t", t).to_string()),
        presets: presets.collect(),
        wrong: None,
        results: None,
    }
}

impl Results {
    fn new<T>(question: &Question, page: &Page<T>, table: Table, extent: Extent) -> Self {
        let noun = question.tab.noun();
        let buckets = page.histogram.as_deref().unwrap_or_default();
        let shown = page.rows.len() as u64;
        let summary = match page.total {
            Some(total) => format!("{} · {} shown, newest first", counted(total, noun), count(shown)),
            None => format!("{} shown, newest first", counted(shown, noun)),
        };
        let older = page.cursor.as_ref().map(|cursor| {
            let address = Address::new("/search").with("tab", question.tab.word()).with("q", &question.q);
            address.with("t", &question.range.text).with("cursor", cursor).to_string()
        });
        let later = !question.cursor.is_empty();
        Self {
            table,
            histogram: Histogram::new("matches", noun, buckets, |t| question.href_of_time(t)),
            facets: facets(question, page.facets.as_ref()),
            summary,
            cost: cost(&page.stats),
            partial: page.stats.partial.as_ref().map(|partial| partial.reason.clone()),
            older,
            newest: later.then(|| question.href_of_query(&question.q)),
            empty: page.rows.is_empty().then(|| Empty::new(question, extent)),
        }
    }
}

fn cost(stats: &Stats) -> String {
    format!(
        "read {} in {} ms, {} of {} opened",
        counted(stats.rows_scanned, "row"),
        count(stats.elapsed_ms),
        count(stats.segments_opened),
        counted(stats.segments_total, "segment")
    )
}

fn facets(question: &Question, facets: Option<&BTreeMap<String, Vec<FacetValue>>>) -> Vec<Facet> {
    let Some(facets) = facets else { return Vec::new() };
    let shown = question.tab.facets().into_iter().filter_map(|(key, title)| {
        let values = facets.get(key).filter(|values| !values.is_empty())?;
        let most = values.iter().map(|value| value.count).max().unwrap_or(1).max(1);
        let values = values.iter().take(FACET_VALUES_MAX).map(|value| {
            let term = term(key, &value.value);
            Value {
                text: value.value.clone(),
                count: count(value.count),
                width: svg_percent(value.count as f64 / most as f64),
                only: question.href_of_query(&and(&question.q, &term)),
                without: question.href_of_query(&and(&question.q, &format!("NOT {term}"))),
            }
        });
        Some(Facet { title, values: values.collect() })
    });
    shown.collect()
}

impl Empty {
    fn new(question: &Question, extent: Extent) -> Self {
        let noun = question.tab.noun();
        let everything = question.range.text.is_empty();
        let what = if question.q.trim().is_empty() {
            format!("Looked for any {noun}")
        } else {
            format!("Looked for {noun}s that match {}", question.q.trim())
        };
        let searched = format!("{what}, {}.", question.range.words());
        let Some(extent) = extent else {
            let cause = format!("No {noun}s are stored yet.");
            return Self { searched, cause, ways: vec![("/start".to_owned(), "How to send some")] };
        };
        let stored = range::words(&extent);
        let inside =
            question.range.range.overlaps(extent.from.unwrap_or_default(), extent.to.unwrap_or_default());
        let mut ways = Vec::new();
        if !everything {
            ways.push((question.href_of_time(""), "Search everything stored"));
        }
        if !inside && let Some(newest) = extent.to {
            let hour = Range::newest_hour(newest, model::UnixNanos(i64::MAX));
            ways.push((question.href_of_time(&hour.text), "Search the newest hour that has data"));
        }
        if !question.q.trim().is_empty() {
            ways.push((question.href_of_query(""), "Drop the query"));
        }
        if !question.cursor.is_empty() {
            ways.push((question.href_of_query(&question.q), "Back to the newest"));
        }
        let cause = if inside {
            format!(
                "There are {noun}s at that time, but none matches. Stored: {stored}. Words match whole words; values match exactly, * is a wildcard."
            )
        } else {
            format!("The {noun}s that are stored lie outside that time: {stored}.")
        };
        Self { searched, cause, ways }
    }
}

#[cfg(test)]
mod tests {
    use model::{TimeRange, UnixNanos};
    use query::QueryError;

    use super::*;
    use crate::pages::checks;
    use crate::sample;

    fn asked(address: &str) -> (Visit, Question) {
        let visit = checks::visit(address);
        let question = Question::of(&visit).unwrap();
        (visit, question)
    }

    fn rendered(name: &str, address: &str, answer: Found, extent: Extent) -> String {
        let (visit, question) = asked(address);
        let page = found(&visit, "0.1.0", &question, &answer, extent).render().unwrap();
        checks::is_sound(name, &page);
        page
    }

    #[test]
    fn logs_lead_to_their_trace_and_unfold() {
        let mut logs = sample::shop().logs;
        logs.extend(sample::hostile_logs());
        let page =
            rendered("search-logs", "/search?tab=logs&t=now-1h", Found::Logs(sample::page(logs)), None);
        for part in [
            "charge failed",
            "3,339 logs",
            "?span=",
            "<details",
            "code.line.number",
            "cursor=1763715600-42",
            "/explain?t=now-1h",
        ] {
            assert!(page.contains(part), "{part}");
        }
    }

    #[test]
    fn traces_and_spans_are_listed() {
        let traces = Found::Traces(sample::page(sample::summaries()));
        let page = rendered("search-traces", "/search?q=service:checkout", traces, None);
        assert!(!page.contains("/explain"), "everything is no window");
        // A facet narrows the query that is there.
        assert!(page.contains("q=service%3Acheckout%20status%3Aerror"));
        assert!(page.contains("q=service%3Acheckout%20NOT%20status%3Aerror"));
        let mut spans = sample::shop().spans;
        spans.extend(sample::hostile_trace().spans);
        let page =
            rendered("search-spans", "/search?tab=spans&cursor=x", Found::Spans(sample::page(spans)), None);
        assert!(page.contains("Checkout/PlaceOrder"));
        assert!(page.contains("Newest"));
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
    fn nothing_found_names_the_nearest_cause() {
        let extent = Some(TimeRange { from: Some(UnixNanos(0)), to: Some(UnixNanos(10_000_000_000)) });
        let cases = [
            ("/search?tab=logs", None, "No logs are stored yet", "/start"),
            ("/search?tab=logs&t=now-1h", extent, "outside that time", "1969-12-31T23"),
            ("/search?tab=logs&q=a%3Cb", extent, "none matches", "/search?tab=logs\""),
            ("/search?tab=logs&t=0..5&q=a", extent, "none matches", "Search everything stored"),
        ];
        for (number, (address, extent, cause, way)) in cases.into_iter().enumerate() {
            let mut empty = sample::page(Vec::new());
            (empty.cursor, empty.total, empty.facets, empty.histogram) = (None, Some(0), None, None);
            let page = rendered(&format!("search-empty-{number}"), address, Found::Logs(empty), extent);
            assert!(page.contains(cause), "{cause}");
            assert!(page.contains(way), "{way}");
        }
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for address in ["/search?tab=pink", "/search?t=yesterday", "/search?q=a&q=b"] {
            assert!(Question::of(&checks::visit(address)).is_err(), "{address}");
        }
    }
}
