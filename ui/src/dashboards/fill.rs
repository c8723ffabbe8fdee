//! Values of variables in the texts of a dashboard: `$name`, `${name}` or `${name:form}`.
//!
//! A value never changes what a query is: between quotes it is escaped, as part of a regular expression where one is
//! expected, and outside of quotes only a name, a number or a duration may stand.

use std::collections::BTreeMap;

/// What variables stand for, by their names.
pub(crate) type Choices = BTreeMap<String, Chosen>;

/// What a variable stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// Its values, several where several may be chosen.
    pub(crate) values: Vec<String>,
    /// The regular expression that stands for all, where that is no list of values.
    pub(crate) expression: Option<String>,
}

/// Why a text cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfilled {
    /// Nothing has that name.
    #[error("there is no variable ${0}")]
    Unknown(String),
    /// Nothing is chosen.
    #[error("${0} has no value")]
    Empty(String),
    /// More is chosen than one place can hold.
    #[error("${0} stands for several values here: compare with =~ instead of =")]
    Several(String),
    /// The value would change the query.
    #[error(
        "the value {value:?} of ${name} cannot stand outside of quotes: a name, a number or a duration was expected"
    )]
    Outside {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// The value cannot be written between such quotes.
    #[error("the value {value:?} of ${name} cannot stand between backquotes")]
    Backquote {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
    },
    /// The form is not known.
    #[error("${{{name}:{form}}} has an unknown form: regex, pipe, csv, raw or text was expected")]
    Form {
        /// The variable.
        name: String,
        /// The form.
        form: String,
    },
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable { name: &'a str, form: &'a str },
}

impl Chosen {
    /// One value.
    pub(crate) fn one(value: impl Into<String>) -> Self {
        Self { values: vec![value.into()], expression: None }
    }

    /// As a regular expression that matches the values only.
    fn regex(&self, name: &str) -> Result<String, Unfilled> {
        if let Some(expression) = &self.expression {
            return Ok(expression.clone());
        }
        let escaped: Vec<String> = self.values.iter().map(|value| escape_regex(value)).collect();
        match escaped.as_slice() {
            [] => Err(Unfilled::Empty(name.to_owned())),
            [one] => Ok(one.clone()),
            several => Ok(format!("({})", several.join("|"))),
        }
    }

    /// As the one value that it is.
    fn single(&self, name: &str) -> Result<&str, Unfilled> {
        match (self.values.as_slice(), &self.expression) {
            ([one], None) => Ok(one),
            ([], None) => Err(Unfilled::Empty(name.to_owned())),
            _ => Err(Unfilled::Several(name.to_owned())),
        }
    }
}

/// A query in PromQL with the values of its variables.
pub(crate) fn promql(text: &str, choices: &Choices) -> Result<String, Unfilled> {
    let mut out = String::with_capacity(text.len());
    let mut context = Context::default();
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => {
                context.pass(text);
                out.push_str(text);
            }
            Piece::Variable { name, form } => {
                let chosen = choices.get(name).ok_or_else(|| Unfilled::Unknown(name.to_owned()))?;
                out.push_str(&context.write(name, form, chosen)?);
            }
        }
    }
    Ok(out)
}

/// A title, a legend or a text with the values of its variables as people read them.
pub(crate) fn plain(text: &str, choices: &Choices) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable { name, .. } => match choices.get(name) {
                Some(Chosen { values, expression: None }) => out.push_str(&values.join(", ")),
                Some(_) => out.push_str("all"),
                None => out.extend(["$", name]),
            },
        }
    }
    out
}

/// A search with the values of its variables. `key:$name` becomes a choice of terms where several are chosen, and asks for the
/// key where all are.
pub(crate) fn search(text: &str, choices: &Choices) -> Result<String, Unfilled> {
    let words = text.split(' ').map(|word| {
        let (key, name) = match pieces(word).as_slice() {
            [Piece::Variable { name, .. }] => ("", *name),
            [Piece::Text(key), Piece::Variable { name, .. }] if key.ends_with(':') => (*key, *name),
            [] | [Piece::Text(_)] => return Ok(word.to_owned()),
            _ => return promql(word, choices),
        };
        let chosen = choices.get(name).ok_or_else(|| Unfilled::Unknown(name.to_owned()))?;
        if chosen.expression.is_some() {
            return Ok(format!("{key}*"));
        }
        let terms: Vec<String> =
            chosen.values.iter().map(|value| format!("{key}\"{}\"", escape_text(value, '"'))).collect();
        match terms.as_slice() {
            [] => Err(Unfilled::Empty(name.to_owned())),
            [one] => Ok(one.clone()),
            several => Ok(format!("({})", several.join(" OR "))),
        }
    });
    Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
}

