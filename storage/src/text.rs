//! Words: how text is cut into tokens. The index and the scan both use this, so they agree on every row.
//!
//! A token is a longest run of letters and digits (Unicode), in lower case. A word or phrase matches where
//! its tokens stand one after another. A phrase without tokens (`"--"`) matches nothing.

use crate::templates::PLACEHOLDER;

/// The longest token that is told apart from others, in bytes; the index cannot hold longer terms.
pub(crate) const TOKEN_BYTES_MAX: usize = 1024;

/// The tokens of a text with their byte ranges, as written: case is not folded yet.
pub(crate) fn runs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|run| !run.is_empty())
        .map(move |run| (run.as_ptr() as usize - text.as_ptr() as usize, run))
}

/// A token in the form that is compared: lower case, cut to [`TOKEN_BYTES_MAX`].
pub(crate) fn fold(run: &str, out: &mut String) {
    out.clear();
    if run.is_ascii() {
        out.push_str(run);
        out.make_ascii_lowercase();
    } else {
        out.extend(run.chars().flat_map(char::to_lowercase));
    }
    let mut end = out.len().min(TOKEN_BYTES_MAX);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
}

/// A word or phrase that is looked for in many texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phrase {
    tokens: Vec<String>,
}

impl Phrase {
    /// Cuts a search text.
    pub fn new(text: &str) -> Self {
        let mut folded = String::new();
        let tokens = runs(text).map(|(_, run)| {
            fold(run, &mut folded);
            folded.clone()
        });
        Self { tokens: tokens.collect() }
    }

    /// Its tokens in order.
    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// What a template tells of the bodies that were made from it. A variable begins and ends where a token does,
    /// so the tokens of a literal piece are tokens of every body.
    pub(crate) fn in_template(&self, template: &str) -> InTemplate {
        let pieces = || template.split(PLACEHOLDER);
        if pieces().any(|piece| self.is_in(piece)) {
            return InTemplate::Always;
        }
        let one = |token: &String| Self { tokens: vec![token.clone()] };
        let missing = self.tokens.iter().map(one).find(|token| !pieces().any(|piece| token.is_in(piece)));
        match (self.tokens.len(), missing) {
            (0, _) => InTemplate::Never,
            (1, _) => InTemplate::IfInVariables,
            (_, missing) => InTemplate::Perhaps(missing),
        }
    }

    /// Whether a text holds it.
    pub fn is_in(&self, text: &str) -> bool {
        let Some(first) = self.tokens.first() else { return false };
        let mut folded = String::new();
        for (at, run) in runs(text) {
            if !same(run, first, &mut folded) {
                continue;
            }
            let mut following = runs(&text[at + run.len()..]);
            let mut next_is =
                |token: &String| following.next().is_some_and(|(_, run)| same(run, token, &mut folded));
            if self.tokens[1..].iter().all(&mut next_is) {
                return true;
            }
        }
        false
    }
}

impl std::fmt::Display for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.tokens.join(" "))
    }
}

/// Whether bodies of one template hold a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InTemplate {
    /// All of them: it is in the literal text.
    Always,
    /// None of them.
    Never,
    /// Those whose variables hold it.
    IfInVariables,
    /// It may lie across literal text and variables, if this token, which is in no literal text, is in a variable.
    Perhaps(Option<Phrase>),
}

/// Whether a run folds to `token`.
fn same(run: &str, token: &str, folded: &mut String) -> bool {
    if run.is_ascii() && run.len() <= TOKEN_BYTES_MAX {
        return run.eq_ignore_ascii_case(token);
    }
    fold(run, folded);
    folded == token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_phrases_match_whole_tokens() {
        let cases = [
            ("refused", "Connection REFUSED by peer", true),
            ("refuse", "Connection refused", false),
            ("connection refused", "dial tcp: connection refused", true),
            ("connection refused", "refused connection", false),
            ("a b", "a a b", true),
            ("10.0.0.1", "peer 10.0.0.1:80", true),
            ("10.0.0.1", "peer 10.0.0.12", false),
            ("ÜBER", "über alles", true),
            ("--", "a -- b", false),
            ("user_id", "user id", true),
        ];
        for (phrase, text, expected) in cases {
            assert_eq!(Phrase::new(phrase).is_in(text), expected, "{phrase:?} in {text:?}");
        }
    }

    #[test]
    fn a_template_tells_of_its_bodies() {
        let template = "GET \u{1a} took \u{1a} ms at pool main";
        let cases = [
            ("pool main", InTemplate::Always),
            ("TOOK", InTemplate::Always),
            ("42", InTemplate::IfInVariables),
            ("--", InTemplate::Never),
            ("took 42 ms", InTemplate::Perhaps(Some(Phrase::new("42")))),
            ("get took", InTemplate::Perhaps(None)),
            ("main pool", InTemplate::Perhaps(None)),
        ];
        for (phrase, expected) in cases {
            assert_eq!(Phrase::new(phrase).in_template(template), expected, "{phrase:?}");
        }
    }

    #[test]
    fn a_very_long_token_is_cut_the_same_everywhere() {
        let long = "x".repeat(TOKEN_BYTES_MAX + 10);
        assert!(Phrase::new(&long).is_in(&format!("a {long} b")));
        assert_eq!(Phrase::new(&long).tokens()[0].len(), TOKEN_BYTES_MAX);
    }
}
