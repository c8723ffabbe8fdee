//! What an answer is worth, by the rules of the published comparisons on the sample:
//!
//! - AS@k: the root service is among the first k different services.
//! - AIS@k: among the first k different pairs of service and target, one names the root service and its target. A
//!   resource has to be the same; of code, `from` has to contain the label's first event and `to` its second.
//!
//! No candidate is a miss. Intervals are 95 % Wilson intervals.

use serde::Deserialize;
use serde_json::Value;

use crate::told::Suspect;

/// How many places down the list are looked at.
pub(crate) const KS: [usize; 3] = [1, 3, 5];
/// The quantile of the normal distribution for intervals of 95 %.
const Z: f64 = 1.96;
/// So much of the text of an event is compared, in characters.
const EVENT_CHARS_MAX: usize = 300;

/// The target of a label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Inner {
    /// A resource.
    Resource {
        /// Its name.
        resource: String,
    },
    /// A place in the code.
    Code {
        /// The event before it.
        from: Event,
        /// The event after it.
        to: Event,
    },
}

/// An event of a label.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    /// A part of its text.
    #[serde(rename = "match")]
    pub(crate) part: String,
}

/// At which place of the list the right answers are, from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ranks {
    /// The root service, among services.
    pub(crate) service: Option<usize>,
    /// The root service with its target, among pairs of both.
    pub(crate) inner: Option<usize>,
}

/// Where the right answers are among suspects.
pub(crate) fn ranks(root: &str, inner: &Inner, suspects: &[Suspect]) -> Ranks {
    let mut services: Vec<&str> = Vec::new();
    let mut pairs: Vec<(&str, &Value)> = Vec::new();
    for suspect in suspects {
        let service = suspect.service.as_str();
        if !services.contains(&service) {
            services.push(service);
        }
        if !pairs.contains(&(service, &suspect.target)) {
            pairs.push((service, &suspect.target));
        }
    }
    let place = |at: usize| at + 1;
    Ranks {
        service: services.iter().position(|service| *service == root).map(place),
        inner: pairs.iter().position(|(service, to)| *service == root && is_target(inner, to)).map(place),
    }
}

fn is_target(inner: &Inner, target: &Value) -> bool {
    let text = |key: &str| target[key].as_str().map(normal);
    match inner {
        Inner::Resource { resource } => {
            target["type"] == "resource" && text("resource").as_ref() == Some(resource)
        }
        Inner::Code { from, to } => {
            let names = |event: &Event, key: &str| {
                let cut = |text: String| text.chars().take(EVENT_CHARS_MAX).collect::<String>();
                text(key).is_some_and(|text| cut(text).contains(&normal(&event.part)))
            };
            target["type"] == "code" && names(from, "from") && names(to, "to")
        }
    }
}

/// Whether a suspect says that it is code, and that the data do not say where.
pub(crate) fn is_unnamed_code(suspect: &Suspect) -> bool {
    let target = &suspect.target;
    target["type"] == "code" && target["from"].is_null() && target["to"].is_null()
}

/// A text with single blanks, in lower case.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Hits.
    pub(crate) hits: usize,
    /// Of these.
    pub(crate) of: usize,
}

impl Share {
    /// Counts those for which it holds.
    pub(crate) fn of<T>(all: impl IntoIterator<Item = T>, holds: impl Fn(T) -> bool) -> Self {
        let mut share = Self::default();
        for one in all {
            share.of += 1;
            share.hits += usize::from(holds(one));
        }
        share
    }

    /// As `15/18`; nothing of nothing.
    pub(crate) fn text(self) -> String {
        if self.of == 0 { "-".to_owned() } else { format!("{}/{}", self.hits, self.of) }
    }

    /// With percent and interval.
    pub(crate) fn with_interval(self) -> String {
        if self.of == 0 {
            return "none".to_owned();
        }
        let (low, high) = self.wilson();
        let percent = 100.0 * self.hits as f64 / self.of as f64;
        format!("{} = {percent:.1} % [{:.1}, {:.1}]", self.text(), 100.0 * low, 100.0 * high)
    }

