//! What the search page shows.

use askama::Template;
use query::Advice;
use query::rows::{Bucket, Page, Stats};

use super::columns;
use super::empty::Empty;
use super::opened::Opened;
use super::question::{Question, Tab};
use super::table::Table;
use super::templates::{self, TemplateTable};
use super::timeline::{Facets, Timeline};
use super::{Extent, Found};
use crate::address::Address;
use crate::format::{count, counted};
use crate::problem::WrongQuery;
use crate::range::PRESETS;
use crate::visit::{Frame, Section, Visit};

/// How many keys of attributes are offered as columns.
const OFFERED_MAX: usize = 24;

#[derive(Template)]
#[template(path = "search.html")]
pub(super) struct SearchPage {
    frame: Frame,
    tab: &'static str,
    /// What is followed live, if anything can be.
    live: Option<&'static str>,
    /// What is completed: `logs`, `spans` or `traces`.
    completed: &'static str,
    /// Address, title, whether it is this one.
    tabs: Vec<(String, &'static str, bool)>,
    q: String,
    t: String,
    range: String,
    /// What the form carries along.
    carried: Vec<(&'static str, String)>,
    /// The diagnosis of this time, if it is a certain one.
    explain: Option<String>,
    presets: Vec<(String, &'static str, bool)>,
    wrong: Option<WrongQuery>,
    /// Where the rows come from piece by piece, and the address that waits for all of them.
    waiting: Option<(String, String)>,
    columns: Option<ColumnMenu>,
    results: Option<Results>,
    /// The rows' table where they are still to come.
    coming: Option<Table>,
}

/// The menu of columns.
struct ColumnMenu {
    columns: Vec<columns::Shown>,
    /// Further fields and keys: name, address.
    offered: Vec<(String, String)>,
    usual: Option<String>,
    /// What a form for another key begins with, and what it carries along.
    so_far: String,
    carried: Vec<(&'static str, String)>,
}

/// What an answered question adds.
struct Results {
    body: Body,
    timeline: Option<Timeline>,
    facets: Facets,
    /// How many match and are shown.
    summary: String,
    /// What it cost.
    cost: String,
    /// Why the answer is cut short.
    partial: Option<String>,
    /// The next page, and what it is called.
    older: Option<(String, &'static str)>,
    /// Back to the first page.
    first: Option<String>,
    empty: Option<Empty>,
    /// The open row, where it is not among the rows.
    opened: Option<Opened>,
}

enum Body {
    Rows(Table),
    Templates(TemplateTable),
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

/// The page of an answer that takes longer than the frame.
pub(super) fn waiting(visit: &Visit, version: &'static str, question: &Question) -> SearchPage {
    let whole = question.address_at("/search").with("whole", "1").to_string();
    let coming = match question.tab {
        Tab::Traces => Table::traces(question, &[]),
        Tab::Spans => Table::spans(question, &[]),
        _ => Table::logs(question, &[]),
    };
    let pieces = question.address_at("/search/stream").to_string();
    SearchPage {
        waiting: Some((pieces, whole)),
        coming: Some(coming),
        columns: Some(ColumnMenu::new(question, &[])),
        ..bare(visit, version, question)
    }
}

/// The page of an answer.
pub(super) fn found(
    visit: &Visit,
    version: &'static str,
    question: &Question,
    found: &Found,
    opened: Option<Opened>,
    nothing: Option<(Extent, Advice)>,
) -> SearchPage {
    let empty = nothing.map(|(extent, advice)| Empty::new(question, extent, &advice));
    let (results, keys) = match found {
        Found::Traces(answer) => {
            (Results::new(question, answer, Table::traces(question, &answer.rows), opened), Some(Vec::new()))
        }
        Found::Spans(answer) => {
            let keys = answer.rows.iter().flat_map(|span| span.attributes.keys().chain(span.resource.keys()));
            let table = Table::spans(question, &answer.rows);
            (Results::new(question, answer, table, opened), Some(commonest(keys)))
        }
        Found::Logs(answer) => {
            let keys = answer.rows.iter().flat_map(|log| log.attributes.keys().chain(log.resource.keys()));
            let table = Table::logs(question, &answer.rows);
            (Results::new(question, answer, table, opened), Some(commonest(keys)))
        }
        Found::Templates(answer) => (Results::templates(question, answer), None),
    };
    SearchPage {
        columns: keys.map(|keys| ColumnMenu::new(question, &keys)),
        results: Some(Results { empty, ..results }),
        ..bare(visit, version, question)
    }
}

/// Keys, those that most rows have first.
fn commonest<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    let mut keys: Vec<(&str, usize)> = counts.into_iter().collect();
    keys.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    keys.into_iter().map(|(key, _)| key).take(OFFERED_MAX).collect()
}

fn bare(visit: &Visit, version: &'static str, question: &Question) -> SearchPage {
    let t = &question.range.text;
    let tabs =
        Tab::ALL.iter().map(|(_, tab)| (question.href_of_tab(*tab), tab.title(), *tab == question.tab));
    let presets =
        PRESETS.iter().map(|(t, name)| (question.href_of_time(t), *name, *t == question.range.text));
    SearchPage {
        frame: visit.frame(question.tab.title(), Section::Search, version),
        tab: question.tab.word(),
        live: match question.tab {
            Tab::Logs => Some("logs"),
            Tab::Spans => Some("spans"),
            Tab::Traces | Tab::Templates => None,
        },
        completed: match question.tab {
            Tab::Logs | Tab::Templates => "logs",
            Tab::Spans => "spans",
            Tab::Traces => "traces",
        },
        tabs: tabs.collect(),
        q: question.q.clone(),
        t: t.clone(),
        range: question.range.words(),
        carried: question.carried(&["q", "t"]),
        explain: (!t.is_empty()).then(|| Address::new("/explain").with("t", t).to_string()),
        presets: presets.collect(),
        wrong: None,
        waiting: None,
        columns: None,
        results: None,
        coming: None,
    }
}

impl ColumnMenu {
    fn new(question: &Question, keys: &[&str]) -> Self {
        let fields = columns::fields(question.tab).iter().map(|field| (field.title, field.key));
        let keys = keys.iter().map(|key| (*key, *key));
        let offered = fields
            .chain(keys)
            .filter_map(|(name, key)| Some((name.to_owned(), columns::with(question, key)?)));
        Self {
            columns: columns::shown(question),
            offered: offered.collect(),
            usual: columns::usual(question),
            so_far: columns::so_far(question),
            carried: question.carried(&["cols"]),
        }
    }
}

impl Results {
    fn new<T>(question: &Question, page: &Page<T>, mut table: Table, opened: Option<Opened>) -> Self {
        let opened = table.open(question, opened);
        let buckets: &[Bucket] = page.histogram.as_deref().unwrap_or_default();
        let shown = page.rows.len() as u64;
        let older = page.cursor.as_ref().map(|cursor| {
            let next = question.with(|other| cursor.clone_into(&mut other.cursor));
            let name = if question.sort.word == "-time" { "Older" } else { "Further" };
            (next.href(), name)
        });
        Self {
            body: Body::Rows(table),
            timeline: Timeline::new(question, buckets),
            facets: Facets::new(question, page.facets.as_ref()),
            summary: summary(question, page.total, shown),
            cost: cost(&page.stats),
            partial: page.stats.partial.as_ref().map(|partial| partial.reason.clone()),
            older,
            first: (!question.cursor.is_empty()).then(|| question.with(|_| ()).href()),
            empty: None,
            opened,
        }
    }

    fn templates(question: &Question, answer: &query::Templates) -> Self {
        let more = answer.cursor.as_ref().filter(|_| question.sort.word != "-first");
        Self {
            body: Body::Templates(TemplateTable::new(question, answer)),
            timeline: None,
            facets: Facets { facets: Vec::new() },
            summary: templates::covered(answer),
            cost: cost(&answer.stats),
            partial: answer.stats.partial.as_ref().map(|partial| partial.reason.clone()),
            older: more.map(|cursor| {
                (question.with(|other| cursor.clone_into(&mut other.cursor)).href(), "Further")
            }),
            first: (!question.cursor.is_empty()).then(|| question.with(|_| ()).href()),
            empty: None,
            opened: None,
        }
    }
}

/// How many match and are shown.
pub(super) fn summary(question: &Question, total: Option<u64>, shown: u64) -> String {
    let order = question.sort.name;
    match total {
        // Of traces the spans are counted that match.
        Some(total) if question.tab == Tab::Traces => {
            format!("{} match · {} shown, {order}", counted(total, "span"), counted(shown, "trace"))
        }
        Some(total) => format!("{} · {} shown, {order}", counted(total, question.tab.noun()), count(shown)),
        None => format!("{} shown, {order}", counted(shown, question.tab.noun())),
    }
}

/// What an answer cost.
pub(super) fn cost(stats: &Stats) -> String {
    format!(
        "read {} in {} ms, {} of {} opened",
        counted(stats.rows_scanned, "row"),
        count(stats.elapsed_ms),
        count(stats.segments_opened),
        counted(stats.segments_total, "segment")
    )
}

#[cfg(test)]
mod tests;
