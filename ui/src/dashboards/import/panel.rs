//! Panels of Grafana.

use serde_json::Value;

use super::{LeftOut, list, modern, text};
use crate::dashboards::check::QUERIES_MAX;
use crate::dashboards::model::{COLUMNS, Level, Panel, PanelKind, PanelQuery, Threshold};

/// What panels become, by their types.
const KINDS: [(&str, PanelKind); 12] = [
    ("timeseries", PanelKind::Graph),
    ("graph", PanelKind::Graph),
    ("barchart", PanelKind::Graph),
    ("stat", PanelKind::Stat),
    ("singlestat", PanelKind::Stat),
    ("gauge", PanelKind::Stat),
    ("bargauge", PanelKind::Stat),
    ("piechart", PanelKind::Stat),
    ("table", PanelKind::Table),
    ("table-old", PanelKind::Table),
    ("heatmap", PanelKind::Heatmap),
    ("text", PanelKind::Text),
];

/// Units by their names in Grafana.
const UNITS: [(&str, &str); 32] = [
    ("", ""),
    ("none", ""),
    ("short", ""),
    ("sishort", ""),
    ("locale", "count"),
    ("ns", "ns"),
    ("µs", "us"),
    ("us", "us"),
    ("ms", "ms"),
    ("s", "s"),
    ("dtdurations", "s"),
    ("dtdurationms", "ms"),
    ("bytes", "bytes"),
    ("decbytes", "bytes"),
    ("Bps", "bytes/s"),
    ("binBps", "bytes/s"),
    ("ops", "ops"),
    ("reqps", "ops"),
    ("rps", "ops"),
    ("wps", "ops"),
    ("cps", "ops"),
    ("eps", "ops"),
    ("iops", "ops"),
    ("pps", "ops"),
    ("mps", "ops"),
    ("opm", "per-minute"),
    ("rpm", "per-minute"),
    ("cpm", "per-minute"),
    ("percentunit", "ratio"),
    ("percent", "percent"),
    ("bool", "bool"),
    ("bool_yes_no", "bool"),
];

/// Properties of panels that mean nothing here, with what they are.
const NOT_TAKEN: [(&str, &str); 6] = [
    ("transformations", "its transformations"),
    ("alert", "its alert"),
    ("repeat", "that it is repeated for each value of a variable"),
    ("timeFrom", "its own time"),
    ("timeShift", "that its time is shifted"),
    ("links", "its links"),
];

/// All panels from the top down, each with the heading of the row that it begins.
pub(super) fn all(source: &Value, left_out: &mut LeftOut) -> Vec<Panel> {
    let mut out = Vec::new();
    let mut heading = String::new();
    let mut add = |panel: &Value, span: Option<u64>, heading: &mut String, left_out: &mut LeftOut| {
        let what = format!("panel {:?}", text(panel, "title"));
        match one(panel, &what, left_out) {
            Ok(mut found) => {
                found.row = std::mem::take(heading);
                // Rows of old dashboards have twelve columns.
                found.width = span.map_or(found.width, |span| (span * 2).clamp(1, COLUMNS.into()) as u8);
                out.push(found);
            }
            Err(why) => left_out.say(&what, why),
        }
    };
    let place = |panel: &Value| (panel["gridPos"]["y"].as_u64(), panel["gridPos"]["x"].as_u64());
    let mut panels: Vec<&Value> = list(source, "panels").iter().collect();
    panels.sort_by_key(|panel| place(panel));
    for panel in panels {
        if text(panel, "type") != "row" {
            add(panel, None, &mut heading, left_out);
            continue;
        }
        heading = modern(text(panel, "title"));
        if panel["repeat"].is_string() {
            left_out.say(&format!("row {heading:?}"), "that it is repeated for each value of a variable");
        }
        for inner in list(panel, "panels") {
            add(inner, None, &mut heading, left_out);
        }
    }
    for row in list(source, "rows") {
        heading = modern(text(row, "title"));
        for panel in list(row, "panels") {
            add(panel, panel["span"].as_u64(), &mut heading, left_out);
        }
    }
    out
}

