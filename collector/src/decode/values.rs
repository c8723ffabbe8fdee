//! OTLP's `KeyValue` and `AnyValue`, read from the wire and cut to limits of size and depth.

use std::borrow::Cow;

use model::AttributesWriter;
use model::attributes::{self, DEPTH_MAX};

use super::marks::{Marks, repair};
use super::shape::{ANY_VALUE, ARRAY_VALUE, KEY_VALUE, KEY_VALUE_LIST, check};
use super::wire::{Field, Fields, MESSAGE_DEPTH_MAX, Parts, WireError};

/// What a value inside an array or map takes of the limit besides its text, in bytes.
const NESTED_VALUE_BYTES: usize = 8;

/// How many messages may nest below a value that stands in a record.
pub(super) const VALUE_DEPTH: usize = MESSAGE_DEPTH_MAX - 2;

/// A value as it was sent.
#[derive(Debug, Clone, Default)]
pub(super) enum Any<'a> {
    /// None, or a reference into a table that only profiles have: absent, says the specification.
    #[default]
    None,
    /// Text that should be UTF-8.
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Array(Parts<'a>),
    Map(Parts<'a>),
}

impl<'a> Any<'a> {
    /// Reads a value below which `depth` messages may nest.
    #[inline]
    pub(super) fn read(message: &'a [u8], depth: usize) -> Result<Self, WireError> {
        // Nearly all values are short texts.
        if let [0x0a, length, text @ ..] = message
            && *length < 0x80
            && usize::from(*length) == text.len()
        {
            return Ok(Self::Text(text));
        }
        let mut value = Self::None;
        for field in Fields::new(message) {
            value.merge(field?, depth)?;
        }
        Ok(value)
    }

    /// As [`Self::read`], for a value in parts.
    pub(super) fn read_parts(parts: &Parts<'a>, depth: usize) -> Result<Self, WireError> {
        if let Parts::One(part) = parts {
            return Self::read(part, depth);
        }
        let mut value = Self::None;
        for field in parts.fields() {
            value.merge(field?, depth)?;
        }
        Ok(value)
    }

    /// The later field replaces the earlier, but parts of one array or one map are one.
    fn merge(&mut self, field: Field<'a>, depth: usize) -> Result<(), WireError> {
        let next = match field.tag {
            1 => Self::Text(field.bytes()?),
            2 => Self::Bool(field.varint()? != 0),
            3 => Self::Int(field.varint()?.cast_signed()),
            4 => Self::Double(field.double()?),
            7 => Self::Bytes(field.bytes()?),
            8 => {
                field.varint()?;
                Self::None
            }
            5 => match self {
                Self::Array(parts) => {
                    parts.add(field.bytes()?);
                    return Ok(());
                }
                _ => Self::Array(Parts::One(field.bytes()?)),
            },
            6 => match self {
                Self::Map(parts) => {
                    parts.add(field.bytes()?);
                    return Ok(());
                }
                _ => Self::Map(Parts::One(field.bytes()?)),
            },
            _ => return Ok(()),
        };
        std::mem::replace(self, next).check(depth)
    }

    /// Whether a value that is not kept is right.
    pub(super) fn check(&self, depth: usize) -> Result<(), WireError> {
        let (parts, shape) = match self {
            Self::Array(parts) => (parts, &ARRAY_VALUE),
            Self::Map(parts) => (parts, &KEY_VALUE_LIST),
            _ => return Ok(()),
        };
        let depth = below(depth)?;
        parts.as_slice().iter().try_for_each(|part| check(part, shape, depth))
    }
}

/// A value that is no list of others and no bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Plain<'a> {
    /// Text that should be UTF-8.
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
}

impl Plain<'_> {
    /// Writes it in the form of [`model::attributes`]; text must be UTF-8.
    pub(super) fn write(self, out: &mut String) {
        match self {
            Self::Text(text) => attributes::write_string(out, std::str::from_utf8(text).unwrap_or_default()),
            Self::Bool(value) => Stored::Bool(value).write(out),
            Self::Int(value) => Stored::Int(value).write(out),
            Self::Double(value) => attributes::write_double(out, value),
        }
    }
}

