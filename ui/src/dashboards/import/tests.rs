use serde_json::json;

use super::*;
use crate::dashboards::check::{Form, read};
use crate::dashboards::model::{Level, PanelKind, VariableKind};

fn imported(source: &Value) -> (Dashboard, Vec<String>) {
    let imported = grafana(&source.to_string(), &Options::default()).unwrap();
    (read(Form::Toml, &imported.text, &Options::default()).unwrap(), imported.left_out)
}

/// A panel with one query.
fn panel(of_type: &str, expr: &str) -> Value {
    json!({ "type": of_type, "title": "P", "targets": [{ "refId": "A", "expr": expr, "legendFormat": "{{job}}" }] })
}

#[test]
fn panels_come_with_their_place_unit_and_thresholds() {
    let (dashboard, left_out) = imported(&json!({
        "title": "Nodes / overview",
        "tags": ["linux"],
        "time": { "from": "now-3h", "to": "now" },
        "refresh": "30s",
        "panels": [
            { "type": "row", "title": "Below", "gridPos": { "x": 0, "y": 8, "w": 24, "h": 1 }, "collapsed": true, "panels": [
                { "type": "text", "title": "", "gridPos": { "x": 0, "y": 9, "w": 24, "h": 3 }, "options": { "mode": "markdown", "content": "of $job" } },
            ] },
            { "type": "stat", "title": "Up", "gridPos": { "x": 12, "y": 0, "w": 6, "h": 4 },
              "datasource": { "type": "prometheus", "uid": "${DS_PROMETHEUS}" },
              "fieldConfig": { "defaults": { "unit": "percentunit", "thresholds": { "steps": [
                  { "color": "green", "value": null }, { "color": "orange", "value": 0.5 }, { "color": "dark-red", "value": 0.9 } ] } } },
              "targets": [{ "refId": "A", "expr": "avg(up)", "legendFormat": "__auto" }] },
            { "type": "timeseries", "title": "Load", "gridPos": { "x": 0, "y": 0, "w": 12, "h": 6 },
              "fieldConfig": { "defaults": { "unit": "reqps", "custom": { "stacking": { "mode": "normal" } },
                  "thresholds": { "steps": [{ "color": "red", "value": 80 }] } } },
              "targets": [{ "refId": "A", "expr": "rate(x_total{job=~\"[[job]]\"}[$__rate_interval])", "legendFormat": "{{job}}" }] },
        ],
        "templating": { "list": [{ "type": "textbox", "name": "job", "query": "node" }] },
    }));
    assert_eq!(left_out, [""; 0]);
    assert_eq!(
        (dashboard.range.as_str(), dashboard.refresh.as_str(), dashboard.interval.as_str()),
        ("now-3h", "30s", "15s")
    );
    let [load, up, words] = dashboard.panels.as_slice() else { panic!("three panels were expected") };
    assert_eq!(
        (load.kind, load.width, load.height, load.stack, load.unit.as_str()),
        (PanelKind::Graph, 12, 6, true, "ops")
    );
    assert_eq!(load.queries[0].expr, "rate(x_total{job=~\"${job}\"}[$__rate_interval])");
    assert_eq!((load.queries[0].legend.as_str(), load.thresholds.len()), ("{{job}}", 0));
    assert_eq!((up.kind, up.unit.as_str(), up.queries[0].legend.as_str()), (PanelKind::Stat, "ratio", ""));
    let thresholds: Vec<_> = up.thresholds.iter().map(|one| (one.from, one.level)).collect();
    assert_eq!(thresholds, [(0.5, Level::Warn), (0.9, Level::Bad)]);
    assert_eq!((words.row.as_str(), words.text.as_str()), ("Below", "of $job"));
}