    /// Wilson's interval.
    fn wilson(self) -> (f64, f64) {
        let (n, p) = (self.of as f64, self.hits as f64 / self.of as f64);
        let d = 1.0 + Z * Z / n;
        let middle = p + Z * Z / (2.0 * n);
        let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        (((middle - half) / d).max(0.0), ((middle + half) / d).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suspect(service: &str, target: Value) -> Suspect {
        Suspect { service: service.to_owned(), target, ..Suspect::default() }
    }

    fn code(from: &str, to: &str) -> Inner {
        let event = |part: &str| Event { part: part.to_owned() };
        Inner::Code { from: event(from), to: event(to) }
    }

    #[test]
    fn places_in_the_list() {
        let check = |suspects: &[(&str, Value)], inner: &Inner, expected: (Option<usize>, Option<usize>)| {
            let suspects: Vec<Suspect> =
                suspects.iter().map(|(service, target)| suspect(service, target.clone())).collect();
            let ranks = ranks("cart", inner, &suspects);
            assert_eq!((ranks.service, ranks.inner), expected, "{suspects:?} {inner:?}");
        };
        let cpu = Inner::Resource { resource: "cpu".to_owned() };
        let resource = |name: &str| json!({ "type": "resource", "resource": name });
        let place = |from: &str, to: &str| json!({ "type": "code", "from": from, "to": to });
        check(&[], &cpu, (None, None));
        check(&[("cart", resource("CPU "))], &cpu, (Some(1), Some(1)));
        check(&[("web", resource("cpu")), ("cart", resource("network"))], &cpu, (Some(2), None));
        // The same pair twice takes one place; another target of a known service takes one among pairs only.
        let twice = [
            ("web", resource("cpu")),
            ("web", resource("cpu")),
            ("web", place("a", "b")),
            ("cart", resource("cpu")),
        ];
        check(&twice, &cpu, (Some(2), Some(3)));
        check(&[("cart", place("c.S#3", "c.S#4"))], &code("c.s#3", "S#4"), (Some(1), Some(1)));
        check(&[("cart", place("say\n  this  now", "b"))], &code("Say this", "b"), (Some(1), Some(1)));
        check(&[("cart", place("c.S#4", "c.S#3"))], &code("S#3", "S#4"), (Some(1), None));
        check(&[("cart", place("S#3", "S#5"))], &code("S#3", "S#4"), (Some(1), None));
        let silent = json!({ "type": "code", "from": null, "to": null });
        check(&[("cart", silent.clone())], &code("S#3", "S#4"), (Some(1), None));
        assert!(
            is_unnamed_code(&suspect("cart", silent)) && !is_unnamed_code(&suspect("cart", resource("cpu")))
        );
    }

    #[test]
    fn labels_are_read() {
        let text = r#"{"type":"code","from":{"event":"log","match":"A"},"to":{"event":"span_start","match":"B"},
            "source_label":"A_B"}"#;
        assert_eq!(serde_json::from_str::<Inner>(text).unwrap(), code("A", "B"));
        let text = r#"{"type":"resource","resource":"cpu","source_label":"CpuUsageRate(%)"}"#;
        let cpu = Inner::Resource { resource: "cpu".to_owned() };
        assert_eq!(serde_json::from_str::<Inner>(text).unwrap(), cpu);
    }

    #[test]
    fn shares() {
        assert_eq!(Share::of([1, 2, 3], |n| n > 1).text(), "2/3");
        assert_eq!(Share { hits: 15, of: 18 }.with_interval(), "15/18 = 83.3 % [60.8, 94.2]");
        assert_eq!(Share { hits: 18, of: 18 }.with_interval(), "18/18 = 100.0 % [82.4, 100.0]");
        assert_eq!(Share::default().with_interval(), "none");
    }
}
