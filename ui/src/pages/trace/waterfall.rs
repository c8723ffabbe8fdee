//! The rows of the waterfall.

use std::fmt;
use std::ops::Range;

use query::outline::{Decoded, Flags};
use query::rows::{Event, Log, RowDetail, Span, TraceRow};

use crate::address;
use crate::colour::Palette;
use crate::format::{counted, duration, first_line, offset, svg_percent};
use crate::pages::rows::{Severity, line_and_body};
use crate::tree::{GUIDES_MAX, Tree};

/// The width of a level of the tree and the height of a row in pixels, as in the style sheet.
const LEVEL_WIDTH: usize = 14;
const ROW_HEIGHT: usize = 24;
/// How much of an event and of why a span failed is said in a row, in characters; the detail has all.
const TEXT_CHARS_MAX: usize = 500;
/// A bar that is shorter than this share of the trace could not be seen.
const BAR_SHARE_MIN: f64 = 0.002;

/// What rows are made from.
pub(super) struct Waterfall<'a> {
    pub(super) outline: &'a Decoded,
    pub(super) tree: &'a Tree,
    pub(super) palette: &'a Palette,
    /// The row that is chosen.
    pub(super) chosen: Option<usize>,
    /// The rows that match, in order, if something is sought.
    pub(super) matches: Option<&'a Vec<u32>>,
}

/// A row.
#[derive(Debug)]
pub(super) struct WaterRow {
    /// The element's id, by which addresses name the row.
    pub(super) id: String,
    /// Its number in the whole trace, from 1.
    pub(super) number: usize,
    /// Its level in the tree, from 1.
    pub(super) level: usize,
    pub(super) indent: Indent,
    pub(super) chosen: bool,
    /// Whether it is one of those that are sought.
    pub(super) matches: bool,
    pub(super) cell: Cell,
}

/// What a row shows.
#[derive(Debug)]
pub(super) enum Cell {
    /// A span and its bar.
    Span {
        href: String,
        service: String,
        colour: usize,
        name: String,
        failed: bool,
        /// What the error says, or that the duration is negative.
        note: String,
        duration: String,
        offset: String,
        x: String,
        width: String,
    },
    /// A log record or an event at its time.
    Mark { href: String, event: bool, severity: Severity, text: String, offset: String, x: String },
    /// Something that is missing.
    Gap { text: String },
}

