//! Tokens to a predicate: `NOT` binds before `AND`, `AND` before `OR`, and a blank is `AND`.
//!
//! Only groups, sets and joins make the parser call itself, and they are counted: the depth of calls and of the
//! predicate is bounded by [`DEPTH_MAX`].
//!
//! Every set is left as a [`Chain`], one that stands alone too: what that means is up to who asks
//! ([`super::condition`]).

use model::{Chain, Kinship, Predicate, Signal, TraceSet};
use winnow::Parser;
use winnow::combinator::{opt, peek, repeat};
use winnow::stream::TokenSlice;
use winnow::token::{any, one_of};

use super::lexer::{Joined, Kind, Token, Value};
use super::terms::Terms;
use super::{Asked, DEPTH_MAX, EXPECTED_TERM, Fault, JOINS_MAX, SETS_MAX};
use crate::QueryError;

type Input<'t, 'a> = TokenSlice<'t, Token<'a>>;

/// The predicate of a whole search. In one that follows rows as they arrive nothing may ask about other rows.
pub(super) fn predicate(
    tokens: &[Token<'_>],
    asked: Asked,
    follows_rows: bool,
) -> Result<Predicate, QueryError> {
    if matches!(tokens, [Token { kind: Kind::End, .. }]) {
        return Ok(Predicate::All);
    }
    let tokens = match about(tokens, asked)? {
        true => &tokens[2..],
        false => tokens,
    };
    let mut input = TokenSlice::new(tokens);
    let mut grammar = Grammar {
        signal: asked.signal(),
        terms: Terms::new(asked.signal()),
        place: Place::Outside,
        in_join: false,
        follows_rows,
        sets: 0,
        joins: 0,
    };
    // The lexer ends every search with a token of its own, so a fault without a place cannot come up.
    grammar.search(&mut input).map_err(|fault| fault.into_error(0))
}

/// Whether a search begins with `logs where`, `spans where` or `traces where`, which must say what is asked for.
fn about(tokens: &[Token<'_>], asked: Asked) -> Result<bool, QueryError> {
    let [
        Token { kind: Kind::Bare(Value::Plain(what)), at },
        Token { kind: Kind::Bare(Value::Plain("where")), .. },
        ..,
    ] = tokens
    else {
        return Ok(false);
    };
    if *what == asked.name() {
        return Ok(true);
    }
    if !["logs", "spans", "traces", "metrics"].contains(what) {
        return Ok(false);
    }
    let expected = format!("{} where", asked.name());
    let message = format!("this searches {}; words need quotes", asked.name());
    Err(QueryError::bad(message, *at, &[&expected, "a search without it"]))
}

/// What a token stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Outside,
    /// In a set of spans.
    Set,
}

struct Grammar {
    /// What is searched here: in a join what it looks into.
    signal: Signal,
    terms: Terms,
    place: Place,
    in_join: bool,
    /// Whether each row is tested when it arrives.
    follows_rows: bool,
    sets: usize,
    joins: usize,
}

impl Grammar {
    fn search(&mut self, input: &mut Input<'_, '_>) -> Result<Predicate, Fault> {
        let predicate = self.any_of(input, 0)?;
        let next = any.parse_next(input)?;
        match next.kind {
            Kind::End => Ok(predicate),
            Kind::SetClose => {
                Err(Fault::wrong("this brace closes nothing", next.at, &["AND", "OR", "the end"]))
            }
            Kind::Step(_) => Err(not_between_sets(next)),
            // All else that can follow a term continues it.
            _ => Err(Fault::wrong("this parenthesis closes nothing", next.at, &["AND", "OR", "the end"])),
        }
    }

    fn any_of(&mut self, input: &mut Input<'_, '_>, depth: usize) -> Result<Predicate, Fault> {
        let mut parts = vec![self.all_of(input, depth)?];
        while follows(input, &Kind::Or)? {
            parts.push(self.all_of(input, depth)?);
        }
        Ok(one_or(parts, Predicate::Or))
    }

    fn all_of(&mut self, input: &mut Input<'_, '_>, depth: usize) -> Result<Predicate, Fault> {
        let mut parts = vec![self.negation(input, depth)?];
        while follows(input, &Kind::And)? || begins_term(input)? {
            parts.push(self.negation(input, depth)?);
        }
        Ok(one_or(parts, Predicate::And))
    }

    fn negation(&mut self, input: &mut Input<'_, '_>, depth: usize) -> Result<Predicate, Fault> {
        let is_not = |token: &Token<'_>| token.kind == Kind::Not;
        let nots: Vec<&Token<'_>> = repeat(0.., one_of(is_not)).parse_next(input)?;
        let operand = self.operand(input, depth)?;
        Ok(if nots.len() % 2 == 1 { Predicate::Not(Box::new(operand)) } else { operand })
    }

    fn operand(&mut self, input: &mut Input<'_, '_>, depth: usize) -> Result<Predicate, Fault> {
        let token = any.parse_next(input)?;
        let missing = match &token.kind {
            Kind::Bare(value) => return self.terms.bare(value, token.at).map_err(Fault::Wrong),
            Kind::Pair(pair) => return self.terms.pair(pair, token.at).map_err(Fault::Wrong),
            Kind::Open => return self.group(input, token.at, depth + 1),
            Kind::SetOpen => return self.chain(input, token.at, depth + 1),
            Kind::Join(joined) => return self.join(input, *joined, token.at, depth + 1),
            Kind::Step(_) => return Err(not_between_sets(token)),
            Kind::End => "the search ends where a term is expected",
            Kind::Close => "a term is expected before this parenthesis",
            Kind::SetClose => "a term is expected before this brace",
            Kind::And | Kind::Or | Kind::Not => {
                "a term is expected before this operator; as a word it needs quotes"
            }
        };
        Err(Fault::wrong(missing, token.at, EXPECTED_TERM))
    }

    fn group(&mut self, input: &mut Input<'_, '_>, at: usize, depth: usize) -> Result<Predicate, Fault> {
        must_not_be_deep(at, depth)?;
        let predicate = self.any_of(input, depth)?;
        if follows(input, &Kind::Close)? {
            return Ok(predicate);
        }
        let next: Result<&Token<'_>, Fault> = peek(any).parse_next(input);
        match next? {
            next if matches!(next.kind, Kind::Step(_)) => Err(not_between_sets(next)),
            _ => Err(Fault::wrong("this parenthesis is not closed", at, &[")"])),
        }
    }

    /// Sets with `>` or `>>` between them; the first one is open already.
    fn chain(&mut self, input: &mut Input<'_, '_>, at: usize, depth: usize) -> Result<Predicate, Fault> {
        let first = Box::new(self.set(input, at, depth)?);
        let mut steps = Vec::new();
        while let Some((kinship, at)) = step(input)? {
            if self.follows_rows {
                let message = "a live tail tests each span when it arrives, and a span above it may come later: \
                               it cannot ask how spans stand to one another";
                return Err(Fault::wrong(message, at, &["AND", "OR", "the end"]));
            }
            let next = any.parse_next(input)?;
            if next.kind != Kind::SetOpen {
                let message = "a set of spans is expected here";
                return Err(Fault::wrong(message, next.at, &["{"]));
            }
            steps.push((kinship, self.set(input, next.at, depth)?));
        }
        Ok(Predicate::Chain(Chain { first, steps }))
    }

    fn set(&mut self, input: &mut Input<'_, '_>, at: usize, depth: usize) -> Result<Predicate, Fault> {
        if self.signal != Signal::Spans {
            let message = "sets in braces are sets of spans, and logs are in none; as text they need quotes";
            return Err(Fault::wrong(message, at, &["trace in spans({ … })", "quotes"]));
        }
        if self.place == Place::Set {
            let message = "a set does not stand in another; in a set, groups have parentheses";
            return Err(Fault::wrong(message, at, &["("]));
        }
        must_not_be_deep(at, depth)?;
        self.sets += 1;
        if self.sets > SETS_MAX {
            let message = format!("the search has more than {SETS_MAX} sets");
            return Err(Fault::wrong(message, at, &["fewer sets"]));
        }
        if follows(input, &Kind::SetClose)? {
            return Ok(Predicate::All);
        }
        self.place = Place::Set;
        let predicate = self.any_of(input, depth)?;
        self.place = Place::Outside;
        if follows(input, &Kind::SetClose)? {
            return Ok(predicate);
        }
        Err(Fault::wrong("this set is not closed", at, &["}"]))
    }

    /// A search for something else, up to its `)`.
    fn join(
        &mut self,
        input: &mut Input<'_, '_>,
        joined: Joined,
        at: usize,
        depth: usize,
    ) -> Result<Predicate, Fault> {
        must_not_be_deep(at, depth)?;
        if self.follows_rows {
            let message = "a live tail tests each row when it arrives, and the others of its trace may come later: \
                           it cannot ask what else a trace has";
            return Err(Fault::wrong(message, at, &["trace:ID", "a word", "key:value", "("]));
        }
        self.joins += 1;
        if self.in_join {
            return Err(Fault::wrong("a join does not stand in another", at, EXPECTED_TERM));
        }
        if self.joins > JOINS_MAX {
            let message = format!("the search has more than {JOINS_MAX} joins");
            return Err(Fault::wrong(message, at, &["fewer joins"]));
        }
        let signal = match joined {
            Joined::Logs => Signal::Logs,
            Joined::Spans => Signal::Spans,
        };
        let outside = (self.signal, self.place);
        (self.signal, self.place, self.in_join) = (signal, Place::Outside, true);
        self.terms.search(signal);
        let predicate = match follows(input, &Kind::Close)? {
            true => return Ok(self.joined(outside, Predicate::All)),
            false => self.any_of(input, depth)?,
        };
        if follows(input, &Kind::Close)? {
            return Ok(self.joined(outside, predicate));
        }
        Err(Fault::wrong("the parenthesis of this join is not closed", at, &[")"]))
    }

    /// Ends a join.
    fn joined(&mut self, outside: (Signal, Place), predicate: Predicate) -> Predicate {
        let of = self.signal;
        (self.signal, self.place) = outside;
        self.in_join = false;
        self.terms.search(self.signal);
        Predicate::TraceIn(TraceSet::Of(of, Box::new(super::condition::dissolved(predicate))))
    }
}

fn must_not_be_deep(at: usize, depth: usize) -> Result<(), Fault> {
    if depth > DEPTH_MAX {
        let message = format!("more than {DEPTH_MAX} groups stand in one another");
        return Err(Fault::wrong(message, at, &["fewer parentheses"]));
    }
    Ok(())
}

fn not_between_sets(step: &Token<'_>) -> Fault {
    let sign = match step.kind {
        Kind::Step(Kinship::Descendant) => ">>",
        _ => ">",
    };
    let message = format!("`{sign}` stands between two sets of spans: {{ … }} {sign} {{ … }}");
    Fault::wrong(message, step.at, &["AND", "OR", "the end"])
}

/// Takes the next token if it is of a kind.
fn follows(input: &mut Input<'_, '_>, kind: &Kind<'_>) -> Result<bool, Fault> {
    let found = opt(one_of(|token: &Token<'_>| token.kind == *kind)).parse_next(input)?;
    Ok(found.is_some())
}

/// Takes a `>` or `>>`, and tells where it stands.
fn step(input: &mut Input<'_, '_>) -> Result<Option<(Kinship, usize)>, Fault> {
    let found = opt(one_of(|token: &Token<'_>| matches!(token.kind, Kind::Step(_)))).parse_next(input)?;
    Ok(found.and_then(|token| match token.kind {
        Kind::Step(kinship) => Some((kinship, token.at)),
        _ => None,
    }))
}

fn begins_term(input: &mut Input<'_, '_>) -> Result<bool, Fault> {
    let begins = |token: &Token<'_>| {
        matches!(
            token.kind,
            Kind::Bare(_) | Kind::Pair(_) | Kind::Open | Kind::Not | Kind::SetOpen | Kind::Join(_)
        )
    };
    Ok(opt(peek(one_of(begins))).parse_next(input)?.is_some())
}

fn one_or(mut parts: Vec<Predicate>, many: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}
