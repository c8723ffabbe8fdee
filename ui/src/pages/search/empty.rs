//! Nothing was found: what was looked for, the nearest cause, and what to do.

use query::Advice;

use super::Extent;
use super::question::{Question, Tab};
use crate::address::is_key;
use crate::range::{self, Range};

/// Why nothing was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Empty {
    pub(super) searched: String,
    /// Each a sentence, the nearest first.
    pub(super) causes: Vec<String>,
    /// Address and text.
    pub(super) ways: Vec<(String, String)>,
}

impl Empty {
    pub(super) fn new(question: &Question, extent: Extent, advice: &Advice) -> Self {
        let noun = question.tab.noun();
        let what = match question.q.trim() {
            "" => format!("Looked for any {noun}"),
            // Isolated, so that a query that runs the other way does not take the sentence along.
            q => format!("Looked for {noun}s that match \u{2068}{q}\u{2069}"),
        };
        let mut empty = Self { searched: format!("{what}, {}.", question.range.words()), ..Self::default() };
        let Some(extent) = extent else {
            empty.causes.push(format!("No {noun}s are stored yet."));
            empty.way("/start", "How to send some");
            return empty;
        };
        let (from, to) = (extent.from.unwrap_or_default(), extent.to.unwrap_or_default());
        let inside = question.range.range.overlaps(from, to);
        if !inside {
            let stored = range::words(&extent);
            empty.causes.push(format!("The {noun}s that are stored lie outside that time: {stored}."));
            let hour = Range::newest_hour(to, model::UnixNanos(i64::MAX));
            empty.way(question.href_of_time(&hour.text), "Search the newest hour that has data");
        }
        empty.names(question, advice);
        if advice.untraced {
            empty.causes.push(
                "No log of that time carries a trace id, so that none can be found by its trace. The logging library \
                 has to be told to add the ids of the span: the first steps show how."
                    .to_owned(),
            );
            empty.way("/start", "Give logs their trace ids");
        }
        if inside && empty.causes.is_empty() {
            empty.causes.push(format!(
                "There are {noun}s at that time, but none matches. Words match whole words; values match exactly, * is a \
                 wildcard."
            ));
        }
        empty.usual_ways(question);
        empty
    }

    /// Keys and services that nothing has, and those of like names.
    fn names(&mut self, question: &Question, advice: &Advice) {
        for unknown in &advice.unknown {
            let what = match unknown.kind {
                "service" => "No service",
                _ => "No key",
            };
            let near = match unknown.near.as_slice() {
                [] => String::new(),
                near => format!(" Close to it: {}.", near.join(", ")),
            };
            self.causes.push(format!("{what} {} was met in what is stored.{near}", unknown.name));
            for name in &unknown.near {
                if let Some(q) = replaced(&question.q, &unknown.name, name) {
                    self.way(question.href_of_query(&q), &format!("Search with {name}"));
                }
            }
        }
    }

    fn usual_ways(&mut self, question: &Question) {
        if !question.range.text.is_empty() {
            self.way(question.href_of_time(""), "Search everything stored");
        }
        if !question.q.trim().is_empty() {
            self.way(question.href_of_query(""), "Drop the query");
        }
        if !question.cursor.is_empty() {
            self.way(question.href_of_query(&question.q), "Back to the first page");
        }
        if question.tab == Tab::Templates {
            self.way(question.href_of_tab(Tab::Logs), "Look at the logs");
        }
    }

    fn way(&mut self, href: impl Into<String>, text: &str) {
        self.ways.push((href.into(), text.to_owned()));
    }
}

/// A query with a name in place of another, where both can be written as they are and the old one stands alone.
fn replaced(q: &str, old: &str, new: &str) -> Option<String> {
    let at = q.find(old)?;
    let is_part = |one: Option<char>| one.is_some_and(|one| one.is_alphanumeric() || "_.-/@".contains(one));
    let (before, after) = (&q[..at], &q[at + old.len()..]);
    let alone = !is_part(before.chars().next_back()) && !is_part(after.chars().next());
    (alone && is_key(old) && is_key(new)).then(|| format!("{before}{new}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_replaced_only_where_it_stands_alone() {
        for (q, old, new, expected) in [
            ("a http.rout:/x", "http.rout", "http.route", Some("a http.route:/x")),
            ("service:kart", "kart", "cart", Some("service:cart")),
            ("xkart kart", "kart", "cart", None),
            ("\"odd key\":x", "odd key", "even", None),
            ("a", "b", "c", None),
        ] {
            assert_eq!(replaced(q, old, new).as_deref(), expected, "{q}");
        }
    }
}
