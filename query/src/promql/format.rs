//! A query in its usual form, laid out as Prometheus lays it out: on one line where it fits, else a line for each of
//! its parts.

use super::ast::{Aggregate, At, Binary, Expr, Grouping, Kind, Many, Selector, Shift, ValueType};
use super::duration;
use super::labels::{MatchOp, Matcher, NAME, is_plain};
use super::numbers::plain;

/// The longest line that is not broken, in bytes.
const LINE_BYTES_MAX: usize = 100;
/// What stands before a part, once for each part that it lies in.
const INDENT: &str = "  ";

/// A tree as text. `text` is what it was read from: it tells whether a number was written as a duration, and whether
/// a metric's name stood before the braces.
pub fn pretty(expr: &Expr, text: &str) -> String {
    Form { text }.pretty(expr, 0)
}

struct Form<'a> {
    text: &'a str,
}

impl Form<'_> {
    /// Over several lines if one is too short.
    fn pretty(&self, expr: &Expr, level: usize) -> String {
        let indent = INDENT.repeat(level);
        let line = self.line(expr);
        let fits = line.len() <= LINE_BYTES_MAX;
        match &expr.kind {
            // What stands before the brackets of a subquery is indented only where it is broken.
            Kind::Subquery { .. } if fits => line,
            Kind::Subquery { inner, range_ms, step_ms, shift } => {
                self.pretty(inner, level) + &brackets(*range_ms, *step_ms, shift)
            }
            Kind::Negate(inner) if signed(expr).is_none() => {
                format!("{indent}-{}", self.pretty(inner, level).trim())
            }
            _ if fits => indent + &line,
            Kind::Paren(inner) => format!("{indent}(\n{}\n{indent})", self.pretty(inner, level + 1)),
            Kind::Binary(binary) => {
                let (left, right) =
                    (self.pretty(&binary.left, level + 1), self.pretty(&binary.right, level + 1));
                format!("{left}\n{indent}{}\n{right}", operator(binary))
            }
            Kind::Aggregate(aggregate) => {
                let parts = aggregate.param.iter().chain([&aggregate.inner]);
                format!("{indent}{}(\n{}\n{indent})", head(aggregate), self.parts(parts, level + 1))
            }
            Kind::Call { function, args } => {
                format!("{indent}{}(\n{}\n{indent})", function.name, self.parts(args, level + 1))
            }
            Kind::Number(_)
            | Kind::Negate(_)
            | Kind::Text { .. }
            | Kind::Selector(_)
            | Kind::Range { .. } => indent + &line,
        }
    }

    /// A part a line.
    fn parts<'a>(&self, parts: impl IntoIterator<Item = &'a Expr>, level: usize) -> String {
        parts.into_iter().map(|part| self.pretty(part, level)).collect::<Vec<_>>().join(",\n")
    }

    /// On one line.
    fn line(&self, expr: &Expr) -> String {
        if let Some((value, literal)) = signed(expr) {
            return self.number(value, literal);
        }
        match &expr.kind {
            Kind::Number(value) => self.number(*value, expr),
            Kind::Text { value, utf8: true } => quoted(value),
            // Its escapes are there already.
            Kind::Text { value, utf8: false } => format!("\"{}\"", value.replace("\\'", "'")),
            Kind::Selector(selector) => self.series(expr, selector) + &shifted(&selector.shift),
            Kind::Range { selector, range_ms } => {
                let (series, shift) = (self.series(expr, selector), shifted(&selector.shift));
                format!("{series}[{}]{shift}", duration::text(*range_ms))
            }
            Kind::Subquery { inner, range_ms, step_ms, shift } => {
                self.line(inner) + &brackets(*range_ms, *step_ms, shift)
            }
            Kind::Paren(inner) => format!("({})", self.line(inner)),
            Kind::Negate(inner) => format!("-{}", self.line(inner)),
            Kind::Binary(binary) => {
                format!("{} {} {}", self.line(&binary.left), operator(binary), self.line(&binary.right))
            }
            Kind::Aggregate(aggregate) => {
                let parts = aggregate.param.iter().chain([&aggregate.inner]);
                format!("{}({})", head(aggregate), self.list(parts))
            }
            Kind::Call { function, args } => format!("{}({})", function.name, self.list(args)),
        }
    }

    fn list<'a>(&self, parts: impl IntoIterator<Item = &'a Expr>) -> String {
        parts.into_iter().map(|part| self.line(part)).collect::<Vec<_>>().join(", ")
    }

    fn number(&self, value: f64, literal: &Expr) -> String {
        let word = self.text.get(literal.start..literal.end).unwrap_or_default();
        if duration::parse(word).is_none() {
            return plain(value);
        }
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", duration::text((value.abs() * 1000.0).round() as i64))
    }

    /// The name, and the conditions in the order of their text.
    fn series(&self, expr: &Expr, selector: &Selector) -> String {
        let name = name_before_braces(expr, selector, self.text);
        let of_name = |matcher: &&Matcher| {
            let is_name = matcher.name == NAME && matcher.op == MatchOp::Equal;
            !(is_name && name.is_some_and(|name| name == matcher.value))
        };
        let mut conditions: Vec<String> = selector.matchers.iter().filter(of_name).map(condition).collect();
        conditions.sort();
        match (name, conditions.is_empty()) {
            (Some(name), true) => name.to_owned(),
            (name, _) => format!("{}{{{}}}", name.unwrap_or_default(), conditions.join(",")),
        }
    }
}

