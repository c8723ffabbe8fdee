//! Protobuf's wire format, read field by field out of borrowed bytes.
//!
//! What is accepted and what is not follows `prost`, with which the tests compare it: a known field must have
//! its wire type, unknown ones are skipped, and every length must fit.

/// How deep groups may nest. OTLP has none: they are unknown fields, which are skipped.
const GROUP_DEPTH_MAX: usize = 100;

/// How many messages below a record may nest. OTLP's own nest deeper only in values.
pub(super) const MESSAGE_DEPTH_MAX: usize = 100;

/// How many bits of a varint's byte are its value's.
const VARINT_BITS: u32 = 7;

/// What is wrong with bytes that should be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("a field ends past its message")]
    Truncated,
    #[error("a number has more than 64 bits")]
    Varint,
    #[error("a field has no valid key")]
    Key,
    #[error("field {0} has the wrong wire type")]
    WireType(u32),
    #[error("a group does not end where it should")]
    Group,
    #[error("messages nest more than {MESSAGE_DEPTH_MAX} deep")]
    Depth,
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) tag: u32,
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    /// A group, already skipped.
    Group,
}

impl<'a> Field<'a> {
    /// Bytes, text or a message.
    #[inline]
    pub(super) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::WireType(self.tag)),
        }
    }

    /// An unsigned integer.
    #[inline]
    pub(super) fn varint(self) -> Result<u64, WireError> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(WireError::WireType(self.tag)),
        }
    }

    /// An `int32`, `uint32` or enum: of more bits the upper ones are dropped.
    #[inline]
    pub(super) fn varint32(self) -> Result<u32, WireError> {
        Ok(self.varint()? as u32)
    }

    /// A `sint32`.
    pub(super) fn zigzag32(self) -> Result<i32, WireError> {
        let number = self.varint32()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// Eight bytes.
    #[inline]
    pub(super) fn fixed64(self) -> Result<u64, WireError> {
        match self.value {
            Value::Fixed64(number) => Ok(number),
            _ => Err(WireError::WireType(self.tag)),
        }
    }

    /// A floating point number.
    #[inline]
    pub(super) fn double(self) -> Result<f64, WireError> {
        self.fixed64().map(f64::from_bits)
    }

    /// Four bytes.
    #[inline]
    pub(super) fn fixed32(self) -> Result<u32, WireError> {
        match self.value {
            Value::Fixed32(number) => Ok(number),
            _ => Err(WireError::WireType(self.tag)),
        }
    }

    /// Gives `each` the items of a list of numbers of eight bytes, packed or not.
    pub(super) fn fixed64s(self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        let Value::Bytes(bytes) = self.value else {
            each(self.fixed64()?);
            return Ok(());
        };
        let (numbers, rest) = bytes.as_chunks::<8>();
        numbers.iter().for_each(|number| each(u64::from_le_bytes(*number)));
        if rest.is_empty() { Ok(()) } else { Err(WireError::Truncated) }
    }

    /// Gives `each` the items of a list of unsigned integers, packed or not.
    pub(super) fn varints(self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        let Value::Bytes(bytes) = self.value else {
            each(self.varint()?);
            return Ok(());
        };
        let mut fields = Fields::new(bytes);
        while !fields.rest.is_empty() {
            each(fields.varint()?);
        }
        Ok(())
    }
}

