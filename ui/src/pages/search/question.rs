//! The question of the address: every part of it, and the addresses of questions that differ in one.

use model::{Signal, UnixNanos};
use query::{Neighbours, Order, Search};

use super::columns::{self, Column};
use crate::address::Address;
use crate::params::BadParameter;
use crate::problem::Problem;
use crate::range::Range;
use crate::visit::Visit;

/// Rows on a page.
pub(super) const ROWS_MAX: usize = 100;
/// The bars of the histogram.
pub(super) const BARS: usize = 60;
/// Keys that the reader may have counted beside those that always are.
const BY_MAX: usize = 6;
/// Lines of context on each side, unless more are asked for.
pub(super) const LINES: usize = 10;

/// What is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// Traces with a span that matches.
    Traces,
    /// Spans.
    Spans,
    /// Log records.
    Logs,
    /// Logs by template.
    Templates,
}

impl Tab {
    /// Each by its word in the address.
    pub(super) const ALL: [(&str, Self); 4] = [
        ("traces", Self::Traces),
        ("spans", Self::Spans),
        ("logs", Self::Logs),
        ("templates", Self::Templates),
    ];

    /// Its word in the address.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, tab)| *tab == self).map_or("traces", |(word, _)| word)
    }

    /// Its title.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Traces => "Traces",
            Self::Spans => "Spans",
            Self::Logs => "Logs",
            Self::Templates => "Templates",
        }
    }

    /// What one row is.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Traces => "trace",
            Self::Spans => "span",
            Self::Logs => "log",
            Self::Templates => "template",
        }
    }

    /// What is counted over time and by value: traces are found by their spans, templates by their logs.
    pub(super) fn counted(self) -> &'static str {
        match self {
            Self::Traces | Self::Spans => "span",
            Self::Logs | Self::Templates => "log",
        }
    }

    /// The table it is read from.
    pub(super) fn signal(self) -> Signal {
        match self {
            Self::Traces | Self::Spans => Signal::Spans,
            Self::Logs | Self::Templates => Signal::Logs,
        }
    }

    /// The keys whose commonest values stand beside the rows, with their titles.
    pub(super) fn facets(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Traces | Self::Spans => {
                &[("service", "Service"), ("status", "Status"), ("kind", "Kind"), ("version", "Version")]
            }
            Self::Logs => &[
                ("service", "Service"),
                ("severity", "Severity"),
                ("instance", "Instance"),
                ("version", "Version"),
            ],
            Self::Templates => &[],
        }
    }

    /// The orders that rows can be asked for in, the usual one first: word, words for people, what the engine calls it.
    pub(super) fn sorts(self) -> &'static [Sort] {
        const NEWEST: Sort = Sort { word: "-time", name: "newest first", order: None };
        const OLDEST: Sort = Sort { word: "time", name: "oldest first", order: Some(Order::Oldest) };
        const LONGEST: Sort = Sort { word: "-duration", name: "longest first", order: Some(Order::Longest) };
        const SHORTEST: Sort =
            Sort { word: "duration", name: "shortest first", order: Some(Order::Shortest) };
        const WORST: Sort = Sort { word: "-severity", name: "worst first", order: Some(Order::Worst) };
        const FREQUENT: Sort = Sort { word: "-count", name: "most frequent first", order: None };
        const NEW: Sort = Sort { word: "-first", name: "newest first", order: None };
        // Of traces only the page that is shown is put in order: which is the longest of all is known of none before
        // all are summed up.
        const LONGEST_SHOWN: Sort =
            Sort { word: "-duration", name: "newest, the longest of them first", order: None };
        match self {
            Self::Traces => const { &[NEWEST, LONGEST_SHOWN] },
            Self::Spans => const { &[NEWEST, OLDEST, LONGEST, SHORTEST] },
            Self::Logs => const { &[NEWEST, OLDEST, WORST] },
            Self::Templates => const { &[FREQUENT, NEW] },
        }
    }
}

/// An order of rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sort {
    /// In the address.
    pub(super) word: &'static str,
    /// For people.
    pub(super) name: &'static str,
    /// For the engine; `None` for its usual one.
    pub(super) order: Option<Order>,
}

/// A row that is open on the page, and the lines around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Open {
    /// Its time.
    pub(super) time: i64,
    /// Its `seq`.
    pub(super) id: i64,
    /// What its neighbours are, if they are shown, and how many on each side.
    pub(super) around: Option<(Neighbours, usize)>,
}