/// Reads an attribute as nearly all are written: first the key and then a plain value, both short. `None` is
/// not an error: [`key_value`] reads any.
#[inline]
pub(super) fn plain(message: &[u8]) -> Option<(&[u8], Plain<'_>)> {
    let [0x0a, length, rest @ ..] = message else {
        return None;
    };
    let (key, [0x12, length, value @ ..]) = rest.split_at_checked(short(*length)?)? else {
        return None;
    };
    if short(*length)? != value.len() {
        return None;
    }
    let value = match value {
        [0x0a, length, text @ ..] if short(*length)? == text.len() => Plain::Text(text),
        [0x10, value @ (0 | 1)] => Plain::Bool(*value == 1),
        [0x18, rest @ ..] => Plain::Int(int(rest)?),
        [0x21, rest @ ..] => Plain::Double(f64::from_le_bytes(rest.try_into().ok()?)),
        _ => return None,
    };
    Some((key, value))
}

/// A length that takes one byte.
#[inline]
fn short(length: u8) -> Option<usize> {
    (length < 0x80).then_some(usize::from(length))
}

/// An integer of one to three bytes and no more behind it.
#[inline]
fn int(bytes: &[u8]) -> Option<i64> {
    let byte = |byte: u8| i64::from(byte & 0x7f);
    match *bytes {
        [a] if a < 0x80 => Some(byte(a)),
        [a, b] if a >= 0x80 && b < 0x80 => Some(byte(a) | byte(b) << 7),
        [a, b, c] if a >= 0x80 && b >= 0x80 && c < 0x80 => Some(byte(a) | byte(b) << 7 | byte(c) << 14),
        _ => None,
    }
}

/// Reads an attribute or an entry of a map, below whose value `depth` messages may nest.
#[inline]
pub(super) fn key_value(message: &[u8], depth: usize) -> Result<(&[u8], Any<'_>), WireError> {
    // Writers send the key first and then the value, both short.
    if let [0x0a, length, rest @ ..] = message
        && *length < 0x80
        && let Some((key, [0x12, length, value @ ..])) = rest.split_at_checked(usize::from(*length))
        && *length < 0x80
        && usize::from(*length) == value.len()
    {
        return Ok((key, Any::read(value, depth)?));
    }
    let (mut key, mut value): (&[u8], _) = (&[], Parts::None);
    for field in Fields::new(message) {
        let field = field?;
        match field.tag {
            1 => key = field.bytes()?,
            2 => value.add(field.bytes()?),
            3 => drop(field.varint()?),
            _ => {}
        }
    }
    Ok((key, Any::read_parts(&value, depth)?))
}

/// A value as it is stored.
#[derive(Debug, PartialEq)]
pub(super) enum Stored<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// Any other, in the form of [`model::attributes`].
    Other(String),
}

impl Stored<'_> {
    /// Writes it in the form of [`model::attributes`].
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => attributes::write_string(out, text),
            Self::Bool(value) => model::AnyValue::Bool(*value).write(out),
            Self::Int(value) => model::AnyValue::Int(*value).write(out),
            Self::Double(value) => attributes::write_double(out, *value),
            Self::Other(text) => out.push_str(text),
        }
    }
}

/// The value, cut to `bytes_max`, and whether it was cut.
pub(super) fn store<'a>(
    value: Any<'a>,
    bytes_max: usize,
    depth: usize,
    marks: &mut Marks,
) -> Result<(Stored<'a>, bool), WireError> {
    let mut cutter = Cutter { left: bytes_max, cut: false, marks };
    let stored = match value {
        Any::Text(text) => Stored::Text(cutter.text(text)),
        Any::Bool(value) => Stored::Bool(value),
        Any::Int(value) => Stored::Int(value),
        Any::Double(value) => Stored::Double(value),
        other => {
            let mut text = String::new();
            cutter.write(other, 0, depth, &mut text)?;
            Stored::Other(text)
        }
    };
    let cut = cutter.cut;
    marks.truncated |= cut;
    Ok((stored, cut))
}

fn below(depth: usize) -> Result<usize, WireError> {
    depth.checked_sub(1).ok_or(WireError::Depth)
}

struct Cutter<'m> {
    /// How many bytes may still be kept.
    left: usize,
    cut: bool,
    marks: &'m mut Marks,
}

