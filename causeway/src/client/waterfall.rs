//! A trace in the terminal: a header, then a line per span with a bar at its time, and events and logs as
//! lines at their time under their span.
//!
//! - `tree`: what stands under what, however broken the parents are
//! - this file: how a line looks

use std::io;

use query::rows::{Event, Log, Span, Trace};
use serde_json::Value;

use crate::client::text::{self, Paint, Tone, columns, count, cut, visible};
use crate::client::times::{duration, show};
use crate::client::views::{log_text, scalar};

mod tree;

use tree::{Node, Tree};

/// Columns of a duration.
const DURATION_COLUMNS: usize = 11;
/// The narrowest a bar becomes.
const BAR_COLUMNS_MIN: usize = 10;
/// The fewest columns for the tree and the names.
const LEFT_COLUMNS_MIN: usize = 12;
/// Columns of one level of the tree.
const LEVEL_COLUMNS: usize = 2;
/// Filled from the left, by eighths; the first is never drawn.
const EIGHTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Writes `trace` by lines, at most `width` columns each.
pub(crate) fn render(
    trace: &Trace,
    width: usize,
    paint: Paint,
    line: &mut dyn FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let view = View::new(trace, width, paint);
    let tree = Tree::new(trace);
    for text in view.header(tree.first_root()) {
        line(&text)?;
    }
    tree.walk(&mut |levels, node| line(&view.line(levels, node)))
}

/// How a trace is laid out.
struct View<'a> {
    trace: &'a Trace,
    services: Vec<&'a str>,
    paint: Paint,
    width: usize,
    /// Columns left of the duration.
    left: usize,
    /// Columns of the bar.
    bar: usize,
    /// How many levels of the tree are drawn.
    levels_max: usize,
}

impl<'a> View<'a> {
    fn new(trace: &'a Trace, width: usize, paint: Paint) -> Self {
        let mut services: Vec<&str> = trace.spans.iter().map(|span| span.service.as_str()).collect();
        services.sort_unstable();
        services.dedup();
        let bar = (width * 2 / 5).max(BAR_COLUMNS_MIN);
        let left = width.saturating_sub(bar + DURATION_COLUMNS + 3).max(LEFT_COLUMNS_MIN);
        // Half of it stays for the names, however deep they lie.
        let levels_max = left / 2 / LEVEL_COLUMNS;
        Self { trace, services, paint, width, left, bar, levels_max }
    }

