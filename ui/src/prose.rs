//! Sentences of a diagnosis: what stands between backquotes in them is a name out of the telemetry and is set as code.

use askama::Template;

/// A sentence in pieces.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(
    source = "{% for piece in pieces %}{% if piece.code %}<code>{{ piece.text }}</code>{% else %}{{ piece.text }}{% endif %}{% endfor %}",
    ext = "html"
)]
pub(crate) struct Prose {
    /// In the order of the sentence, none empty.
    pub(crate) pieces: Vec<Piece>,
}

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    /// Whether it is a name out of the telemetry.
    pub(crate) code: bool,
    /// What it says.
    pub(crate) text: String,
}

impl Prose {
    /// Takes a sentence apart. A backquote that has no second is one.
    pub(crate) fn new(sentence: &str) -> Self {
        let mut pieces = Vec::new();
        let mut push = |code, text: &str| {
            if !text.is_empty() {
                pieces.push(Piece { code, text: text.to_owned() });
            }
        };
        let mut rest = sentence;
        while let Some((before, after)) = rest.split_once('`')
            && let Some((name, after)) = after.split_once('`')
        {
            push(false, before);
            push(true, name);
            rest = after;
        }
        push(false, rest);
        Self { pieces }
    }

    /// The sentence in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let piece = |piece: &Piece| if piece.code { code(&piece.text) } else { escaped(&piece.text) };
        self.pieces.iter().map(piece).collect()
    }
}

/// Text that means itself in a line of Markdown: no mark-up, no element, no second line.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            letter if letter.is_control() => out.push(' '),
            letter => {
                if matches!(
                    letter,
                    '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' | '@'
                ) {
                    out.push('\\');
                }
                out.push(letter);
            }
        }
    }
    out
}

/// Text as code within a line of Markdown.
pub(crate) fn code(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    // A table would end its cell at a bar even within code.
    if text.contains('|') {
        return escaped(&text);
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// Lines of code in Markdown.
pub(crate) fn code_block(language: &str, text: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    format!("{fence}{language}\n{text}\n{fence}\n")
}

/// The most backquotes that follow each other.
fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::HOSTILE;

    #[test]
    fn names_are_set_as_code_and_escaped() {
        for (sentence, html, markdown) in [
            ("plain", "plain", "plain"),
            ("after `a` comes `b*`", "after <code>a</code> comes <code>b*</code>", "after `a` comes `b*`"),
            ("one ` alone", "one ` alone", "one \\` alone"),
            ("`` twice", " twice", " twice"),
            ("`<b>`", "<code>&#60;b&#62;</code>", "`<b>`"),
            ("a | b\n# c", "a | b\n# c", "a \\| b \\# c"),
            ("`a|b`", "<code>a|b</code>", "a\\|b"),
        ] {
            let prose = Prose::new(sentence);
            assert_eq!(
                (prose.to_string().as_str(), prose.markdown().as_str()),
                (html, markdown),
                "{sentence}"
            );
        }
        assert!(!Prose::new(HOSTILE).to_string().contains('<'));
        assert!(!Prose::new(HOSTILE).markdown().contains('<'));
    }

    #[test]
    fn no_text_ends_its_code() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code_block("sql", "a\n```\nb"), "````sql\na\n```\nb\n````\n");
        assert_eq!(code_block("sql", "SELECT 1"), "```sql\nSELECT 1\n```\n");
    }
}