/// The number that a varint of a `sint64` stands for.
pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// The fields of a message, one after another. After an error there are no more.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The bytes of the fields that were not read yet.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    // A call for each field would take as long as reading it.
    #[inline(always)]
    fn read(&mut self) -> Result<Field<'a>, WireError> {
        let (tag, wire_type) = self.key()?;
        let value = match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.bytes()?),
            3 => {
                self.skip_group(tag, GROUP_DEPTH_MAX)?;
                Value::Group
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            4 => return Err(WireError::Group),
            _ => return Err(WireError::Key),
        };
        Ok(Field { tag, value })
    }

    #[inline]
    fn key(&mut self) -> Result<(u32, u32), WireError> {
        let key = u32::try_from(self.varint()?).map_err(|_| WireError::Key)?;
        if key >> 3 == 0 { Err(WireError::Key) } else { Ok((key >> 3, key & 7)) }
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for (index, byte) in self.rest.iter().enumerate() {
            let shift = VARINT_BITS * index as u32;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift > 63 || (shift == 63 && *byte > 1) {
                return Err(WireError::Varint);
            }
            number |= bits << shift;
            if *byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(number);
            }
        }
        Err(WireError::Truncated)
    }

    #[inline]
    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn skip_group(&mut self, tag: u32, depth: usize) -> Result<(), WireError> {
        let depth = depth.checked_sub(1).ok_or(WireError::Depth)?;
        loop {
            let (inner, wire_type) = self.key()?;
            match wire_type {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.bytes()?),
                3 => self.skip_group(inner, depth)?,
                4 if inner == tag => return Ok(()),
                4 => return Err(WireError::Group),
                5 => drop(self.array::<4>()?),
                _ => return Err(WireError::Key),
            }
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, WireError>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// A message that may come in several parts: the fields of all of them are its fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Parts<'a> {
    #[default]
    None,
    One(&'a [u8]),
    Many(Vec<&'a [u8]>),
}

impl<'a> Parts<'a> {
    pub(super) fn add(&mut self, part: &'a [u8]) {
        match self {
            Self::None => *self = Self::One(part),
            Self::One(first) => *self = Self::Many(vec![first, part]),
            Self::Many(parts) => parts.push(part),
        }
    }

    /// Whether it was sent at all.
    pub(super) fn is_some(&self) -> bool {
        *self != Self::None
    }

    pub(super) fn as_slice(&self) -> &[&'a [u8]] {
        match self {
            Self::None => &[],
            Self::One(part) => std::slice::from_ref(part),
            Self::Many(parts) => parts,
        }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Result<Field<'a>, WireError>> {
        self.as_slice().iter().flat_map(|part| Fields::new(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<Field<'_>, WireError>) {
        assert_eq!(Fields::new(bytes).next(), Some(expected), "{bytes:?}");
    }

    #[test]
    fn fields_are_read_and_wrong_ones_named() {
        let field = |tag, value| Ok(Field { tag, value });
        check(&[8, 5], field(1, Value::Varint(5)));
        check(&[8, 0x85, 1], field(1, Value::Varint(133)));
        check(&[18, 2, 7, 8], field(2, Value::Bytes(&[7, 8])));
        check(&[29, 1, 0, 0, 0], field(3, Value::Fixed32(1)));
        check(&[33, 1, 0, 0, 0, 0, 0, 0, 1], field(4, Value::Fixed64((1 << 56) + 1)));
        check(&[35, 8, 1, 36], field(4, Value::Group));
        check(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], field(1, Value::Varint(u64::MAX)));
        check(&[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], Err(WireError::Varint));
        check(&[8, 255], Err(WireError::Truncated));
        check(&[18, 2, 7], Err(WireError::Truncated));
        check(&[18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], Err(WireError::Truncated));
        check(&[29, 1, 0, 0], Err(WireError::Truncated));
        check(&[0, 1], Err(WireError::Key));
        check(&[14], Err(WireError::Key));
        check(&[0x88, 0x80, 0x80, 0x80, 0x10, 1], Err(WireError::Key));
        check(&[36], Err(WireError::Group));
        check(&[35, 44], Err(WireError::Group));
        check(&[35, 8, 1], Err(WireError::Truncated));
        check(&[35; 1000], Err(WireError::Depth));
    }

    #[test]
    fn numbers_keep_their_sign() {
        for (number, expected) in [(0, 0), (1, -1), (2, 1), (u64::from(u32::MAX), i32::MIN)] {
            let field = Field { tag: 1, value: Value::Varint(number) };
            assert_eq!(field.zigzag32(), Ok(expected));
        }
    }
}
