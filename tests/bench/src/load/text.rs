//! Text with places that are written anew for every send.

use super::random::Random;
use super::template::Change;

/// A piece of a text.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// As it is.
    Fixed(String),
    /// Written anew, always in the same number of characters.
    Changing(Change),
}

/// A text in pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Text(pub(super) Vec<Piece>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Fixed(text.to_owned())])
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(vec![Piece::Fixed(text)])
    }
}

impl Text {
    /// Reads a pattern: `<x8>` is 8 hexadecimal digits, `<d3>` a number of 3 digits that begins with none that
    /// is zero, `<d5:20000>` one of 20,000 numbers in 5 digits. Any other `<` stands for itself.
    pub(super) fn pattern(pattern: &str, random: &mut Random) -> Self {
        let mut pieces = Vec::new();
        let mut fixed = String::new();
        let mut rest = pattern;
        while let Some(at) = rest.find('<') {
            fixed.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            match after.find('>').and_then(|end| Some((end, place(&after[..end], random)?))) {
                Some((end, change)) => {
                    pieces.push(Piece::Fixed(std::mem::take(&mut fixed)));
                    pieces.push(Piece::Changing(change));
                    rest = &after[end + 1..];
                }
                None => {
                    fixed.push('<');
                    rest = after;
                }
            }
        }
        fixed.push_str(rest);
        pieces.push(Piece::Fixed(fixed));
        Self(pieces)
    }
}

/// What changes at a place; `None` if the words between the brackets describe no place.
fn place(words: &str, random: &mut Random) -> Option<Change> {
    /// As many digits as fit a number of 32 bits whatever they are.
    const DIGITS_MAX: u8 = 9;
    let (kind, values) = match words.split_once(':') {
        Some((kind, values)) => (kind, Some(values.parse().ok()?)),
        None => (words, None),
    };
    let digits: u8 = kind.get(1..)?.parse().ok()?;
    let salt = random.next();
    match kind.as_bytes().first()? {
        b'x' if values.is_none() && (1..=16).contains(&digits) => Some(Change::Hex { digits, salt }),
        b'd' if (1..=DIGITS_MAX).contains(&digits) => {
            let least = 10u32.pow(u32::from(digits) - 1);
            let (least, values) = values.map_or((least, least * 9), |values| (0, values));
            Some(Change::Digits { digits, least, values, salt })
        }
        _ => None,
    }
}
