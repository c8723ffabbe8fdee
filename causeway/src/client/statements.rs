//! Where an SQL statement ends: at a `;` that is not in quotes and not in a comment.

/// The statements of a text, without what ends them. The last one need not be ended.
pub(crate) fn all(text: &str) -> Vec<String> {
    let (mut found, rest) = ended(text);
    found.push(rest.trim().to_owned());
    found.retain(|statement| !is_blank(statement));
    found
}

/// Whether a text ends with a statement that is ended, or has none.
pub(crate) fn is_whole(text: &str) -> bool {
    is_blank(ended(text).1)
}

/// The statements that are ended, and the text behind them.
fn ended(text: &str) -> (Vec<String>, &str) {
    let (mut found, mut start) = (Vec::new(), 0);
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        at += match first {
            '\'' | '"' | '`' => quoted(rest, first),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => comment(rest).unwrap_or(rest.len()),
            ';' => {
                found.push(text[start..at].trim().to_owned());
                start = at + 1;
                1
            }
            other => other.len_utf8(),
        };
    }
    (found, &text[start..])
}

/// The bytes of quoted text; a quote that is doubled begins another, which comes to the same.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

/// The bytes of a comment, which may hold others; `None` if it has no end.
fn comment(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    None
}

/// Whether there is nothing to run in a text: blanks and comments.
fn is_blank(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let skipped = if rest.starts_with("--") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else {
            rest.starts_with("/*").then(|| comment(rest)).flatten()
        };
        match skipped {
            Some(bytes) => rest = rest[bytes..].trim_start(),
            None => return rest.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_where_they_should() {
        for (text, expected, whole) in [
            ("", &[][..], true),
            ("  \n", &[], true),
            ("SELECT 1", &["SELECT 1"], false),
            ("SELECT 1;", &["SELECT 1"], true),
            ("SELECT 1; SELECT\n2 ;\n", &["SELECT 1", "SELECT\n2"], true),
            ("SELECT 1; SELECT 2", &["SELECT 1", "SELECT 2"], false),
            ("SELECT ';'", &["SELECT ';'"], false),
            ("SELECT ';' ;", &["SELECT ';'"], true),
            ("SELECT 'it''s;';", &["SELECT 'it''s;'"], true),
            ("SELECT 'open;", &["SELECT 'open;"], false),
            ("SELECT \"a;b\" FROM `c;d`;", &["SELECT \"a;b\" FROM `c;d`"], true),
            ("SELECT 1 -- ;\n;", &["SELECT 1 -- ;"], true),
            ("SELECT 1 /* ; /* ; */ ; */;", &["SELECT 1 /* ; /* ; */ ; */"], true),
            ("SELECT 1; -- done", &["SELECT 1"], true),
            ("-- nothing", &[], true),
            (";;", &[], true),
            ("SELECT 'ä日';", &["SELECT 'ä日'"], true),
            ("/* open */ /* /* */", &["/* open */ /* /* */"], false),
        ] {
            assert_eq!(all(text), expected, "{text:?}");
            assert_eq!(is_whole(text), whole, "{text:?}");
        }
    }
}
