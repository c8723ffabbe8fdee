//! Whether the text of a dashboard can be shown: its form, its limits, and every query in it.

use std::collections::BTreeSet;
use std::fmt;

use model::UnixNanos;
use query::promql::{Options, parse, parse_duration};
use regex::Regex;

use super::fill::{self, Choices, Chosen};
use super::lists::ListQuery;
use super::model::{COLUMNS, Dashboard, Panel, PanelKind, Variable, VariableKind};
use super::units;
use crate::range::Range;

/// The longest file in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;
/// The most panels of a dashboard.
pub(crate) const PANELS_MAX: usize = 200;
/// The highest panel, in steps of the grid.
const HEIGHT_MAX: u8 = 40;
/// The most queries of a panel.
pub(crate) const QUERIES_MAX: usize = 26;
/// The most thresholds of a panel.
const THRESHOLDS_MAX: usize = 12;
/// The most variables of a dashboard.
pub(crate) const VARIABLES_MAX: usize = 30;
/// The most values that a variable lists.
const VALUES_MAX: usize = 500;
/// The most tags of a dashboard.
const TAGS_MAX: usize = 20;
/// What a value is taken to be while a query is only checked.
const SOME_VALUE: &str = "x";

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// What is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// In which line, from 1, if it is in one.
    pub line: Option<usize>,
    /// What, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Form {
    /// The form of files with an ending.
    pub(crate) fn of(ending: &str) -> Option<Self> {
        match ending {
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The ending of its files.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
        }
    }
}

/// The variables that every page has, each with a value that it may have.
const TIMING: [(&str, &str); 9] = [
    ("__interval", "60s"),
    ("__interval_ms", "60000"),
    ("__rate_interval", "240s"),
    ("__rate_interval_ms", "240000"),
    ("__range", "3600s"),
    ("__range_s", "3600"),
    ("__range_ms", "3600000"),
    ("__from", "0"),
    ("__to", "3600000"),
];

/// The dashboard of a text whose queries are read by some options, or what is wrong with it.
pub(crate) fn read(form: Form, text: &str, options: &Options) -> Result<Dashboard, Fault> {
    if text.len() > FILE_BYTES_MAX {
        let message =
            format!("a dashboard may have {FILE_BYTES_MAX} bytes at most; this one has {}", text.len());
        return Err(Fault { line: None, message });
    }
    let dashboard: Dashboard = match form {
        Form::Toml => toml::from_str(text).map_err(|error| Fault {
            line: error.span().map(|span| line_at(text, span.start)),
            message: error.message().to_owned(),
        })?,
        Form::Json => serde_json::from_str(text).map_err(|error| Fault {
            line: Some(error.line()).filter(|line| *line > 0),
            message: error.to_string(),
        })?,
    };
    check(&dashboard, options).map_err(|wrong| wrong.in_text(text))?;
    Ok(dashboard)
}

/// What is wrong with a dashboard that has no text yet.
pub(crate) fn wrong(dashboard: &Dashboard, options: &Options) -> Option<String> {
    check(dashboard, options).err().map(|wrong| wrong.message)
}

/// Something wrong beside a part of the text.
struct Wrong {
    beside: String,
    message: String,
}

impl Wrong {
    fn new(beside: &str, message: impl Into<String>) -> Self {
        Self { beside: beside.to_owned(), message: message.into() }
    }

    /// The line of the part: as a value of its own, as it is, or as it stands in a value with escapes.
    fn in_text(self, text: &str) -> Fault {
        let first = self.beside.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let quoted = serde_json::Value::from(first).to_string();
        let written = [quoted.as_str(), first, quoted.trim_matches('"')];
        let mut places = written.iter().filter(|_| !first.is_empty()).filter_map(|part| text.find(part));
        Fault { line: places.next().map(|place| line_at(text, place)), message: self.message }
    }
}