/// The variables that a text names.
pub(crate) fn names(text: &str) -> Vec<&str> {
    let names = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Variable { name, .. } => Some(name),
        Piece::Text(_) => None,
    });
    names.collect()
}

/// Where in a query the next variable stands.
#[derive(Debug, Default)]
struct Context {
    quote: Option<char>,
    is_escaped: bool,
    is_comment: bool,
    /// The last two characters outside of quotes that are no blanks.
    before: [char; 2],
}

impl Context {
    /// Goes over a part without variables.
    fn pass(&mut self, text: &str) {
        for letter in text.chars() {
            match self.quote {
                Some(_) if self.is_escaped => self.is_escaped = false,
                Some(quote) if letter == '\\' && quote != '`' => self.is_escaped = true,
                Some(quote) if letter == quote => {
                    self.quote = None;
                    self.before = [letter; 2];
                }
                Some(_) => {}
                None if self.is_comment => self.is_comment = letter != '\n',
                None if matches!(letter, '"' | '\'' | '`') => self.quote = Some(letter),
                None if letter == '#' => self.is_comment = true,
                None if letter.is_whitespace() => {}
                None => self.before = [self.before[1], letter],
            }
        }
    }

    /// What stands for a variable here.
    fn write(&self, name: &str, form: &str, chosen: &Chosen) -> Result<String, Unfilled> {
        let Some(quote) = self.quote else { return outside(name, form, chosen) };
        let is_regex = matches!(self.before, ['=' | '!', '~']);
        let text = match form {
            "regex" => chosen.regex(name)?,
            "" if is_regex => chosen.regex(name)?,
            "" => chosen.single(name)?.to_owned(),
            "pipe" => joined(name, chosen, "|")?,
            "csv" | "raw" | "text" => joined(name, chosen, ",")?,
            _ => return Err(unknown_form(name, form)),
        };
        if quote == '`' && text.contains('`') {
            return Err(Unfilled::Backquote { name: name.to_owned(), value: text });
        }
        Ok(escape_text(&text, quote))
    }
}

/// What stands for a variable outside of quotes.
fn outside(name: &str, form: &str, chosen: &Chosen) -> Result<String, Unfilled> {
    if !matches!(form, "" | "csv" | "raw" | "text") {
        return Err(unknown_form(name, form));
    }
    let is_plain = |value: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.".contains(&byte);
        !value.is_empty() && value.bytes().all(plain)
    };
    if let Some(odd) = chosen.values.iter().find(|value| !is_plain(value)) {
        return Err(Unfilled::Outside { name: name.to_owned(), value: odd.clone() });
    }
    joined(name, chosen, ", ")
}

fn joined(name: &str, chosen: &Chosen, between: &str) -> Result<String, Unfilled> {
    match (&chosen.expression, chosen.values.is_empty()) {
        (Some(_), _) => Err(Unfilled::Several(name.to_owned())),
        (None, true) => Err(Unfilled::Empty(name.to_owned())),
        (None, false) => Ok(chosen.values.join(between)),
    }
}

fn unknown_form(name: &str, form: &str) -> Unfilled {
    Unfilled::Form { name: name.to_owned(), form: form.to_owned() }
}

/// A value as it stands between quotes.
pub(crate) fn escape_text(value: &str, quote: char) -> String {
    if quote == '`' {
        return value.to_owned();
    }
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\\' => out.push_str("\\\\"),
            letter if letter == quote => out.extend(['\\', letter]),
            letter => out.push(letter),
        }
    }
    out
}

/// A value as a regular expression that matches nothing else.
pub(crate) fn escape_regex(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        if "\\.+*?()|[]{}^$".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// A text in its parts. A `$` that no name follows is itself.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while let Some(found) = text[at..].find('$') {
        let dollar = at + found;
        let Some((name, form, length)) = variable(&text[dollar + 1..]) else {
            at = dollar + 1;
            continue;
        };
        if dollar > begin {
            pieces.push(Piece::Text(&text[begin..dollar]));
        }
        pieces.push(Piece::Variable { name, form });
        (begin, at) = (dollar + 1 + length, dollar + 1 + length);
    }
    if begin < text.len() {
        pieces.push(Piece::Text(&text[begin..]));
    }
    pieces
}

