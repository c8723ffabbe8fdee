//! A query cut into tokens.

use super::duration;
use super::error::Error;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A name or a keyword, as written.
    Word(String),
    /// A number.
    Number(f64),
    /// A duration in milliseconds.
    Duration(i64),
    /// A text between quotes.
    Text {
        /// The text; what is not UTF-8 stands there as escapes.
        value: String,
        /// Whether all of it is UTF-8.
        utf8: bool,
    },
    /// A sign such as `(` or `=~`.
    Sign(&'static str),
    /// The end of the query.
    End,
}

/// A token and where it stands, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// All signs, the longer ones before those that they begin with.
const SIGNS: [&str; 27] = [
    "==", "!=", "<=", ">=", "=~", "!~", "(", ")", "{", "}", "[", "]", ",", "@", "+", "-", "*", "/", "%", "^",
    "<", ">", "=", ":", ";", "|", "!",
];

/// Cuts a query into tokens, of which the last is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Error> {
    let mut lexer = Lexer { text, at: 0, in_brackets: false };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let ended = token.kind == Kind::End;
        tokens.push(token);
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Between `[` and `]`, where a colon is a sign and not part of a name.
    in_brackets: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Token, Error> {
        self.skip();
        let start = self.at;
        let kind = self.kind()?;
        Ok(Token { kind, start, end: self.at })
    }

    /// Passes over space and comments.
    fn skip(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
        }
    }

    fn kind(&mut self) -> Result<Kind, Error> {
        let Some(first) = self.rest().chars().next() else { return Ok(Kind::End) };
        let second = self.rest()[first.len_utf8()..].chars().next();
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return self.number();
        }
        if matches!(first, '"' | '\'' | '`') {
            return self.quoted(first);
        }
        if first.is_ascii_alphabetic() || first == '_' || (first == ':' && !self.in_brackets) {
            return Ok(self.word());
        }
        let Some(sign) = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign)) else {
            return Err(Error::syntax(format!("unexpected character: {first:?}"), self.at, self.text));
        };
        match sign {
            "[" => self.in_brackets = true,
            "]" => self.in_brackets = false,
            _ => (),
        }
        self.at += sign.len();
        Ok(Kind::Sign(sign))
    }

    fn word(&mut self) -> Kind {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && !self.in_brackets);
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        self.at += length;
        match word.to_ascii_lowercase().as_str() {
            "inf" => Kind::Number(f64::INFINITY),
            "nan" => Kind::Number(f64::NAN),
            _ => Kind::Word(word.to_owned()),
        }
    }

    /// A number or a duration: both begin with a digit, or with a dot and a digit.
    fn number(&mut self) -> Result<Kind, Error> {
        let rest = self.rest();
        let mut length = 0;
        let mut before = ' ';
        let hex = rest.starts_with("0x") || rest.starts_with("0X");
        for c in rest.chars() {
            let signed = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !hex;
            // An exponent has a sign only after digits: `1e-3` is a number, `1m-3` is not.
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || signed) {
                break;
            }
            before = c;
            length += 1;
        }
        let word = &rest[..length];
        let kind = match number(word) {
            Some(number) => Kind::Number(number),
            None => Kind::Duration(duration::parse(word).ok_or_else(|| self.bad_number(word))?),
        };
        self.at += length;
        Ok(kind)
    }

    fn bad_number(&self, word: &str) -> Error {
        Error::syntax(format!("bad number or duration syntax: {word:?}"), self.at, self.text)
    }

    fn quoted(&mut self, quote: char) -> Result<Kind, Error> {
        let start = self.at;
        let body = &self.rest()[1..];
        let mut end = 0;
        loop {
            match body[end..].chars().next() {
                None => return Err(Error::syntax("unterminated quoted string", start, self.text)),
                Some('\n') if quote != '`' => {
                    return Err(Error::syntax("unterminated quoted string", start, self.text));
                }
                Some(c) if c == quote => break,
                Some('\\') if quote != '`' => {
                    end += 1 + body[end + 1..].chars().next().map_or(0, char::len_utf8);
                }
                Some(c) => end += c.len_utf8(),
            }
        }
        self.at += end + 2;
        if quote == '`' {
            return Ok(Kind::Text { value: body[..end].to_owned(), utf8: true });
        }
        let bytes = unescape(&body[..end], quote)
            .map_err(|(message, at)| Error::syntax(message, start + 1 + at, self.text))?;
        Ok(match String::from_utf8(bytes) {
            Ok(value) => Kind::Text { value, utf8: true },
            Err(error) => Kind::Text { value: error.as_bytes().escape_ascii().to_string(), utf8: false },
        })
    }
}

/// A number as Go writes them: decimal, `0x1f`, octal with a leading zero, underscores between digits.
fn number(word: &str) -> Option<f64> {
    let plain = word.replace('_', "");
    if word.ends_with('_') || word.contains("__") {
        return None;
    }
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|number| number as f64);
    }
    let octal = plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(number) = octal.then(|| u64::from_str_radix(&plain, 8).ok()).flatten() {
        return Some(number as f64);
    }
    let decimal = plain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    decimal.then(|| plain.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

/// The bytes that a quoted text stands for. An error has its place in the text.
fn unescape(text: &str, quote: char) -> Result<Vec<u8>, (&'static str, usize)> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += c.len_utf8();
            continue;
        }
        let rest = &text[at + 1..];
        at += 1 + escape(rest, quote, &mut out).ok_or(("unknown escape sequence", at))?;
    }
    Ok(out)
}

/// Reads what follows a backslash, adds what it stands for, and says how long it was.
fn escape(rest: &str, quote: char, out: &mut Vec<u8>) -> Option<usize> {
    let first = rest.chars().next()?;
    let simple = match first {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        '\\' => b'\\',
        c if c == quote => c as u8,
        'x' => {
            out.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            return Some(3);
        }
        '0'..='7' => {
            out.push(u8::from_str_radix(rest.get(..3)?, 8).ok()?);
            return Some(3);
        }
        'u' | 'U' => {
            let digits = if first == 'u' { 4 } else { 8 };
            let code = u32::from_str_radix(rest.get(1..1 + digits)?, 16).ok()?;
            out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(1 + digits);
        }
        _ => return None,
    };
    out.push(simple);
    Some(1)
}

#[cfg(test)]
mod tests;
