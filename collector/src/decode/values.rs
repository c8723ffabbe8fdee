//! OTLP's `AnyValue` becomes the model's, within limits of size and depth.

use model::AnyValue;
use model::attributes::DEPTH_MAX;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue as WireValue, KeyValue};

use super::notes::Notes;

/// What a value inside an array or map takes of the limit besides its text, in bytes.
const NESTED_VALUE_BYTES: usize = 8;

/// The value, cut to `bytes_max`; that it was cut is noted.
pub(super) fn convert(value: Option<WireValue>, bytes_max: usize, notes: &mut Notes) -> AnyValue {
    let mut cutter = Cutter { left: bytes_max, cut: false };
    let value = cutter.value(value, 0);
    notes.values_cut += u64::from(cutter.cut);
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

#[cfg(test)]
mod tests {
    use model::Signal;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    use super::*;

    fn wire(value: Value) -> WireValue {
        WireValue { value: Some(value) }
    }

    fn text(text: &str) -> WireValue {
        wire(Value::StringValue(text.to_owned()))
    }

    fn array(values: Vec<WireValue>) -> WireValue {
        wire(Value::ArrayValue(ArrayValue { values }))
    }

    fn map(key: &str, value: WireValue) -> WireValue {
        let values = vec![KeyValue { key: key.to_owned(), value: Some(value), key_strindex: 0 }];
        wire(Value::KvlistValue(KeyValueList { values }))
    }

    fn check(value: WireValue, bytes_max: usize, expected: &str, cut: u64) {
        let mut notes = Notes::new(Signal::Spans);
        let mut found = String::new();
        convert(Some(value), bytes_max, &mut notes).write(&mut found);
        assert_eq!((found.as_str(), notes.values_cut), (expected, cut));
    }

    #[test]
    fn values_keep_their_types_and_are_cut_at_the_limit() {
        let cases = [
            (text("héllo"), 100, "\"héllo\"", 0),
            (text("héllo"), 6, "\"héllo\"", 0),
            (text("héllo"), 2, "\"h\"", 1),
            (wire(Value::BytesValue(vec![1, 2, 3])), 3, "{\"$bytes\":\"AQID\"}", 0),
            (wire(Value::BytesValue(vec![1, 2, 3])), 2, "{\"$bytes\":\"AQI=\"}", 1),
            (wire(Value::IntValue(i64::MIN)), 0, "-9223372036854775808", 0),
            (wire(Value::DoubleValue(f64::NAN)), 0, "{\"$double\":\"NaN\"}", 0),
            (wire(Value::StringValueStrindex(4)), 9, "null", 0),
            (WireValue::default(), 9, "null", 0),
            (array(vec![text("ab"), text("cd")]), 20, "[\"ab\",\"cd\"]", 0),
            (array(vec![text("ab"), text("cd")]), 17, "[\"ab\"]", 1),
            (array(vec![text("ab"), text("cd")]), 19, "[\"ab\",\"c\"]", 1),
            (map("k", text("v")), 10, "{\"k\":\"v\"}", 0),
            (map("k", text("v")), 8, "{}", 1),
        ];
        for (value, bytes_max, expected, cut) in cases {
            check(value, bytes_max, expected, cut);
        }
    }

    #[test]
    fn what_is_too_deep_is_null() {
        let nested = |depth| (0..depth).fold(text("x"), |inner, _| array(vec![inner]));
        check(nested(DEPTH_MAX), 10_000, &format!("{}\"x\"{}", "[".repeat(48), "]".repeat(48)), 0);
        check(nested(DEPTH_MAX + 1), 10_000, &format!("{}null{}", "[".repeat(48), "]".repeat(48)), 1);
    }
}
