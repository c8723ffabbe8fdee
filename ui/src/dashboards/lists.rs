//! Which values a variable can have, and which are chosen.

use futures::future::BoxFuture;
use model::{Reader, TimeRange};
use query::promql::{Kind, MatchOp, Matcher, NAME, Options, parse};
use query::{Engine, QueryError, SeriesQuestion};
use regex::Regex;

use super::fill::{self, Choices, Chosen};
use super::model::{Dashboard, Variable, VariableKind};
use super::panel::Span;
use crate::params::Params;

/// What stands in the address where all values are chosen.
pub(crate) const ALL: &str = "$__all";
/// What comes before a variable's name in the address.
pub(crate) const PREFIX: &str = "var-";
/// The most values that are offered; more are cut, and said.
pub(crate) const OFFERED_MAX: usize = 500;
/// The most values of one variable that an address may choose.
const CHOSEN_MAX: usize = 100;
/// The most series whose labels are looked at for a list.
const SERIES_MAX: usize = 50_000;
/// What matches every value where a list is empty or cut.
const ANY: &str = ".*";

/// Which values of which label of which series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ListQuery {
    /// None is every series.
    matchers: Vec<Matcher>,
    label: String,
}

/// Which lists are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Every one, as they are offered.
    Every,
    /// Those that queries cannot do without, as the address chooses all of their values.
    Needed,
}

/// A variable with its values.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// The variable.
    pub(crate) variable: Variable,
    /// What can be chosen, in order.
    pub(crate) values: Vec<String>,
    /// What is chosen.
    pub(crate) chosen: Vec<String>,
    /// Whether all are.
    pub(crate) is_all: bool,
    /// Why the list is not whole.
    pub(crate) note: Option<String>,
}

impl ListQuery {
    /// Reads `label_values(LABEL)`, `label_values(SELECTOR, LABEL)` or `metrics(REGEX)`.
    pub(crate) fn read(text: &str, options: &Options) -> Result<Self, String> {
        let expected = "label_values(METRIC, LABEL), label_values(LABEL) or metrics(REGEX) was expected";
        let text = text.trim();
        let inside = |name: &str| text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')');
        if let Some(regex) = inside("metrics") {
            let matcher = Matcher::new(NAME, MatchOp::Regex, regex.trim())?;
            return Ok(Self { matchers: vec![matcher], label: NAME.to_owned() });
        }
        let inside = inside("label_values").ok_or(expected)?;
        let (selector, label) = inside.rsplit_once(',').unwrap_or(("", inside));
        let label = label.trim().trim_matches('"');
        if !fill::is_name(label) {
            return Err(format!("{label:?} is no label: {expected}"));
        }
        let matchers = match selector.trim() {
            "" => Vec::new(),
            selector => match parse(selector, options).map_err(|error| error.to_string())?.kind {
                Kind::Selector(selector) => selector.matchers,
                _ => return Err(format!("{selector:?} selects no series: {expected}")),
            },
        };
        Ok(Self { matchers, label: label.to_owned() })
    }

    /// The values in order, at most as many as are offered, and whether there are more.
    async fn answer(
        &self,
        engine: &Engine,
        reader: &Reader,
        range: TimeRange,
        filter: &str,
    ) -> Result<(Vec<String>, bool), QueryError> {
        let has_label = Matcher::new(&self.label, MatchOp::NotEqual, "").map_err(QueryError::invalid)?;
        let matchers = self.matchers.iter().cloned().chain([has_label]).collect();
        let question = SeriesQuestion { selectors: vec![matchers], range, limit: SERIES_MAX };
        let found = engine.metric_series(reader, &question).await?;
        let filter = Regex::new(filter).map_err(|error| QueryError::invalid(error.to_string()))?;
        let mut values: Vec<String> =
            found.series.iter().filter_map(|labels| filtered(&filter, labels.get(&self.label))).collect();
        values.sort();
        values.dedup();
        let is_cut = found.is_cut || values.len() > OFFERED_MAX;
        values.truncate(OFFERED_MAX);
        Ok((values, is_cut))
    }
}

