//! The columns of a table of rows: what the reader chose, in which order and how wide, all of it in the address.
//!
//! `cols` is a list with commas between; a column is a field or the key of an attribute, and may have a width in
//! pixels: `time:150,service,message,http.route:220`.

use super::question::{Question, Tab};
use crate::params::{BadParameter, Params};
use crate::zone;

/// The most columns of a table.
const COLUMNS_MAX: usize = 16;
/// The longest key of a column, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// The narrowest and the widest column, in pixels.
const WIDTHS: std::ops::RangeInclusive<u16> = 40..=1600;
/// What an attribute's column is wide where nobody said, in pixels.
const ATTRIBUTE_WIDTH: u16 = 180;
/// By how much the links of the menu change a width, in pixels.
const WIDTH_STEP: u16 = 40;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// A field of the tab, or the key of an attribute.
    pub(super) key: String,
    /// In pixels, if the reader chose one.
    pub(super) width: Option<u16>,
}

/// A field of rows that has a column of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// In the address.
    pub(super) key: &'static str,
    /// Above the column.
    pub(super) title: &'static str,
    /// In pixels; none takes what is left.
    width: Option<u16>,
    /// Whether it is there where the reader chose nothing.
    usual: bool,
}

impl Field {
    /// Its title; that of times names the zone.
    fn named(&self) -> String {
        match self.key {
            "time" | "start" => format!("{} ({})", self.title, zone::name()),
            _ => self.title.to_owned(),
        }
    }
}

const fn field(key: &'static str, title: &'static str, width: Option<u16>, usual: bool) -> Field {
    Field { key, title, width, usual }
}

/// The fields of a tab.
pub(super) fn fields(tab: Tab) -> &'static [Field] {
    const LOGS: [Field; 10] = [
        field("time", "Time", Some(178), true),
        field("severity", "Level", Some(66), true),
        field("service", "Service", Some(132), true),
        field("message", "Message", None, true),
        field("instance", "Instance", Some(160), false),
        field("trace", "Trace", Some(120), false),
        field("span", "Span", Some(120), false),
        field("event", "Event", Some(140), false),
        field("scope", "Scope", Some(160), false),
        field("template", "Template", Some(140), false),
    ];
    const SPANS: [Field; 9] = [
        field("start", "Start", Some(178), true),
        field("name", "Span", None, true),
        field("kind", "Kind", Some(90), true),
        field("duration", "Duration", Some(96), true),
        field("status", "Status", Some(240), true),
        field("service", "Service", Some(132), false),
        field("instance", "Instance", Some(160), false),
        field("trace", "Trace", Some(120), false),
        field("scope", "Scope", Some(160), false),
    ];
    const TRACES: [Field; 6] = [
        field("start", "Start", Some(178), true),
        field("root", "Root", None, true),
        field("duration", "Duration", Some(96), true),
        field("spans", "Spans", Some(66), true),
        field("errors", "Errors", Some(66), true),
        field("services", "Services", Some(150), true),
    ];
    match tab {
        Tab::Logs => &LOGS,
        Tab::Spans => &SPANS,
        Tab::Traces => &TRACES,
        Tab::Templates => &[],
    }
}

/// Reads the parameter `cols`.
pub(super) fn read(params: &Params) -> Result<Vec<Column>, BadParameter> {
    let text = params.text("cols")?;
    let wrong = |expected: String| BadParameter::new("cols", text, expected);
    let mut cols: Vec<Column> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, width) = match part.rsplit_once(':') {
            Some((key, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let width = digits.parse().ok().filter(|width| WIDTHS.contains(width));
                let expected = || {
                    wrong(format!("a width from {} to {} pixels was expected", WIDTHS.start(), WIDTHS.end()))
                };
                (key, Some(width.ok_or_else(expected)?))
            }
            _ => (part, None),
        };
        if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) {
            return Err(wrong("fields or keys of attributes with commas between were expected".to_owned()));
        }
        if !cols.iter().any(|col| col.key == key) {
            cols.push(Column { key: key.to_owned(), width });
        }
    }
    match cols.len() {
        0..=COLUMNS_MAX => Ok(cols),
        many => Err(wrong(format!("{COLUMNS_MAX} columns are the most, and these are {many}"))),
    }
}

