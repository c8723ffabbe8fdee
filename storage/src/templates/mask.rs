//! The first layer: what varies by its shape. One pass over the bytes finds the tokens with a digit and what
//! belongs to them (`10.0.0.1:80`, `2026-01-31`, `-5`, a UUID), and leaves the text around them.

use super::groups::Cut;
use super::{PLACEHOLDER, SEPARATOR};

/// The length of the middle groups of a UUID: such a group may happen to have no digit.
const UUID_GROUP_BYTES: usize = 4;

/// The high bits of eight bytes.
const HIGH: u64 = u64::from_le_bytes([0x80; 8]);

// What a byte is, as bits. Bytes of characters beyond ASCII are looked at one character at a time.
const LETTER: u8 = 1;
const HEX: u8 = 2;
const DIGIT: u8 = 4;
const WIDE: u8 = 8;
const OTHER: u8 = 16;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => HEX,
            b'g'..=b'z' | b'G'..=b'Z' => LETTER,
            0x80.. => WIDE,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
}

/// A body with its variables taken out.
#[derive(Debug, Default)]
pub(super) struct Masked {
    /// The body with one placeholder for each span.
    pub(super) text: String,
    /// Where the variables stand in the body, in order, not touching.
    pub(super) spans: Vec<(usize, usize)>,
    /// The bytes looked at, to see that time is linear.
    #[cfg(test)]
    pub(super) steps: usize,
}

impl Masked {
    /// Masks a body; false if it holds a reserved character.
    pub(super) fn mask(&mut self, body: &str) -> bool {
        self.text.clear();
        self.spans.clear();
        if is_reserved(body.as_bytes()) {
            return false;
        }
        let mut at = 0;
        while let Some((from, to)) = self.next_variable(body, at) {
            self.text.push_str(&body[at..from]);
            self.text.push(PLACEHOLDER);
            self.spans.push((from, to));
            at = to;
        }
        self.text.push_str(&body[at..]);
        true
    }

    /// Where pieces of the masked text stand in the body. The pieces are in order: each is a placeholder or has
    /// none, and all placeholders are among them.
    pub(super) fn unmask<'a>(&'a self, pieces: &'a [Cut]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut spans = self.spans.iter().copied().peekable();
        let mut masked_end = 0;
        let mut body_end = 0;
        pieces.iter().map(move |&(from, to)| {
            let start = body_end + (from as usize - masked_end);
            let length = (to - from) as usize;
            let (start, end) = spans.next_if(|span| span.0 == start).unwrap_or((start, start + length));
            (masked_end, body_end) = (to as usize, end);
            (start, end)
        })
    }

    /// The first variable at or after `floor`, where no token may be under way.
    fn next_variable(&mut self, body: &str, floor: usize) -> Option<(usize, usize)> {
        let bytes = body.as_bytes();
        let digit = next_digit(bytes, floor)?;
        let start = token_start(body, digit, floor);
        let (mut end, _) = token_end(body, digit);
        self.step(digit - floor + end - start);
        while bytes.get(end).is_some_and(|byte| joins(*byte)) {
            let (next, seen) = token_end(body, end + 1);
            self.step(next - end);
            let group = seen & !(HEX | DIGIT) == 0 && next - (end + 1) == UUID_GROUP_BYTES;
            if seen & DIGIT == 0 && !group {
                break;
            }
            end = next;
        }
        // A minus sign belongs to its number unless it joins it to what stands before.
        let signed = start > floor
            && bytes[start - 1] == b'-'
            && (start == 1 || CLASS[bytes[start - 2] as usize] == OTHER);
        Some((start - usize::from(signed), end))
    }

    #[cfg(test)]
    fn step(&mut self, bytes: usize) {
        self.steps += bytes;
    }

    #[cfg(not(test))]
    fn step(&mut self, _bytes: usize) {}
}

/// Whether a byte between two variables makes them one.
fn joins(byte: u8) -> bool {
    matches!(byte, b'.' | b':' | b'-' | b'_' | b'/' | b',' | b'@' | b'+')
}

/// Whether a body holds a reserved character. Both are control characters: first it is seen whether there are any
/// of those, eight bytes at a time.
fn is_reserved(bytes: &[u8]) -> bool {
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    let (eights, rest) = bytes.as_chunks::<8>();
    let control = eights.iter().fold(0, |any, eight| {
        let eight = u64::from_le_bytes(*eight);
        any | eight.wrapping_sub(SPACES) & !eight
    });
    let reserved = |byte: &u8| *byte == PLACEHOLDER as u8 || *byte == SEPARATOR as u8;
    rest.iter().any(reserved) || control & HIGH != 0 && bytes.iter().any(reserved)
}

/// The place of the next ASCII digit. Eight bytes at a time: most of a body has none.
fn next_digit(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    // Carries a value of ten or more into the high bit of its byte.
    const TEN: u64 = u64::from_le_bytes([0x80 - 10; 8]);
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let values = u64::from_le_bytes(*eight) ^ ZEROS;
        let digits = !(((values & LOW) + TEN) | values) & HIGH;
        if digits != 0 {
            return Some(at + digits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(u8::is_ascii_digit).map(|index| at + index)
}

/// Where the token begins that holds the byte at `at`.
fn token_start(body: &str, mut at: usize, floor: usize) -> usize {
    let bytes = body.as_bytes();
    while at > floor {
        let class = CLASS[bytes[at - 1] as usize];
        if class == OTHER {
            break;
        }
        at -= match body[..at].chars().next_back().filter(|_| class == WIDE) {
            Some(wide) if !wide.is_alphanumeric() => break,
            Some(wide) => wide.len_utf8(),
            None => 1,
        };
    }
    at
}

/// The end of the token that goes on at `at`, and the classes of its characters from there.
fn token_end(body: &str, mut at: usize) -> (usize, u8) {
    let mut seen = 0;
    loop {
        for byte in &body.as_bytes()[at..] {
            let class = CLASS[*byte as usize];
            if class & (WIDE | OTHER) != 0 {
                break;
            }
            seen |= class;
            at += 1;
        }
        match body[at..].chars().next() {
            Some(wide) if !wide.is_ascii() && wide.is_alphanumeric() => at += wide.len_utf8(),
            _ => return (at, seen),
        }
        seen |= WIDE;
    }
}