    fn header(&self, root: Option<&Span>) -> Vec<String> {
        let Trace { trace_id, spans, logs, .. } = self.trace;
        let root = root.map(|span| format!("  {} {}", visible(&span.service), visible(&span.name)));
        let title = format!("trace {trace_id}{}", root.unwrap_or_default());
        let errors = spans.iter().filter(|span| span.status == "error").count();
        let errors = (errors > 0).then(|| self.paint.apply(Tone::Bad, &count(errors, "error", "errors")));
        let facts = [
            Some(show(self.trace.start)),
            Some(duration(self.trace.duration_ns)),
            Some(count(spans.len(), "span", "spans")),
            Some(errors.unwrap_or_else(|| "0 errors".to_owned())),
            Some(count(logs.len(), "log", "logs")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let mut lines = vec![self.paint.apply(Tone::Strong, &cut(&title, self.width)), facts.join("  ")];
        if !self.services.is_empty() {
            let services = visible(&self.services.join(", ")).into_owned();
            let services = format!("{}: {services}", count(self.services.len(), "service", "services"));
            lines.push(cut(&services, self.width).into_owned());
        }
        lines.push(String::new());
        lines.into_iter().map(|line| cut(&line, self.width).into_owned()).collect()
    }

    fn line(&self, levels: &[bool], node: &Node<'_>) -> String {
        let prefix = self.prefix(levels);
        match node {
            Node::Span(span) => self.span(&prefix, span),
            Node::Missing(id) => self.note(&prefix, &format!("… missing parent {}", visible(id))),
            Node::Cycle => self.note(&prefix, "… parents in a circle"),
            Node::Outside => self.note(&prefix, "logs outside the spans above"),
            Node::Message(message) => {
                self.row(&prefix, &self.paint.apply(Tone::Bad, &format!("✗ {}", visible(message))))
            }
            Node::Event(event) => self.row(&prefix, &self.event(event)),
            Node::Log(log) => self.row(&prefix, &self.log(log)),
        }
    }

    /// The lines of the tree before a node. Past the deepest level that is drawn, the levels above are told
    /// as a number.
    fn prefix(&self, levels: &[bool]) -> String {
        let hidden = levels.len().saturating_sub(self.levels_max);
        let mut prefix = if hidden > 0 { format!("+{hidden} ") } else { String::new() };
        let shown = &levels[hidden..];
        for (at, more) in shown.iter().enumerate() {
            prefix.push_str(match (at + 1 == shown.len(), more) {
                (true, true) => "├ ",
                (true, false) => "└ ",
                (false, true) => "│ ",
                (false, false) => "  ",
            });
        }
        prefix
    }

    fn span(&self, prefix: &str, span: &Span) -> String {
        let failed = span.status == "error";
        let service = self.services.binary_search(&span.service.as_str()).unwrap_or_default();
        let tone = Tone::One(service);
        let name = format!(
            "{}{}{} {}",
            self.paint.apply(Tone::Dim, prefix),
            if failed { self.paint.apply(Tone::Bad, "✗ ") } else { String::new() },
            self.paint.apply(tone, &visible(&span.service)),
            visible(&span.name),
        );
        let name = cut(&name, self.left);
        let blanks = " ".repeat(self.left.saturating_sub(columns(&name)));
        let bar = self.bar(span.start, span.duration_ns);
        let bar = match bar.find(|char| char != ' ') {
            Some(at) => format!(
                "{}{}",
                &bar[..at],
                self.paint.apply(if failed { Tone::Bad } else { tone }, &bar[at..])
            ),
            None => bar,
        };
        format!("{name}{blanks} {:>DURATION_COLUMNS$}  {bar}", duration(span.duration_ns))
    }

    fn event(&self, event: &Event) -> String {
        let attribute = |key| event.attributes.get(key).map(scalar).unwrap_or_default();
        let (kind, message) = (attribute("exception.type"), attribute("exception.message"));
        if event.name == "exception" && !(kind.is_empty() && message.is_empty()) {
            let text =
                [kind, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
            return self.at(event.time, Tone::Bad, "event", &format!("exception {text}"));
        }
        let attributes: Vec<String> = event.attributes.iter().map(|(key, value)| pair(key, value)).collect();
        self.at(event.time, Tone::Dim, "event", &format!("{} {}", event.name, attributes.join(" ")))
    }

    fn log(&self, log: &Log) -> String {
        let level = log.severity.as_deref().or(log.severity_text.as_deref()).unwrap_or("log");
        self.at(log.time, text::severity(level), level, &log_text(log))
    }

    /// A row at its time: how long after the start, what it is, what it says.
    fn at(&self, time: i64, tone: Tone, what: &str, text: &str) -> String {
        let offset = time.saturating_sub(self.trace.start);
        let sign = if offset < 0 { "" } else { "+" };
        let offset = self.paint.apply(Tone::Dim, &format!("{sign}{}", duration(offset)));
        let what = self.paint.apply(tone, &format!("{:<5}", visible(what)));
        format!("{offset} {what} {}", visible(text.trim_end()))
    }

    fn row(&self, prefix: &str, text: &str) -> String {
        let line = format!("{}{text}", self.paint.apply(Tone::Dim, prefix));
        cut(line.trim_end(), self.width).into_owned()
    }

    fn note(&self, prefix: &str, text: &str) -> String {
        self.row(prefix, &self.paint.apply(Tone::Warn, text))
    }

    /// The bar of a span in the width for bars, blanks before it.
    fn bar(&self, start: i64, duration: i64) -> String {
        let eighths = i64::try_from(self.bar * 8).unwrap_or(i64::MAX);
        let at = |time: i64| -> i64 {
            let offset = i128::from(time) - i128::from(self.trace.start);
            let length = i128::from(self.trace.duration_ns.max(1));
            let place = (offset * i128::from(eighths)).div_euclid(length);
            i64::try_from(place.clamp(0, i128::from(eighths))).unwrap_or(eighths)
        };
        let from = at(start).min(eighths - 1);
        let to = at(start.saturating_add(duration.max(0))).max(from + 1);
        blocks(usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0))
    }
}

/// A bar from one eighth of a column to another. Blocks exist that begin at the left at every eighth, but only
/// two that end at the right: a beginning is drawn to the half column, an end to the eighth.
fn blocks(from: usize, to: usize) -> String {
    let (first, last) = (from / 8, (to - 1) / 8);
    let offset = from % 8;
    let mut bar = " ".repeat(first);
    if first == last {
        bar.push(match (offset, to - from) {
            (0..4, length) => EIGHTHS[length],
            (_, 4..) => '▐',
            _ => '▕',
        });
        return bar;
    }
    bar.push(match offset {
        0..4 => '█',
        4..6 => '▐',
        _ => '▕',
    });
    bar.extend(std::iter::repeat_n('█', last - first - 1));
    bar.push(EIGHTHS[to - last * 8]);
    bar
}

/// An attribute of an event.
fn pair(key: &str, value: &Value) -> String {
    format!("{key}={}", scalar(value))
}

#[cfg(test)]
mod tests;