/// Columns as the address has them.
pub(super) fn written(cols: &[Column]) -> String {
    let parts = cols.iter().map(|col| match col.width {
        Some(width) => format!("{}:{width}", col.key),
        None => col.key.clone(),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// A column as the table shows it, and the ways to change it.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// The field it shows; none shows an attribute.
    pub(super) field: Option<&'static str>,
    pub(super) key: String,
    pub(super) title: String,
    /// For the attribute of the same name.
    pub(super) width: Option<u16>,
    /// Whether its values stand at the right.
    pub(super) number: bool,
    /// The address in the order of this column, if there is one, and what that is called.
    pub(super) sort: Option<(String, &'static str)>,
    /// How the rows stand by this column: `ascending`, `descending`.
    pub(super) sorted: Option<&'static str>,
    pub(super) left: Option<String>,
    pub(super) right: Option<String>,
    pub(super) wider: Option<String>,
    pub(super) narrower: Option<String>,
    /// Without it; the last one stays.
    pub(super) without: Option<String>,
}

/// The columns of a question: the reader's, else the usual ones.
pub(super) fn shown(question: &Question) -> Vec<Shown> {
    let cols = chosen(question);
    let changed = |change: &dyn Fn(&mut Vec<Column>)| {
        let mut other = cols.clone();
        change(&mut other);
        question.href_of_columns(&other)
    };
    let columns = cols.iter().enumerate().map(|(at, col)| {
        let field = fields(question.tab).iter().find(|field| field.key == col.key);
        let width = col.width.or_else(|| field.map_or(Some(ATTRIBUTE_WIDTH), |field| field.width));
        let resized = |to: Option<u16>| {
            let to = to.filter(|to| WIDTHS.contains(to))?;
            Some(changed(&|other: &mut Vec<Column>| other[at].width = Some(to)))
        };
        let from = width.unwrap_or(480);
        let (sort, sorted) = sorts(question, &col.key);
        Shown {
            field: field.map(|field| field.key),
            title: field.map_or_else(|| col.key.clone(), Field::named),
            number: matches!(field.map(|field| field.key), Some("duration" | "spans" | "errors")),
            key: col.key.clone(),
            width,
            sort,
            sorted,
            left: (at > 0).then(|| changed(&|other| other.swap(at, at - 1))),
            right: (at + 1 < cols.len()).then(|| changed(&|other| other.swap(at, at + 1))),
            wider: resized(from.checked_add(WIDTH_STEP)),
            narrower: resized(from.checked_sub(WIDTH_STEP)),
            without: (cols.len() > 1).then(|| {
                changed(&|other| {
                    other.remove(at);
                })
            }),
        }
    });
    columns.collect()
}

fn chosen(question: &Question) -> Vec<Column> {
    if !question.cols.is_empty() {
        return question.cols.clone();
    }
    let usual = fields(question.tab).iter().filter(|field| field.usual);
    usual.map(|field| Column { key: field.key.to_owned(), width: None }).collect()
}

/// The order that a press on a column's title asks for, and how it stands now.
fn sorts(question: &Question, key: &str) -> (Option<(String, &'static str)>, Option<&'static str>) {
    let key = if key == "start" { "time" } else { key };
    let of_key: Vec<_> =
        question.tab.sorts().iter().filter(|sort| sort.word.trim_start_matches('-') == key).collect();
    let now = of_key.iter().position(|sort| sort.word == question.sort.word);
    let sorted = now.map(|at| if of_key[at].word.starts_with('-') { "descending" } else { "ascending" });
    let next =
        of_key.get(now.map_or(0, |at| (at + 1) % of_key.len())).filter(|_| now.is_none() || of_key.len() > 1);
    let next = next.map(|sort| (question.with(|other| other.sort = **sort).href(), sort.name));
    (next, sorted)
}

/// The usual columns and widths, if the reader has others.
pub(super) fn usual(question: &Question) -> Option<String> {
    (!question.cols.is_empty()).then(|| question.href_of_columns(&[]))
}

/// The address with a further column, before the widest if that is the last.
pub(super) fn with(question: &Question, key: &str) -> Option<String> {
    let mut cols = chosen(question);
    let unfit = key.contains(',') || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control);
    if cols.len() >= COLUMNS_MAX || cols.iter().any(|col| col.key == key) || unfit {
        return None;
    }
    let last_is_wide =
        cols.last().is_some_and(|col| matches!(col.key.as_str(), "message" | "status" | "services"));
    let at = cols.len() - usize::from(last_is_wide);
    cols.insert(at, Column { key: key.to_owned(), width: None });
    Some(question.href_of_columns(&cols))
}

/// The value of `cols` that a form for a further column begins with.
pub(super) fn so_far(question: &Question) -> String {
    written(&chosen(question))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    fn question(address: &str) -> Question {
        Question::of(&checks::visit(address)).unwrap()
    }

    #[test]
    fn columns_are_chosen_ordered_and_widened() {
        let usual = shown(&question("/search?tab=logs"));
        let titles: Vec<&str> = usual.iter().map(|col| col.title.as_str()).collect();
        assert_eq!(titles, ["Time (UTC)", "Level", "Service", "Message"]);
        assert_eq!(usual[0].sorted, Some("descending"));
        assert!(usual[0].left.is_none() && usual[3].right.is_none());
        let chosen = shown(&question("/search?tab=logs&cols=message:400,http.route,k8s:pod"));
        let keys: Vec<_> = chosen.iter().map(|col| (col.key.as_str(), col.width, col.field)).collect();
        assert_eq!(
            keys,
            [
                ("message", Some(400), Some("message")),
                ("http.route", Some(180), None),
                ("k8s:pod", Some(180), None)
            ]
        );
        assert_eq!(
            chosen[1].left.as_deref(),
            Some("/search?tab=logs&cols=http.route%2Cmessage%3A400%2Ck8s%3Apod")
        );
        assert_eq!(
            chosen[0].wider.as_deref(),
            Some("/search?tab=logs&cols=message%3A440%2Chttp.route%2Ck8s%3Apod")
        );
        assert_eq!(chosen[0].without.as_deref(), Some("/search?tab=logs&cols=http.route%2Ck8s%3Apod"));
        assert!(shown(&question("/search?cols=root"))[0].without.is_none());
    }

    #[test]
    fn a_further_column_stands_before_the_wide_last_one() {
        let logs = question("/search?tab=logs");
        assert_eq!(
            with(&logs, "http.route").as_deref(),
            Some("/search?tab=logs&cols=time%2Cseverity%2Cservice%2Chttp.route%2Cmessage")
        );
        assert_eq!(with(&logs, "time"), None);
        assert_eq!(with(&logs, "a,b"), None);
    }

    #[test]
    fn titles_turn_the_order_around() {
        for (address, key, to, sorted) in [
            ("/search?tab=spans", "start", Some("sort=time"), Some("descending")),
            ("/search?tab=spans&sort=time", "start", None, Some("ascending")),
            ("/search?tab=spans", "duration", Some("sort=-duration"), None),
            ("/search?tab=spans&sort=-duration", "duration", Some("sort=duration"), Some("descending")),
            ("/search?tab=logs", "message", None, None),
        ] {
            let (next, now) = sorts(&question(address), key);
            assert_eq!(now, sorted, "{address} {key}");
            let next = next.map(|(href, _)| href).unwrap_or_default();
            assert!(to.is_none_or(|to| next.ends_with(to)), "{address} {key}: {next}");
        }
    }
}