/// The name of a metric, if it stands before the braces of the selector that an expression begins with.
pub(super) fn name_before_braces<'a>(expr: &Expr, selector: &'a Selector, text: &str) -> Option<&'a str> {
    let braces = text.get(expr.start..).is_none_or(|rest| rest.starts_with('{'));
    selector.matchers.first().filter(|_| !braces).map(|matcher| matcher.value.as_str())
}

/// A number with the signs before it, and where it stands without them.
pub(super) fn signed(expr: &Expr) -> Option<(f64, &Expr)> {
    match &expr.kind {
        Kind::Number(value) => Some((*value, expr)),
        Kind::Negate(inner) => signed(inner).map(|(value, literal)| (-value, literal)),
        _ => None,
    }
}

/// Whether series of both sides are matched by their labels.
pub(super) fn matches_series(binary: &Binary) -> bool {
    [&binary.left, &binary.right].iter().all(|side| side.value_type() == ValueType::Vector)
}

/// A text in quotes, with escapes for what does not show.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c == '\'' || c.escape_debug().len() == 1 => out.push(c),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn label(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { quoted(name) }
}

fn labels(names: &[String]) -> String {
    names.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ")
}

fn condition(matcher: &Matcher) -> String {
    format!("{}{}{}", label(&matcher.name), matcher.op.text(), quoted(&matcher.value))
}

fn shifted(shift: &Shift) -> String {
    let at = match shift.at {
        None => String::new(),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
        Some(At::Time(ms)) => format!(" @ {:.3}", ms as f64 / 1000.0),
    };
    match shift.offset_ms {
        None | Some(0) => at,
        Some(ms) if ms < 0 => format!("{at} offset -{}", duration::text(-ms)),
        Some(ms) => format!("{at} offset {}", duration::text(ms)),
    }
}

/// What stands behind the expression of a subquery.
fn brackets(range_ms: i64, step_ms: Option<i64>, shift: &Shift) -> String {
    let step = step_ms.map(duration::text).unwrap_or_default();
    format!("[{}:{step}]{}", duration::text(range_ms), shifted(shift))
}

/// An operator and how it matches.
fn operator(binary: &Binary) -> String {
    let mut out = binary.operator.text().to_owned();
    if binary.returns_bool {
        out.push_str(" bool");
    }
    let (word, names) = match &binary.matching {
        Grouping::These(names) => ("on", names),
        Grouping::AllBut(names) => ("ignoring", names),
    };
    if !matches_series(binary) || (word == "ignoring" && names.is_empty()) {
        return out;
    }
    out.push_str(&format!(" {word} ({})", labels(names)));
    match &binary.many {
        Many::Neither => out,
        Many::Left(included) => format!("{out} group_left ({})", labels(included)),
        Many::Right(included) => format!("{out} group_right ({})", labels(included)),
    }
}

/// An aggregation up to its parentheses.
fn head(aggregate: &Aggregate) -> String {
    let name = aggregate.aggregation.text();
    match &aggregate.grouping {
        Grouping::These(names) if names.is_empty() => name.to_owned(),
        Grouping::These(names) => format!("{name} by ({}) ", labels(names)),
        Grouping::AllBut(names) => format!("{name} without ({}) ", labels(names)),
    }
}

#[cfg(test)]
mod tests;
