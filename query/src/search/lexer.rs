//! Cuts a search into tokens.
//!
//! A word ends at a blank, a parenthesis or a quote. Inside quotes `\"` is a quote and `\\` a backslash; any
//! other backslash stands for itself. A `/` that begins a word or value opens a regular expression if one
//! closes it: the first `/` without a backslash before a blank, a `)` or the end. Without a closing one the
//! text is plain, because paths begin with `/` too.
//!
//! A `{` that begins a token opens a set of spans. A word has braces of its own (`/users/{id}`); in a set the `}`
//! that closes none of them ends the word and the set. `>` and `>>` are operators after a set or before one.

use model::Kinship;
use model::predicate::Compare;
use winnow::combinator::{alt, delimited, eof, not, opt, peek, repeat, terminated};
use winnow::stream::{Location, Stream};
use winnow::token::{any, none_of, one_of, take_while};
use winnow::{LocatingSlice, Parser, Stateful};

use super::{Fault, TERMS_MAX};
use crate::QueryError;

type Input<'a> = Stateful<LocatingSlice<&'a str>, Sets>;

/// Where the lexer stands.
#[derive(Debug, Clone, Copy)]
struct Sets {
    /// How many sets are open here.
    open: usize,
}

/// A piece of a search and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A value without a key.
    Bare(Value<'a>),
    Pair(Pair<'a>),
    /// `{`
    SetOpen,
    /// `}`
    SetClose,
    /// `>` or `>>` between sets.
    Step(Kinship),
    /// `trace in NAME(`
    Join(Joined),
    /// The end of the search; every search has one.
    End,
}

/// What a join looks into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Joined {
    Logs,
    Spans,
}

/// A key, what is asked of it, and a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair<'a> {
    pub(super) key: Key<'a>,
    pub(super) relation: Relation,
    pub(super) value: Value<'a>,
    pub(super) value_at: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key<'a> {
    Plain(&'a str),
    /// The whole name of an attribute, whatever it begins with.
    Quoted(String),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Relation {
    Is,
    Order(Compare),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Plain(&'a str),
    Quoted(String),
    /// What stands between the two `/`.
    Regex(&'a str),
}

/// The tokens of a search, the last of them [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, QueryError> {
    let mut input = Input { input: LocatingSlice::new(text), state: Sets { open: 0 } };
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut terms = 0;
    loop {
        skip_blanks(&mut input);
        let at = input.current_token_start();
        if input.eof_offset() == 0 {
            tokens.push(Token { at, kind: Kind::End });
            return Ok(tokens);
        }
        let after_set = matches!(tokens.last(), Some(Token { kind: Kind::SetClose, .. }));
        let kind = match step(&input, after_set, at)? {
            Some(kinship) => {
                let signs = if kinship == Kinship::Child { 1 } else { 2 };
                input.next_slice(signs);
                Kind::Step(kinship)
            }
            None => kind(&mut input).map_err(|fault| fault.into_error(at))?,
        };
        match kind {
            Kind::SetOpen => input.state.open += 1,
            Kind::SetClose => input.state.open = input.state.open.saturating_sub(1),
            _ => {}
        }
        terms += usize::from(matches!(kind, Kind::Bare(_) | Kind::Pair(_)));
        if terms > TERMS_MAX {
            let message = format!("the search has more than {TERMS_MAX} terms");
            return Err(QueryError::bad(message, at, &["fewer terms"]));
        }
        tokens.push(Token { at, kind });
    }
}

/// A `>` or `>>` that stands after a set or before one.
fn step(input: &Input<'_>, after_set: bool, at: usize) -> Result<Option<Kinship>, QueryError> {
    let text = rest(input);
    let signs = text.len() - text.trim_start_matches(['>', '<', '=', '~', '!']).len();
    let before_set = || text[signs..].trim_start().starts_with('{');
    match &text[..signs] {
        "" => Ok(None),
        ">" if after_set || before_set() => Ok(Some(Kinship::Child)),
        ">>" if after_set || before_set() => Ok(Some(Kinship::Descendant)),
        signs if after_set || (before_set() && !signs.ends_with(['!', '~'])) => {
            let message = format!("`{signs}` does not stand between sets");
            Err(QueryError::bad(message, at, super::EXPECTED_AFTER_SET))
        }
        _ => Ok(None),
    }
}

/// What is still to be read.
fn rest<'a>(input: &Input<'a>) -> &'a str {
    *input.input
}

