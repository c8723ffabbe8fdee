//! Suspects with their evidence, and what they were found against: the part that incidents and explanations share.

use askama::Template;
use diagnosis::{Baseline, Evidence, Suspect};
use serde_json::Value;

use crate::address::{search, term};
use crate::format::{counted, date_time, percent, quantity, svg_percent};
use crate::pages::rows::ServiceMark;
use crate::prose::Prose;

/// How many suspects stand open; the others are folded.
const OPEN_MAX: usize = 3;
/// The longest address of a piece of evidence that is linked, in bytes.
const HREF_BYTES_MAX: usize = 4_000;
/// What kind of evidence a trace is.
const TRACE: &str = "trace";
/// What kind of evidence a metric is: its figures are never shares.
const METRIC: &str = "metric";

/// Suspects, the best first.
#[derive(Debug, Template)]
#[template(path = "part/suspects.html")]
pub(crate) struct SuspectList {
    pub(crate) suspects: Vec<SuspectView>,
    /// What is folded after the first [`OPEN_MAX`], in words.
    pub(crate) others: Option<String>,
}

/// Somebody who may be the cause.
#[derive(Debug)]
pub(crate) struct SuspectView {
    /// Its place, from 1.
    pub(crate) place: usize,
    pub(crate) service: ServiceMark,
    pub(crate) kind: String,
    /// What is known of where it is, and what exactly is suspected: name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) score: Score,
    pub(crate) summary: Prose,
    pub(crate) evidence: Vec<EvidenceView>,
    /// How many pieces there are, with their noun.
    pub(crate) tally: String,
    /// Traces that show it, opened at the guilty span: address and text.
    pub(crate) traces: Vec<(String, String)>,
    /// The service's logs of that time.
    pub(crate) logs: String,
}

/// A score as a number and a bar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Score {
    pub(crate) text: String,
    pub(crate) width: String,
}

impl Score {
    pub(crate) fn new(score: f64) -> Self {
        let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
        Self { text: percent(score), width: svg_percent(score) }
    }
}

/// Something that tells for a suspect.
#[derive(Debug)]
pub(crate) struct EvidenceView {
    pub(crate) statement: Prose,
    pub(crate) figures: Option<Figures>,
    pub(crate) href: Option<String>,
    pub(crate) query: Option<String>,
}

/// What was found against what is usual.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub(crate) value: String,
    /// As a share of the larger of the two.
    pub(crate) width: String,
    /// What is usual, with its share.
    pub(crate) expected: Option<(String, String)>,
}

impl Figures {
    /// Two figures of a unit; of the unit `1` they are shares where that is what they count.
    pub(crate) fn new(value: f64, expected: Option<f64>, unit: &str, is_share: bool) -> Self {
        let text = |value: f64| match is_share {
            true => format!("{:.1} %", value * 100.0),
            false => quantity(value, unit),
        };
        let most = value.abs().max(expected.unwrap_or(0.0).abs()).max(f64::MIN_POSITIVE);
        let width = |value: f64| svg_percent((value.abs() / most).clamp(0.0, 1.0));
        Self {
            value: text(value),
            width: width(value),
            expected: expected.map(|expected| (text(expected), width(expected))),
        }
    }

    fn of(evidence: &Evidence) -> Option<Self> {
        let value = evidence.value.filter(|value| value.is_finite())?;
        let expected = evidence.expected.filter(|expected| expected.is_finite());
        let inside = |value: f64| (0.0..=1.0).contains(&value);
        let is_share =
            evidence.unit == "1" && evidence.kind != METRIC && inside(value) && expected.is_none_or(inside);
        Some(Self::new(value, expected, &evidence.unit, is_share))
    }
}

impl SuspectList {
    /// Suspects of the time `t`.
    pub(crate) fn new(suspects: &[Suspect], t: &str) -> Self {
        let views =
            suspects.iter().enumerate().map(|(index, suspect)| SuspectView::new(index + 1, suspect, t));
        let suspects: Vec<SuspectView> = views.collect();
        let others = suspects.get(OPEN_MAX).map(|next| {
            let number = counted((suspects.len() - OPEN_MAX) as u64, "more suspect");
            format!("{number}, the highest at {}", next.score.text)
        });
        Self { suspects, others }
    }
}