/// The variable that a text after `$` begins with: its name, its form, and how long both are.
fn variable(text: &str) -> Option<(&str, &str, usize)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (inside, _) = inner.split_once('}')?;
        let (name, form) = inside.split_once(':').unwrap_or((inside, ""));
        return is_name(name).then_some((name, form, inside.len() + 2));
    }
    let end = text.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_');
    let name = &text[..end.unwrap_or(text.len())];
    is_name(name).then_some((name, "", name.len()))
}

/// Whether a variable can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices() -> Choices {
        let several = |values: &[&str]| Chosen {
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            expression: None,
        };
        Choices::from([
            ("one".to_owned(), Chosen::one("cart")),
            ("odd".to_owned(), Chosen::one("a\"b\\c.d")),
            ("evil".to_owned(), Chosen::one("x\"} or vector(1) # `")),
            ("two".to_owned(), several(&["a.b", "c"])),
            ("all".to_owned(), Chosen { values: Vec::new(), expression: Some(".*".to_owned()) }),
            ("none".to_owned(), Chosen::default()),
            ("step".to_owned(), Chosen::one("1m30s")),
            ("by".to_owned(), several(&["job", "instance"])),
        ])
    }

    #[test]
    fn values_stand_where_they_mean_themselves() {
        for (text, expected) in [
            ("up", "up"),
            ("up{a=\"$one\"}", "up{a=\"cart\"}"),
            ("up{a=\"x-${one}-y\"}", "up{a=\"x-cart-y\"}"),
            ("up{a=\"$odd\"}", "up{a=\"a\\\"b\\\\c.d\"}"),
            ("up{a='$odd'}", "up{a='a\"b\\\\c.d'}"),
            ("up{a=~\"$odd\"}", "up{a=~\"a\\\"b\\\\\\\\c\\\\.d\"}"),
            ("up{a=~`$two`}", "up{a=~`(a\\.b|c)`}"),
            ("up{a=~\"$two\"}", "up{a=~\"(a\\\\.b|c)\"}"),
            ("up{a !~ \"$two\", b=\"$one\"}", "up{a !~ \"(a\\\\.b|c)\", b=\"cart\"}"),
            ("up{a=~\"$all\"}", "up{a=~\".*\"}"),
            ("up{a=\"${two:regex}\"}", "up{a=\"(a\\\\.b|c)\"}"),
            ("up{a=~\"${two:pipe}\"}", "up{a=~\"a.b|c\"}"),
            ("up{a=\"$evil\"}", "up{a=\"x\\\"} or vector(1) # `\"}"),
            ("rate(up[$step])", "rate(up[1m30s])"),
            ("sum by ($by) (up)", "sum by (job, instance) (up)"),
            ("up{a=~\"b$\"} # $ \"", "up{a=~\"b$\"} # $ \""),
            ("up # it's\n{a=\"$one\"}", "up # it's\n{a=\"cart\"}"),
            ("up{a=\"\\\"\", b=\"$one\"}", "up{a=\"\\\"\", b=\"cart\"}"),
        ] {
            assert_eq!(promql(text, &choices()).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn values_that_would_change_a_query_are_refused() {
        for (text, part) in [
            ("up{a=\"$nobody\"}", "no variable $nobody"),
            ("up{a=\"$two\"}", "=~"),
            ("up{a=\"$all\"}", "=~"),
            ("up{a=\"$none\"}", "no value"),
            ("up{a=~\"$none\"}", "no value"),
            ("up{a=`$evil`}", "backquotes"),
            ("up + $evil", "outside of quotes"),
            ("up + $odd", "outside of quotes"),
            ("up{a=\"${one:sqlstring}\"}", "regex, pipe, csv, raw or text"),
        ] {
            let error = promql(text, &choices()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn people_read_the_values() {
        let text = "$one of $two, $all and $nobody, 5 $, ${one:csv}";
        assert_eq!(plain(text, &choices()), "cart of a.b, c, all and $nobody, 5 $, cart");
    }

    #[test]
    fn searches_have_terms() {
        for (text, expected) in [
            ("service:$one severity>=warn", "service:\"cart\" severity>=warn"),
            ("service:$two", "(service:\"a.b\" OR service:\"c\")"),
            ("service:$all x", "service:* x"),
            ("$odd", "\"a\\\"b\\\\c.d\""),
            ("", ""),
        ] {
            assert_eq!(search(text, &choices()).as_deref(), Ok(expected), "{text}");
        }
        assert!(search("service:$none", &choices()).is_err());
    }

    #[test]
    fn names_are_found() {
        assert_eq!(names("a$b ${c:csv} $1 ${} ${d"), ["b", "c"]);
    }
}
