//! The parameters of an address. Each is read by a function that knows what would be right, so that a wrong
//! one can be named.

use axum::extract::Query;
use http::Uri;

/// The longest value of a parameter, in bytes.
const VALUE_BYTES_MAX: usize = 8 * 1024;
/// How much of a wrong value is repeated, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// The parameters as they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

/// A parameter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} is wrong: {expected}")]
pub(crate) struct BadParameter {
    /// Which.
    pub(crate) name: &'static str,
    /// What it was.
    pub(crate) found: String,
    /// What would be right.
    pub(crate) expected: String,
}

impl BadParameter {
    pub(crate) fn new(name: &'static str, found: &str, expected: impl Into<String>) -> Self {
        Self { name, found: found.chars().take(SHOWN_CHARS_MAX).collect(), expected: expected.into() }
    }
}

impl Params {
    /// The parameters of an address. Bytes that are no UTF-8 become U+FFFD, which no reader here accepts as
    /// anything but text.
    pub(crate) fn of(uri: &Uri) -> Self {
        Self(Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default())
    }

    /// Whether a parameter was given, be it empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// All values of a parameter that may be given several times, those cut that are longer than one may be.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str());
        values.map(|value| &value[..value.floor_char_boundary(VALUE_BYTES_MAX)])
    }

    /// A text, empty if absent.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, BadParameter> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next().unwrap_or_default();
        if values.next().is_some() {
            return Err(BadParameter::new(name, value, "it may be given once only"));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(too_long(name, value));
        }
        Ok(value)
    }

    /// The texts of a parameter that may be given several times, in their order.
    pub(crate) fn texts(&self, name: &'static str, most: usize) -> Result<Vec<&str>, BadParameter> {
        let values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let values: Vec<&str> = values.collect();
        if values.len() > most {
            let expected =
                format!("it may be given {most} times at most, and stands here {} times", values.len());
            return Err(BadParameter::new(name, values[most], expected));
        }
        match values.iter().find(|value| value.len() > VALUE_BYTES_MAX) {
            Some(long) => Err(too_long(name, long)),
            None => Ok(values),
        }
    }

    /// One of several words; the first is meant if it is absent.
    pub(crate) fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<T, BadParameter> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| text == *word || text.is_empty());
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            BadParameter::new(name, text, format!("one of {} was expected", words.join(", ")))
        })
    }

    /// A whole number from 1 up; `None` if absent.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<usize>, BadParameter> {
        let text = self.text(name)?;
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().ok().filter(|number| *number > 0);
        number.map(Some).ok_or_else(|| BadParameter::new(name, text, "a whole number from 1 was expected"))
    }

    /// Something that reads itself from text and says in its error what was expected; `None` if absent.
    pub(crate) fn parse<T>(&self, name: &'static str) -> Result<Option<T>, BadParameter>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let text = self.text(name)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error: T::Err| BadParameter::new(name, text, error.to_string()))
    }
}

fn too_long(name: &'static str, value: &str) -> BadParameter {
    let expected = format!("it may have {VALUE_BYTES_MAX} bytes at most; this one has {}", value.len());
    BadParameter::new(name, value, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn values_are_decoded() {
        assert_eq!(params("q=a%20b%26c+d&t=").text("q").unwrap(), "a b&c d");
        assert_eq!(params("").text("q").unwrap(), "");
        assert_eq!(params("q=%ff").text("q").unwrap(), "\u{fffd}");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let twice = params("q=a&q=b").text("q").unwrap_err();
        assert_eq!((twice.name, twice.expected.as_str()), ("q", "it may be given once only"));
        let long = params(&format!("q={}", "a".repeat(VALUE_BYTES_MAX + 1))).text("q").unwrap_err();
        assert_eq!(long.found.len(), SHOWN_CHARS_MAX);
        let choice = params("tab=pink").choice("tab", &[("logs", 1), ("spans", 2)]).unwrap_err();
        assert_eq!(choice.expected, "one of logs, spans was expected");
        for wrong in ["0", "-1", "x", "1.5"] {
            assert!(params(&format!("page={wrong}")).number("page").is_err(), "{wrong}");
        }
        let id = params("span=zz").parse::<model::SpanId>("span").unwrap_err();
        assert!(id.expected.contains("16 hexadecimal digits"), "{}", id.expected);
    }

    #[test]
    fn a_text_may_be_given_several_times() {
        assert_eq!(params("q=a&x=1&q=&q=b").texts("q", 3).unwrap(), ["a", "", "b"]);
        let many = params("q=a&q=b&q=c").texts("q", 2).unwrap_err();
        assert_eq!(
            (many.found.as_str(), many.expected.as_str()),
            ("c", "it may be given 2 times at most, and stands here 3 times")
        );
        assert!(params(&format!("q=a&q={}", "a".repeat(VALUE_BYTES_MAX + 1))).texts("q", 3).is_err());
    }

    #[test]
    fn absent_and_empty_are_the_same() {
        for query in ["", "tab=&page="] {
            assert_eq!(params(query).choice("tab", &[("logs", 1), ("spans", 2)]), Ok(1));
            assert_eq!(params(query).number("page"), Ok(None));
        }
    }
}