/// A panel, or why it is left out.
fn one(source: &Value, what: &str, left_out: &mut LeftOut) -> Result<Panel, String> {
    if source.get("libraryPanel").is_some_and(Value::is_object) {
        return Err("it stands in a library of Grafana and not in this file".to_owned());
    }
    let of_type = text(source, "type");
    let kind = KINDS.iter().find(|(name, _)| *name == of_type).map(|(_, kind)| *kind);
    let kind = kind.ok_or_else(|| format!("panels of the type {of_type:?} are not known here"))?;
    let (defaults, place) = (&source["fieldConfig"]["defaults"], &source["gridPos"]);
    let size =
        |key: &str, usual: u8, most: u64| place[key].as_u64().map_or(usual, |size| size.clamp(1, most) as u8);
    let mut out = Panel::new(kind, modern(text(source, "title")));
    out.description = modern(text(source, "description"));
    (out.width, out.height) = (size("w", out.width, COLUMNS.into()), size("h", out.height, 40));
    if kind == PanelKind::Text {
        out.text = words(source)?;
        return Ok(out);
    }
    out.queries = queries(source, what, left_out)?;
    out.unit = unit(source, defaults, what, left_out);
    out.stack = source["stack"].as_bool() == Some(true)
        || matches!(text(&defaults["custom"]["stacking"], "mode"), "normal" | "percent");
    let are_shown = kind != PanelKind::Graph
        || !matches!(text(&defaults["custom"]["thresholdsStyle"], "mode"), "" | "off");
    if are_shown {
        out.thresholds = thresholds(defaults);
    }
    for (_, said) in NOT_TAKEN.iter().filter(|(key, _)| is_given(&source[*key])) {
        left_out.say(what, said);
    }
    if !list(&source["fieldConfig"], "overrides").is_empty() {
        left_out.say(what, "what it sets for single series");
    }
    Ok(out)
}

/// Whether a property says anything.
fn is_given(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// What a panel of text says.
fn words(source: &Value) -> Result<String, String> {
    let options = &source["options"];
    let mode = [text(options, "mode"), text(source, "mode")].concat();
    let content = [text(options, "content"), text(source, "content")].concat();
    match (mode.as_str(), content.trim()) {
        ("html", _) => Err("its text is HTML, which is not shown".to_owned()),
        (_, "") => Err("it says nothing".to_owned()),
        (_, content) => Ok(modern(content)),
    }
}

/// What a panel asks of Prometheus.
fn queries(source: &Value, what: &str, left_out: &mut LeftOut) -> Result<Vec<PanelQuery>, String> {
    let own = &source["datasource"];
    let targets = list(source, "targets");
    let mut out = Vec::new();
    for target in targets.iter().filter(|target| target["hide"].as_bool() != Some(true)) {
        let of = if target["datasource"].is_null() { own } else { &target["datasource"] };
        let name = format!("its query {}", text(target, "refId"));
        match (other_source(of), text(target, "expr").trim()) {
            (Some(other), _) => left_out.say(what, format!("{name} asks {other}")),
            (None, "") => left_out.say(what, format!("{name} has no text in PromQL")),
            (None, expr) => {
                let legend = Some(text(target, "legendFormat"))
                    .filter(|legend| *legend != "__auto")
                    .unwrap_or_default();
                out.push(PanelQuery { expr: modern(expr), legend: modern(legend) });
            }
        }
    }
    if out.len() > QUERIES_MAX {
        left_out.say(what, format!("queries after the first {QUERIES_MAX}"));
        out.truncate(QUERIES_MAX);
    }
    match out.is_empty() {
        true => Err("it asks nothing in PromQL".to_owned()),
        false => Ok(out),
    }
}

/// The type of a data source that is none of Prometheus. One that is a variable or only named is taken for one.
fn other_source(source: &Value) -> Option<&str> {
    let known = [
        "prometheus",
        "mixed",
        "datasource",
        "grafana-amazonprometheus-datasource",
        "victoriametrics-datasource",
    ];
    let of_type = source["type"].as_str().filter(|of_type| !of_type.starts_with('$'))?;
    (!known.contains(&of_type)).then_some(of_type)
}

fn unit(source: &Value, defaults: &Value, what: &str, left_out: &mut LeftOut) -> String {
    let axes = list(source, "yaxes");
    let given = [
        text(defaults, "unit"),
        axes.first().map_or("", |axis| text(axis, "format")),
        text(source, "format"),
    ];
    // Tables of old have a `format` that is no unit.
    let given = given.into_iter().find(|unit| !unit.is_empty() && *unit != "table").unwrap_or_default();
    match UNITS.iter().find(|(name, _)| *name == given) {
        Some((_, unit)) => (*unit).to_owned(),
        None => {
            left_out.say(what, format!("its unit {given:?}"));
            String::new()
        }
    }
}

/// From which values on figures are remarkable; the lowest step has no value and says nothing.
fn thresholds(defaults: &Value) -> Vec<Threshold> {
    let steps = list(&defaults["thresholds"], "steps").iter();
    let steps = steps.filter_map(|step| Some((step["value"].as_f64()?, text(step, "color"))));
    steps.map(|(from, colour)| Threshold { from, level: level(colour) }).take(12).collect()
}

/// What a colour says.
fn level(colour: &str) -> Level {
    match colour {
        colour if colour.contains("red") || colour.starts_with("#d4") || colour.starts_with("#f2") => {
            Level::Bad
        }
        colour if colour.contains("green") || colour.contains("blue") => Level::Good,
        _ => Level::Warn,
    }
}