fn skip_blanks(input: &mut Input<'_>) {
    // Cannot fail: no blank is as good as many.
    let _: Result<&str, Fault> = take_while(0.., char::is_whitespace).parse_next(input);
}

fn kind<'a>(input: &mut Input<'a>) -> Result<Kind<'a>, Fault> {
    let bracket = alt((
        '('.value(Kind::Open),
        ')'.value(Kind::Close),
        '{'.value(Kind::SetOpen),
        '}'.value(Kind::SetClose),
    ));
    alt((
        bracket,
        join.map(Kind::Join),
        operator,
        minus,
        terminated(regex, term_end).map(|regex| Kind::Bare(Value::Regex(regex))),
        terminated(pair, term_end).map(Kind::Pair),
        terminated(alt((quoted.map(Value::Quoted), word.map(Value::Plain))), term_end).map(Kind::Bare),
    ))
    .parse_next(input)
}

fn operator<'a>(input: &mut Input<'a>) -> Result<Kind<'a>, Fault> {
    let name = alt(("AND".value(Kind::And), "OR".value(Kind::Or), "NOT".value(Kind::Not)));
    let ends = |c: char| !in_word(c) || matches!(c, '{' | '}');
    terminated(name, peek(alt((eof.void(), one_of(ends).void())))).parse_next(input)
}

/// `-` before what can begin a term is NOT; before a digit or another `-` it belongs to the word.
fn minus<'a>(input: &mut Input<'a>) -> Result<Kind<'a>, Fault> {
    let begins_term = |c: char| c.is_alphabetic() || matches!(c, '_' | '@' | '$' | '"' | '(' | '/' | '{');
    terminated('-', peek(one_of(begins_term))).value(Kind::Not).parse_next(input)
}

/// `trace in spans(`. Followed by anything else these are words, unless they can only be meant so.
fn join(input: &mut Input<'_>) -> Result<Joined, Fault> {
    let blanks = || take_while(1.., char::is_whitespace);
    let begins: Result<(), Fault> = ("trace", blanks(), "in", blanks()).void().parse_next(input);
    begins?;
    let at = input.current_token_start();
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: Result<&str, Fault> = take_while(0.., in_name).parse_next(input);
    let name = name?;
    let open = |input: &mut Input<'_>| -> Result<char, Fault> { '('.parse_next(input) };
    let joined = match name {
        "logs" => Joined::Logs,
        "spans" => Joined::Spans,
        // `stack trace in checkout` is text.
        _ => {
            open(input)?;
            let message = match name {
                "" => "a join says what it looks into".to_owned(),
                name => format!("`{name}` is nothing that a trace can be looked for in"),
            };
            return Err(Fault::wrong(message, at, &["spans(", "logs("]));
        }
    };
    skip_blanks(input);
    let after = input.current_token_start();
    open(input).map(|_| joined).map_err(|_| {
        let message = format!("a search in parentheses is missing after `{name}`; words need quotes");
        Fault::wrong(message, after, &["("])
    })
}

fn pair<'a>(input: &mut Input<'a>) -> Result<Pair<'a>, Fault> {
    let (key, relation) = (key, relation).parse_next(input)?;
    let value_at = input.current_token_start();
    let value = match relation {
        Relation::Is => alt((regex.map(Value::Regex), quoted.map(Value::Quoted), word.map(Value::Plain)))
            .parse_next(input),
        Relation::Order(_) => alt((quoted.map(Value::Quoted), word.map(Value::Plain))).parse_next(input),
    };
    let value = value.map_err(|fault| no_value(fault, &key, relation, input))?;
    Ok(Pair { key, relation, value, value_at })
}

fn no_value(fault: Fault, key: &Key<'_>, relation: Relation, input: &Input<'_>) -> Fault {
    let key = match (&fault, key) {
        (Fault::Wrong(_), _) => return fault,
        (Fault::NoMatch, Key::Plain(key)) => *key,
        (Fault::NoMatch, Key::Quoted(key)) => key,
    };
    let at = input.current_token_start();
    match relation {
        Relation::Is if input.starts_with('(') => {
            let message = format!("`{key}:` takes one value; repeat the key: (key:a OR key:b)");
            Fault::wrong(message, at, &["a value", "a value in quotes"])
        }
        Relation::Is => Fault::wrong(
            format!("`{key}:` has no value"),
            at,
            &["a value", "a value in quotes", "/regex/", "*"],
        ),
        Relation::Order(_) => Fault::wrong(format!("`{key}` is compared with nothing"), at, &["a number"]),
    }
}

