//! A query's text becomes a tree: recursive descent for what encloses, precedence climbing for operators.
//!
//! The tree is checked as it is built, so that every error has a place: types of operands and arguments, labels
//! that stand on both sides of a match, selectors that would choose everything.

mod check;
mod spans;

use super::ast::{Aggregate, Aggregation, Binary, Expr, Grouping, Kind, Many, Operator, Selector, Shift};
use super::error::Error;
use super::functions::Function;
use super::labels::{MatchOp, Matcher, NAME};
use super::lex::{self, Token};
use super::{Options, TEXT_BYTES_MAX};

/// How deep a tree may be.
pub const DEPTH_MAX: usize = 128;
/// How many regular expressions may stand in selectors: each can take some megabytes.
pub const REGEXES_MAX: usize = 100;

/// Reads a query.
pub fn parse(text: &str, options: &Options) -> Result<Expr, Error> {
    let mut parser = Parser::new(text, options)?;
    if parser.peek().kind == lex::Kind::End {
        return Err(parser.error("no expression found in input"));
    }
    let expr = parser.expression(0)?;
    match parser.peek().kind {
        lex::Kind::End => parser.check_selectors(&expr).map(|()| expr),
        _ => Err(parser.unexpected("an operator or the end")),
    }
}

/// Reads a selector that stands alone. It may choose every series.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Error> {
    let options = Options::default();
    let mut parser = Parser::new(text, &options)?;
    let expr = match parser.peek().kind.clone() {
        lex::Kind::Word(word) => {
            parser.at += 1;
            parser.selector(Some(&word))?
        }
        _ => parser.selector(None)?,
    };
    match (expr.kind, &parser.peek().kind) {
        (Kind::Selector(selector), lex::Kind::End) if parser.at > 0 => Ok(selector.matchers),
        _ => Err(parser.unexpected("a selector alone, as up{job=\"x\"}")),
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Selectors read so far.
    selectors: usize,
    /// Regular expressions read so far.
    regexes: usize,
    options: &'a Options,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: &'a Options) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::Limit { name: "text_bytes_max", most: TEXT_BYTES_MAX as u64 });
        }
        let tokens = lex::tokens(text)?;
        Ok(Self { text, tokens, at: 0, depth: 0, selectors: 0, regexes: 0, options })
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    /// The end of the token before.
    fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.end)
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::syntax(message, self.peek().start, self.text)
    }

    fn error_at(&self, message: impl Into<String>, position: usize) -> Error {
        Error::syntax(message, position, self.text)
    }

    fn unexpected(&self, expected: &str) -> Error {
        let token = self.peek();
        match token.kind {
            lex::Kind::End => self.error(format!("unexpected end of input, expected {expected}")),
            _ => self
                .error(format!("unexpected {:?}, expected {expected}", &self.text[token.start..token.end])),
        }
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek().kind, lex::Kind::Sign(other) if other == sign)
    }

    /// Takes a sign if it is next.
    fn take(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Error> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("{sign:?}"))),
        }
    }

    /// The word that is next, in lower case.
    fn word(&self) -> Option<String> {
        match &self.peek().kind {
            lex::Kind::Word(word) => Some(word.to_ascii_lowercase()),
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.word().is_some_and(|next| next == word);
        self.at += usize::from(found);
        found
    }

    fn node(&self, kind: Kind, start: usize) -> Result<Expr, Error> {
        let expr = Expr::new(kind, start, self.end());
        match expr.depth > DEPTH_MAX {
            true => Err(Error::Limit { name: "depth_max", most: DEPTH_MAX as u64 }),
            false => Ok(expr),
        }
    }

    /// An expression whose operators bind at least as tightly as given.
    fn expression(&mut self, strength: u8) -> Result<Expr, Error> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::Limit { name: "depth_max", most: DEPTH_MAX as u64 });
        }
        let mut left = self.operand()?;
        while let Some(operator) = self.operator().filter(|operator| operator.strength() >= strength) {
            left = self.binary(left, operator)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&self) -> Option<Operator> {
        use Operator as O;
        if let lex::Kind::Sign(sign) = self.peek().kind {
            let signs = [
                O::Add,
                O::Subtract,
                O::Multiply,
                O::Divide,
                O::Modulo,
                O::Power,
                O::Equal,
                O::NotEqual,
                O::Less,
                O::LessOrEqual,
                O::Greater,
                O::GreaterOrEqual,
            ];
            return signs.into_iter().find(|operator| operator.text() == sign);
        }
        let word = self.word()?;
        [O::Atan2, O::And, O::Or, O::Unless].into_iter().find(|operator| operator.text() == word)
    }

    fn binary(&mut self, left: Expr, operator: Operator) -> Result<Expr, Error> {
        let at = self.next().start;
        let start = left.start;
        let returns_bool = self.take_word("bool");
        let (matching, many) = self.matching()?;
        let tighter = operator.strength() + u8::from(operator != Operator::Power);
        let right = self.expression(tighter)?;
        let binary = Binary { operator, left, right, returns_bool, matching, many };
        self.check_binary(&binary, at)?;
        self.node(Kind::Binary(Box::new(binary)), start)
    }

    /// `on (…) group_left (…)` and the like.
    fn matching(&mut self) -> Result<(Grouping, Many), Error> {
        let matching = match self.word().as_deref() {
            Some("on") if self.opens_after(1) => {
                self.at += 1;
                Grouping::These(self.label_list()?)
            }
            Some("ignoring") if self.opens_after(1) => {
                self.at += 1;
                Grouping::AllBut(self.label_list()?)
            }
            Some("group_left" | "group_right") => {
                return Err(self.unexpected("\"on\" or \"ignoring\" before it"));
            }
            _ => return Ok((Grouping::AllBut(Vec::new()), Many::Neither)),
        };
        let left = self.take_word("group_left");
        if !left && !self.take_word("group_right") {
            return Ok((matching, Many::Neither));
        }
        let included = if self.is_sign("(") { self.label_list()? } else { Vec::new() };
        Ok((matching, if left { Many::Left(included) } else { Many::Right(included) }))
    }

    /// Whether a parenthesis opens after some tokens.
    fn opens_after(&self, tokens: usize) -> bool {
        self.tokens.get(self.at + tokens).is_some_and(|token| token.kind == lex::Kind::Sign("("))
    }

    /// `(a, "b c")`
    fn label_list(&mut self) -> Result<Vec<String>, Error> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.is_sign(")") {
            labels.push(self.label().ok_or_else(|| self.unexpected("a label"))?);
            self.at += 1;
            if !self.take(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(labels)
    }

    /// The label that is next: a word, be it that of a number, or a text in quotes.
    fn label(&self) -> Option<String> {
        let token = self.peek();
        match &token.kind {
            lex::Kind::Word(word) if !word.contains(':') => Some(word.clone()),
            lex::Kind::Text { value, utf8: true } if !value.is_empty() => Some(value.clone()),
            lex::Kind::Number(_) => {
                let word = &self.text[token.start..token.end];
                word.starts_with(|c: char| c.is_ascii_alphabetic()).then(|| word.to_owned())
            }
            _ => None,
        }
    }

    /// An operand: signs before it, itself, and what stands behind it: `[5m]`, `offset`, `@`.
    fn operand(&mut self) -> Result<Expr, Error> {
        let start = self.peek().start;
        for sign in ["-", "+"] {
            if self.take(sign) {
                // As tight as a product: `-2 ^ 2` is -4.
                let inner = self.expression(Operator::Power.strength())?;
                self.check_sign(&inner, start)?;
                return match sign {
                    "-" => self.node(Kind::Negate(Box::new(inner)), start),
                    _ => Ok(inner),
                };
            }
        }
        let operand = self.primary()?;
        self.suffixes(operand)
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        let token = self.peek().clone();
        let start = token.start;
        match token.kind {
            lex::Kind::Number(number) => {
                self.at += 1;
                self.node(Kind::Number(number), start)
            }
            lex::Kind::Duration(ms) => {
                self.at += 1;
                self.node(Kind::Number(ms as f64 / 1000.0), start)
            }
            lex::Kind::Text { value, utf8 } => {
                self.at += 1;
                self.node(Kind::Text { value, utf8 }, start)
            }
            lex::Kind::Sign("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                self.node(Kind::Paren(Box::new(inner)), start)
            }
            lex::Kind::Sign("{") => self.selector(None),
            lex::Kind::Word(word) => self.named(&word),
            _ => Err(self.unexpected("an expression")),
        }
    }

    /// What begins with a word: an aggregation, a call, or a selector.
    fn named(&mut self, word: &str) -> Result<Expr, Error> {
        if let Some(aggregation) = Aggregation::named(word) {
            self.at += 1;
            let clause = matches!(self.word().as_deref(), Some("by" | "without")) && self.opens_after(1);
            if clause || self.is_sign("(") {
                return self.aggregate(aggregation);
            }
            self.at -= 1;
        }
        if self.opens_after(1) {
            return self.call(word);
        }
        self.at += 1;
        self.selector(Some(word))
    }

    fn aggregate(&mut self, aggregation: Aggregation) -> Result<Expr, Error> {
        let start = self.tokens[self.at - 1].start;
        if aggregation.is_experimental() && !self.options.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with experimental_functions",
                aggregation.text()
            );
            return Err(self.error_at(message, start));
        }
        let before = self.grouping()?;
        let args = self.args()?;
        let after = if before.is_none() { self.grouping()? } else { None };
        let grouping = before.or(after).unwrap_or(Grouping::These(Vec::new()));
        let (param, inner) = self.check_aggregate(aggregation, args, start)?;
        self.node(Kind::Aggregate(Box::new(Aggregate { aggregation, grouping, param, inner })), start)
    }

    /// `by (…)` or `without (…)`.
    fn grouping(&mut self) -> Result<Option<Grouping>, Error> {
        if self.take_word("by") {
            return Ok(Some(Grouping::These(self.label_list()?)));
        }
        if self.take_word("without") {
            return Ok(Some(Grouping::AllBut(self.label_list()?)));
        }
        Ok(None)
    }

    fn args(&mut self) -> Result<Vec<Expr>, Error> {
        self.expect("(")?;
        let mut args = Vec::new();
        if self.take(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expression(0)?);
            if self.take(")") {
                return Ok(args);
            }
            self.expect(",")?;
        }
    }

    fn call(&mut self, name: &str) -> Result<Expr, Error> {
        let start = self.next().start;
        let Some(function) = Function::named(name) else {
            return Err(self.error_at(format!("unknown function with name {name:?}"), start));
        };
        if function.experimental && !self.options.experimental_functions {
            let message =
                format!("function {name:?} is experimental and must be enabled with experimental_functions");
            return Err(self.error_at(message, start));
        }
        let args = self.args()?;
        self.check_args(function, &args, start)?;
        self.node(Kind::Call { function, args }, start)
    }

    /// A selector whose name, if it has one before the braces, was just read.
    fn selector(&mut self, name: Option<&str>) -> Result<Expr, Error> {
        let start = if name.is_some() { self.tokens[self.at - 1].start } else { self.peek().start };
        let mut matchers: Vec<Matcher> = name.map(Matcher::named).into_iter().collect();
        if self.take("{") {
            while !self.is_sign("}") {
                let at = self.peek().start;
                let matcher = self.matcher()?;
                if let (Some(name), NAME) = (name, matcher.name.as_str()) {
                    let message =
                        format!("metric name must not be set twice: {name:?} or {:?}", matcher.value);
                    return Err(self.error_at(message, at));
                }
                matchers.push(matcher);
                if !self.take(",") {
                    break;
                }
            }
            self.expect("}")?;
        }
        let number = self.selectors;
        self.selectors += 1;
        let selector = Selector { matchers, shift: Shift::default(), number };
        self.node(Kind::Selector(selector), start)
    }

    /// `label="value"`, `"a label"="value"`, or `"metric"`.
    fn matcher(&mut self) -> Result<Matcher, Error> {
        let name = self.label().ok_or_else(|| self.unexpected("a label or \"}\""))?;
        let quoted = matches!(self.next().kind, lex::Kind::Text { .. });
        let op = match self.peek().kind {
            lex::Kind::Sign("=") => MatchOp::Equal,
            lex::Kind::Sign("!=") => MatchOp::NotEqual,
            lex::Kind::Sign("=~") => MatchOp::Regex,
            lex::Kind::Sign("!~") => MatchOp::NotRegex,
            _ if quoted => return Ok(Matcher::named(&name)),
            _ => return Err(self.unexpected("one of \"=\", \"!=\", \"=~\", \"!~\"")),
        };
        self.at += 1;
        let at = self.peek().start;
        let lex::Kind::Text { value, .. } = self.peek().kind.clone() else {
            return Err(self.unexpected("a text in quotes"));
        };
        self.at += 1;
        self.regexes += usize::from(matches!(op, MatchOp::Regex | MatchOp::NotRegex));
        if self.regexes > REGEXES_MAX {
            return Err(Error::Limit { name: "regexes_max", most: REGEXES_MAX as u64 });
        }
        Matcher::new(&name, op, &value).map_err(|message| self.error_at(message, at))
    }
}

#[cfg(test)]
mod tests;
