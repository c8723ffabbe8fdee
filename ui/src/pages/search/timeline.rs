//! What stands above and beside the rows: matches over time, in which a box can be dragged, and the commonest values.

use std::collections::BTreeMap;

use askama::Template;
use query::rows::{Bucket, FacetValue};

use super::question::Question;
use crate::address::{Address, and, term};
use crate::chart::Histogram;
use crate::format::{count, duration, first_line, svg_percent};

/// How many values of a facet are shown.
const FACET_VALUES_MAX: usize = 10;
/// From how many characters on a value is cut, and not searched for.
const LONG_CHARS_MIN: usize = 240;

/// Matches over time.
#[derive(Template)]
#[template(path = "part/search_timeline.html")]
pub(super) struct Timeline {
    histogram: Histogram,
    /// Where the drawing begins and ends, and the length of a bar, in Unix nanoseconds.
    from: i64,
    to: i64,
    step: i64,
    /// Place and width of the box that is chosen.
    band: Option<(String, String)>,
    /// What can be done with a box: text, address with `BOX` where it is to stand, and with the box that is chosen.
    acts: Vec<(&'static str, String, String)>,
    /// The box in words.
    words: String,
}

impl Timeline {
    pub(super) fn new(question: &Question, buckets: &[Bucket]) -> Option<Self> {
        let noun = question.tab.counted();
        let histogram = Histogram::new("matches", noun, buckets, |t| question.href_of_time(t))?;
        let (first, last) = (buckets.first()?.time, buckets.last()?.time);
        let steps = buckets.windows(2).map(|pair| pair[1].time.saturating_sub(pair[0].time));
        let step = steps.filter(|step| *step > 0).min().unwrap_or(1_000_000_000);
        let to = last.saturating_add(step);
        let sel = question.sel.as_ref().and_then(|sel| Some((sel.range.from?.0, sel.range.to?.0)));
        let span = to.saturating_sub(first).max(1) as f64;
        let share = |time: i64| (time.saturating_sub(first) as f64 / span).clamp(0.0, 1.0);
        let text = question.sel.as_ref().map_or("", |sel| sel.text.as_str());
        Some(Self {
            histogram,
            from: first,
            to,
            step,
            band: sel.map(|(a, b)| (svg_percent(share(a)), svg_percent((share(b) - share(a)).max(0.001)))),
            acts: acts(question)
                .into_iter()
                .map(|(name, href)| (name, href.replace("BOX", &encoded(text)), href))
                .collect(),
            words: sel.map_or_else(String::new, |(a, b)| {
                let range =
                    model::TimeRange { from: Some(model::UnixNanos(a)), to: Some(model::UnixNanos(b)) };
                format!("{} · {}", duration(b.saturating_sub(a)), crate::range::words(&range))
            }),
        })
    }
}

/// What can be done with a box, its place in each address marked `BOX`.
fn acts(question: &Question) -> Vec<(&'static str, String)> {
    let compare = Address::new("/compare").with("q", &question.q).with("sel", "BOX");
    let compare = compare.with("vs", &question.range.text).to_string();
    vec![
        ("Explain", Address::new("/explain").with("t", "BOX").to_string()),
        ("Zoom in", question.href_of_time("BOX")),
        ("Compare with the rest", compare),
        ("Clear", Question { sel: None, ..question.clone() }.href()),
    ]
}

fn encoded(text: &str) -> String {
    let whole = Address::new("").with("x", text).to_string();
    whole.trim_start_matches("?x=").to_owned()
}

/// The commonest values of some keys.
#[derive(Template)]
#[template(path = "part/search_facets.html")]
pub(super) struct Facets {
    pub(super) facets: Vec<Facet>,
}

pub(super) struct Facet {
    title: String,
    values: Vec<Value>,
    /// How many more values were told apart.
    more: usize,
    /// Without this facet, where the reader added it.
    without: Option<String>,
}

struct Value {
    text: String,
    count: String,
    width: String,
    /// None for a value that no address has room for.
    only: Option<String>,
    not: Option<String>,
}

impl Facets {
    pub(super) fn new(question: &Question, counted: Option<&BTreeMap<String, Vec<FacetValue>>>) -> Self {
        let Some(counted) = counted else { return Self { facets: Vec::new() } };
        let facets = question.facets().into_iter().filter_map(|(key, title)| {
            let own = question.by.contains(&key);
            let values = counted.get(&key).filter(|values| own || !values.is_empty())?;
            let most = values.iter().map(|value| value.count).max().unwrap_or(1).max(1);
            let shown =
                values.iter().take(FACET_VALUES_MAX).map(|value| Value::new(question, &key, value, most));
            Some(Facet {
                title,
                values: shown.collect(),
                more: values.len().saturating_sub(FACET_VALUES_MAX),
                without: own.then(|| question.with(|other| other.by.retain(|one| *one != key)).href()),
            })
        });
        Self { facets: facets.collect() }
    }
}

impl Value {
    fn new(question: &Question, key: &str, value: &FacetValue, most: u64) -> Self {
        let short = value.value.chars().nth(LONG_CHARS_MIN).is_none();
        let term = short.then(|| term(key, &value.value));
        let href = |term: String| question.href_of_query(&and(&question.q, &term));
        Self {
            text: first_line(&value.value, LONG_CHARS_MIN),
            count: count(value.count),
            width: svg_percent(value.count as f64 / most as f64),
            only: term.clone().map(href),
            not: term.map(|term| href(format!("NOT {term}"))),
        }
    }
}

/// Adds the counts of another stretch of time, whose bars stand before those that are there.
pub(super) fn joined(mut all: Vec<Bucket>, earlier: Vec<Bucket>) -> Vec<Bucket> {
    let mut joined = earlier;
    joined.append(&mut all);
    joined
}

/// Adds counts of values, the commonest first.
pub(super) fn added(
    mut all: BTreeMap<String, Vec<FacetValue>>,
    more: BTreeMap<String, Vec<FacetValue>>,
) -> BTreeMap<String, Vec<FacetValue>> {
    for (key, values) in more {
        let known = all.entry(key).or_default();
        for value in values {
            match known.iter_mut().find(|one| one.value == value.value) {
                Some(one) => one.count += value.count,
                None => known.push(value),
            }
        }
        known.sort_by(|a, b| (b.count, &a.value).cmp(&(a.count, &b.value)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;

    fn question(address: &str) -> Question {
        Question::of(&checks::visit(address)).unwrap()
    }

    #[test]
    fn a_box_is_drawn_and_can_be_acted_on() {
        let buckets: Vec<Bucket> = (0..10).map(|at| Bucket { time: at * 100, count: 5, errors: 1 }).collect();
        let address = format!("/search?tab=logs&q=a&sel={}", encoded(&crate::range::between(200, 500)));
        let timeline = Timeline::new(&question(&address), &buckets).unwrap();
        assert_eq!(timeline.band, Some(("20%".to_owned(), "30%".to_owned())));
        let acts: Vec<_> = timeline.acts.iter().map(|(name, href, _)| (*name, href.as_str())).collect();
        let text = encoded(&crate::range::between(200, 500));
        assert_eq!(acts[0], ("Explain", format!("/explain?t={text}").as_str()));
        assert_eq!(acts[1], ("Zoom in", format!("/search?tab=logs&q=a&t={text}").as_str()));
        assert_eq!(acts[3], ("Clear", "/search?tab=logs&q=a"));
        assert!(Timeline::new(&question("/search"), &buckets).unwrap().band.is_none());
        assert!(Timeline::new(&question("/search"), &[]).is_none());
    }

    #[test]
    fn counts_of_stretches_add_up() {
        let value = |value: &str, count| FacetValue { value: value.to_owned(), count };
        let of = |values: Vec<FacetValue>| BTreeMap::from([("service".to_owned(), values)]);
        let all = added(of(vec![value("a", 2)]), of(vec![value("b", 3), value("a", 2)]));
        assert_eq!(all["service"], [value("a", 4), value("b", 3)]);
        let bar = |time| Bucket { time, count: 1, errors: 0 };
        assert_eq!(joined(vec![bar(9)], vec![bar(3), bar(6)]), [bar(3), bar(6), bar(9)]);
    }

    #[test]
    fn a_facet_that_was_added_can_be_taken_away() {
        let counted =
            BTreeMap::from([("http.route".to_owned(), Vec::new()), ("service".to_owned(), Vec::new())]);
        let facets = Facets::new(&question("/search?tab=logs&by=http.route"), Some(&counted)).facets;
        let titles: Vec<_> =
            facets.iter().map(|facet| (facet.title.as_str(), facet.without.as_deref())).collect();
        assert_eq!(titles, [("http.route", Some("/search?tab=logs"))]);
    }
}
