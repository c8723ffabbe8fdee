//! Series as scripts write them: labels, then values such as `1 2+3x2 _ stale {{sum:1 count:2}}`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use crate::histogram::Histogram;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// The bits of the number that stands for the end of a series.
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The most values that a line stands for.
const VALUES_MAX: usize = 100_000;

/// Labels by their names. One without a value is not there.
pub type Labels = BTreeMap<String, String>;

/// A value of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Histogram),
}

/// A line: a series with a value for each step, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its labels.
    pub labels: Labels,
    /// Its values.
    pub values: Vec<Option<Value>>,
}

impl Line {
    /// Reads a line.
    pub fn parse(text: &str) -> Result<Self> {
        let (labels, rest) = labels(text.trim())?;
        Ok(Self { labels, values: values(rest)? })
    }
}

/// Labels as scripts write them.
pub fn shown(labels: &Labels) -> String {
    let mut out = labels.get(NAME).cloned().unwrap_or_default();
    let others = labels.iter().filter(|(name, _)| *name != NAME);
    for (number, (name, value)) in others.enumerate() {
        out.push(if number == 0 { '{' } else { ',' });
        // Writing to a string does not fail.
        let _ = write!(out, "{name}={value:?}");
    }
    if out.contains('{') {
        out.push('}');
    }
    if out.is_empty() { "{}".to_owned() } else { out }
}

/// Labels, and what follows them.
fn labels(text: &str) -> Result<(Labels, &str)> {
    let end = text.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut labels = Labels::from([(NAME.to_owned(), name.to_owned())]);
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while !rest.starts_with('}') {
            rest = label(rest, &mut labels)?;
        }
        rest = &rest[1..];
    }
    labels.retain(|_, value| !value.is_empty());
    Ok((labels, rest))
}

/// One label or a quoted name, with the comma after it.
fn label<'t>(text: &'t str, labels: &mut Labels) -> Result<&'t str> {
    let (name, rest) = if text.starts_with('"') {
        quoted(text)?
    } else {
        let end = text.find(|c: char| c == '=' || c.is_whitespace());
        let (name, rest) = text.split_at(end.with_context(|| format!("{text:?} is no label"))?);
        (name.to_owned(), rest)
    };
    let rest = match rest.trim_start().strip_prefix('=') {
        Some(value) => {
            let (value, rest) = quoted(value.trim_start())?;
            labels.insert(name, value);
            rest
        }
        None => {
            labels.insert(NAME.to_owned(), name);
            rest
        }
    };
    let rest = rest.trim_start();
    Ok(rest.strip_prefix(',').unwrap_or(rest).trim_start())
}

/// What stands between quotes, and what follows them.
fn quoted(text: &str) -> Result<(String, &str)> {
    let inside = text.strip_prefix('"').with_context(|| format!("{text:?} does not begin with a quote"))?;
    let mut out = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &inside[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, escaped)) => out.push(escaped),
                None => break,
            },
            c => out.push(c),
        }
    }
    bail!("the quotes of {text:?} do not end")
}

fn values(text: &str) -> Result<Vec<Option<Value>>> {
    let mut values = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        rest = if let Some(after) = rest.strip_prefix('_') {
            let (times, after) = times(after)?;
            values.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
            after
        } else if let Some(after) = rest.strip_prefix("stale") {
            values.push(Some(Value::Float(f64::from_bits(STALE_BITS))));
            after
        } else if rest.starts_with("{{") {
            histograms(rest, &mut values)?
        } else {
            floats(rest, &mut values)?
        };
        ensure!(values.len() <= VALUES_MAX, "a series has more than {VALUES_MAX} values");
        rest = rest.trim_start();
    }
    Ok(values)
}

/// `x5`, and what follows.
fn times(text: &str) -> Result<(Option<usize>, &str)> {
    let Some(rest) = text.strip_prefix('x') else { return Ok((None, text)) };
    let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let times: usize = digits.parse().with_context(|| format!("{text:?} does not say how often"))?;
    ensure!(times <= VALUES_MAX, "{times} are more than {VALUES_MAX} values");
    Ok((Some(times), rest))
}

