//! A request built once, the places in it that change, and what a send writes there.

use super::random::{mix, scale};
use super::writer::Form;

/// Hexadecimal digits of 8 bytes.
const WORD_DIGITS: usize = 16;
/// Characters of a time in JSON: nanoseconds since 1970 have 19 digits until 2286.
pub(super) const TIME_DIGITS: usize = 19;
/// Characters of a counter in JSON, blanks before it.
pub(super) const COUNT_CHARACTERS: usize = 12;
/// Characters of a double in JSON, blanks before it.
pub(super) const DOUBLE_CHARACTERS: usize = 16;
/// What scales of time are divided by.
const SCALE_ONE: u64 = 1 << 16;

/// What is written at a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    /// A trace id, mixed with the nonces of the send: traces differ, and links within a request hold.
    TraceId([u64; 2]),
    /// A span id, likewise.
    SpanId(u64),
    /// A time: nanoseconds after the beginning of the request, stretched by the send's scale.
    Time(u64),
    /// The time when counting began.
    SeriesStart,
    /// Hexadecimal digits.
    Hex { digits: u8, salt: u64 },
    /// Decimal digits of a number from `least`, one of `values`.
    Digits { digits: u8, least: u32, values: u32, salt: u64 },
    /// A counter that grows by `step` a round.
    Count { value: u64, step: u32 },
    /// The same of type double.
    Total { value: f64, step: f64 },
    /// A value that moves about by a share.
    Gauge { value: f64, share: f64, salt: u64 },
}

impl Change {
    /// How many bytes it takes.
    pub(super) fn width(&self, form: Form) -> usize {
        match (self, form) {
            (Self::Hex { digits, .. } | Self::Digits { digits, .. }, _) => usize::from(*digits),
            (Self::TraceId(_), Form::Protobuf) => 16,
            (_, Form::Protobuf) => 8,
            (Self::TraceId(_), Form::Json) => 2 * WORD_DIGITS,
            (Self::SpanId(_), Form::Json) => WORD_DIGITS,
            (Self::Time(_) | Self::SeriesStart, Form::Json) => TIME_DIGITS,
            (Self::Count { .. }, Form::Json) => COUNT_CHARACTERS,
            (Self::Total { .. } | Self::Gauge { .. }, Form::Json) => DOUBLE_CHARACTERS,
        }
    }
}

/// A place and what is written there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    /// Where it begins.
    pub(super) offset: usize,
    /// What it is.
    pub(super) change: Change,
}

/// What one send writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    nonce: [u64; 3],
    base: u64,
    series_start: u64,
    scale: u64,
    round: u64,
    salt: u64,
}

impl Stamp {
    /// The stamp of the send with this number, of requests that begin at `base`. Equal seeds and numbers give
    /// equal ids.
    pub(crate) fn new(seed: u64, number: u64, round: u64, base: u64, series_start: u64) -> Self {
        let start = mix(mix(seed) ^ 0x5e4d).wrapping_add(number.wrapping_mul(4));
        let salt = mix(start.wrapping_add(3));
        Self {
            nonce: [mix(start), mix(start.wrapping_add(1)), mix(start.wrapping_add(2))],
            base,
            series_start,
            // From 0.75 to 1.25: durations differ from send to send.
            scale: SCALE_ONE * 3 / 4 + scale(mix(salt), SCALE_ONE / 2),
            round,
            salt,
        }
    }
}

/// A request built once.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    /// How it is written.
    pub(super) form: Form,
    /// The request.
    pub(super) bytes: Vec<u8>,
    /// Where it changes.
    pub(super) patches: Vec<Patch>,
    /// How many records it has.
    pub(crate) records: u64,
    /// How many nanoseconds its records span at most.
    pub(crate) window: u64,
    /// The traces it has spans of.
    pub(super) traces: Vec<[u64; 2]>,
}

impl Template {
    /// Bytes of the request, the same for every send.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many traces it has spans of.
    pub(crate) fn trace_count(&self) -> usize {
        self.traces.len()
    }

    /// The id that one of its traces has in a send.
    pub(crate) fn trace_id(&self, trace: usize, stamp: &Stamp) -> [u8; 16] {
        trace_id(self.traces[trace], stamp)
    }

    /// Replaces `out` by the request of one send.
    pub(crate) fn stamp(&self, stamp: &Stamp, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.bytes);
        for Patch { offset, change } in &self.patches {
            let place = &mut out[*offset..*offset + change.width(self.form)];
            match self.form {
                Form::Protobuf => change.write_binary(stamp, place),
                Form::Json => change.write_text(stamp, place),
            }
        }
    }
}