fn key<'a>(input: &mut Input<'a>) -> Result<Key<'a>, Fault> {
    alt((quoted.map(Key::Quoted), plain_key.map(Key::Plain))).parse_next(input)
}

fn plain_key<'a>(input: &mut Input<'a>) -> Result<&'a str, Fault> {
    take_while(1.., in_key).verify(|key: &str| is_key(key)).parse_next(input)
}

fn in_key(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '/' | '@' | '$')
}

/// Whether a text is a key without quotes. A key holds a letter: `10.0.0.1:80` and `12:30:00` are words.
pub(super) fn is_key(text: &str) -> bool {
    text.contains(|c: char| c.is_alphabetic() || matches!(c, '_' | '@' | '$'))
        && !text.starts_with(['.', '-', '/'])
        && text.chars().all(in_key)
}

fn relation(input: &mut Input<'_>) -> Result<Relation, Fault> {
    let order = alt((
        ">=".value(Compare::GreaterOrEqual),
        '>'.value(Compare::Greater),
        "<=".value(Compare::LessOrEqual),
        '<'.value(Compare::Less),
    ));
    // `https://…` is a word: no value begins with two slashes.
    let colon = terminated(':', not("//"));
    alt(((opt(':'), order).map(|(_, order)| Relation::Order(order)), colon.value(Relation::Is)))
        .parse_next(input)
}

fn in_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '"')
}

fn word<'a>(input: &mut Input<'a>) -> Result<&'a str, Fault> {
    let text = rest(input);
    let mut braces = 0_usize;
    let ends = |c: char| match c {
        '{' => {
            braces += 1;
            false
        }
        '}' if braces > 0 => {
            braces -= 1;
            false
        }
        '}' => input.state.open > 0,
        c => !in_word(c),
    };
    match text.find(ends).unwrap_or(text.len()) {
        0 => Err(Fault::NoMatch),
        length => Ok(input.next_slice(length)),
    }
}

fn quoted(input: &mut Input<'_>) -> Result<String, Fault> {
    let at = input.current_token_start();
    let text = |input: &mut Input<'_>| {
        let piece = alt((r#"\""#.value('"'), r"\\".value('\\'), none_of('"')));
        repeat(0.., piece)
            .fold(String::new, |mut text, piece| {
                text.push(piece);
                text
            })
            .parse_next(input)
    };
    let close = |input: &mut Input<'_>| {
        let close: Result<char, Fault> = '"'.parse_next(input);
        close.map_err(|_| Fault::wrong("this quote is not closed", at, &["\""]))
    };
    delimited('"', text, close).parse_next(input)
}

/// `/…/`. What is between has no blank, or else no `/` that would open another value.
fn regex<'a>(input: &mut Input<'a>) -> Result<&'a str, Fault> {
    let in_run = |c: char| c != '/' && c != '\\' && !c.is_whitespace();
    let opens = (one_of(|c: char| c.is_whitespace() || matches!(c, ':' | '<' | '>' | '=' | '(')), '/');
    let plain = (not(opens), none_of(['/', '\\'])).void();
    alt((enclosed(one_of(in_run).void()), enclosed(plain))).parse_next(input)
}

fn enclosed<'a>(plain: impl Parser<Input<'a>, (), Fault>) -> impl Parser<Input<'a>, &'a str, Fault> {
    let escaped = ('\\', any).void();
    let inner_slash = ('/', not(ends_term)).void();
    let body = repeat::<_, _, (), _, _>(1.., alt((escaped, inner_slash, plain))).take();
    delimited('/', body, ('/', peek(ends_term)))
}

fn ends_term(input: &mut Input<'_>) -> Result<(), Fault> {
    let in_set = input.state.open > 0;
    let ends = move |c: char| c.is_whitespace() || c == ')' || (c == '}' && in_set);
    alt((eof.void(), one_of(ends).void())).parse_next(input)
}

/// After a term a `(` or a quote would be read as a term of its own, which nobody means: `count(x)`.
fn term_end(input: &mut Input<'_>) -> Result<(), Fault> {
    let ended: Result<(), Fault> = peek(ends_term).parse_next(input);
    ended.map_err(|_| {
        let message = "a blank is missing here, or quotes around the whole";
        Fault::wrong(message, input.current_token_start(), &["a blank", "quotes"])
    })
}