/// `1`, `1x3` or `1+2x3`: the first value and as many more as are said.
fn floats<'t>(text: &'t str, values: &mut Vec<Option<Value>>) -> Result<&'t str> {
    let (first, rest) = number(text)?;
    let (delta, rest) = if rest.starts_with(['+', '-']) { number(rest)? } else { (0.0, rest) };
    let (more, rest) = times(rest)?;
    let mut value = first;
    for _ in 0..=more.unwrap_or(0) {
        values.push(Some(Value::Float(value)));
        value += delta;
    }
    Ok(rest)
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^[+-]?(inf|nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)").expect("the expression is right")
});

/// A number, and what follows.
fn number(text: &str) -> Result<(f64, &str)> {
    let found = NUMBER.find(text).with_context(|| format!("{text:?} does not begin with a number"))?;
    Ok((found.as_str().parse()?, &text[found.end()..]))
}

/// The same with histograms.
fn histograms<'t>(text: &'t str, values: &mut Vec<Option<Value>>) -> Result<&'t str> {
    let (first, mut rest) = histogram(text)?;
    let mut delta = None;
    if let Some(after) = rest.strip_prefix('+') {
        let (histogram, after) = histogram(after)?;
        (delta, rest) = (Some(histogram), after);
    }
    let (more, rest) = times(rest)?;
    let mut value = first;
    for _ in 0..more.unwrap_or(0) {
        values.push(Some(Value::Histogram(value.clone())));
        if let Some(delta) = &delta {
            value = value.plus(delta)?;
        }
    }
    values.push(Some(Value::Histogram(value)));
    Ok(rest)
}

/// A histogram in its braces, and what follows.
fn histogram(text: &str) -> Result<(Histogram, &str)> {
    let inside = text.strip_prefix("{{").and_then(|inside| inside.split_once("}}"));
    let (inside, rest) = inside.with_context(|| format!("{text:?} is no histogram in braces"))?;
    Ok((Histogram::parse(inside)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        let Line { labels, values } = Line::parse(text).unwrap_or_else(|error| panic!("{text}: {error:#}"));
        let value = |value: &Option<Value>| match value {
            None => "_".to_owned(),
            Some(Value::Float(value)) if value.to_bits() == STALE_BITS => "stale".to_owned(),
            Some(Value::Float(value)) => value.to_string(),
            Some(Value::Histogram(histogram)) => format!("#{}", histogram.count),
        };
        format!("{} {}", shown(&labels), values.iter().map(value).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn lines() {
        for (text, expected) in [
            ("up 1", "up 1"),
            ("  up{}   1 2  3", "up 1 2 3"),
            ("{} 1", "{} 1"),
            (r#"up{a="b", c = "d",} 1"#, r#"up{a="b",c="d"} 1"#),
            (r#"{__name__="up",a=""} 1"#, "up 1"),
            (r#"{"http.requests", "a.b"="c"} 1"#, r#"http.requests{a.b="c"} 1"#),
            (r#"up{a="} \"x\" \\ \n"} 1"#, r#"up{a="} \"x\" \\ \n"} 1"#),
            ("up 1+2x3", "up 1 3 5 7"),
            ("up 7-2x2 0x2", "up 7 5 3 0 0 0"),
            ("up _ 1 _x2 stale", "up _ 1 _ _ stale"),
            ("up 1e3 -.5 +Inf -Inf NaN", "up 1000 -0.5 inf -inf NaN"),
            ("up {{count:2}}x2 {{count:1}}+{{count:3}}x2", "up #2 #2 #2 #1 #4 #7"),
            ("up", "up "),
        ] {
            assert_eq!(line(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_line() {
        for text in [
            r#"up{a="b" 1"#,
            r#"up{a="b} 1"#,
            "up{a} 1",
            "up one",
            "up 1x",
            "up 1x100001",
            "up {{count:1} 1",
            "up {{z_bucket_w:1}}+{{z_bucket_w:2}}x2",
        ] {
            assert!(Line::parse(text).is_err(), "{text}");
        }
    }
}