/// What a filter leaves of a value: its first group, or the whole where it has none.
fn filtered(filter: &Regex, value: &str) -> Option<String> {
    let found = filter.captures(value).filter(|_| !value.is_empty())?;
    Some(found.get(1).map_or(value, |group| group.as_str()).to_owned())
}

/// All variables of a dashboard with their values, as an address chooses them, and what they stand for in queries.
pub(crate) fn choose<'a>(
    engine: &'a Engine,
    reader: &'a Reader,
    dashboard: &'a Dashboard,
    params: &'a Params,
    span: &'a Span,
    lists: Lists,
) -> BoxFuture<'a, (Vec<Listed>, Choices)> {
    Box::pin(async move {
        let mut choices = span.choices();
        let mut all = Vec::with_capacity(dashboard.variables.len());
        // One after another: a list may depend on what is chosen before it.
        for variable in &dashboard.variables {
            let asked = asked(params, &variable.name);
            let (values, note) = match variable.kind {
                VariableKind::Query if lists == Lists::Every || needs_list(variable, asked.as_deref()) => {
                    ask(engine, reader, variable, span.range(), &choices).await
                }
                VariableKind::List => (variable.values.clone(), None),
                VariableKind::Query | VariableKind::Text => (Vec::new(), None),
            };
            let listed = Listed::new(variable, values, note, asked);
            choices.insert(variable.name.clone(), listed.stands_for());
            all.push(listed);
        }
        (all, choices)
    })
}