impl Cutter<'_> {
    /// Writes a value `level` arrays and maps deep, below which `depth` messages may nest.
    fn write(
        &mut self,
        value: Any<'_>,
        level: usize,
        depth: usize,
        out: &mut String,
    ) -> Result<(), WireError> {
        match value {
            Any::None => out.push_str("null"),
            Any::Text(text) => attributes::write_string(out, &self.text(text)),
            Any::Bool(value) => Stored::Bool(value).write(out),
            Any::Int(value) => Stored::Int(value).write(out),
            Any::Double(value) => attributes::write_double(out, value),
            Any::Bytes(bytes) => attributes::write_bytes(out, self.bytes(bytes)),
            Any::Array(_) | Any::Map(_) if level >= DEPTH_MAX => {
                value.check(depth)?;
                self.cut = true;
                out.push_str("null");
            }
            Any::Array(parts) => self.array(&parts, level + 1, below(depth)?, out)?,
            Any::Map(parts) => self.map(&parts, level + 1, below(depth)?, out)?,
        }
        Ok(())
    }

    fn array(
        &mut self,
        parts: &Parts<'_>,
        level: usize,
        depth: usize,
        out: &mut String,
    ) -> Result<(), WireError> {
        out.push('[');
        let start = out.len();
        for field in parts.fields() {
            let field = field?;
            if field.tag != 1 {
                continue;
            }
            let (message, depth) = (field.bytes()?, below(depth)?);
            if !self.spend(NESTED_VALUE_BYTES) {
                check(message, &ANY_VALUE, depth)?;
                continue;
            }
            if out.len() > start {
                out.push(',');
            }
            self.write(Any::read(message, depth)?, level, depth, out)?;
        }
        out.push(']');
        Ok(())
    }

    fn map(
        &mut self,
        parts: &Parts<'_>,
        level: usize,
        depth: usize,
        out: &mut String,
    ) -> Result<(), WireError> {
        let mut writer = AttributesWriter::default();
        for field in parts.fields() {
            let field = field?;
            if field.tag != 1 {
                continue;
            }
            let (message, depth) = (field.bytes()?, below(depth)?);
            if self.cut {
                check(message, &KEY_VALUE, depth)?;
                continue;
            }
            let depth = below(depth)?;
            let (key, value) = key_value(message, depth)?;
            if !self.spend(NESTED_VALUE_BYTES + key.len()) {
                value.check(depth)?;
                continue;
            }
            let key = repair(key, self.marks);
            let mut result = Ok(());
            writer.put_with(&key, |out| result = self.write(value, level, depth, out));
            result?;
        }
        writer.finish_map(out);
        Ok(())
    }

    fn text<'t>(&mut self, text: &'t [u8]) -> Cow<'t, str> {
        let mut text = repair(text, self.marks);
        if text.len() > self.left {
            let end = text.floor_char_boundary(self.left);
            text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
                Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
            };
            self.cut = true;
        }
        self.left -= text.len();
        text
    }

    fn bytes<'t>(&mut self, bytes: &'t [u8]) -> &'t [u8] {
        let kept = &bytes[..bytes.len().min(self.left)];
        self.cut |= kept.len() < bytes.len();
        self.left -= kept.len();
        kept
    }

    /// Takes `bytes` of what is left; false if there is not enough, or was not before.
    fn spend(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.cut = true,
        }
        !self.cut
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use prost::Message;

    use super::*;

    fn wire(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn text(text: &str) -> AnyValue {
        wire(Value::StringValue(text.to_owned()))
    }

    fn array(values: Vec<AnyValue>) -> AnyValue {
        wire(Value::ArrayValue(ArrayValue { values }))
    }

    fn map(key: &str, value: AnyValue) -> AnyValue {
        let values = vec![KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }];
        wire(Value::KvlistValue(KeyValueList { values }))
    }

    fn check(value: AnyValue, bytes_max: usize, expected: &str, expected_cut: bool) {
        let mut marks = Marks::default();
        let message = value.encode_to_vec();
        let any = Any::read(&message, VALUE_DEPTH).unwrap();
        let (stored, cut) = store(any, bytes_max, VALUE_DEPTH, &mut marks).unwrap();
        let mut found = String::new();
        stored.write(&mut found);
        assert_eq!((found.as_str(), cut), (expected, expected_cut));
        assert_eq!(marks, Marks { truncated: expected_cut, repaired: false });
    }

    #[test]
    fn values_keep_their_types_and_are_cut_at_the_limit() {
        let cases = [
            (text("héllo"), 100, "\"héllo\"", false),
            (text("héllo"), 6, "\"héllo\"", false),
            (text("héllo"), 2, "\"h\"", true),
            (wire(Value::BytesValue(vec![1, 2, 3])), 3, "{\"$bytes\":\"AQID\"}", false),
            (wire(Value::BytesValue(vec![1, 2, 3])), 2, "{\"$bytes\":\"AQI=\"}", true),
            (wire(Value::IntValue(i64::MIN)), 0, "-9223372036854775808", false),
            (wire(Value::DoubleValue(f64::NAN)), 0, "{\"$double\":\"NaN\"}", false),
            (wire(Value::StringValueStrindex(4)), 9, "null", false),
            (AnyValue::default(), 9, "null", false),
            (array(vec![text("ab"), text("cd")]), 20, "[\"ab\",\"cd\"]", false),
            (array(vec![text("ab"), text("cd")]), 17, "[\"ab\"]", true),
            (array(vec![text("ab"), text("cd")]), 19, "[\"ab\",\"c\"]", true),
            (map("k", text("v")), 10, "{\"k\":\"v\"}", false),
            (map("k", text("v")), 8, "{}", true),
            (map("$k", text("v")), 11, "{\"$map\":{\"$k\":\"v\"}}", false),
        ];
        for (value, bytes_max, expected, cut) in cases {
            check(value, bytes_max, expected, cut);
        }
    }

    #[test]
    fn plain_attributes_are_read_as_any_are() {
        let values = [
            Value::StringValue(String::new()),
            Value::StringValue("v".repeat(125)),
            Value::StringValue("v".repeat(126)),
            Value::StringValue("v".repeat(200)),
            Value::BoolValue(false),
            Value::BoolValue(true),
            Value::DoubleValue(-0.5),
            Value::BytesValue(vec![1]),
            Value::StringValueStrindex(3),
        ];
        let ints =
            [0, 1, 127, 128, 16_383, 16_384, (1 << 21) - 1, 1 << 21, -1, i64::MIN].map(Value::IntValue);
        let mut read = 0;
        for value in values.into_iter().chain(ints) {
            let message = KeyValue { key: "k".to_owned(), value: Some(wire(value)), key_strindex: 0 };
            let message = message.encode_to_vec();
            let expected = key_value(&message, VALUE_DEPTH).unwrap();
            for end in 0..message.len() {
                assert_eq!(plain(&message[..end]), None, "cut to {end}: {message:?}");
            }
            let Some((key, value)) = plain(&message) else { continue };
            read += 1;
            let value = match value {
                Plain::Text(text) => Any::Text(text),
                Plain::Bool(value) => Any::Bool(value),
                Plain::Int(value) => Any::Int(value),
                Plain::Double(value) => Any::Double(value),
            };
            assert_eq!(format!("{:?}", (key, value)), format!("{expected:?}"));
        }
        assert_eq!(read, 12);
    }

    #[test]
    fn what_is_too_deep_is_null() {
        let nested = |depth| (0..depth).fold(text("x"), |inner, _| array(vec![inner]));
        check(nested(DEPTH_MAX), 10_000, &format!("{}\"x\"{}", "[".repeat(48), "]".repeat(48)), false);
        check(nested(DEPTH_MAX + 1), 10_000, &format!("{}null{}", "[".repeat(48), "]".repeat(48)), true);
        let message = nested(DEPTH_MAX + 2).encode_to_vec();
        let any = Any::read(&message, VALUE_DEPTH).unwrap();
        assert_eq!(store(any, 10_000, VALUE_DEPTH, &mut Marks::default()), Err(WireError::Depth));
    }

    #[test]
    fn text_that_is_not_utf8_is_repaired_wherever_it_stands() {
        for place in 0..3 {
            let mut message = array(vec![map("key", text("abc")), text("def")]).encode_to_vec();
            let at = message.windows(3).position(|window| window == [&b"key"[..], b"abc", b"def"][place]);
            message[at.unwrap()] = 0xff;
            let mut marks = Marks::default();
            let any = Any::read(&message, VALUE_DEPTH).unwrap();
            let (stored, _) = store(any, 100, VALUE_DEPTH, &mut marks).unwrap();
            assert_eq!(marks, Marks { truncated: false, repaired: true });
            let Stored::Other(text) = stored else { panic!("{stored:?}") };
            assert_eq!(text.matches('\u{fffd}').count(), 1, "{text}");
        }
    }
}