impl SuspectView {
    fn new(place: usize, suspect: &Suspect, t: &str) -> Self {
        let (traces, evidence): (Vec<&Evidence>, Vec<&Evidence>) =
            suspect.evidence.iter().partition(|evidence| evidence.kind == TRACE);
        let facts = [
            ("Target", Some(target(&suspect.target))),
            ("Instance", suspect.instance.clone()),
            ("Namespace", suspect.namespace.clone()),
            ("Environment", suspect.environment.clone()),
        ];
        let facts = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)));
        let traces = traces.iter().filter_map(|evidence| own(evidence.href.as_deref()));
        let traces = traces.enumerate().map(|(index, href)| {
            let text = if index == 0 { "Trace at the guilty span" } else { "Another trace" };
            (href, text.to_owned())
        });
        Self {
            place,
            service: ServiceMark::new(&suspect.service),
            kind: suspect.kind.clone(),
            facts: facts.collect(),
            score: Score::new(suspect.score),
            summary: Prose::new(&suspect.summary),
            tally: match evidence.len() {
                1 => "1 piece of evidence".to_owned(),
                number => format!("{number} pieces of evidence"),
            },
            evidence: evidence.into_iter().map(EvidenceView::new).collect(),
            traces: traces.collect(),
            logs: search("logs", &term("service", &suspect.service), t),
        }
    }
}

impl EvidenceView {
    fn new(evidence: &Evidence) -> Self {
        Self {
            statement: Prose::new(&evidence.statement),
            figures: Figures::of(evidence),
            href: own(evidence.href.as_deref()),
            query: evidence.query.clone().filter(|query| !query.trim().is_empty()),
        }
    }
}

/// An address of this program. Another one leads nowhere from here, nor does one with a name too long for it.
fn own(href: Option<&str>) -> Option<String> {
    let href = href?;
    let is_own = href.starts_with('/') && !href[1..].starts_with(['/', '\\']);
    let is_fit = href.len() <= HREF_BYTES_MAX && href.bytes().all(|byte| byte.is_ascii_graphic());
    (is_own && is_fit).then(|| href.to_owned())
}

/// What exactly is suspected, in words.
pub(crate) fn target(target: &Value) -> String {
    let text = |key: &str| match target.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    };
    let kind = text("type").unwrap_or_default();
    match (kind.as_str(), text("from"), text("to")) {
        ("resource", ..) => text("resource").unwrap_or_default(),
        ("code", Some(from), Some(to)) => format!("code between {from} and {to}"),
        ("code", Some(from), None) => format!("code after {from}"),
        ("code", None, Some(to)) => format!("code before {to}"),
        ("code", None, None) => "code; the data do not say where".to_owned(),
        ("edge", Some(from), Some(to)) => format!("{from} → {to}"),
        _ => {
            let all = target.as_object().into_iter().flatten().filter(|(key, _)| *key != "type");
            let named = all.filter_map(|(key, _)| Some((key, text(key)?)));
            // A field that only repeats the type needs no name.
            let words = named.map(|(key, value)| if *key == kind { value } else { format!("{key} {value}") });
            let words: Vec<String> = words.collect();
            format!("{kind} {}", words.join(", ")).trim().to_owned()
        }
    }
}

