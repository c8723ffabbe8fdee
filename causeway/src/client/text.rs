//! Text for a terminal: telemetry made harmless, cut to columns, coloured.

use std::borrow::Cow;
use std::fmt::Write as _;

use console::Style;

/// What stands where text was cut.
const CUT: &str = "…";

/// `text` on one line, with every character escaped that would steer a terminal or turn the direction of
/// what follows. Telemetry is written by strangers: none of it may move the cursor.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if steers(char) { safe.extend(char.escape_default()) } else { safe.push(char) }
    }
    Cow::Owned(safe)
}

/// `data`, JSON or CSV, for a terminal: line ends and tabs stay, and what else would steer it is escaped in
/// the way of JSON, which keeps its meaning.
pub(crate) fn harmless(data: &str) -> Cow<'_, str> {
    let harmful = |char: char| steers(char) && char != '\n' && char != '\t';
    if !data.chars().any(harmful) {
        return Cow::Borrowed(data);
    }
    let mut safe = String::with_capacity(data.len() + 16);
    for char in data.chars() {
        if harmful(char) {
            // Writing into a string cannot fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(char));
        } else {
            safe.push(char);
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal may obey `char` instead of showing it: controls, line separators, direction marks.
fn steers(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// `text` in at most `width` columns; colours in it are kept whole.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    console::truncate_str(text, width, CUT)
}

/// The end of `text` in at most `width` columns.
pub(crate) fn cut_front(text: &str, width: usize) -> Cow<'_, str> {
    if columns(text) <= width {
        return Cow::Borrowed(text);
    }
    let mut room = width.saturating_sub(columns(CUT));
    let mut kept = text.len();
    for (at, char) in text.char_indices().rev() {
        let wide = columns(char.encode_utf8(&mut [0; 4]));
        if wide > room {
            break;
        }
        room -= wide;
        kept = at;
    }
    Cow::Owned(format!("{CUT}{}", &text[kept..]))
}

/// `text` in lines of at most `width` columns, broken at blanks; a word that is longer has a line of its own.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = columns(word);
        if used > 0 && used + 1 + wide > width {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += wide;
        }
    }
    lines
}

/// `count` and what it counts.
pub(crate) fn count(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What a piece of text means, and so its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// As the rest.
    #[default]
    Plain,
    /// A heading, or a root.
    Strong,
    /// Beside the point.
    Dim,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// One of several, told apart by colour: services in a trace.
    One(usize),
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    /// Whether colours are used.
    pub(crate) on: bool,
}

impl Paint {
    /// `text` in the colour of its meaning.
    pub(crate) fn apply(self, tone: Tone, text: &str) -> String {
        if !self.on || text.is_empty() {
            return text.to_owned();
        }
        style(tone).force_styling(true).apply_to(text).to_string()
    }
}

/// The colours of a terminal, by meaning. Red means an error and nothing else.
fn style(tone: Tone) -> Style {
    let plain = Style::new();
    match tone {
        Tone::Plain => plain,
        Tone::Strong => plain.bold(),
        Tone::Dim => plain.dim(),
        Tone::Good => plain.green(),
        Tone::Warn => plain.yellow(),
        Tone::Bad => plain.red(),
        Tone::One(number) => match number % 5 {
            0 => plain.cyan(),
            1 => plain.magenta(),
            2 => plain.blue(),
            3 => plain.green(),
            _ => plain.yellow(),
        },
    }
}

/// The tone of a log's severity.
pub(crate) fn severity(severity: &str) -> Tone {
    match severity {
        "error" | "fatal" => Tone::Bad,
        "warn" => Tone::Warn,
        "info" => Tone::Good,
        "trace" | "debug" => Tone::Dim,
        _ => Tone::Plain,
    }
}

/// The tone of a span's status.
pub(crate) fn status(status: &str) -> Tone {
    match status {
        "error" => Tone::Bad,
        "ok" => Tone::Good,
        _ => Tone::Dim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_telemetry_steers_a_terminal() {
        for (text, shown) in [
            ("plain, ä and 日本", "plain, ä and 日本"),
            ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let value = serde_json::json!({"a": "x\u{9b}y\u{7f}\u{202e}", "b": "line\nline"});
        let text = value.to_string();
        let safe = harmless(&text);
        assert_eq!(safe, "{\"a\":\"x\\u009by\\u007f\\u202e\",\"b\":\"line\\nline\"}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn text_is_cut_by_columns() {
        for (text, width, front, back) in [
            ("abcdef", 6, "abcdef", "abcdef"),
            ("abcdef", 4, "abc…", "…def"),
            ("日本語", 4, "日…", "…語"),
            ("abc", 1, "…", "…"),
        ] {
            assert_eq!(cut(text, width), front);
            assert_eq!(cut_front(text, width), back);
        }
    }

    #[test]
    fn text_is_broken_at_blanks() {
        for (text, width, lines) in [
            ("", 4, vec![""]),
            ("one two three", 7, vec!["one two", "three"]),
            ("one  two", 3, vec!["one", "two"]),
            ("a-word-too-long at last", 7, vec!["a-word-too-long", "at last"]),
            ("日本 語", 4, vec!["日本", "語"]),
        ] {
            assert_eq!(wrapped(text, width), lines, "{text}");
        }
    }

    #[test]
    fn colours_only_where_wanted() {
        assert_eq!(Paint { on: false }.apply(Tone::Bad, "x"), "x");
        assert_eq!(Paint { on: true }.apply(Tone::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