/// The values of a list, and why they are not all.
async fn ask(
    engine: &Engine,
    reader: &Reader,
    variable: &Variable,
    range: TimeRange,
    before: &Choices,
) -> (Vec<String>, Option<String>) {
    let query = fill::promql(&variable.query, before).map_err(|error| error.to_string());
    let query = match query.and_then(|query| ListQuery::read(&query, &engine.promql_options())) {
        Ok(query) => query,
        Err(error) => return (Vec::new(), Some(error)),
    };
    match query.answer(engine, reader, range, &variable.filter).await {
        Ok((values, false)) => (values, None),
        Ok((values, true)) => {
            let note = format!(
                "the first {} values are offered; any other can be written in the address",
                values.len()
            );
            (values, Some(note))
        }
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

/// Whether queries cannot be filled without the list of a variable.
fn needs_list(variable: &Variable, asked: Option<&[String]>) -> bool {
    let is_all = asked.is_none_or(|values| values.iter().any(|value| value == ALL));
    is_all && variable.all_value.is_empty()
}

/// What the address chooses; `None` if it does not name the variable.
fn asked(params: &Params, name: &str) -> Option<Vec<String>> {
    let key = format!("{PREFIX}{name}");
    let values: Vec<String> = params.all(&key).take(CHOSEN_MAX).map(str::to_owned).collect();
    (!values.is_empty()).then_some(values)
}

impl Listed {
    fn new(
        variable: &Variable,
        values: Vec<String>,
        note: Option<String>,
        asked: Option<Vec<String>>,
    ) -> Self {
        let mut chosen = asked.unwrap_or_else(|| match (variable.default.as_slice(), variable.all) {
            ([], true) => vec![ALL.to_owned()],
            ([], false) => values.first().into_iter().cloned().collect(),
            (default, _) => default.to_vec(),
        });
        let is_all = variable.all && chosen.iter().any(|value| value == ALL);
        chosen.retain(|value| value != ALL && (!value.is_empty() || variable.kind == VariableKind::Text));
        if !variable.multi {
            chosen.truncate(1);
        }
        if is_all {
            chosen.clear();
        } else if variable.kind == VariableKind::Text && chosen.is_empty() {
            chosen.push(String::new());
        }
        Self { variable: variable.clone(), values, chosen, is_all, note }
    }

    /// What it stands for in queries.
    fn stands_for(&self) -> Chosen {
        if !self.is_all {
            return Chosen { values: self.chosen.clone(), expression: None };
        }
        let given = Some(&self.variable.all_value).filter(|value| !value.is_empty());
        let is_whole = self.note.is_none() && !self.values.is_empty();
        match (given, is_whole) {
            (Some(expression), _) => Chosen { values: Vec::new(), expression: Some(expression.clone()) },
            (None, true) => Chosen { values: self.values.clone(), expression: None },
            (None, false) => Chosen { values: Vec::new(), expression: Some(ANY.to_owned()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        for (text, label, matchers) in [
            ("label_values(job)", "job", 0),
            ("label_values(up, job)", "job", 1),
            ("label_values(up{a=\"b,c\", d=~\"e\"}, instance)", "instance", 3),
            (" metrics(http_.*) ", NAME, 1),
        ] {
            let query = ListQuery::read(text, &Options::default()).unwrap();
            assert_eq!((query.label.as_str(), query.matchers.len()), (label, matchers), "{text}");
        }
        for text in [
            "",
            "up",
            "label_values()",
            "label_values(up, a-b)",
            "label_values(rate(up[5m]), a)",
            "metrics(()",
        ] {
            assert!(ListQuery::read(text, &Options::default()).is_err(), "{text}");
        }
    }

    fn variable(multi: bool, all: bool, default: &[&str]) -> Variable {
        let text =
            format!("name = \"v\"\nkind = \"list\"\nmulti = {multi}\nall = {all}\ndefault = {default:?}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn the_address_chooses_and_else_the_file_and_else_the_first() {
        let values = || vec!["a".to_owned(), "b".to_owned()];
        let params = |query: &str| Params::of(&format!("/x?{query}").parse().unwrap());
        for (variable, query, expected, is_all) in [
            (variable(false, false, &[]), "", vec!["a"], false),
            (variable(false, false, &["b"]), "", vec!["b"], false),
            (variable(false, false, &["b"]), "var-v=c&var-w=d", vec!["c"], false),
            (variable(false, false, &[]), "var-v=b&var-v=c", vec!["b"], false),
            (variable(true, false, &[]), "var-v=b&var-v=c", vec!["b", "c"], false),
            (variable(true, true, &[]), "", vec![], true),
            (variable(true, true, &["a"]), "var-v=b&var-v=$__all", vec![], true),
            (variable(true, false, &[]), "var-v=$__all", vec![], false),
        ] {
            let listed = Listed::new(&variable, values(), None, asked(&params(query), "v"));
            assert_eq!(
                (listed.chosen, listed.is_all),
                (expected.iter().map(ToString::to_string).collect(), is_all),
                "{query}"
            );
        }
    }

    #[test]
    fn all_is_each_value_where_all_are_known() {
        let listed = |values: &[&str], note: Option<&str>, all_value: &str| {
            let variable = Variable { all_value: all_value.to_owned(), ..variable(true, true, &[]) };
            let values = values.iter().map(ToString::to_string).collect();
            Listed::new(&variable, values, note.map(str::to_owned), None).stands_for()
        };
        let any = |expression: &str| Chosen { values: Vec::new(), expression: Some(expression.to_owned()) };
        assert_eq!(listed(&["a"], None, ""), Chosen::one("a"));
        assert_eq!(listed(&["a"], Some("cut"), ""), any(".*"));
        assert_eq!(listed(&[], None, ""), any(".*"));
        assert_eq!(listed(&["a"], None, ".+"), any(".+"));
    }

    #[test]
    fn filters_take_a_part_of_a_value() {
        let of = |filter: &str, value: &str| filtered(&Regex::new(filter).unwrap(), value);
        assert_eq!(of("", "a-1").as_deref(), Some("a-1"));
        assert_eq!(of("^a-(.*)$", "a-1").as_deref(), Some("1"));
        assert_eq!(of("^b", "a-1"), None);
        assert_eq!(of("", ""), None);
    }
}
