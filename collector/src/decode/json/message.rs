//! A protobuf message being written.

use prost::encoding::{WireType, encode_key, encode_varint};

/// The bytes of a message.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn varint(&mut self, tag: u32, number: u64) {
        encode_key(tag, WireType::Varint, &mut self.0);
        encode_varint(number, &mut self.0);
    }

    /// An `int32`, `int64` or enum.
    pub(super) fn int(&mut self, tag: u32, number: impl Into<i64>) {
        self.varint(tag, number.into().cast_unsigned());
    }

    /// A `sint32`.
    pub(super) fn zigzag(&mut self, tag: u32, number: i32) {
        self.varint(tag, u64::from(((number << 1) ^ (number >> 31)).cast_unsigned()));
    }

    pub(super) fn fixed64(&mut self, tag: u32, number: u64) {
        encode_key(tag, WireType::SixtyFourBit, &mut self.0);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn double(&mut self, tag: u32, number: f64) {
        self.fixed64(tag, number.to_bits());
    }

    pub(super) fn fixed32(&mut self, tag: u32, number: u32) {
        encode_key(tag, WireType::ThirtyTwoBit, &mut self.0);
        self.0.extend(number.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, tag: u32, bytes: &[u8]) {
        encode_key(tag, WireType::LengthDelimited, &mut self.0);
        encode_varint(bytes.len() as u64, &mut self.0);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn message(&mut self, tag: u32, message: &Self) {
        self.bytes(tag, &message.0);
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
