//! The parameters of a question. Every one is checked, and one that nobody knows is refused by name.

use model::{Signal, TimeRange, TraceId, UnixNanos};

use crate::engine::{Completion, ContextQuestion, NEIGHBOURS_MAX, Neighbours, Search};
use crate::error::QueryError;
use crate::{LIMIT_DEFAULT, LIMIT_MAX, times};

/// Lines on each side of one where nothing else is asked for.
const NEIGHBOURS_DEFAULT: usize = 10;

/// Parameters by name.
pub struct Params(Vec<(String, String)>);

/// A trace's id in an address.
pub(super) fn trace_id(text: &str) -> Result<TraceId, QueryError> {
    text.parse().map_err(|error: model::IdError| QueryError::invalid(error.to_string()))
}

impl Params {
    /// Reads a query string that may have these parameters, each once.
    pub fn read(query: Option<&str>, known: &[&str]) -> Result<Self, QueryError> {
        let mut params: Vec<(String, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&key.as_ref()) {
                let expected = known.iter().map(|name| (*name).to_owned()).collect();
                let message = format!("the parameter {key:?} is not known here");
                return Err(QueryError::Bad { message, position: None, expected });
            }
            if params.iter().any(|(earlier, _)| *earlier == key) {
                return Err(QueryError::invalid(format!("the parameter {key:?} is given twice")));
            }
            params.push((key.into_owned(), value.into_owned()));
        }
        Ok(Self(params))
    }

    /// A parameter as it is; empty if it is absent.
    pub(super) fn or_empty(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A text that may be absent.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// The range of `from` and `to`.
    pub fn range(&self) -> Result<TimeRange, QueryError> {
        self.range_of("from", "to")
    }

    /// The range of two parameters.
    pub(super) fn range_of(&self, from: &str, to: &str) -> Result<TimeRange, QueryError> {
        let now = UnixNanos::now();
        let time = |name: &str| self.get(name).map(|text| times::parse(text, now)).transpose();
        let range = TimeRange { from: time(from)?, to: time(to)? };
        match range {
            TimeRange { from: Some(first), to: Some(last) } if first > last => {
                Err(QueryError::invalid(format!("the range ends before it begins: {from} is after {to}")))
            }
            range => Ok(range),
        }
    }

    /// How many rows are wanted.
    pub fn limit(&self) -> Result<usize, QueryError> {
        Ok(self.number("limit", LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT))
    }

    /// A search.
    pub(super) fn search(&self) -> Result<Search, QueryError> {
        let facets = self.get("facets").unwrap_or_default();
        Ok(Search {
            q: self.get("q").unwrap_or_default().to_owned(),
            range: self.range()?,
            limit: self.limit()?,
            cursor: self.get("cursor").map(str::to_owned),
            facets: facets
                .split(',')
                .map(str::trim)
                .filter(|key| !key.is_empty())
                .map(str::to_owned)
                .collect(),
            histogram: self.number("histogram", usize::MAX)?,
        })
    }

    /// A place in a search; without `at` its end.
    pub(super) fn completion(&self) -> Result<Completion, QueryError> {
        let q = self.get("q").unwrap_or_default().to_owned();
        let signal = match self.get("signal") {
            Some("logs") => Signal::Logs,
            None | Some("spans" | "traces") => Signal::Spans,
            Some(other) => {
                let message = format!("signal is {other:?}, and none that is searched");
                let expected = ["logs", "spans", "traces"].map(str::to_owned).to_vec();
                return Err(QueryError::Bad { message, position: None, expected });
            }
        };
        let at = self.number("at", usize::MAX)?.unwrap_or(q.len());
        Ok(Completion { q, at, signal, range: self.range()? })
    }

    /// A log record of an id, and how much around it.
    pub(super) fn context(&self, id: &str) -> Result<ContextQuestion, QueryError> {
        let wrong = || QueryError::invalid(format!("{id:?} is not the id of a log: it is a whole number"));
        let around = self.number("around", NEIGHBOURS_MAX)?.unwrap_or(NEIGHBOURS_DEFAULT);
        let by = match self.get("by") {
            None | Some("stream") => Neighbours::Stream,
            Some("trace") => Neighbours::Trace,
            Some(other) => {
                let message = format!("by is {other:?}, and nothing that lines have neighbours in");
                let expected = ["stream", "trace"].map(str::to_owned).to_vec();
                return Err(QueryError::Bad { message, position: None, expected });
            }
        };
        let time = self.get("time").map(|text| times::parse(text, UnixNanos::now())).transpose()?;
        let id = id.parse().map_err(|_| wrong())?;
        Ok(ContextQuestion { id, time, by, before: around, after: around })
    }

    /// A whole number that may be absent.
    pub(super) fn number(&self, name: &str, most: usize) -> Result<Option<usize>, QueryError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if number <= most => Ok(Some(number)),
            Ok(number) => Err(QueryError::invalid(format!("{name} is {number}, and {most} at most"))),
            Err(_) => Err(QueryError::invalid(format!("{name} is {text:?}, and not a whole number"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] = ["q", "from", "to", "limit", "cursor", "facets", "histogram"];

    #[test]
    fn a_search_is_read() {
        let params =
            Params::read(Some("q=a+b%22&limit=5&facets=service,%20http.route&from=1"), &KNOWN).unwrap();
        let search = params.search().unwrap();
        assert_eq!(search.q, "a b\"");
        assert_eq!(search.limit, 5);
        assert_eq!(search.facets, ["service", "http.route"]);
        assert_eq!(search.range.from, Some(UnixNanos(1_000_000_000)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("limt=5", "limt"),
            ("limit=x", "limit"),
            ("limit=10001", "10000"),
            ("limit=-1", "limit"),
            ("q=a&q=b", "twice"),
            ("from=2&to=1", "from is after to"),
            ("from=soon", "soon"),
        ];
        for (query, part) in cases {
            let wrong = Params::read(Some(query), &KNOWN).and_then(|params| params.search()).unwrap_err();
            assert!(wrong.to_string().contains(part), "{query}: {wrong}");
        }
    }
}
