//! The shapes of OTLP's messages, to check what is not read: records that are rejected, attributes past the
//! limit, values that are cut.

use super::wire::{Fields, WireError};

/// The known fields of a message.
pub(super) struct Shape(pub(super) &'static [(u32, Kind)]);

pub(super) enum Kind {
    /// Bytes or text.
    Bytes,
    Varint,
    Fixed64,
    Fixed32,
    /// A list of integers.
    Varints,
    /// A list of numbers of eight bytes.
    Fixed64s,
    Message(&'static Shape),
}

use Kind::{Bytes, Fixed32, Fixed64, Fixed64s, Message, Varint, Varints};

pub(super) static ANY_VALUE: Shape = Shape(&[
    (1, Bytes),
    (2, Varint),
    (3, Varint),
    (4, Fixed64),
    (5, Message(&ARRAY_VALUE)),
    (6, Message(&KEY_VALUE_LIST)),
    (7, Bytes),
    (8, Varint),
]);
pub(super) static ARRAY_VALUE: Shape = Shape(&[(1, Message(&ANY_VALUE))]);
pub(super) static KEY_VALUE_LIST: Shape = Shape(&[(1, Message(&KEY_VALUE))]);
pub(super) static KEY_VALUE: Shape = Shape(&[(1, Bytes), (2, Message(&ANY_VALUE)), (3, Varint)]);

pub(super) static SPAN: Shape = Shape(&[
    (1, Bytes),
    (2, Bytes),
    (3, Bytes),
    (4, Bytes),
    (5, Bytes),
    (6, Varint),
    (7, Fixed64),
    (8, Fixed64),
    (9, Message(&KEY_VALUE)),
    (10, Varint),
    (11, Message(&EVENT)),
    (12, Varint),
    (13, Message(&LINK)),
    (14, Varint),
    (15, Message(&STATUS)),
    (16, Fixed32),
]);
static EVENT: Shape = Shape(&[(1, Fixed64), (2, Bytes), (3, Message(&KEY_VALUE)), (4, Varint)]);
static LINK: Shape =
    Shape(&[(1, Bytes), (2, Bytes), (3, Bytes), (4, Message(&KEY_VALUE)), (5, Varint), (6, Fixed32)]);
static STATUS: Shape = Shape(&[(2, Bytes), (3, Varint)]);

pub(super) static LOG_RECORD: Shape = Shape(&[
    (1, Fixed64),
    (2, Varint),
    (3, Bytes),
    (5, Message(&ANY_VALUE)),
    (6, Message(&KEY_VALUE)),
    (7, Varint),
    (8, Fixed32),
    (9, Bytes),
    (10, Bytes),
    (11, Fixed64),
    (12, Bytes),
]);

pub(super) static METRIC: Shape = Shape(&[
    (1, Bytes),
    (2, Bytes),
    (3, Bytes),
    (5, Message(&GAUGE)),
    (7, Message(&SUM)),
    (9, Message(&HISTOGRAM)),
    (10, Message(&EXPONENTIAL_HISTOGRAM)),
    (11, Message(&SUMMARY)),
    (12, Message(&KEY_VALUE)),
]);
pub(super) static GAUGE: Shape = Shape(&[(1, Message(&NUMBER_POINT))]);
pub(super) static SUM: Shape = Shape(&[(1, Message(&NUMBER_POINT)), (2, Varint), (3, Varint)]);
pub(super) static HISTOGRAM: Shape = Shape(&[(1, Message(&HISTOGRAM_POINT)), (2, Varint)]);
pub(super) static EXPONENTIAL_HISTOGRAM: Shape = Shape(&[(1, Message(&EXPONENTIAL_POINT)), (2, Varint)]);
pub(super) static SUMMARY: Shape = Shape(&[(1, Message(&SUMMARY_POINT))]);
pub(super) static NUMBER_POINT: Shape = Shape(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Message(&EXEMPLAR)),
    (6, Fixed64),
    (7, Message(&KEY_VALUE)),
    (8, Varint),
]);
pub(super) static HISTOGRAM_POINT: Shape = Shape(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Fixed64s),
    (7, Fixed64s),
    (8, Message(&EXEMPLAR)),
    (9, Message(&KEY_VALUE)),
    (10, Varint),
    (11, Fixed64),
    (12, Fixed64),
]);
pub(super) static EXPONENTIAL_POINT: Shape = Shape(&[
    (1, Message(&KEY_VALUE)),
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Varint),
    (7, Fixed64),
    (8, Message(&BUCKETS)),
    (9, Message(&BUCKETS)),
    (10, Varint),
    (11, Message(&EXEMPLAR)),
    (12, Fixed64),
    (13, Fixed64),
    (14, Fixed64),
]);
static BUCKETS: Shape = Shape(&[(1, Varint), (2, Varints)]);
pub(super) static SUMMARY_POINT: Shape = Shape(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Message(&QUANTILE)),
    (7, Message(&KEY_VALUE)),
    (8, Varint),
]);
static QUANTILE: Shape = Shape(&[(1, Fixed64), (2, Fixed64)]);
static EXEMPLAR: Shape =
    Shape(&[(2, Fixed64), (3, Fixed64), (4, Bytes), (5, Bytes), (6, Fixed64), (7, Message(&KEY_VALUE))]);

/// Whether the bytes are such a message, below which `depth` more may nest.
pub(super) fn check(message: &[u8], shape: &Shape, depth: usize) -> Result<(), WireError> {
    for field in Fields::new(message) {
        let field = field?;
        let Some((_, kind)) = shape.0.iter().find(|(tag, _)| *tag == field.tag) else {
            continue;
        };
        match kind {
            Bytes => drop(field.bytes()?),
            Varint => drop(field.varint()?),
            Fixed64 => drop(field.fixed64()?),
            Fixed32 => drop(field.fixed32()?),
            Varints => field.varints(drop)?,
            Fixed64s => field.fixed64s(drop)?,
            Message(shape) => check(field.bytes()?, shape, depth.checked_sub(1).ok_or(WireError::Depth)?)?,
        }
    }
    Ok(())
}