impl Open {
    /// As the address has it: `TIME.ID`, `TIME.ID.stream.10`.
    pub(super) fn text(&self) -> String {
        let row = format!("{}.{}", self.time, self.id);
        match self.around {
            Some((Neighbours::Stream, lines)) => format!("{row}.stream.{lines}"),
            Some((Neighbours::Trace, lines)) => format!("{row}.trace.{lines}"),
            None => row,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (time, id) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let around = match parts.next() {
            None => None,
            Some(word) => {
                let by = match word {
                    "stream" => Neighbours::Stream,
                    "trace" => Neighbours::Trace,
                    _ => return None,
                };
                let lines = parts.next().map_or(Some(LINES), |lines| lines.parse().ok())?;
                Some((by, Some(lines).filter(|lines| (1..=query::NEIGHBOURS_MAX).contains(lines))?))
            }
        };
        parts.next().is_none().then_some(Self { time, id, around })
    }
}

/// The question of the address.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) tab: Tab,
    pub(super) q: String,
    pub(super) range: Range,
    pub(super) cursor: String,
    /// What the reader chose; empty for the usual columns.
    pub(super) cols: Vec<Column>,
    pub(super) sort: Sort,
    /// A box of time in the range.
    pub(super) sel: Option<Range>,
    /// Further keys whose values are counted.
    pub(super) by: Vec<String>,
    pub(super) open: Option<Open>,
    /// Whether the whole answer is waited for, however long that takes, or not at all; else it is for a moment.
    pub(super) whole: Option<bool>,
    /// The zone of the address, which every address on the page keeps.
    pub(super) tz: String,
}

impl Question {
    /// Reads an address.
    pub(super) fn of(visit: &Visit) -> Result<Self, Problem> {
        let (params, now) = (&visit.params, UnixNanos::now());
        let tab = params.choice("tab", &Tab::ALL)?;
        let sorts: Vec<(&str, Sort)> = tab.sorts().iter().map(|sort| (sort.word, *sort)).collect();
        let sel = params.text("sel")?.trim();
        Ok(Self {
            tab,
            q: params.text("q")?.to_owned(),
            range: Range::of(params, now)?,
            cursor: params.text("cursor")?.to_owned(),
            cols: columns::read(params)?,
            sort: params.choice("sort", &sorts)?,
            sel: if sel.is_empty() { None } else { Some(selected(sel, now)?) },
            by: keys(params.text("by")?)?,
            open: open(params.text("open")?)?,
            whole: params.choice("whole", &[("", None), ("1", Some(true)), ("0", Some(false))])?,
            tz: params.text("tz")?.to_owned(),
        })
    }

    /// The search for its rows, and for what is counted beside them.
    pub(super) fn search(&self) -> Search {
        Search {
            q: self.q.clone(),
            range: self.range.range,
            limit: ROWS_MAX,
            cursor: (!self.cursor.is_empty()).then(|| self.cursor.clone()),
            facets: self.facets().into_iter().map(|(key, _)| key).collect(),
            histogram: Some(BARS),
        }
    }

    /// The keys that are counted, with their titles: the usual ones, then the reader's.
    pub(super) fn facets(&self) -> Vec<(String, String)> {
        let usual = self.tab.facets().iter().map(|(key, title)| ((*key).to_owned(), (*title).to_owned()));
        let mut all: Vec<_> = usual.collect();
        for key in &self.by {
            if !all.iter().any(|(known, _)| known == key) && !all.is_empty() {
                all.push((key.clone(), key.clone()));
            }
        }
        all
    }

    /// The address of this question, on the page at `path`.
    pub(super) fn address_at(&self, path: &str) -> Address {
        let sort = if self.sort.word == self.tab.sorts()[0].word { "" } else { self.sort.word };
        Address::new(path)
            .with("tab", self.tab.word())
            .with("q", &self.q)
            .with("t", &self.range.text)
            .with("tz", &self.tz)
            .with("cols", &columns::written(&self.cols))
            .with("sort", sort)
            .with("by", &self.by.join(","))
            .with("sel", self.sel.as_ref().map_or("", |sel| sel.text.as_str()))
            .with("open", &self.open.map(|open| open.text()).unwrap_or_default())
            .with("cursor", &self.cursor)
    }

    /// The address of this question.
    pub(super) fn href(&self) -> String {
        self.address_at("/search").to_string()
    }

