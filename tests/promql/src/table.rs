//! What is printed: a row for each file, and one for all.

use std::collections::BTreeMap;

use promql::suite::{Report, Rules, Tally};

const WIDTH: usize = 12;
const NAME_WIDTH: usize = 28;

/// The reports as a table.
pub(crate) fn text(reports: &BTreeMap<String, Report>, all: &Report, rules: Rules) -> String {
    let mut out = format!(
        "Samples by {}; features {}; {}\n\n",
        rules.door.name(),
        if rules.features { "on" } else { "off" },
        if rules.is_strict { "strict" } else { "lenient" }
    );
    let heads = ["passed", "as range", "failed", "feature", "unsayable"];
    out += &line("file", heads.map(str::to_owned));
    for (name, report) in reports {
        out += &row(name, report);
    }
    out + &row("all", all) + "\n"
}

fn row(name: &str, report: &Report) -> String {
    let of = |tally: Tally| format!("{}/{}", tally.passed, tally.passed + tally.failed);
    let cells = [
        of(report.written),
        of(report.as_range),
        report.failures.len().to_string(),
        report.featured.to_string(),
        report.unsayable.to_string(),
    ];
    line(name, cells)
}

fn line(name: &str, cells: [String; 5]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>WIDTH$}")).collect();
    format!("{name:<NAME_WIDTH$}{cells}\n")
}

#[cfg(test)]
mod tests {
    use promql::door::Door;

    use super::*;

    #[test]
    fn a_table() {
        let written = Tally { passed: 2, failed: 1 };
        let report = Report { written, featured: 4, failures: vec!["one".to_owned()], ..Report::default() };
        let reports = BTreeMap::from([("a.test".to_owned(), report.clone())]);
        let rules = Rules { door: Door::V2, features: false, is_strict: true };
        let text = text(&reports, &report, rules);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Samples by remote write 2.0; features off; strict");
        assert_eq!(lines[3].split_whitespace().collect::<Vec<_>>(), ["a.test", "2/3", "0/0", "1", "4", "0"]);
        assert!(lines[4].starts_with("all "));
    }
}
