//! How people's templates see a text: words and values, by rules that hold for logs of all kinds.
//!
//! A value is a chunk with a variable in it, what follows `=`, a quoted word, a path with its query, an address, a date, an amount
//! with its unit, the thread in brackets behind a timestamp. Values that follow one another count as one. Values
//! alone in round brackets are an aside and do not count.

use super::PLACEHOLDER;

/// Only so many words of a text decide its cluster.
const WORDS_MAX: usize = 256;
/// A quoted or bracketed value is no longer than this.
const ENCLOSED_BYTES_MAX: usize = 128;

const DATES: [&str; 19] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed",
    "Thu", "Fri", "Sat", "Sun",
];
const UNITS: [&str; 23] = [
    "B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "ns", "us", "ms", "s", "sec", "secs", "min",
    "mins", "h", "hrs", "Hz", "kHz", "MHz", "GHz",
];
const LEVELS: [&str; 16] = [
    "trace", "debug", "verbose", "info", "notice", "warn", "warning", "error", "err", "severe", "crit",
    "critical", "alert", "emerg", "fatal", "panic",
];

/// A word or value of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Value,
    /// A value that does not count.
    Aside,
}

/// The words of a template in order. Past [`WORDS_MAX`] the rest is one value.
pub(super) fn words(template: &str) -> Vec<Word<'_>> {
    let mut reader =
        Reader { text: template, at: 0, words: Vec::new(), value: false, aside: None, header: true };
    while let Some(next) = template[reader.at..].chars().next() {
        if reader.words.len() == WORDS_MAX {
            reader.push(template.len(), Kind::Value);
            break;
        }
        reader.read(next);
    }
    let mut words = reader.words;
    dates_and_units(&mut words);
    words
}

/// Whether a word looks like a name rather than a word of the language: `com.example.Job`, `on_start`, `DataNode`.
pub(super) fn is_name(word: &str) -> bool {
    let mut before = ' ';
    for (index, next) in word.chars().enumerate() {
        if index > 0 && !next.is_alphanumeric() || before.is_lowercase() && next.is_uppercase() {
            return true;
        }
        before = next;
    }
    false
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    words: Vec<Word<'a>>,
    /// The next chunk is the value of a key.
    value: bool,
    /// An open round bracket: the number of words before it.
    aside: Option<usize>,
    /// So far there were only a timestamp and a level.
    header: bool,
}

impl<'a> Reader<'a> {
    fn read(&mut self, next: char) {
        match next {
            _ if is_inner(next) => self.chunk(),
            '=' => self.equals(),
            '"' => self.quote(),
            '[' => self.bracket(),
            '(' => {
                self.aside = Some(self.words.len());
                self.at += 1;
            }
            ')' => self.end_aside(),
            _ => {
                self.value &= !matches!(next, ',' | ';');
                self.at += next.len_utf8();
            }
        }
    }

    /// A longest run of characters that stand within words.
    fn chunk(&mut self) {
        let rest = &self.text[self.at..];
        let end = self.at + rest.find(|c| !is_inner(c)).unwrap_or(rest.len());
        let chunk = self.text[self.at..end].trim_end_matches(['.', '-']);
        let word = chunk.trim_start_matches(['.', '-']);
        let start = self.at + chunk.len() - word.len();
        if word.contains(|c: char| c == PLACEHOLDER || c.is_alphanumeric()) {
            let value = self.value || is_value(word) || is_host(word, &self.text[end..]);
            let query = if value && word.contains('/') { query_bytes(&self.text[end..]) } else { 0 };
            self.at = start;
            let word_end = if query > 0 { end + query } else { start + word.len() };
            self.push(word_end, if value { Kind::Value } else { Kind::Word });
            self.value = false;
        }
        self.at = self.at.max(end);
    }

