//! What the file of a dashboard says. TOML and JSON have the same keys.

use serde::{Deserialize, Serialize};

/// How wide the grid of panels is.
pub(crate) const COLUMNS: u8 = 24;
/// How wide a panel is that does not say.
const WIDTH: u8 = 12;
/// How high a panel is that does not say, in steps of the grid.
const HEIGHT: u8 = 8;

/// A page of panels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    /// What it is called.
    pub(crate) title: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// Words it is found by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    /// The time that it shows unless the address names one: `now-6h`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) range: String,
    /// How often it is answered anew unless the address says: `30s`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) refresh: String,
    /// How often its series have a sample, a minute unless it says: `$__rate_interval` is four of them at least.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) interval: String,
    /// What can be chosen above the panels. One may ask by the values of those before it.
    #[serde(default, rename = "variable", skip_serializing_if = "Vec::is_empty")]
    pub(crate) variables: Vec<Variable>,
    /// From left to right and from top to bottom.
    #[serde(default, rename = "panel", skip_serializing_if = "Vec::is_empty")]
    pub(crate) panels: Vec<Panel>,
}

/// A value that is chosen above the panels and stands in queries as `$name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    /// What queries call it.
    pub(crate) name: String,
    /// What people call it, if that differs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) label: String,
    /// Where its values come from.
    pub(crate) kind: VariableKind,
    /// Of a `query`: `label_values(METRIC, LABEL)` or `metrics(REGEX)`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) query: String,
    /// Of a `query`: which values count; what its first group holds is the value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) filter: String,
    /// Of a `list`: its values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<String>,
    /// What is chosen unless the address says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) default: Vec<String>,
    /// Whether several can be chosen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) multi: bool,
    /// Whether all can be chosen at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) all: bool,
    /// The regular expression that stands for all; each value of the list unless it is given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) all_value: String,
    /// Whether it is not shown above the panels.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) hidden: bool,
}

/// Where the values of a variable come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VariableKind {
    /// The series that are stored.
    Query,
    /// The file.
    List,
    /// The reader, who writes it.
    Text,
}

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Panel {
    /// What it is called.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) title: String,
    /// What it shows and how.
    pub(crate) kind: PanelKind,
    /// What to know when reading it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    /// The heading of the row that begins with it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) row: String,
    /// How many of the grid's 24 columns it takes.
    #[serde(default = "width", skip_serializing_if = "is_usual_width")]
    pub(crate) width: u8,
    /// How many steps of the grid it is high.
    #[serde(default = "height", skip_serializing_if = "is_usual_height")]
    pub(crate) height: u8,
    /// What its figures are measured in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) unit: String,
    /// Whether the lines of a graph stand on one another.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) stack: bool,
    /// Whether it is left out while it has no data.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) hide_empty: bool,
    /// Of a `text`: what it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    /// Of `logs`: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<String>,
    /// From which value on a figure is remarkable.
    #[serde(default, rename = "threshold", skip_serializing_if = "Vec::is_empty")]
    pub(crate) thresholds: Vec<Threshold>,
    /// What it asks.
    #[serde(default, rename = "query", skip_serializing_if = "Vec::is_empty")]
    pub(crate) queries: Vec<PanelQuery>,
}

/// What a panel shows and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PanelKind {
    /// Lines over time.
    Graph,
    /// The last figure of each series.
    Stat,
    /// The last figures by their labels.
    Table,
    /// How a histogram's buckets fill over time.
    Heatmap,
    /// Words of the file.
    Text,
    /// The newest log records of a search.
    Logs,
}

/// From a value on, a figure is remarkable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Threshold {
    /// The value.
    pub(crate) from: f64,
    /// How.
    pub(crate) level: Level,
}

/// How remarkable a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// A question of a panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PanelQuery {
    /// It, in PromQL.
    pub(crate) expr: String,
    /// What its series are called, with `{{label}}` for their labels; all their labels unless it says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) legend: String,
}

impl PanelKind {
    /// Whether its panel asks in PromQL.
    pub(crate) fn has_queries(self) -> bool {
        matches!(self, Self::Graph | Self::Stat | Self::Table | Self::Heatmap)
    }

    /// Whether its queries are answered over the whole time, and not at its end only.
    pub(crate) fn is_over_time(self) -> bool {
        matches!(self, Self::Graph | Self::Stat | Self::Heatmap)
    }

    /// Its word in files and style sheets.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Stat => "stat",
            Self::Table => "table",
            Self::Heatmap => "heatmap",
            Self::Text => "text",
            Self::Logs => "logs",
        }
    }
}

impl Panel {
    /// A panel of a kind that says nothing yet.
    pub(crate) fn new(kind: PanelKind, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            kind,
            description: String::new(),
            row: String::new(),
            width: WIDTH,
            height: HEIGHT,
            unit: String::new(),
            stack: false,
            hide_empty: false,
            text: String::new(),
            search: None,
            thresholds: Vec::new(),
            queries: Vec::new(),
        }
    }

    /// How remarkable a figure of it is; `None` if it is below every threshold.
    pub(crate) fn level(&self, value: f64) -> Option<Level> {
        let reached = self.thresholds.iter().filter(|threshold| value >= threshold.from);
        reached.max_by(|one, other| one.from.total_cmp(&other.from)).map(|threshold| threshold.level)
    }
}

impl Level {
    /// Its word in files and style sheets.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

impl Variable {
    /// What people call it.
    pub(crate) fn title(&self) -> &str {
        if self.label.is_empty() { &self.name } else { &self.label }
    }
}

fn width() -> u8 {
    WIDTH
}

fn height() -> u8 {
    HEIGHT
}

// Serde hands references to these.
fn is_usual_width(width: &u8) -> bool {
    *width == WIDTH
}

fn is_usual_height(height: &u8) -> bool {
    *height == HEIGHT
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_threshold_that_is_reached_counts() {
        let mut panel = Panel::new(PanelKind::Stat, "Errors");
        assert_eq!(panel.level(9.0), None);
        panel.thresholds = vec![
            Threshold { from: 0.05, level: Level::Bad },
            Threshold { from: 0.01, level: Level::Warn },
            Threshold { from: 0.0, level: Level::Good },
        ];
        for (value, expected) in [
            (-1.0, None),
            (0.0, Some(Level::Good)),
            (0.02, Some(Level::Warn)),
            (0.05, Some(Level::Bad)),
            (f64::NAN, None),
        ] {
            assert_eq!(panel.level(value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_usual_is_not_written() {
        let dashboard = Dashboard {
            title: "A".to_owned(),
            description: String::new(),
            tags: Vec::new(),
            range: String::new(),
            refresh: String::new(),
            interval: String::new(),
            variables: Vec::new(),
            panels: vec![Panel::new(PanelKind::Text, "B")],
        };
        let text = toml::to_string_pretty(&dashboard).unwrap();
        assert_eq!(text, "title = \"A\"\n\n[[panel]]\ntitle = \"B\"\nkind = \"text\"\n");
        assert_eq!(toml::from_str::<Dashboard>(&text).unwrap(), dashboard);
    }
}
