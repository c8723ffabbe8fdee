//! Tokens to a predicate: `NOT` binds before `AND`, `AND` before `OR`, and a blank is `AND`.
//!
//! Only a group makes the parser call itself, and groups are counted: the depth of calls and of the
//! predicate is bounded by [`DEPTH_MAX`].

use model::{Predicate, Signal};
use winnow::Parser;
use winnow::combinator::{opt, peek, repeat};
use winnow::stream::TokenSlice;
use winnow::token::{any, one_of};

use super::lexer::{Kind, Token};
use super::terms::Terms;
use super::{DEPTH_MAX, EXPECTED_TERM, Fault};
use crate::QueryError;

type Input<'t, 'a> = TokenSlice<'t, Token<'a>>;

/// The predicate of a whole search.
pub(super) fn predicate(tokens: &[Token<'_>], signal: Signal) -> Result<Predicate, QueryError> {
    if matches!(tokens, [Token { kind: Kind::End, .. }]) {
        return Ok(Predicate::All);
    }
    let mut input = TokenSlice::new(tokens);
    let mut grammar = Grammar { terms: Terms::new(signal) };
    // The lexer ends every search with a token of its own, so a fault without a place cannot come up.
    grammar.search(&mut input).map_err(|fault| fault.into_error(0))
}

struct Grammar {
    terms: Terms,
}

impl Grammar {
    fn search(&mut self, input: &mut Input<'_, '_>) -> Result<Predicate, Fault> {
        let predicate = self.any_of(input, 0)?;
        let next = any.parse_next(input)?;
        match next.kind {
            Kind::End => Ok(predicate),
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
            Kind::End => "the search ends where a term is expected",
            Kind::Close => "a term is expected before this parenthesis",
            Kind::And | Kind::Or | Kind::Not => {
                "a term is expected before this operator; as a word it needs quotes"
            }
        };
        Err(Fault::wrong(missing, token.at, EXPECTED_TERM))
    }

    fn group(&mut self, input: &mut Input<'_, '_>, at: usize, depth: usize) -> Result<Predicate, Fault> {
        if depth > DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} groups stand in one another");
            return Err(Fault::wrong(message, at, &["fewer parentheses"]));
        }
        let predicate = self.any_of(input, depth)?;
        if follows(input, &Kind::Close)? {
            return Ok(predicate);
        }
        Err(Fault::wrong("this parenthesis is not closed", at, &[")"]))
    }
}

/// Takes the next token if it is of a kind.
fn follows(input: &mut Input<'_, '_>, kind: &Kind<'_>) -> Result<bool, Fault> {
    let found = opt(one_of(|token: &Token<'_>| token.kind == *kind)).parse_next(input)?;
    Ok(found.is_some())
}

fn begins_term(input: &mut Input<'_, '_>) -> Result<bool, Fault> {
    let begins =
        |token: &Token<'_>| matches!(token.kind, Kind::Bare(_) | Kind::Pair(_) | Kind::Open | Kind::Not);
    Ok(opt(peek(one_of(begins))).parse_next(input)?.is_some())
}

fn one_or(mut parts: Vec<Predicate>, many: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}