    /// What follows is a value; `key= other=` has an empty one.
    fn equals(&mut self) {
        let spaced = self.text[..self.at].ends_with(' ');
        self.at += 1;
        let empty = self.text[self.at..].chars().next().is_none_or(|next| next == ' ');
        if empty && !spaced {
            self.push(self.at, Kind::Value);
        } else {
            self.value = true;
        }
    }

    /// A quoted text is a value if it is one word or has a key; if it is a key itself (`"name":`) it is none.
    fn quote(&mut self) {
        let inside = &self.text[self.at + 1..];
        let length = enclosed(inside, b'"').filter(|length| {
            let key = inside[length + 1..].starts_with(':');
            *length > 0 && !key && (self.value || !inside[..*length].contains(' '))
        });
        let Some(length) = length.filter(|_| !self.text[..self.at].ends_with(char::is_alphanumeric)) else {
            self.at += 1;
            return;
        };
        self.push(self.at + length + 2, Kind::Value);
        self.value = false;
    }

    /// A bracket behind a timestamp and perhaps a level names the thread.
    fn bracket(&mut self) {
        if self.header && self.text[..self.at].ends_with(' ') {
            self.header = self.words.first().is_some_and(|first| first.kind == Kind::Value)
                && self.words.iter().all(|word| word.kind == Kind::Value || is_level(word.text));
            if let Some(length) = enclosed(&self.text[self.at..], b']').filter(|_| self.header) {
                self.header = false;
                return self.push(self.at + length + 1, Kind::Value);
            }
        }
        self.at += 1;
    }

    fn end_aside(&mut self) {
        self.at += 1;
        self.value = false;
        let Some(inside) = self.aside.take().and_then(|from| self.words.get_mut(from..)) else { return };
        if inside.iter().all(|word| word.kind == Kind::Value || UNITS.contains(&word.text)) {
            inside.iter_mut().for_each(|word| word.kind = Kind::Aside);
        }
    }

    fn push(&mut self, end: usize, kind: Kind) {
        self.words.push(Word { at: self.at, text: &self.text[self.at..end], kind });
        self.at = end;
    }
}

/// Where the closing character is, if it is near.
fn enclosed(text: &str, close: u8) -> Option<usize> {
    text.bytes().take(ENCLOSED_BYTES_MAX).position(|byte| byte == close)
}

fn is_inner(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(c, '_' | '.' | '/' | '-' | '$' | '@' | '%' | '+' | '~' | '\\' | '#' | PLACEHOLDER)
}

fn is_value(word: &str) -> bool {
    let slashes = word.bytes().filter(|byte| matches!(byte, b'/' | b'\\')).count();
    word.contains(PLACEHOLDER)
        || word.starts_with('/') && word.len() > 1
        || slashes >= 2
        || word.bytes().skip(1).any(|byte| byte == b'@')
}

/// Whether a name with dots stands before `:` and a number.
fn is_host(word: &str, rest: &str) -> bool {
    word.contains('.') && rest.strip_prefix(':').is_some_and(|port| port.starts_with(PLACEHOLDER))
}

/// The length of the query string behind a path: it is part of the value.
fn query_bytes(rest: &str) -> usize {
    if !rest.starts_with('?') {
        return 0;
    }
    rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | ']' | '>')).unwrap_or(rest.len())
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
}

/// The names of months and days beside numbers are values, and so are units behind them.
fn dates_and_units(words: &mut [Word<'_>]) {
    for index in 0..words.len() {
        let before = index.checked_sub(1).map(|before| words[before].kind);
        let date_follows = words.get(index + 1).is_some_and(|next| next.kind == Kind::Value || is_date(next));
        let word = &mut words[index];
        let behind = before == Some(Kind::Value);
        let value = is_date(word) && (behind || date_follows) || behind && UNITS.contains(&word.text);
        if value && word.kind == Kind::Word {
            word.kind = Kind::Value;
        }
    }
}

fn is_date(word: &Word<'_>) -> bool {
    word.kind == Kind::Word && DATES.contains(&word.text)
}
