//! Suspects as a diagnosis and an incident have them: each with its score, the sentence, what it rests on, and traces
//! that show it.

use diagnosis::{Baseline, Evidence, Suspect};
use serde_json::Value;

use super::error::ClientError;
use super::output::Output;
use super::source::Source;
use super::text::{Tone, columns, visible, wrapped};
use super::times;
use super::units::measure;
use super::views::scalar;

/// The keys of a suspect, in the order of CSV.
pub(super) const KEYS: [&str; 9] =
    ["service", "namespace", "environment", "instance", "kind", "target", "score", "summary", "evidence"];
/// The columns of a full bar.
const BAR: usize = 10;
/// The columns of the words before what is said of a whole answer.
const HEAD: usize = 10;
/// Before all that is about a suspect, but its first line.
const INDENT: &str = "   ";
/// Suspects with a smaller score are only named, but for the first.
const TOLD_MIN: f64 = 0.01;
/// Below this width, lines are not broken further.
const WRAP_MIN: usize = 30;
/// Of the words before evidence the longest: `missing_event`.
const WORD: usize = 13;

/// Writes suspects, the best first, each after an empty line; those that little tells for in a line at the end.
pub(super) fn write(suspects: &[Suspect], source: &Source, output: &mut Output) -> Result<(), ClientError> {
    let count = suspects.iter().take_while(|suspect| suspect.score >= TOLD_MIN).count().max(1);
    let (shown, others) = suspects.split_at(count.min(suspects.len()));
    for (at, suspect) in shown.iter().enumerate() {
        output.line("")?;
        let place = place(suspect);
        let number = format!("{:<3}", at + 1);
        let score = format!("{:.2}", suspect.score);
        let (paint, kind) = (output.paint, visible(&suspect.kind).into_owned());
        output.line(&format!(
            "{}{} {}  {}  {}",
            paint.apply(Tone::Strong, &number),
            paint.apply(Tone::Warn, &bar(suspect.score)),
            score,
            paint.apply(Tone::Strong, &kind),
            place
        ))?;
        paragraph("", &suspect.summary, output)?;
        if let Some(target) = target(&suspect.target) {
            paragraph(&word("target", output), &target, output)?;
        }
        for evidence in &suspect.evidence {
            paragraph(&word(&evidence.kind, output), &told(evidence, source), output)?;
        }
    }
    if !others.is_empty() {
        let names: Vec<String> =
            others.iter().map(|other| format!("{} {}", other.service, other.kind)).collect();
        output.line("")?;
        paragraph("", &format!("below {TOLD_MIN}: {}", names.join(", ")), output)?;
    }
    Ok(())
}

/// What a window was compared with, in a sentence.
pub(super) fn compared(baseline: &Baseline) -> String {
    let show = |text: &str| text.parse().map_or_else(|_| text.to_owned(), times::show);
    let minutes = super::text::count(baseline.minutes, "minute", "minutes");
    format!("{minutes} of {} to {}: {}", show(&baseline.from), show(&baseline.to), baseline.why)
}

/// The service, and where more is known of it, that.
fn place(suspect: &Suspect) -> String {
    let mut words = vec![visible(&suspect.service).into_owned()];
    words.extend(suspect.instance.iter().map(|name| format!("instance {}", visible(name))));
    for (word, value) in [("namespace", &suspect.namespace), ("environment", &suspect.environment)] {
        words.extend(value.iter().map(|value| format!("{word} {}", visible(value))));
    }
    words.join(", ")
}

/// A share as a bar.
fn bar(share: f64) -> String {
    let full = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(BAR - full))
}

/// A word in front of a line, as wide as all of them.
fn word(word: &str, output: &Output) -> String {
    let word = visible(word);
    let blanks = " ".repeat(WORD.saturating_sub(columns(&word)) + 2);
    format!("{}{blanks}", output.paint.apply(Tone::Dim, &word))
}

