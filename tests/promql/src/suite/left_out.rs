//! The metrics of a section that a door cannot say in full, and the queries that ask them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::door::Door;
use crate::notation::NAME;
use crate::series::Series;

/// What may ask any metric: braces without a name before them, or a condition on the name.
static ANY: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(^|[^a-zA-Z0-9_:])\{|__name__").expect("the expression is right"));

/// Names of metrics.
#[derive(Debug, Default)]
pub(super) struct LeftOut(BTreeSet<String>);

impl LeftOut {
    /// Takes out the series that a door cannot say.
    pub(super) fn take(&mut self, door: Door, series: &mut Vec<Series>) {
        series.retain(|one| {
            let is_taken = door.takes(one);
            if !is_taken {
                self.0.insert(one.labels.get(NAME).cloned().unwrap_or_default());
            }
            is_taken
        });
    }

    /// Whether a query may ask any of them.
    pub(super) fn are_asked_by(&self, query: &str) -> bool {
        let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        let mut words = query.split(|c| !of_name(c));
        !self.0.is_empty() && (ANY.is_match(query) || words.any(|word| self.0.contains(word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::Line;
    use crate::script::Load;

    #[test]
    fn queries_that_ask_what_is_left_out() {
        let lines = ["a__b 1", "c 1", r#"{"d.e"} 1"#].map(|line| Line::parse(line).unwrap()).to_vec();
        let load = Load { every_ms: 1, with_custom_buckets: false, lines };
        let mut series = crate::series::loaded(&load).unwrap();
        let mut left_out = LeftOut::default();
        left_out.take(Door::V1, &mut series);
        assert!(series.len() == 3 && !left_out.are_asked_by("a__b"));
        left_out.take(Door::Otlp, &mut series);
        assert_eq!(series.len(), 1);
        for (query, expected) in [
            ("rate(a__b[5m])", true),
            ("c + a__b", true),
            ("c{x=\"y\"}", false),
            ("a__b_total + c", false),
            ("sum({x=\"y\"})", true),
            ("{\"d.e\"}", true),
            ("c{__name__=~\".*\"}", true),
            ("1 + 1", false),
        ] {
            assert_eq!(left_out.are_asked_by(query), expected, "{query}");
        }
    }
}
