//! The rows of the waterfall.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use query::rows::Trace;

use crate::address;
use crate::colour::Palette;
use crate::format::{counted, duration, offset, svg_percent};
use crate::pages::rows::{Severity, line_and_body};
use crate::tree::{GUIDES_MAX, Gap, Item, Layout, Row};

/// The width of a level of the tree and the height of a row in pixels, as in the style sheet.
const LEVEL_WIDTH: usize = 14;
const ROW_HEIGHT: usize = 24;
/// A bar that is shorter than this share of the trace could not be seen.
const BAR_SHARE_MIN: f64 = 0.002;

/// What rows are made from.
pub(super) struct Waterfall<'a> {
    pub(super) trace: &'a Trace,
    pub(super) layout: &'a Layout,
    pub(super) palette: &'a Palette,
    /// The row that is chosen.
    pub(super) chosen: Option<usize>,
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
    /// The rows with these numbers.
    pub(super) fn rows(&self, numbers: Range<usize>) -> Vec<WaterRow> {
        let mut ids = HashSet::new();
        let rows = numbers.map(|number| {
            let row = self.layout.rows[number];
            let id = self.id(row.item);
            // Spans that share an id: the address leads to the first.
            let id = if ids.insert(id.clone()) { id } else { format!("{id}-{number}") };
            WaterRow {
                id,
                number: number + 1,
                level: row.depth + 1,
                indent: Indent::of(row),
                chosen: self.chosen == Some(number),
                cell: self.cell(row),
            }
        });
        rows.collect()
    }

    fn id(&self, item: Item) -> String {
        match item {
            Item::Span(span) => format!("s-{}", self.trace.spans[span].span_id),
            Item::Log(log) => format!("l-{}", self.trace.logs[log].id),
            Item::Event(span, event) => format!("e-{}-{event}", self.trace.spans[span].span_id),
            Item::Gap(gap) => format!("gap-{gap}"),
        }
    }

    fn cell(&self, row: Row) -> Cell {
        match row.item {
            Item::Span(span) => self.span(span),
            Item::Log(log) => self.log(log),
            Item::Event(span, event) => self.event(span, event),
            Item::Gap(gap) => Cell::Gap { text: gap_words(&self.layout.gaps[gap], row.children) },
        }
    }

    fn span(&self, number: usize) -> Cell {
        let span = &self.trace.spans[number];
        let from = self.share(span.start);
        let length = span.duration_ns.max(0) as f64 / self.trace.duration_ns.max(1) as f64;
        let width = length.clamp(BAR_SHARE_MIN, 1.0);
        let failed = span.status == "error";
        let note = match span.status_message.as_deref() {
            Some(message) if failed => message,
            _ if span.duration_ns < 0 => "ends before it begins, as recorded",
            _ => "",
        };
        Cell::Span {
            href: address::trace_at(&self.trace.trace_id, &span.span_id),
            service: span.service.clone(),
            colour: self.palette.colour(&span.service),
            name: span.name.clone(),
            failed,
            note: note.to_owned(),
            duration: duration(span.duration_ns),
            offset: offset(span.start.saturating_sub(self.trace.start)),
            // A bar at the very end moves left by what it was widened.
            x: svg_percent(from.min(1.0 - width)),
            width: svg_percent(width),
        }
    }

    fn log(&self, number: usize) -> Cell {
        let log = &self.trace.logs[number];
        let address = address::trace(&self.trace.trace_id).with("log", &log.id);
        Cell::Mark {
            href: address.at(&format!("l-{}", log.id)),
            event: false,
            severity: Severity::of(log),
            text: line_and_body(log).0,
            offset: offset(log.time.saturating_sub(self.trace.start)),
            x: svg_percent(self.share(log.time)),
        }
    }

    fn event(&self, number: usize, event: usize) -> Cell {
        let span = &self.trace.spans[number];
        let event = &span.events[event];
        let says = ["exception.type", "exception.message"].into_iter();
        let says: Vec<_> = says.filter_map(|key| event.attributes.get(key)?.as_str()).collect();
        let class = if event.name == "exception" { "error" } else { "none" };
        Cell::Mark {
            href: address::trace_at(&self.trace.trace_id, &span.span_id),
            event: true,
            severity: Severity { class, text: "event".to_owned() },
            text: if says.is_empty() {
                event.name.clone()
            } else {
                format!("{}: {}", event.name, says.join(": "))
            },
            offset: offset(event.time.saturating_sub(self.trace.start)),
            x: svg_percent(self.share(event.time)),
        }
    }

    /// Where a time lies in the trace, from 0 to 1.
    fn share(&self, time: i64) -> f64 {
        let from_start = time.saturating_sub(self.trace.start) as f64;
        (from_start / self.trace.duration_ns.max(1) as f64).clamp(0.0, 1.0)
    }
}

fn gap_words(gap: &Gap, children: usize) -> String {
    match gap {
        Gap::Missing(id) if children == 1 => format!("span {id} is not stored; 1 row hangs under it"),
        Gap::Missing(id) => {
            format!("span {id} is not stored; {} hang under it", counted(children as u64, "row"))
        }
        Gap::Cycle => "the spans below are each other's ancestors; cut at the earliest".to_owned(),
    }
}

/// The connecting lines before a row's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indent {
    depth: usize,
    guides: u32,
}

impl Indent {
    fn of(row: Row) -> Self {
        Self { depth: row.depth, guides: row.guides }
    }
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
