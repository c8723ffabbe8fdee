//! OTLP's `AnyValue` becomes the model's, within limits of size and depth.

use model::AnyValue;
use model::attributes::DEPTH_MAX;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue as WireValue, KeyValue};

use crate::decode::marks::Marks;
use crate::decode::notes::Notes;

/// What a value inside an array or map takes of the limit besides its text, in bytes.
const NESTED_VALUE_BYTES: usize = 8;

/// The value, cut to `bytes_max`; that it was cut is noted.
pub(super) fn convert(
    value: Option<WireValue>,
    bytes_max: usize,
    notes: &mut Notes,
    marks: &mut Marks,
) -> AnyValue {
    let mut cutter = Cutter { left: bytes_max, cut: false };
    let value = cutter.value(value, 0);
    notes.values_cut += u64::from(cutter.cut);
    marks.truncated |= cutter.cut;
    value
}

struct Cutter {
    /// How many bytes may still be kept.
    left: usize,
    cut: bool,
}

impl Cutter {
    fn value(&mut self, value: Option<WireValue>, depth: usize) -> AnyValue {
        match value.and_then(|value| value.value) {
            // References into a table that only profiles have count as absent, says the specification.
            None | Some(Value::StringValueStrindex(_)) => AnyValue::Null,
            Some(Value::StringValue(text)) => AnyValue::String(self.text(text)),
            Some(Value::BoolValue(value)) => AnyValue::Bool(value),
            Some(Value::IntValue(value)) => AnyValue::Int(value),
            Some(Value::DoubleValue(value)) => AnyValue::Double(value),
            Some(Value::BytesValue(bytes)) => AnyValue::Bytes(self.bytes(bytes)),
            Some(Value::ArrayValue(_) | Value::KvlistValue(_)) if depth >= DEPTH_MAX => {
                self.cut = true;
                AnyValue::Null
            }
            Some(Value::ArrayValue(array)) => AnyValue::Array(self.array(array.values, depth + 1)),
            Some(Value::KvlistValue(map)) => AnyValue::Map(self.map(map.values, depth + 1)),
        }
    }

    fn array(&mut self, values: Vec<WireValue>, depth: usize) -> Vec<AnyValue> {
        let mut kept = Vec::new();
        for value in values {
            if !self.spend(NESTED_VALUE_BYTES) {
                break;
            }
            kept.push(self.value(Some(value), depth));
        }
        kept
    }

    fn map(&mut self, entries: Vec<KeyValue>, depth: usize) -> Vec<(String, AnyValue)> {
        let mut kept = Vec::new();
        for KeyValue { key, value, .. } in entries {
            if !self.spend(NESTED_VALUE_BYTES + key.len()) {
                break;
            }
            let value = self.value(value, depth);
            kept.push((key, value));
        }
        kept
    }

    fn text(&mut self, mut text: String) -> String {
        if text.len() > self.left {
            text.truncate(text.floor_char_boundary(self.left));
            self.cut = true;
        }
        self.left -= text.len();
        text
    }

    fn bytes(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.len() > self.left {
            bytes.truncate(self.left);
            self.cut = true;
        }
        self.left -= bytes.len();
        bytes
    }

    /// Takes `bytes` of what is left; false if there is not enough.
    fn spend(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.cut = true,
        }
        !self.cut
    }
}