/// What is accused, in a few words; nothing where the kind says all.
fn target(target: &Value) -> Option<String> {
    let text = |key: &str| match &target[key] {
        Value::Null => "unknown".to_owned(),
        value => scalar(value),
    };
    let known = |key: &str| !target[key].is_null();
    Some(match target["type"].as_str()? {
        "resource" => format!("resource {}", text("resource")),
        "code" if known("from") || known("to") => {
            format!("code between `{}` and `{}`", text("from"), text("to"))
        }
        "code" => return None,
        "edge" => format!("calls from {} to {}", text("from"), text("to")),
        // Whatever names it, in the order of the answer.
        kind => {
            let fields = target.as_object()?.iter().filter(|(key, _)| *key != "type");
            let fields: Vec<String> = fields.map(|(key, value)| format!("{key} {}", scalar(value))).collect();
            format!("{kind}: {}", fields.join(", "))
        }
    })
}

/// Evidence in a line: the value against what is usual, and the sentence; of a trace its address.
fn told(evidence: &Evidence, source: &Source) -> String {
    let unit = &evidence.unit;
    match (evidence.value, evidence.expected, &evidence.href) {
        (Some(value), Some(usual), _) => {
            format!("{} against {}: {}", measure(value, unit), measure(usual, unit), evidence.statement)
        }
        (Some(value), None, _) => format!("{}: {}", measure(value, unit), evidence.statement),
        (None, _, Some(href)) if evidence.kind == "trace" => source.page(href),
        _ => evidence.statement.clone(),
    }
}

/// A word and what it names, above suspects or below them.
pub(super) fn head(word: &str, text: &str, output: &mut Output) -> Result<(), ClientError> {
    let word = output.paint.apply(Tone::Dim, &format!("{word:<HEAD$}"));
    lines("", &word, text, output)
}

/// A line about a suspect, after a word that is laid out already.
fn paragraph(word: &str, text: &str, output: &mut Output) -> Result<(), ClientError> {
    lines(INDENT, word, text, output)
}

/// Text after a word, in as many lines as a terminal needs.
fn lines(indent: &str, word: &str, text: &str, output: &mut Output) -> Result<(), ClientError> {
    let blanks = format!("{indent}{}", " ".repeat(columns(word)));
    let text = visible(text);
    let room = output.width.map(|width| width.saturating_sub(columns(&blanks)).max(WRAP_MIN));
    let lines = room.map_or_else(|| vec![text.to_string()], |room| wrapped(&text, room));
    for (at, line) in lines.iter().enumerate() {
        match at {
            0 => output.line(&format!("{indent}{word}{line}"))?,
            _ => output.line(&format!("{blanks}{line}"))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_score_is_a_bar() {
        for (score, full) in [(0.0, 0), (0.04, 0), (0.06, 1), (0.5, 5), (1.0, 10), (7.0, 10), (-1.0, 0)] {
            assert_eq!(bar(score), format!("{}{}", "█".repeat(full), "░".repeat(BAR - full)), "{score}");
        }
    }

    #[test]
    fn a_target_is_told_in_words() {
        for (value, told) in [
            (json!({"type": "resource", "resource": "cpu"}), Some("resource cpu")),
            (json!({"type": "code", "from": "a#1", "to": "a#2"}), Some("code between `a#1` and `a#2`")),
            (json!({"type": "code", "from": "a#1", "to": null}), Some("code between `a#1` and `unknown`")),
            (json!({"type": "code", "from": null, "to": null}), None),
            (
                json!({"type": "edge", "from": "orders", "to": "orders-db"}),
                Some("calls from orders to orders-db"),
            ),
            (json!({"type": "version", "version": "2.4.0"}), Some("version: version 2.4.0")),
            (json!({"type": "config", "key": "k", "value": 5}), Some("config: key k, value 5")),
            (json!({}), None),
            (json!(null), None),
        ] {
            assert_eq!(target(&value).as_deref(), told, "{value}");
        }
    }
}
