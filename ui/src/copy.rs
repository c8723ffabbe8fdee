//! *Copy as*: the same question as a link, a call of the API, a command and SQL.

use askama::Template;
use model::{TimeRange, UnixNanos};

use crate::address::{self, Address};
use crate::range::{self, Range};
use crate::visit::Visit;
use crate::zone;

/// What a page can be copied as.
#[derive(Debug, Template)]
#[template(path = "part/copy.html")]
pub(crate) struct CopyAs {
    /// The address of this page with its times frozen.
    pub(crate) link: String,
    /// The address of the answer as JSON, if a GET gives it.
    pub(crate) json: Option<String>,
    /// Name and text of the other forms.
    pub(crate) forms: Vec<(&'static str, String)>,
}

impl CopyAs {
    /// A page about a range; relative times in the link are frozen.
    pub(crate) fn new(visit: &Visit, range: &Range) -> Self {
        let (t, zone) = (frozen(range, UnixNanos::now()), zone::name());
        let link = address::with_parameters(&visit.here, &[("t", &t), ("tz", &zone)]);
        Self { link, json: None, forms: Vec::new() }
    }

    /// A page without a range.
    pub(crate) fn timeless(visit: &Visit) -> Self {
        let link = address::with_parameters(&visit.here, &[("tz", &zone::name())]);
        Self { link, json: None, forms: Vec::new() }
    }

    /// Adds the question to the API that a GET asks.
    pub(crate) fn api(mut self, visit: &Visit, address: &Address) -> Self {
        let address = address.to_string();
        self.forms
            .push(("curl", format!("curl {}", quoted(&format!("http://{}{address}", visit.authority)))));
        self.json = Some(address);
        self
    }

    /// Adds another form.
    pub(crate) fn form(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.forms.push((name, text.into()));
        self
    }
}

/// The text of a range whose relative ends are those of now.
pub(crate) fn frozen(range: &Range, now: UnixNanos) -> String {
    if !range.text.is_empty() && !range.text.contains("now") {
        return range.text.clone();
    }
    match range.range {
        TimeRange { from: Some(from), to } => range::between(from.0, to.unwrap_or(now).0),
        TimeRange { from: None, to } => format!("..{}", crate::format::rfc3339(to.unwrap_or(now).0)),
    }
}

/// The parameters `from` and `to` of the API for a range.
pub(crate) fn with_range(address: Address, range: TimeRange) -> Address {
    let text = |time: Option<UnixNanos>| time.map(|time| time.to_string()).unwrap_or_default();
    address.with("from", &text(range.from)).with("to", &text(range.to))
}

/// The flags of a command for a range.
pub(crate) fn flags(range: TimeRange) -> String {
    let flag = |name: &str, time: Option<UnixNanos>| {
        time.map(|time| format!(" --{name} {}", crate::format::rfc3339(time.0))).unwrap_or_default()
    };
    format!("{}{}", flag("from", range.from), flag("to", range.to))
}

/// The SQL condition on a column for a range, with `AND` before each part.
pub(crate) fn sql_range(column: &str, range: TimeRange) -> String {
    let part = |sign: &str, time: Option<UnixNanos>| {
        time.map(|time| format!(" AND {column} {sign} '{}'", crate::format::rfc3339(time.0)))
            .unwrap_or_default()
    };
    format!("{}{}", part(">=", range.from), part("<", range.to))
}

/// A text of SQL in quotes.
pub(crate) fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A word of a shell in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

    #[test]
    fn relative_times_are_frozen() {
        for (text, expected) in [
            ("now-1h", "2023-11-14T21:13:20Z..2023-11-14T22:13:20Z"),
            ("now-2h..now-1h", "2023-11-14T20:13:20Z..2023-11-14T21:13:20Z"),
            ("", "..2023-11-14T22:13:20Z"),
            ("1700000000..1700000001", "1700000000..1700000001"),
        ] {
            let range = Range::read("t", text, NOW).unwrap();
            assert_eq!(frozen(&range, NOW), expected, "{text}");
        }
    }

    #[test]
    fn forms_are_quoted() {
        let range = Range::read("t", "1..2", NOW).unwrap();
        let visit = checks::visit("/search?q=a%27b&t=now-1h");
        let copy = CopyAs::new(&visit, &range).api(&visit, &Address::new("/api/x").with("q", "a'b"));
        assert_eq!(copy.link, "/search?q=a%27b&t=1..2&tz=UTC");
        assert_eq!(copy.forms[0].1, "curl 'http://localhost:4319/api/x?q=a%27b'");
        assert_eq!(quoted("a'b"), "'a'\\''b'");
        assert_eq!(sql_text("a'b"), "'a''b'");
        assert_eq!(flags(range.range), " --from 1970-01-01T00:00:01Z --to 1970-01-01T00:00:02Z");
        assert_eq!(sql_range("time", TimeRange::ALL), "");
    }
}