/// What something was compared with, in a sentence.
pub(crate) fn baseline(baseline: &Baseline) -> String {
    let time = |text: &str| text.parse().map_or_else(|_| text.to_owned(), date_time);
    format!(
        "{} between {} and {} {}: {}",
        counted(baseline.minutes as u64, "minute"),
        time(&baseline.from),
        time(&baseline.to),
        crate::zone::name(),
        baseline.why
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evidence(kind: &str, value: Option<f64>, expected: Option<f64>, unit: &str) -> Evidence {
        let (kind, unit) = (kind.to_owned(), unit.to_owned());
        Evidence { kind, statement: String::new(), value, expected, unit, query: None, href: None }
    }

    #[test]
    fn figures_have_their_unit() {
        for (evidence, value, expected) in [
            (evidence("own_time", Some(797e6), Some(61.2e6), "ns"), "797 ms", Some("61.2 ms")),
            (evidence("missing_event", Some(0.02), Some(1.0), "1"), "2.0 %", Some("100.0 %")),
            (evidence("metric", Some(0.97), Some(0.25), "1"), "0.97", Some("0.25")),
            (evidence("metric", Some(3.5 * 1048576.0), Some(512.0), "By"), "3.50 MiB", Some("512 B")),
            (evidence("calls", Some(480.0), Some(120.0), "1/min"), "480 /min", Some("120 /min")),
            (evidence("lag", Some(12.0), None, "{message}"), "12 messages", None),
            (evidence("count", Some(7.0), Some(0.0), "1"), "7", Some("0")),
        ] {
            let figures = Figures::of(&evidence).unwrap();
            assert_eq!(
                (figures.value.as_str(), figures.expected.as_ref().map(|(text, _)| text.as_str())),
                (value, expected)
            );
        }
        assert_eq!(Figures::of(&evidence("x", None, Some(1.0), "1")), None);
        assert_eq!(Figures::of(&evidence("x", Some(f64::NAN), None, "1")), None);
        let bars = Figures::new(1.0, Some(4.0), "ns", false);
        assert_eq!((bars.width.as_str(), bars.expected.unwrap().1.as_str()), ("25%", "100%"));
    }

    #[test]
    fn targets_are_said_in_words() {
        for (value, words) in [
            (json!({"type": "resource", "resource": "cpu"}), "cpu"),
            (json!({"type": "code", "from": "a#1", "to": "b#2"}), "code between a#1 and b#2"),
            (json!({"type": "code", "from": null, "to": null}), "code; the data do not say where"),
            (json!({"type": "edge", "from": "cart", "to": "redis"}), "cart → redis"),
            (json!({"type": "edge", "from": "cart", "to": null}), "edge from cart"),
            (json!({"type": "version", "version": "1.42"}), "version 1.42"),
            (json!({"type": "config", "key": "pool", "value": "2"}), "config key pool, value 2"),
            (json!(null), ""),
        ] {
            assert_eq!(target(&value), words);
        }
    }

    #[test]
    fn only_own_addresses_are_links() {
        assert_eq!(own(Some("/traces/ab?span=cd#s-cd")).as_deref(), Some("/traces/ab?span=cd#s-cd"));
        for other in ["javascript:alert(1)", "https://elsewhere/", "//elsewhere", "/\\elsewhere", "", "/a b"]
        {
            assert_eq!(own(Some(other)), None, "{other}");
        }
    }

    #[test]
    fn suspects_past_the_first_are_folded() {
        let [first, second] = &crate::sample::incident().suspects[..] else { panic!("two suspects") };
        let list = |number: usize| {
            let mut suspects = vec![first.clone()];
            suspects.resize(number, second.clone());
            SuspectList::new(&suspects, "now-1h")
        };
        assert_eq!(list(3).others, None);
        assert!(!list(3).to_string().contains("class=\"others\""));
        assert_eq!(list(5).others.as_deref(), Some("2 more suspects, the highest at 3.0 %"));
        let page = list(5).to_string();
        assert!(page.find("suspect-3").unwrap() < page.find("class=\"others\"").unwrap());
        assert!(page.find("class=\"others\"").unwrap() < page.find("suspect-4").unwrap());
        for element in ["ol", "details", "li"] {
            let (begin, end) = (format!("<{element}"), format!("</{element}>"));
            let begins =
                page.match_indices(&begin).filter(|(at, _)| page[at + begin.len()..].starts_with([' ', '>']));
            assert_eq!(begins.count(), page.matches(&end).count(), "{element}");
        }
    }

    #[test]
    fn scores_stay_within_the_bar() {
        for (score, text, width) in
            [(0.72, "72 %", "72%"), (7.0, "100 %", "100%"), (-1.0, "0 %", "0%"), (f64::NAN, "0 %", "0%")]
        {
            assert_eq!(Score::new(score), Score { text: text.to_owned(), width: width.to_owned() });
        }
    }
}
