//! Spans against spans: attributes by how much their shares differ.

use askama::Template;
use model::TimeRange;
use query::{Comparison, Difference};

use super::Boxes;
use crate::address::{Address, and, is_key, search, term};
use crate::copy::{self, CopyAs};
use crate::format::{count, counted, percent, svg_percent};
use crate::problem::WrongQuery;
use crate::visit::{Frame, Section, Visit};

#[derive(Template)]
#[template(path = "compare.html")]
pub(super) struct ComparePage {
    frame: Frame,
    q: String,
    sel: String,
    vs: String,
    t: String,
    copy: Option<CopyAs>,
    wrong: Option<WrongQuery>,
    found: Option<Found>,
}

/// What differs.
struct Found {
    /// Title, words, how many spans, the search for them; selection first.
    sides: [Side; 2],
    summary: String,
    partial: Option<String>,
    cost: String,
    rows: Vec<Row>,
    explain: Option<String>,
    /// Why nothing differs.
    nothing: Option<&'static str>,
}

struct Side {
    title: &'static str,
    class: &'static str,
    words: String,
    spans: String,
    href: String,
}

/// A pair of key and value.
struct Row {
    key: String,
    value: String,
    /// In the selection and in the baseline: width of the bar and words.
    shares: [(String, String); 2],
    /// The difference of shares in points.
    difference: String,
    more: bool,
    chance: String,
    /// The spans of the selection that have it, and those that do not.
    only: Option<(String, String)>,
}

/// The page that says how to ask.
pub(super) fn empty(visit: &Visit, version: &'static str) -> ComparePage {
    bare(visit, version)
}

/// The page of a search that is wrong.
pub(super) fn wrong(visit: &Visit, version: &'static str, boxes: &Boxes, wrong: WrongQuery) -> ComparePage {
    ComparePage { wrong: Some(wrong), ..asked(visit, version, boxes) }
}

/// The page of what differs.
pub(super) fn view(visit: &Visit, version: &'static str, boxes: &Boxes, found: &Comparison) -> ComparePage {
    let (selection, baseline) = (&boxes.selection, &boxes.baseline);
    let side = |title, class, words: String, spans: u64, href| Side {
        title,
        class,
        words,
        spans: counted(spans, "span"),
        href,
    };
    let spans = |one: &crate::selection::Selection| {
        search("spans", format!("{}{}", boxes.q, one.terms()).trim(), &one.range.text)
    };
    let against = match boxes.chosen {
        Some(chosen) => format!("{} ({chosen})", baseline.words()),
        None => baseline.words(),
    };
    let nothing = match (found.selection, found.baseline) {
        _ if !found.differences.is_empty() => None,
        (0, _) => Some("No span is in the selection."),
        (_, 0) => Some("No span is in the baseline: choose another one."),
        _ => Some("No attribute differs by more than chance explains."),
    };
    let more = found.differing.saturating_sub(found.differences.len()) as u64;
    let TimeRange { from, to } = selection.range.range;
    Found {
        sides: [
            side("Selection", "in", selection.words(), found.selection, spans(selection)),
            side("Baseline, without the selection", "vs", against, found.baseline, spans(baseline)),
        ],
        summary: format!(
            "{} of {} differ{}",
            counted(found.differing as u64, "pair"),
            count(found.tested as u64),
            if more > 0 { format!("; {} more are in the JSON", count(more)) } else { String::new() }
        ),
        partial: found.stats.partial.as_ref().map(|partial| partial.reason.clone()),
        cost: format!(
            "read {} in {} ms",
            counted(found.stats.rows_scanned, "row"),
            count(found.stats.elapsed_ms)
        ),
        rows: found.differences.iter().map(|one| Row::new(boxes, one)).collect(),
        explain: (from.is_some() && to.is_some())
            .then(|| Address::new("/explain").with("t", &selection.range.text).to_string()),
        nothing,
    }
    .on(asked(visit, version, boxes))
}

impl Found {
    fn on(self, page: ComparePage) -> ComparePage {
        ComparePage { found: Some(self), ..page }
    }
}

fn bare(visit: &Visit, version: &'static str) -> ComparePage {
    let given = |name| visit.params.text(name).map(str::to_owned).unwrap_or_default();
    ComparePage {
        frame: visit.frame("Compare", Section::Search, version),
        q: given("q"),
        sel: given("sel"),
        vs: given("vs"),
        t: given("t"),
        copy: None,
        wrong: None,
        found: None,
    }
}

fn asked(visit: &Visit, version: &'static str, boxes: &Boxes) -> ComparePage {
    let page = bare(visit, version);
    let nanos = |nanos: Option<i64>| nanos.map(|nanos| nanos.to_string()).unwrap_or_default();
    let time = |time: Option<model::UnixNanos>| time.map(|time| time.to_string()).unwrap_or_default();
    let mut address = Address::new("/api/compare").with("q", &boxes.q);
    for (one, names) in [
        (boxes.selection.spans(), ["from", "to", "low", "high"]),
        (boxes.baseline.spans(), ["vs_from", "vs_to", "vs_low", "vs_high"]),
    ] {
        let values = [time(one.range.from), time(one.range.to), nanos(one.low), nanos(one.high)];
        for (name, value) in names.iter().zip(values) {
            address = address.with(name, &value);
        }
    }
    let mut copy = CopyAs::timeless(visit).api(visit, &address);
    let frozen = |one: &crate::selection::Selection| {
        let times = copy::frozen(&one.range, model::UnixNanos::now());
        let durations =
            one.text.split_once(',').map(|(_, durations)| format!(",{durations}")).unwrap_or_default();
        format!("{times}{durations}")
    };
    let (sel, vs) = (frozen(&boxes.selection), frozen(&boxes.baseline));
    copy.link = crate::address::with_parameters(&copy.link, &[("sel", &sel), ("vs", &vs), ("t", "")]);
    ComparePage { copy: Some(copy), frame: page.frame.over(&boxes.selection.range), ..page }
}

impl Row {
    fn new(boxes: &Boxes, one: &Difference) -> Self {
        let width = |share: f64| svg_percent(share.clamp(0.0, 1.0));
        let words = |share: query::Share| format!("{} · {}", percent(share.share), count(share.count));
        let difference = one.difference() * 100.0;
        let plain = is_key(&one.key);
        let only = plain.then(|| {
            let spans = format!("{}{}", boxes.q, boxes.selection.terms());
            let pair = term(&one.key, &one.value);
            let href = |q: &str| search("spans", q, &boxes.selection.range.text);
            (href(&and(&spans, &pair)), href(&and(&spans, &format!("NOT {pair}"))))
        });
        let only = only.filter(|(only, without)| !only.is_empty() && !without.is_empty());
        Self {
            key: one.key.clone(),
            value: one.value.clone(),
            shares: [
                (width(one.selection.share), words(one.selection)),
                (width(one.baseline.share), words(one.baseline)),
            ],
            difference: format!("{}{:.1}", if difference < 0.0 { "−" } else { "+" }, difference.abs()),
            more: difference > 0.0,
            chance: if one.p_value < 1e-12 { "< 1e-12".to_owned() } else { format!("{:.0e}", one.p_value) },
            only,
        }
    }
}