#[test]
fn variables_come_with_their_values() {
    let (dashboard, left_out) = imported(&json!({
        "title": "V",
        "panels": [],
        "templating": { "list": [
            { "type": "datasource", "name": "DS", "query": "prometheus" },
            { "type": "query", "name": "job", "label": "Job", "query": { "query": "label_values(up, job)" }, "regex": "/^a-(.*)$/",
              "multi": true, "includeAll": true, "allValue": ".+", "current": { "value": ["$__all"] } },
            { "type": "query", "name": "instance", "definition": "label_values(up{job=~\"$job\"}, instance)", "hide": 2 },
            { "type": "custom", "name": "quantile", "query": "median : 0.5, 0.95,a\\,b", "current": { "value": "0.95" } },
            { "type": "interval", "name": "window", "query": "1m,5m", "auto": true, "current": { "value": "$__auto" } },
            { "type": "constant", "name": "prefix", "query": "node" },
            { "type": "adhoc", "name": "filters" },
            { "type": "query", "name": "slow", "query": "query_result(topk(5, up))" },
        ] },
    }));
    let names: Vec<_> = dashboard.variables.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["job", "instance", "quantile", "window", "prefix"]);
    let [job, instance, quantile, window, prefix] = dashboard.variables.as_slice() else {
        panic!("five were expected")
    };
    assert_eq!((job.title(), job.filter.as_str(), job.all_value.as_str()), ("Job", "^a-(.*)$", ".+"));
    assert!(job.multi && job.all && instance.hidden && prefix.hidden);
    assert_eq!(
        (quantile.values.as_slice(), quantile.default.as_slice()),
        (["0.5", "0.95", "a,b"].map(str::to_owned).as_slice(), ["0.95".to_owned()].as_slice())
    );
    assert_eq!((window.kind, window.values.len(), window.default.len()), (VariableKind::List, 2, 0));
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    for (part, line) in ["automatic", "\"adhoc\"", "query_result"].iter().zip(&left_out) {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn what_is_left_out_is_said_panel_by_panel() {
    let with = |mut panel: Value, key: &str, value: Value| {
        panel[key] = value;
        panel
    };
    for (panel, part, stays) in [
        (with(panel("timeseries", "up"), "datasource", json!({ "type": "loki" })), "asks loki", false),
        (
            with(panel("timeseries", "up"), "transformations", json!([{ "id": "merge" }])),
            "transformations",
            true,
        ),
        (with(panel("graph", "up"), "alert", json!({ "name": "x" })), "its alert", true),
        (with(panel("graph", "up"), "repeat", json!("job")), "repeated", true),
        (with(panel("stat", "up"), "libraryPanel", json!({ "uid": "x" })), "library", false),
        (with(panel("stat", "up"), "fieldConfig", json!({ "overrides": [{}] })), "single series", true),
        (
            with(panel("stat", "up"), "fieldConfig", json!({ "defaults": { "unit": "furlong" } })),
            "furlong",
            true,
        ),
        (panel("nodeGraph", "up"), "\"nodeGraph\" are not known", false),
        (panel("graph", ""), "no text in PromQL", false),
        (panel("graph", "sum("), "parse error", false),
        (panel("graph", "up{a=\"$nobody\"}"), "no variable $nobody", false),
        (
            json!({ "type": "text", "title": "P", "options": { "mode": "html", "content": "<b>" } }),
            "HTML",
            false,
        ),
    ] {
        let (dashboard, left_out) = imported(&json!({ "title": "L", "panels": [panel] }));
        assert!(
            left_out.iter().any(|line| line.starts_with("panel \"P\": ") && line.contains(part)),
            "{part}: {left_out:?}"
        );
        assert_eq!(dashboard.panels.len(), usize::from(stays), "{part}");
    }
}

#[test]
fn old_rows_have_twelve_columns() {
    let (dashboard, _) = imported(&json!({ "dashboard": { "title": "Old", "rows": [
        { "title": "One", "panels": [{ "type": "graph", "title": "A", "span": 4, "targets": [{ "expr": "up" }], "yaxes": [{ "format": "bytes" }] }] },
    ] } }));
    let panel = &dashboard.panels[0];
    assert_eq!((panel.row.as_str(), panel.width, panel.unit.as_str()), ("One", 8, "bytes"));
}

#[test]
fn what_is_no_dashboard_is_refused() {
    for (text, part) in
        [("", "no JSON"), ("{}", "`panels`"), ("[1]", "`panels`"), ("{\"panels\": 1}", "`panels`")]
    {
        let fault = grafana(text, &Options::default()).unwrap_err();
        assert!(fault.message.contains(part), "{text}: {fault}");
    }
}

#[test]
fn old_variables_are_replaced_and_classes_of_letters_are_not() {
    for (text, expected) in [
        ("[[job]] of [[instance:regex]]", "${job} of ${instance:regex}"),
        ("[[:alpha:]]+[[job]]", "[[:alpha:]]+${job}"),
        ("[^[:digit:][[job]]]", "[^[:digit:]${job}]"),
        ("[[[job]]]", "[${job}]"),
        ("[[a-z]]", "[[a-z]]"),
        ("[[a:]] [[]] [[1]] [[a", "[[a:]] [[]] [[1]] [[a"),
        ("ä[[", "ä[["),
    ] {
        assert_eq!(modern(text), expected, "{text}");
    }
}

#[test]
fn what_is_left_out_has_a_limit() {
    let panels: Vec<Value> = (0..LEFT_OUT_MAX + 7).map(|_| panel("nodeGraph", "up")).collect();
    let (dashboard, left_out) = imported(&json!({ "title": "M", "panels": panels }));
    assert_eq!((dashboard.panels.len(), left_out.len()), (0, LEFT_OUT_MAX + 1));
    assert_eq!(left_out.last().map(String::as_str), Some("and 7 more"));
}

#[test]
fn names_are_made_of_titles() {
    for (title, expected) in [
        ("Nodes / overview", "nodes-overview"),
        ("  ", "imported"),
        ("Übersicht", "bersicht"),
        ("new", "imported"),
        ("a--b!", "a-b"),
    ] {
        assert_eq!(name_of(title), expected, "{title}");
    }
}
