//! What is marked on a record, resource or scope because it is not stored as it was sent.

use std::borrow::Cow;

use model::AttributesWriter;
use model::attributes::{entries, unquote};

/// The attribute, true, of what has text that was not UTF-8.
pub(super) const REPAIRED: &str = "causeway.repaired";

/// The attribute, true, of what lost attributes or parts of values to a limit.
pub(super) const TRUNCATED: &str = "causeway.truncated";

/// The marks of one record, resource or scope.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) repaired: bool,
    pub(super) truncated: bool,
}

impl Marks {
    /// The attributes that are set.
    pub(super) fn attributes(self) -> impl Iterator<Item = &'static str> {
        [(self.repaired, REPAIRED), (self.truncated, TRUNCATED)]
            .into_iter()
            .filter_map(|(set, key)| set.then_some(key))
    }

    /// Stored attributes with the marks among them; `None` if nothing is marked.
    pub(super) fn mark(self, stored: &str) -> Option<String> {
        if self == Self::default() {
            return None;
        }
        let mut writer = AttributesWriter::default();
        for (key, value) in entries(stored) {
            writer.put_with(&unquote(key), |out| out.push_str(value));
        }
        for key in self.attributes() {
            writer.put_with(key, |out| out.push_str("true"));
        }
        let mut text = String::new();
        writer.finish(&mut text);
        Some(text)
    }
}

/// The text, wrong bytes replaced by U+FFFD and that noted.
#[inline]
pub(super) fn repair<'a>(text: &'a [u8], marks: &mut Marks) -> Cow<'a, str> {
    match std::str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            marks.repaired = true;
            String::from_utf8_lossy(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_join_the_attributes_in_their_order() {
        let marks = |repaired, truncated| Marks { repaired, truncated };
        let cases = [
            (marks(false, false), None),
            (marks(true, false), Some(r#"{"a\"":[1],"causeway.repaired":true,"d":2}"#)),
            (
                marks(true, true),
                Some(r#"{"a\"":[1],"causeway.repaired":true,"causeway.truncated":true,"d":2}"#),
            ),
        ];
        for (marks, expected) in cases {
            assert_eq!(marks.mark(r#"{"a\"":[1],"d":2}"#).as_deref(), expected);
        }
        assert_eq!(marks(false, true).mark("{}").as_deref(), Some(r#"{"causeway.truncated":true}"#));
    }
}
