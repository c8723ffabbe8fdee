//! What the address of a trace asks for, and which rows of a long list that is.

use std::ops::Range;

use model::SpanId;

use super::Shown;
use crate::address;
use crate::format::{count, counted};
use crate::params::BadParameter;
use crate::visit::Visit;

/// Rows on a page of the waterfall, or of logs.
const PAGE_ROWS: usize = 200;

/// How a trace is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum View {
    #[default]
    Waterfall,
    Flame,
    Table,
    Graph,
    Logs,
}

/// Views by their words in the address, and their names.
const VIEWS: [(&str, View, &str); 5] = [
    ("waterfall", View::Waterfall, "Waterfall"),
    ("flame", View::Flame, "Flame"),
    ("table", View::Table, "Operations"),
    ("graph", View::Graph, "Services"),
    ("logs", View::Logs, "Logs"),
];

impl View {
    pub(super) fn word(self) -> &'static str {
        VIEWS.iter().find(|(_, view, _)| *view == self).map_or("waterfall", |(word, ..)| word)
    }
}

/// The part of a trace's time that is looked at, in nanoseconds from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window(Option<(i64, i64)>);

impl Window {
    /// `A..B`, or `all`, or nothing.
    fn of(text: &str) -> Result<Self, BadParameter> {
        if matches!(text, "" | "all") {
            return Ok(Self(None));
        }
        let range = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
        let range = range.filter(|(from, to)| 0 <= *from && from < to);
        range.map(|range| Self(Some(range))).ok_or_else(|| {
            let expected =
                "nanoseconds from the start of the trace were expected, such as 0..1500000, or all";
            BadParameter::new("z", text, expected)
        })
    }

    /// Whether something that begins then and takes so long is in it in part.
    pub(super) fn has(self, start: i64, duration: i64) -> bool {
        self.0.is_none_or(|(from, to)| start <= to && start.saturating_add(duration.max(0)) >= from)
    }

    /// Whether it is less than the whole.
    pub(super) fn is_part(self) -> bool {
        self.0.is_some()
    }
}

/// What the address asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub(super) view: View,
    pub(super) window: Window,
    pub(super) span: Option<String>,
    pub(super) log: Option<String>,
    pub(super) find: String,
    page: Option<usize>,
    z: String,
}

impl Choice {
    pub(super) fn of(visit: &Visit) -> Result<Self, BadParameter> {
        Ok(Self {
            view: visit.params.choice("view", &VIEWS.map(|(word, view, _)| (word, view)))?,
            window: Window::of(visit.params.text("z")?)?,
            span: visit.params.parse::<SpanId>("span")?.map(|id| id.to_string()),
            log: Some(visit.params.text("log")?.to_owned()).filter(|id| !id.is_empty()),
            find: visit.params.text("find")?.trim().to_owned(),
            page: visit.params.number("page")?,
            z: visit.params.text("z")?.to_owned(),
        })
    }

    /// The id of the row that is chosen, as a search within the trace knows it.
    pub(super) fn id(&self) -> Option<String> {
        self.span.clone().or_else(|| self.log.as_ref().map(|log| format!("#{log}")))
    }
}

/// The views of the same selection: name, address, and whether it is this one.
pub(super) fn views(trace_id: &str, choice: &Choice) -> Vec<(&'static str, String, bool)> {
    let view = |(word, view, name): &(&'static str, View, &'static str)| {
        let address = address::trace(trace_id)
            .with("view", if *view == View::Waterfall { "" } else { word })
            .with("z", &choice.z)
            .with("find", &choice.find)
            .with("span", choice.span.as_deref().unwrap_or_default());
        (*name, address.to_string(), *view == choice.view)
    };
    VIEWS.iter().map(view).collect()
}

/// Which rows of a long list are shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pages {
    pub(super) words: String,
    pub(super) first: Option<String>,
    pub(super) earlier: Option<String>,
    pub(super) later: Option<String>,
    pub(super) last: Option<String>,
}

/// The rows of the page that was asked for, or of the page that the chosen row, or the first that matches, is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slice {
    number: usize,
    from: usize,
    to: usize,
    rows: usize,
}

impl Slice {
    /// The part of a list of so many rows.
    pub(super) fn of(choice: &Choice, shown: &Shown<'_>, rows: usize) -> Result<Self, BadParameter> {
        let pages = rows.div_ceil(PAGE_ROWS).max(1);
        let matching = || shown.found.as_ref()?.as_ref().ok()?.first().map(|row| *row as usize);
        let looked_at = shown.chosen.or_else(matching).filter(|_| choice.view == View::Waterfall);
        let number = choice.page.unwrap_or_else(|| looked_at.map_or(1, |row| row / PAGE_ROWS + 1));
        if number > pages {
            let expected = format!("a page of {} was expected", counted(pages as u64, "page"));
            return Err(BadParameter::new("page", &number.to_string(), expected));
        }
        let from = (number - 1) * PAGE_ROWS;
        Ok(Self { number, from, to: rows.min(from + PAGE_ROWS), rows })
    }

    pub(super) fn range(self) -> Range<usize> {
        self.from..self.to
    }

    pub(super) fn pages(self, choice: &Choice, trace_id: &str) -> Option<Pages> {
        if self.rows <= PAGE_ROWS {
            return None;
        }
        let last = self.rows.div_ceil(PAGE_ROWS);
        let href = |page: usize| {
            let view = if choice.view == View::Waterfall { "" } else { choice.view.word() };
            let address = address::trace(trace_id).with("view", view).with("find", &choice.find);
            address.with("page", &page.to_string()).to_string()
        };
        let (from, to) = (count(self.from as u64 + 1), count(self.to as u64));
        Some(Pages {
            words: format!("Rows {from} to {to} of {}", count(self.rows as u64)),
            first: (self.number > 2).then(|| href(1)),
            earlier: (self.number > 1).then(|| href(self.number - 1)),
            later: (self.number < last).then(|| href(self.number + 1)),
            last: (self.number + 1 < last).then(|| href(last)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows() {
        for (text, start, duration, expected) in [
            ("", 5, 1, true),
            ("all", 5, 1, true),
            ("10..20", 5, 4, false),
            ("10..20", 5, 5, true),
            ("10..20", 20, 0, true),
            ("10..20", 21, 0, false),
            ("10..20", 5, -9, false),
        ] {
            assert_eq!(Window::of(text).unwrap().has(start, duration), expected, "{text} {start} {duration}");
        }
        for wrong in ["5", "5..5", "6..5", "-1..5", "a..b", ".."] {
            assert!(Window::of(wrong).unwrap_err().expected.contains("0..1500000"), "{wrong}");
        }
    }
}
