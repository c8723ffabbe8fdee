//! Variables of Grafana.

use serde_json::Value;

use super::{LeftOut, list, modern, text};
use crate::dashboards::lists::ALL;
use crate::dashboards::model::{Variable, VariableKind};

/// The value of `hide` of variables that are not shown.
const HIDDEN: u64 = 2;

/// A variable as ours; none where it has no meaning here, and why where it is left out.
pub(super) fn of(source: &Value, what: &str, left_out: &mut LeftOut) -> Result<Option<Variable>, String> {
    let kind = text(source, "type");
    if kind == "datasource" {
        return Ok(None);
    }
    if kind != "constant" && !list(source, "links").is_empty() {
        left_out.say(what, "its links");
    }
    let mut out = Variable {
        name: text(source, "name").to_owned(),
        label: text(source, "label").to_owned(),
        kind: VariableKind::List,
        query: String::new(),
        filter: String::new(),
        values: Vec::new(),
        default: Vec::new(),
        multi: source["multi"].as_bool().unwrap_or(false),
        all: source["includeAll"].as_bool().unwrap_or(false),
        all_value: text(source, "allValue").to_owned(),
        hidden: source["hide"].as_u64() == Some(HIDDEN),
    };
    match kind {
        "query" => {
            out.kind = VariableKind::Query;
            out.query = query(source)?;
            out.filter = filter(text(source, "regex"))?;
        }
        "custom" => out.values = options(text(source, "query")),
        "interval" => {
            out.values = options(text(source, "query")).into_iter().filter(|value| value != "auto").collect();
            if source["auto"].as_bool() == Some(true) {
                left_out.say(what, "its automatic value: use $__interval");
            }
        }
        "constant" => (out.values, out.hidden) = (vec![text(source, "query").to_owned()], true),
        "textbox" => {
            out.kind = VariableKind::Text;
            out.default = Some(text(source, "query").to_owned())
                .filter(|value| !value.is_empty())
                .into_iter()
                .collect();
        }
        other => return Err(format!("variables of the type {other:?} are not known here")),
    }
    if matches!(kind, "custom" | "interval") {
        out.default = current(source, &out);
    }
    Ok(Some(out))
}

/// What is chosen in the file, where it is in the list.
fn current(source: &Value, variable: &Variable) -> Vec<String> {
    let value = &source["current"]["value"];
    let chosen = value.as_array().map_or_else(|| vec![value], |values| values.iter().collect());
    let chosen = chosen.into_iter().filter_map(Value::as_str);
    let known =
        |value: &&str| variable.values.iter().any(|one| one == value) || (variable.all && *value == ALL);
    chosen.filter(known).map(str::to_owned).collect()
}

/// The query of a list: a text, or an object with one.
fn query(source: &Value) -> Result<String, String> {
    let of = &source["query"];
    let found = of.as_str().or_else(|| of["query"].as_str()).unwrap_or_else(|| text(source, "definition"));
    let found = modern(found.trim());
    match found.as_str() {
        "" => Err("its query is empty".to_owned()),
        query if query.starts_with("label_values") || query.starts_with("metrics") => Ok(found),
        _ => Err(format!("its query {found:?} is neither label_values(…) nor metrics(…)")),
    }
}

/// A filter without the slashes around it.
fn filter(regex: &str) -> Result<String, String> {
    let inside = regex.strip_prefix('/').and_then(|rest| rest.rsplit_once('/'));
    match inside {
        None | Some((_, "")) => Ok(inside.map_or(regex, |(inside, _)| inside).to_owned()),
        Some((inside, "i")) => Ok(format!("(?i){inside}")),
        Some((_, flags)) => Err(format!("its filter {regex:?} has the flags {flags:?}")),
    }
}

/// Values between commas. Of `name : value` the value counts; a comma after a backslash is one.
fn options(text: &str) -> Vec<String> {
    let marked = text.replace("\\,", "\u{0}");
    let values =
        marked.split(',').map(|part| part.rsplit_once(" : ").map_or(part, |(_, value)| value).trim());
    values.filter(|value| !value.is_empty()).map(|value| value.replace('\u{0}', ",")).collect()
}
