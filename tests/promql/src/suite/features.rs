//! Which queries Prometheus answers only with a feature.

use std::sync::LazyLock;

use regex::Regex;

/// The features of queries: what may still change, and durations that are calculated.
pub const FEATURES: [&str; 2] = ["promql-experimental-functions", "promql-duration-expr"];

/// Functions and aggregations that may still change.
const EXPERIMENTAL: [&str; 10] = [
    "double_exponential_smoothing",
    "info",
    "limit_ratio",
    "limitk",
    "mad_over_time",
    "sort_by_label",
    "sort_by_label_desc",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
];

/// Durations that are calculated: in brackets, or in parentheses after `offset`.
const CALCULATED: &str = r#"\[[^\]{}"]*[-+*/%^(]|\boffset\s*[-+]?\s*\("#;

static NEEDED: LazyLock<Regex> = LazyLock::new(|| {
    let names = EXPERIMENTAL.join("|");
    regex(&format!(r"\b({names})\s*((by|without)\s*)?\(|{CALCULATED}"))
});
static TEXTS: LazyLock<Regex> = LazyLock::new(|| regex(r#""(\\.|[^"\\])*"|'(\\.|[^'\\])*'|`[^`]*`"#));
static MOVING: LazyLock<Regex> = LazyLock::new(|| regex(r"@\s*(start|end)\s*\("));

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("the expression is right")
}

/// Whether a query needs a feature.
pub(super) fn needed(query: &str) -> bool {
    NEEDED.is_match(&TEXTS.replace_all(query, "\"\""))
}

/// Whether a query has another answer at an instant than in the middle of a range.
pub(super) fn moves_with_range(query: &str) -> bool {
    MOVING.is_match(query)
}

/// The features that all of a file needs besides those of its queries.
pub fn of_file(name: &str) -> &'static [&'static str] {
    match name {
        "name_label_dropping.test" => &["promql-delayed-name-removal"],
        "type_and_unit.test" => &["promql-delayed-name-removal", "type-and-unit-labels"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_need_features() {
        for (query, expected) in [
            ("rate(x[5m])", false),
            ("rate(x[5m] offset -1m)", false),
            ("x[5m:1m] @ 10", false),
            ("x - y[5m]", false),
            ("label_replace(x, \"a\", \"[1+2]\", \"b\", \"info(\")", false),
            ("node_info + x", false),
            ("info(x)", true),
            ("limitk(2, x)", true),
            ("limit_ratio by (a) (0.5, x)", true),
            ("sum(mad_over_time(x[5m]))", true),
            ("x[2 * 5m]", true),
            ("x[5m:10s+5s]", true),
            ("x offset (1h / 2)", true),
            ("x offset -(1h)", true),
        ] {
            assert_eq!(needed(query), expected, "{query}");
        }
    }

    #[test]
    fn queries_that_look_at_the_range() {
        assert!(moves_with_range("x @ end()") && moves_with_range("x @start ()"));
        assert!(!moves_with_range("x @ 10 + start"));
    }
}