impl Waterfall<'_> {
    /// The rows with these numbers, and what is behind them.
    pub(super) fn rows(&self, numbers: Range<usize>, details: &[TraceRow]) -> Vec<WaterRow> {
        let guides = self.tree.guides(numbers.clone());
        let rows = numbers.zip(guides).zip(details).map(|((number, guides), detail)| {
            let depth = self.tree.depths[number] as usize;
            WaterRow {
                id: self.id(number, &detail.detail),
                number: number + 1,
                level: depth + 1,
                indent: Indent { depth, guides },
                chosen: self.chosen == Some(number),
                matches: self.matches.is_some_and(|found| found.binary_search(&(number as u32)).is_ok()),
                cell: self.cell(number, &detail.detail),
            }
        });
        rows.collect()
    }

    fn id(&self, number: usize, detail: &RowDetail) -> String {
        match detail {
            // The address leads to the first of those that share an id.
            RowDetail::Span(span) if self.outline.rows[number].flags.has(Flags::REPEATED) => {
                format!("s-{}-{number}", span.span_id)
            }
            RowDetail::Span(span) => format!("s-{}", span.span_id),
            RowDetail::Log(log) => format!("l-{}", log.id),
            RowDetail::Event { row, span_id, number, .. } => {
                let repeated = self.outline.rows.get(*row as usize).map(|row| row.flags.has(Flags::REPEATED));
                let of = if repeated == Some(true) { format!("{span_id}-{row}") } else { span_id.clone() };
                format!("e-{of}-{number}")
            }
            RowDetail::Missing { .. } | RowDetail::Cycle => format!("gap-{number}"),
        }
    }

    fn cell(&self, number: usize, detail: &RowDetail) -> Cell {
        match detail {
            RowDetail::Span(span) => self.span(number, span),
            RowDetail::Log(log) => self.log(log),
            RowDetail::Event { span_id, event, .. } => self.event(span_id, event),
            RowDetail::Missing { span_id } => Cell::Gap { text: self.missing(number, span_id) },
            RowDetail::Cycle => Cell::Gap {
                text: "the spans below are each other's ancestors; cut at the earliest".to_owned(),
            },
        }
    }

    fn missing(&self, number: usize, span_id: &str) -> String {
        let below = self.tree.children(number).count() as u64;
        let hang = if below == 1 { "hangs" } else { "hang" };
        format!("span {span_id} is not stored; {} {hang} under it", counted(below, "row"))
    }

    fn span(&self, number: usize, span: &Span) -> Cell {
        let from = self.share(self.outline.rows[number].start);
        let length = span.duration_ns.max(0) as f64 / self.outline.head.duration_ns.max(1) as f64;
        let width = length.clamp(BAR_SHARE_MIN, 1.0);
        let failed = span.status == "error";
        let early = self.outline.rows[number].flags.has(Flags::EARLY);
        let note = match span.status_message.as_deref() {
            Some(message) if failed => message,
            _ if span.duration_ns < 0 => "ends before it begins, as recorded",
            _ if early => "begins before its parent",
            _ => "",
        };
        Cell::Span {
            href: address::trace_at(&self.outline.head.trace_id, &span.span_id),
            // As much of them as a row can show; the detail has all.
            service: self.outline.service(number).to_owned(),
            colour: self.palette.colour(self.outline.service(number)),
            name: self.outline.name(number).to_owned(),
            failed,
            note: first_line(note, TEXT_CHARS_MAX),
            duration: duration(span.duration_ns),
            offset: offset(self.outline.rows[number].start),
            // A bar at the very end moves left by what it was widened.
            x: svg_percent(from.min(1.0 - width)),
            width: svg_percent(width),
        }
    }

    fn log(&self, log: &Log) -> Cell {
        let address = address::trace(&self.outline.head.trace_id).with("log", &log.id);
        let since = log.time.saturating_sub(self.outline.start());
        Cell::Mark {
            href: address.at(&format!("l-{}", log.id)),
            event: false,
            severity: Severity::of(log),
            text: line_and_body(log).0,
            offset: offset(since),
            x: svg_percent(self.share(since)),
        }
    }

    fn event(&self, span_id: &str, event: &Event) -> Cell {
        let says = ["exception.type", "exception.message"].into_iter();
        let says: Vec<_> = says.filter_map(|key| event.attributes.get(key)?.as_str()).collect();
        let class = if event.name == "exception" { "error" } else { "none" };
        let since = event.time.saturating_sub(self.outline.start());
        Cell::Mark {
            href: address::trace_at(&self.outline.head.trace_id, span_id),
            event: true,
            severity: Severity { class, text: "event".to_owned() },
            text: if says.is_empty() {
                first_line(&event.name, TEXT_CHARS_MAX)
            } else {
                first_line(&format!("{}: {}", event.name, says.join(": ")), TEXT_CHARS_MAX)
            },
            offset: offset(since),
            x: svg_percent(self.share(since)),
        }
    }

    /// Where a time since the start lies in the trace, from 0 to 1.
    fn share(&self, since: i64) -> f64 {
        (since as f64 / self.outline.head.duration_ns.max(1) as f64).clamp(0.0, 1.0)
    }
}

/// The connecting lines before a row's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indent {
    depth: usize,
    guides: u32,
}

impl fmt::Display for Indent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let levels = self.depth.min(GUIDES_MAX);
        if levels == 0 {
            return Ok(());
        }
        let width = levels * LEVEL_WIDTH;
        write!(
            f,
            r#"<svg class="indent" width="{width}" height="{ROW_HEIGHT}" aria-hidden="true"><path d=""#
        )?;
        let x = |level: usize| level * LEVEL_WIDTH + LEVEL_WIDTH / 2;
        for level in (0..levels).filter(|level| self.guides & (1 << level) != 0) {
            write!(f, "M{} 0V{ROW_HEIGHT}", x(level))?;
        }
        let (last, middle, arm) = (x(levels - 1), ROW_HEIGHT / 2, LEVEL_WIDTH / 2);
        write!(f, r#"M{last} 0V{middle}h{arm}"/></svg>"#)?;
        if self.depth > GUIDES_MAX {
            write!(f, r#"<span class="deep" title="level {0}">·{0}</span>"#, self.depth + 1)?;
        }
        Ok(())
    }
}

impl askama::FastWritable for Indent {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(write!(dest, "{self}")?)
    }
}

// Only numbers and the program's own text.
impl askama::filters::HtmlSafe for Indent {}
