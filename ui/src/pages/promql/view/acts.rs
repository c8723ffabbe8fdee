//! What can be done with a box of time: zoom in, explain it, search in it.

use std::collections::BTreeSet;

use query::promql::{MatchOp, Matcher};

use super::super::blame::selectors;
use super::super::question::Asked;
use crate::address::{self, Address, term};

/// Where a box stands in the address of what can be done with it.
const BOX: &str = "BOX";

/// What can be done with a box of time.
pub(super) struct Acts {
    /// Whether the address has a box.
    pub(super) has_box: bool,
    /// Where the box begins and ends, in nanoseconds.
    pub(super) ends: Option<(i64, i64)>,
    pub(super) words: String,
    /// Text, address, and the address with `BOX` at its end where the box is to stand.
    pub(super) all: Vec<(&'static str, String, String)>,
}

impl Acts {
    pub(super) fn new(asked: &Asked) -> Self {
        let service = service(asked);
        let q = service.as_deref().map(|service| term("service", service)).unwrap_or_default();
        let explain = Address::new("/explain").with("service", service.as_deref().unwrap_or_default());
        // The box stands last, so that no other text is taken for its place.
        let ways = [
            ("Zoom in", asked.at("").to_string()),
            ("Explain", explain.link()),
            ("Search spans", address::search("spans", &q, "")),
            ("Logs", address::search("logs", &q, "")),
        ];
        let range = asked.selection.as_ref().map(|selection| selection.range.range);
        let text = asked.selection.as_ref().map_or("", |selection| selection.range.text.as_str());
        let ways = ways.into_iter().filter(|(_, way)| !way.is_empty());
        let with = |way: &str, text: &str| address::with_parameters(way, &[("t", text)]);
        Self {
            has_box: asked.selection.is_some(),
            ends: range.and_then(|range| Some((range.from?.0, range.to?.0))),
            words: asked.selection.as_ref().map(|selection| selection.range.words()).unwrap_or_default(),
            all: ways.map(|(name, way)| (name, with(&way, text), with(&way, BOX))).collect(),
        }
    }
}

/// The one service that all selections name.
fn service(asked: &Asked) -> Option<String> {
    let all = asked.rows.iter().filter(|row| row.is_on).flat_map(|row| selectors(&row.text, asked));
    let names = all.map(|matchers| matchers.iter().find_map(named_service));
    let names: BTreeSet<Option<String>> = names.collect();
    if names.len() == 1 { names.into_iter().next().flatten() } else { None }
}

/// The service that a condition names: by the label of metrics made of spans, or by `job`, which has its namespace in front.
fn named_service(matcher: &Matcher) -> Option<String> {
    let is_name = matcher.op == MatchOp::Equal && !matcher.value.is_empty();
    match matcher.name.as_str() {
        "service_name" if is_name => Some(matcher.value.clone()),
        "job" if is_name => matcher.value.rsplit('/').next().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::UnixNanos;

    use super::*;
    use crate::pages::checks;

    fn acts(address: &str) -> Acts {
        Acts::new(&Asked::of(&checks::visit(address), None, UnixNanos(1_700_000_000_000_000_000)).unwrap())
    }

    #[test]
    fn a_box_stands_at_the_end_of_each_address() {
        let acts = acts("/promql?q=BOX%7Bjob=%22shop/cart%22%7D&t=now-1h&sel=now-2m..now-1m");
        assert!(acts.has_box);
        let search = acts.all.iter().find(|(name, ..)| *name == "Search spans").unwrap();
        assert_eq!(search.1, "/search?tab=spans&q=service%3Acart&t=now-2m..now-1m");
        assert_eq!(search.2, "/search?tab=spans&q=service%3Acart&t=BOX");
        assert!(acts.all.iter().all(|(_, _, pattern)| pattern.ends_with("t=BOX")), "{:?}", acts.all);
        assert!(acts.all[0].1.starts_with("/promql?q=BOX%7B"), "{}", acts.all[0].1);
    }

    #[test]
    fn the_service_is_that_of_all_selections() {
        for (q, expected) in [
            ("a%7Bjob=%22cart%22%7D%2Bb%7Bservice_name=%22cart%22%7D", "/explain?service=cart&t=BOX"),
            ("a%7Bjob=%22cart%22%7D%2Bb", "/explain?t=BOX"),
            ("a%7Bjob=~%22cart%22%7D", "/explain?t=BOX"),
        ] {
            let acts = acts(&format!("/promql?q={q}&t=now-1h"));
            let explain = acts.all.iter().find(|(name, ..)| *name == "Explain");
            assert_eq!(explain.unwrap().2, expected, "{q}");
        }
    }
}