/// The line of a place in a text, from 1.
fn line_at(text: &str, place: usize) -> usize {
    text.as_bytes()[..place.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn check(dashboard: &Dashboard, options: &Options) -> Result<(), Wrong> {
    if dashboard.title.trim().is_empty() {
        return Err(Wrong::new("title", "the title is empty, and one was expected"));
    }
    at_most("tags", dashboard.tags.len(), TAGS_MAX)?;
    at_most("variables", dashboard.variables.len(), VARIABLES_MAX)?;
    at_most("panels", dashboard.panels.len(), PANELS_MAX)?;
    if let Err(wrong) = Range::read("range", &dashboard.range, UnixNanos::now()) {
        return Err(Wrong::new(&dashboard.range, format!("range: {}", wrong.expected)));
    }
    for (key, text) in [("refresh", &dashboard.refresh), ("interval", &dashboard.interval)] {
        if !text.is_empty() && parse_duration(text).is_none_or(|length| length <= 0) {
            let message = format!("{key} is {text:?}, and a duration was expected, such as 30s");
            return Err(Wrong::new(text, message));
        }
    }
    let mut choices: Choices =
        TIMING.iter().map(|(name, some)| ((*name).to_owned(), Chosen::one(*some))).collect();
    for variable in &dashboard.variables {
        check_variable(variable, &choices, options)?;
        choices.insert(variable.name.clone(), some_choice(variable));
    }
    let loose = dashboard.variables.iter().filter(|one| one.kind != VariableKind::List);
    let loose: BTreeSet<&str> = loose.map(|one| one.name.as_str()).collect();
    dashboard.panels.iter().enumerate().try_for_each(|(number, panel)| {
        let what = format!("panel {} {:?}", number + 1, panel.title);
        check_panel(panel, &what, &choices, &loose, options)
    })
}

fn at_most(what: &str, number: usize, most: usize) -> Result<(), Wrong> {
    if number <= most {
        return Ok(());
    }
    Err(Wrong::new("", format!("{number} {what} are too many: {most} are possible")))
}

fn check_variable(variable: &Variable, before: &Choices, options: &Options) -> Result<(), Wrong> {
    let name = &variable.name;
    let wrong = |message: String| Err(Wrong::new(name, format!("variable {name:?}: {message}")));
    if !fill::is_name(name) || name.starts_with("__") {
        return wrong("letters, digits and _ were expected, and no digit or __ first".to_owned());
    }
    if before.contains_key(name) {
        return wrong("there are two of this name".to_owned());
    }
    match (variable.kind, variable.query.is_empty(), variable.values.is_empty()) {
        (VariableKind::Query, true, _) => {
            return wrong("`query` is missing, such as label_values(up, job)".to_owned());
        }
        (VariableKind::List, _, true) => {
            return wrong("`values` is missing, such as [\"a\", \"b\"]".to_owned());
        }
        _ => {}
    }
    at_most("values of a variable", variable.values.len().max(variable.default.len()), VALUES_MAX)?;
    if variable.default.len() > 1 && !variable.multi {
        return wrong("several values are the default, and `multi` is not set".to_owned());
    }
    if !variable.query.is_empty() {
        let query = fill::promql(&variable.query, before).map_err(|error| error.to_string());
        if let Err(error) = query.and_then(|query| ListQuery::read(&query, options)) {
            return Err(Wrong::new(&variable.query, format!("the query of variable {name:?}: {error}")));
        }
    }
    for expression in [&variable.filter, &variable.all_value] {
        if let Err(error) = Regex::new(expression) {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            return Err(Wrong::new(
                expression,
                format!("variable {name:?}: no regular expression: {reason}"),
            ));
        }
    }
    Ok(())
}

/// Some value that a variable may have.
fn some_choice(variable: &Variable) -> Chosen {
    let known = variable.default.iter().chain(&variable.values).next();
    Chosen::one(known.filter(|value| *value != super::lists::ALL).map_or(SOME_VALUE, String::as_str))
}

fn check_panel(
    panel: &Panel,
    what: &str,
    choices: &Choices,
    loose: &BTreeSet<&str>,
    options: &Options,
) -> Result<(), Wrong> {
    let beside = if panel.title.is_empty() { "[[panel]]" } else { &panel.title };
    let wrong = |message: &str| Err(Wrong::new(beside, format!("{what}: {message}")));
    if !(1..=COLUMNS).contains(&panel.width) || !(1..=HEIGHT_MAX).contains(&panel.height) {
        return wrong("a width from 1 to 24 and a height from 1 to 40 were expected");
    }
    if !units::is_known(&panel.unit) {
        return Err(Wrong::new(&panel.unit, format!("{what}: {}", units::EXPECTED)));
    }
    at_most("queries of a panel", panel.queries.len(), QUERIES_MAX)?;
    at_most("thresholds of a panel", panel.thresholds.len(), THRESHOLDS_MAX)?;
    match panel.kind {
        PanelKind::Text if panel.text.is_empty() => return wrong("`text` is missing"),
        PanelKind::Logs if panel.search.is_none() => {
            return wrong("`search` is missing, such as \"severity>=warn\"");
        }
        kind if kind.has_queries() && panel.queries.is_empty() => {
            return wrong("a [[panel.query]] with `expr` is missing");
        }
        _ => {}
    }
    if let Some(search) = &panel.search
        && let Err(error) = fill::search(search, choices)
    {
        return Err(Wrong::new(search, format!("{what}: {error}")));
    }
    for (number, query) in panel.queries.iter().enumerate() {
        if let Err(error) = check_query(&query.expr, choices, loose, options) {
            return Err(Wrong::new(&query.expr, format!("{what}, query {}: {error}", number + 1)));
        }
    }
    Ok(())
}

/// Whether a query can be read. One with a value outside of quotes that the file does not list depends on the reader.
fn check_query(
    expr: &str,
    choices: &Choices,
    loose: &BTreeSet<&str>,
    options: &Options,
) -> Result<(), String> {
    let filled = fill::promql(expr, choices).map_err(|error| error.to_string())?;
    match parse(&filled, options) {
        Err(error) if !fill::names(expr).iter().any(|name| loose.contains(name)) => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, text: &str) -> Result<Dashboard, Fault> {
        super::read(form, text, &Options::default())
    }

    #[test]
    fn queries_are_read_as_the_program_is_told_to() {
        let text = "title = \"A\"\n[[panel]]\nkind = \"stat\"\n[[panel.query]]\nexpr = \"limitk(1, up)\"";
        assert!(read(Form::Toml, text).unwrap_err().message.contains("experimental"));
        let options = Options { experimental_functions: true, ..Options::default() };
        assert!(super::read(Form::Toml, text, &options).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, part) in [
            ("title = 1", Some(1), "string"),
            ("title = \"A\"\nx = ", Some(2), ""),
            ("title = \"A\"\ntags = []\ncolour = 1", Some(3), "unknown field `colour`"),
            ("title = \" \"", Some(1), "title is empty"),
            ("title = \"A\"\nrange = \"yesterday\"", Some(2), "now-15m"),
            ("title = \"A\"\n\nrefresh = \"5x\"", Some(3), "a duration was expected"),
            ("title = \"A\"\n[[panel]]\nkind = \"pie\"", Some(3), "unknown variant `pie`"),
            ("title = \"A\"\n[[panel]]\ntitle = \"B\"\nkind = \"graph\"", Some(3), "[[panel.query]]"),
            ("title = \"A\"\n[[panel]]\nkind = \"text\"", Some(2), "`text` is missing"),
            (
                "title = \"A\"\n[[panel]]\nkind = \"text\"\ntext = \"x\"\nwidth = 25",
                Some(2),
                "a width from 1 to 24",
            ),
            ("title = \"A\"\n[[panel]]\nkind = \"text\"\ntext = \"x\"\nunit = \"miles\"", Some(5), "ratio"),
            (
                "title = \"A\"\n[[panel]]\nkind = \"stat\"\n[[panel.query]]\nexpr = \"sum(\"",
                Some(5),
                "panel 1 \"\", query 1: 1:",
            ),
            (
                "title = \"A\"\n[[panel]]\nkind = \"stat\"\n[[panel.query]]\nexpr = \"up{a=\\\"$b\\\"}\"",
                Some(5),
                "no variable $b",
            ),
            ("title = \"A\"\n[[variable]]\nname = \"2\"\nkind = \"text\"", Some(3), "no digit"),
            ("title = \"A\"\n[[variable]]\nname = \"v\"\nkind = \"list\"", Some(3), "`values` is missing"),
            (
                "title = \"A\"\n[[variable]]\nname = \"v\"\nkind = \"query\"\nquery = \"label_values(up{, job)\"",
                Some(5),
                "parse error",
            ),
        ] {
            let fault = read(Form::Toml, text).unwrap_err();
            assert_eq!(fault.line, line, "{text}: {fault}");
            assert!(fault.message.contains(part), "{text}: {fault}");
        }
    }

    #[test]
    fn json_has_the_same_keys() {
        let text = "{\n\"title\": \"A\",\n\"panel\": [{\"kind\": \"stat\", \"query\": [\n{\"expr\": \"sum by (\\\"a\\\"\"}\n]}]\n}";
        let fault = read(Form::Json, text).unwrap_err();
        assert_eq!(fault.line, Some(4), "{fault}");
        let right = text.replace("sum by (\\\"a\\\"", "up");
        assert_eq!(read(Form::Json, &right).unwrap().panels[0].queries[0].expr, "up");
        assert_eq!(read(Form::Json, "{").unwrap_err().line, Some(1));
    }

    #[test]
    fn values_outside_of_quotes_are_checked_where_the_file_has_them() {
        let text = |values: &str| {
            format!(
                "title = \"A\"\n[[variable]]\nname = \"w\"\nkind = \"list\"\nvalues = [\"{values}\"]\n\
                 [[panel]]\nkind = \"graph\"\n[[panel.query]]\nexpr = \"rate(up[$w])\""
            )
        };
        assert!(read(Form::Toml, &text("5m")).is_ok());
        assert!(read(Form::Toml, &text("five")).unwrap_err().message.contains("parse error"));
        assert!(read(Form::Toml, &text("5m\\\"")).unwrap_err().message.contains("outside of quotes"));
    }

    #[test]
    fn limits_are_named() {
        let panels = "[[panel]]\nkind = \"text\"\ntext = \"x\"\n".repeat(PANELS_MAX + 1);
        let fault = read(Form::Toml, &format!("title = \"A\"\n{panels}")).unwrap_err();
        assert_eq!(fault.message, "201 panels are too many: 200 are possible");
        let long = format!("title = \"{}\"", "a".repeat(FILE_BYTES_MAX));
        assert!(read(Form::Toml, &long).unwrap_err().message.contains("1048576 bytes at most"));
    }
}
