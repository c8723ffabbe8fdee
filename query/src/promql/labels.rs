//! What a series is called: its labels, and the matchers that choose among series.

use std::fmt;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// The label that holds the name of a metric.
pub const NAME: &str = "__name__";
/// The label that holds the upper bound of a classic bucket.
pub(super) const BOUND: &str = "le";
/// The label that holds the type of a metric, where types are labels.
pub(super) const TYPE: &str = "__type__";
/// The label that holds the unit of a metric, where units are labels.
pub(super) const UNIT: &str = "__unit__";

/// The most memory that one compiled expression may take.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// One label: its name and its value.
type Pair = (Arc<str>, Arc<str>);

/// The labels of a series, ordered by name; none has an empty value. A copy shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Pair]>);

impl Labels {
    /// No label.
    pub fn empty() -> Self {
        Self(Arc::from([]))
    }

    /// Labels from pairs in any order. Of a name given twice the first counts; empty values are left out.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut pairs: Vec<Pair> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        pairs.sort_by(|left, right| left.0.cmp(&right.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        pairs.retain(|(_, value)| !value.is_empty());
        Self(pairs.into())
    }

    /// The value of a label, empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        match self.0.binary_search_by(|(other, _)| (**other).cmp(name)) {
            Ok(found) => &self.0[found].1,
            Err(_) => "",
        }
    }

    /// The name of the metric, empty if there is none.
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// Names and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those whose names pass.
    pub(super) fn filter(&self, keep: impl Fn(&str) -> bool) -> Self {
        if self.0.iter().all(|(name, _)| keep(name)) {
            return self.clone();
        }
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// The same without one label.
    pub(super) fn without(&self, name: &str) -> Self {
        self.filter(|other| other != name)
    }

    /// The same with one label set to a value; an empty one removes it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(other, _)| &**other != name).cloned();
        Self::new(others.chain([(Arc::from(name), Arc::from(value))]))
    }

    /// A number that depends on the labels only, spread evenly over all numbers.
    pub(super) fn spread(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ hash >> 33
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (number, (name, value)) in self.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            match is_plain(name) {
                true => write!(f, "{comma}{name}={value:?}")?,
                false => write!(f, "{comma}{name:?}={value:?}")?,
            }
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a label's name can be written without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on a label. A label that a series does not have counts as empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what: text or a regular expression, as the question has it.
    pub value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher; an expression that cannot be read is an error.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, String> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(anchored(value)?),
        };
        Ok(Self { name: name.to_owned(), op, value: value.to_owned(), regex })
    }

    /// A matcher of the name of a metric.
    pub(super) fn named(name: &str) -> Self {
        Self { name: NAME.to_owned(), op: MatchOp::Equal, value: name.to_owned(), regex: None }
    }

    /// Whether a value passes.
    pub fn matches(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            _ => value == self.value,
        }
    }

    /// The expression of a regex matcher, anchored at both ends: `^(?s:…)$`.
    pub fn regex(&self) -> Option<&Regex> {
        self.regex.as_ref()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

/// A regular expression that has to match the whole text.
pub(super) fn anchored(pattern: &str) -> Result<Regex, String> {
    let whole =
        |pattern: &str| RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(REGEX_BYTES_MAX).build();
    // Prometheus' expressions take a brace that begins no repetition for itself.
    whole(pattern)
        .or_else(|error| whole(&with_literal_braces(pattern)).map_err(|_| error))
        .map_err(|error| format!("invalid regular expression {pattern:?}: {}", last_line(&error.to_string())))
}

/// The expression with a backslash before every brace that begins no repetition.
fn with_literal_braces(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 4);
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        if first == '\\' {
            length += rest[1..].chars().next().map_or(0, char::len_utf8);
            // `\p{…}` and `\x{…}` have braces of their own.
            if rest[1..].starts_with(['p', 'P', 'x']) && rest[length..].starts_with('{') {
                length += rest[length..].find('}').map_or(0, |end| end + 1);
            }
        } else if first == '{' {
            match repetition(rest) {
                Some(repeated) => length = repeated,
                None => out.push('\\'),
            }
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// How long the repetition is that a text begins with.
fn repetition(text: &str) -> Option<usize> {
    let end = text.find('}')?;
    let (least, most) = text[1..end].split_once(',').unwrap_or((&text[1..end], ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!least.is_empty() && digits(least) && digits(most)).then_some(end + 1)
}

/// The last line of an error of the regex crate, which is its reason.
fn last_line(message: &str) -> &str {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

#[cfg(test)]
mod tests;