fn trace_id(id: [u64; 2], stamp: &Stamp) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(id[0] ^ stamp.nonce[0]).to_be_bytes());
    bytes[8..].copy_from_slice(&(id[1] ^ stamp.nonce[1]).to_be_bytes());
    bytes
}

impl Change {
    fn write_binary(&self, stamp: &Stamp, place: &mut [u8]) {
        match *self {
            Self::TraceId(id) => place.copy_from_slice(&trace_id(id, stamp)),
            Self::SpanId(id) => place.copy_from_slice(&(id ^ stamp.nonce[2]).to_be_bytes()),
            Self::Time(after) => place.copy_from_slice(&time(after, stamp).to_le_bytes()),
            Self::SeriesStart => place.copy_from_slice(&stamp.series_start.to_le_bytes()),
            Self::Count { value, step } => place.copy_from_slice(&count(value, step, stamp).to_le_bytes()),
            Self::Total { .. } | Self::Gauge { .. } => {
                place.copy_from_slice(&self.double(stamp).to_le_bytes());
            }
            Self::Hex { .. } | Self::Digits { .. } => self.write_digits(stamp, place),
        }
    }

    fn write_text(&self, stamp: &Stamp, place: &mut [u8]) {
        match *self {
            Self::TraceId(id) => {
                write_hex(id[0] ^ stamp.nonce[0], &mut place[..WORD_DIGITS]);
                write_hex(id[1] ^ stamp.nonce[1], &mut place[WORD_DIGITS..]);
            }
            Self::SpanId(id) => write_hex(id ^ stamp.nonce[2], place),
            Self::Time(after) => write_decimal(time(after, stamp), place),
            Self::SeriesStart => write_decimal(stamp.series_start, place),
            Self::Count { value, step } => write_number(count(value, step, stamp), place),
            Self::Total { .. } | Self::Gauge { .. } => write_thousandths(self.double(stamp), place),
            Self::Hex { .. } | Self::Digits { .. } => self.write_digits(stamp, place),
        }
    }

    /// The value of a double. Thousandths are all that instruments give, and all that JSON has room for here.
    fn double(&self, stamp: &Stamp) -> f64 {
        let value = match *self {
            Self::Total { value, step } => value + step * stamp.round as f64,
            Self::Gauge { value, share, salt } => {
                let unit = (mix(stamp.salt ^ salt) >> 11) as f64 / (1u64 << 53) as f64;
                value * (1.0 + share * (2.0 * unit - 1.0))
            }
            _ => 0.0,
        };
        (value * 1000.0).round() / 1000.0
    }

    fn write_digits(&self, stamp: &Stamp, place: &mut [u8]) {
        match *self {
            Self::Hex { salt, .. } => write_hex(mix(stamp.salt ^ salt), place),
            Self::Digits { least, values, salt, .. } => {
                let number = scale(mix(stamp.salt ^ salt), u64::from(values));
                write_decimal(u64::from(least) + number, place);
            }
            _ => {}
        }
    }
}

fn time(after: u64, stamp: &Stamp) -> u64 {
    let stretched = u128::from(after) * u128::from(stamp.scale) / u128::from(SCALE_ONE);
    stamp.base.saturating_add(stretched as u64)
}

fn count(value: u64, step: u32, stamp: &Stamp) -> u64 {
    /// What does not fit JSON's place any more.
    const TOO_LONG: u64 = 10u64.pow(COUNT_CHARACTERS as u32);
    (value + u64::from(step) * stamp.round) % TOO_LONG
}

/// The first digits of a number in hexadecimal.
fn write_hex(number: u64, place: &mut [u8]) {
    let mut left = number;
    for digit in place {
        *digit = b"0123456789abcdef"[(left >> 60) as usize];
        left <<= 4;
    }
}

/// The last digits of a number, zeros before it.
fn write_decimal(number: u64, place: &mut [u8]) {
    let mut left = number;
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

/// A number with blanks before it, which JSON allows between any two words.
fn write_number(number: u64, place: &mut [u8]) {
    let mut left = number;
    let last = place.len().saturating_sub(1);
    for (index, digit) in place.iter_mut().enumerate().rev() {
        *digit = if left == 0 && index != last { b' ' } else { b'0' + (left % 10) as u8 };
        left /= 10;
    }
}

/// A number that is not negative with three digits after the point, and blanks before it.
fn write_thousandths(number: f64, place: &mut [u8]) {
    let thousandths = (number * 1000.0).round() as u64;
    let (whole, point) = place.split_at_mut(place.len() - 4);
    write_number(thousandths / 1000, whole);
    point[0] = b'.';
    write_decimal(thousandths % 1000, &mut point[1..]);
}