    /// This question from its first page on, with nothing open, changed.
    pub(super) fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = Self { cursor: String::new(), open: None, whole: None, ..self.clone() };
        change(&mut other);
        other
    }

    /// The address of the same with another query.
    pub(super) fn href_of_query(&self, q: &str) -> String {
        self.with(|other| q.clone_into(&mut other.q)).href()
    }

    /// The address of the same at another time; a box in the old one means nothing there.
    pub(super) fn href_of_time(&self, t: &str) -> String {
        let other = self.with(|other| (other.range.text, other.sel) = (t.to_owned(), None));
        other.href()
    }

    /// The address of another tab; columns and orders are each tab's own.
    pub(super) fn href_of_tab(&self, tab: Tab) -> String {
        self.with(|other| {
            (other.tab, other.sort) = (tab, tab.sorts()[0]);
            other.cols.clear();
        })
        .href()
    }

    /// The address of the same with a row open.
    pub(super) fn href_of_open(&self, open: Open) -> String {
        let other = Self { open: Some(open), ..self.clone() };
        other.address_at("/search").at(&format!("r-{}", open.id))
    }

    /// The address of the same with other columns.
    pub(super) fn href_of_columns(&self, cols: &[Column]) -> String {
        let other = Self { cols: cols.to_vec(), ..self.clone() };
        other.href()
    }

    /// What a form of this question has to carry along beside the parameters that it asks for itself.
    pub(super) fn carried(&self, asked: &[&str]) -> Vec<(&'static str, String)> {
        let sort = if self.sort.word == self.tab.sorts()[0].word { "" } else { self.sort.word };
        let all = [
            ("tab", self.tab.word().to_owned()),
            ("q", self.q.clone()),
            ("t", self.range.text.clone()),
            ("tz", self.tz.clone()),
            ("cols", columns::written(&self.cols)),
            ("sort", sort.to_owned()),
            ("by", self.by.join(",")),
        ];
        all.into_iter().filter(|(name, value)| !value.is_empty() && !asked.contains(name)).collect()
    }
}

fn selected(text: &str, now: UnixNanos) -> Result<Range, BadParameter> {
    // A box may also name values, which have no place in a histogram of counts.
    let times = text.split_once(',').map_or(text, |(times, _)| times);
    let sel = Range::read("sel", times, now)?;
    match (sel.range.from, sel.range.to) {
        (Some(_), Some(_)) => Ok(sel),
        _ => Err(BadParameter::new("sel", text, "a box A..B with both of its ends was expected")),
    }
}

fn keys(text: &str) -> Result<Vec<String>, BadParameter> {
    let keys: Vec<String> =
        text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect();
    if keys.len() > BY_MAX {
        let expected = format!("{BY_MAX} keys with commas between are the most");
        return Err(BadParameter::new("by", text, expected));
    }
    Ok(keys)
}

fn open(text: &str) -> Result<Option<Open>, BadParameter> {
    if text.is_empty() {
        return Ok(None);
    }
    let expected = "TIME.ID of a row was expected, or TIME.ID.stream.LINES or TIME.ID.trace.LINES with 200 lines at most";
    Open::read(text).map(Some).ok_or_else(|| BadParameter::new("open", text, expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    fn question(address: &str) -> Question {
        Question::of(&checks::visit(address)).unwrap()
    }

    #[test]
    fn an_address_is_read_and_written_back() {
        for address in [
            "/search?tab=traces",
            "/search?tab=logs&q=a%20b&t=now-1h&cols=time%3A150%2Cmessage%2Chttp.route&sort=-severity",
            "/search?tab=spans&t=now-1h&by=http.route%2Chost.name&sel=5..9&open=7.8.trace.20&cursor=7.8",
            "/search?tab=templates&tz=Europe%2FBerlin&sort=-first",
        ] {
            assert_eq!(question(address).href(), address);
        }
    }

    #[test]
    fn wrong_parameters_are_refused_by_name() {
        for (address, name) in [
            ("/search?tab=pink", "tab"),
            ("/search?t=yesterday", "t"),
            ("/search?q=a&q=b", "q"),
            ("/search?sort=-severity", "sort"),
            ("/search?tab=logs&sort=pink", "sort"),
            ("/search?cols=a,,b,%00", "cols"),
            ("/search?sel=now-1h", "sel"),
            ("/search?sel=b..a", "sel"),
            ("/search?by=a,b,c,d,e,f,g", "by"),
            ("/search?open=1", "open"),
            ("/search?open=1.2.pink", "open"),
            ("/search?open=1.2.stream.201", "open"),
            ("/search?open=1.2.stream.0", "open"),
            ("/search?open=1.2.stream.5.6", "open"),
            ("/search?whole=2", "whole"),
        ] {
            match Question::of(&checks::visit(address)) {
                Err(Problem::Parameter(wrong)) => assert_eq!(wrong.name, name, "{address}"),
                other => panic!("{address}: {other:?}"),
            }
        }
    }

    #[test]
    fn other_questions_begin_at_their_first_page() {
        let here = question("/search?tab=logs&q=a&t=now-1h&cols=time&sort=time&sel=5..9&cursor=x&open=1.2");
        assert_eq!(here.href_of_query("b"), "/search?tab=logs&q=b&t=now-1h&cols=time&sort=time&sel=5..9");
        assert_eq!(here.href_of_time("now-6h"), "/search?tab=logs&q=a&t=now-6h&cols=time&sort=time");
        assert_eq!(here.href_of_tab(Tab::Spans), "/search?tab=spans&q=a&t=now-1h&sel=5..9");
        let open = here.href_of_open(Open { time: 3, id: 4, around: Some((Neighbours::Stream, 10)) });
        assert!(open.ends_with("&open=3.4.stream.10&cursor=x#r-4"), "{open}");
        assert_eq!(here.carried(&["q", "t"]).len(), 3);
    }
}
