//! Attributes as JSON text that keeps types: what stands in every `attributes` column.
//!
//! | value | text |
//! |---|---|
//! | string, bool, array | as in JSON |
//! | int | decimal digits: `5` |
//! | double | always with a point or an exponent: `5.0`, `1e300` |
//! | not finite | `{"$double":"NaN"}`, `"Infinity"`, `"-Infinity"` |
//! | bytes | `{"$bytes":"aGk="}` |
//! | map | as in JSON; if its first key begins with `$`: `{"$map":{…}}` |
//! | nothing | `null` |
//!
//! Keys stand in byte order and once each (of a repeated key the last value wins), so equal attributes are
//! equal text. There is no white space. Any JSON reader can read it; a reader that knows the table above gets
//! every type back.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How deep arrays and maps may nest. What is deeper is replaced by `null` and counted by the caller.
pub const DEPTH_MAX: usize = 48;

/// The largest integer that JavaScript holds exactly.
const JAVASCRIPT_INTEGER_MAX: u64 = (1 << 53) - 1;

/// How many bytes of a text are asked at a time whether one of them must be escaped.
const ESCAPE_CHUNK_BYTES: usize = 32;

/// A typed attribute value.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyValue {
    /// No value.
    Null,
    /// Text.
    String(String),
    /// True or false.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A 64-bit floating point number.
    Double(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    Array(Vec<AnyValue>),
    /// Values by name.
    Map(Vec<(String, AnyValue)>),
}

impl AnyValue {
    /// Writes the value in this module's form.
    pub fn write(&self, out: &mut String) {
        self.write_at(out, 0);
    }

    fn write_at(&self, out: &mut String, depth: usize) {
        match self {
            Self::Null => out.push_str("null"),
            Self::String(text) => write_string(out, text),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => _ = write!(out, "{value}"),
            Self::Double(value) => write_double(out, *value),
            Self::Bytes(bytes) => write_bytes(out, bytes),
            Self::Array(_) | Self::Map(_) if depth >= DEPTH_MAX => out.push_str("null"),
            Self::Array(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    value.write_at(out, depth + 1);
                }
                out.push(']');
            }
            Self::Map(entries) => {
                let mut writer = AttributesWriter::default();
                for (key, value) in entries {
                    writer.put_at(key, value, depth + 1);
                }
                writer.finish_map(out);
            }
        }
    }

    /// The value as text, as a search compares it and SQL shows it; `None` for no value.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::String(text) => Some(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Some(Cow::Owned(BASE64.encode(bytes))),
            Self::Double(value) if !value.is_finite() => Some(Cow::Borrowed(non_finite(*value))),
            Self::Double(value) => Some(Cow::Owned(value.to_string())),
            Self::Array(_) | Self::Map(_) => Some(Cow::Owned(self.to_json().to_string())),
            Self::Bool(_) | Self::Int(_) => {
                let mut text = String::new();
                self.write(&mut text);
                Some(Cow::Owned(text))
            }
        }
    }

    /// The value as JSON for people and programs: integers that JavaScript cannot hold and numbers that are
    /// not finite as strings, bytes as base64.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::String(text) => Value::String(text.clone()),
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) if value.unsigned_abs() > JAVASCRIPT_INTEGER_MAX => {
                Value::String(value.to_string())
            }
            Self::Int(value) => Value::from(*value),
            Self::Double(value) if !value.is_finite() => Value::String(non_finite(*value).to_owned()),
            Self::Double(value) => Value::from(*value),
            Self::Bytes(bytes) => Value::String(BASE64.encode(bytes)),
            Self::Array(values) => Value::Array(values.iter().map(Self::to_json).collect()),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
        }
    }

    /// The number this value is, or reads as.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Double(value) => Some(*value),
            Self::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn from_stored(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::String(text) => Self::String(text),
            Value::Number(number) => match number.as_i64() {
                Some(value) => Self::Int(value),
                None => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::Array(values) => Self::Array(values.into_iter().map(Self::from_stored).collect()),
            Value::Object(entries) => Self::from_object(entries),
        }
    }

    fn from_object(entries: serde_json::Map<String, serde_json::Value>) -> Self {
        use serde_json::Value;
        if entries.len() == 1 {
            match entries.iter().next() {
                Some((key, Value::String(text))) if key == "$bytes" => {
                    return Self::Bytes(BASE64.decode(text).unwrap_or_default());
                }
                Some((key, Value::String(text))) if key == "$double" => {
                    return Self::Double(match text.as_str() {
                        "Infinity" => f64::INFINITY,
                        "-Infinity" => f64::NEG_INFINITY,
                        _ => f64::NAN,
                    });
                }
                Some((key, Value::Object(inner))) if key == "$map" => {
                    return Self::Map(entries_of(inner.clone()));
                }
                _ => {}
            }
        }
        Self::Map(entries_of(entries))
    }
}

fn entries_of(entries: serde_json::Map<String, serde_json::Value>) -> Vec<(String, AnyValue)> {
    entries.into_iter().map(|(key, value)| (key, AnyValue::from_stored(value))).collect()
}

/// Collects attributes and writes them sorted, the last of a repeated key winning. Used again and again it
/// allocates nothing.
#[derive(Debug, Default)]
pub struct AttributesWriter {
    /// Keys as they are, each followed by its value's stored text.
    text: String,
    /// Where the keys and values stand in `text`.
    entries: Vec<(Range<usize>, Range<usize>)>,
}

impl AttributesWriter {
    /// Adds one attribute.
    pub fn put(&mut self, key: &str, value: &AnyValue) {
        self.put_at(key, value, 0);
    }

    /// Adds one attribute whose value `write` appends in this module's form.
    pub fn put_with(&mut self, key: &str, write: impl FnOnce(&mut String)) {
        let key_start = self.text.len();
        self.text.push_str(key);
        let start = self.text.len();
        write(&mut self.text);
        self.entries.push((key_start..start, start..self.text.len()));
    }

    fn put_at(&mut self, key: &str, value: &AnyValue, depth: usize) {
        self.put_with(key, |text| value.write_at(text, depth));
    }

    /// Takes back what was added of a key since the last finish.
    pub fn remove(&mut self, key: &str) {
        let text = &self.text;
        self.entries.retain(|(found, _)| text[found.clone()] != *key);
    }

    /// Whether nothing was added since the last finish.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends all attributes as one JSON object and begins anew.
    pub fn finish(&mut self, out: &mut String) {
        self.sort();
        out.push('{');
        for (index, (key, value)) in self.entries.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_string(out, &self.text[key.clone()]);
            out.push(':');
            out.push_str(&self.text[value.clone()]);
        }
        out.push('}');
        self.entries.clear();
        self.text.clear();
    }

    /// As [`Self::finish`], for a map inside a value: one whose first key begins with `$` is wrapped.
    pub fn finish_map(&mut self, out: &mut String) {
        self.sort();
        let first = self.entries.first();
        let wrapped = first.is_some_and(|(key, _)| self.text[key.clone()].starts_with('$'));
        if wrapped {
            out.push_str("{\"$map\":");
        }
        self.finish(out);
        if wrapped {
            out.push('}');
        }
    }

    fn sort(&mut self) {
        let text = &self.text;
        // The values of one key stay in order of arrival, so that the later one replaces the earlier.
        self.entries.sort_unstable_by(|(a, _), (b, _)| {
            text[a.clone()].cmp(&text[b.clone()]).then(a.start.cmp(&b.start))
        });
        self.entries.dedup_by(|later, earlier| {
            let same = text[later.0.clone()] == text[earlier.0.clone()];
            if same {
                earlier.1 = later.1.clone();
            }
            same
        });
    }
}

/// The entries of a stored text in its order: each key as [`quote`] gives it, and its value's stored text.
pub fn entries(stored: &str) -> impl Iterator<Item = (&str, &str)> {
    let bytes = stored.as_bytes();
    let mut at = 1;
    std::iter::from_fn(move || {
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let key_end = skip_value(bytes, at);
        let value_start = key_end + 1;
        let value_end = skip_value(bytes, value_start);
        let entry = (stored.get(at..key_end)?, stored.get(value_start..value_end)?);
        at = value_end + 1;
        Some(entry)
    })
}

/// The key that [`quote`] made `quoted` of.
pub fn unquote(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(quoted);
    match inner.contains('\\') {
        false => Cow::Borrowed(inner),
        true => serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned),
    }
}

/// All attributes of a stored text, in its order. Text that is no JSON object has none.
pub fn parse(stored: &str) -> Vec<(String, AnyValue)> {
    match serde_json::from_str(stored) {
        Ok(serde_json::Value::Object(entries)) => entries_of(entries),
        _ => Vec::new(),
    }
}

/// A stored value, such as a structured log body, with its types.
pub fn parse_value(stored: &str) -> Option<AnyValue> {
    serde_json::from_str(stored).ok().map(AnyValue::from_stored)
}

/// A stored text as JSON for people and programs; see [`AnyValue::to_json`].
pub fn to_json(stored: &str) -> serde_json::Value {
    serde_json::Value::Object(parse(stored).into_iter().map(|(key, value)| (key, value.to_json())).collect())
}

/// One attribute of a stored text. Reads no more than it must: keys stand in order.
pub fn get(stored: &str, key: &str) -> Option<AnyValue> {
    let mut quoted = String::with_capacity(key.len() + 2);
    write_string(&mut quoted, key);
    get_quoted(stored, &quoted).and_then(parse_value)
}

/// As [`get`], for a key quoted once by [`quote`] and looked up in many rows; gives the value's stored text.
pub fn get_quoted<'a>(stored: &'a str, quoted_key: &str) -> Option<&'a str> {
    entries(stored).find(|(key, _)| *key == quoted_key).map(|(_, value)| value)
}

/// A key as it stands in stored text.
pub fn quote(key: &str) -> String {
    let mut quoted = String::with_capacity(key.len() + 2);
    write_string(&mut quoted, key);
    quoted
}

/// The end of the JSON value that begins at `at`. Walks in a loop, so nesting cannot exhaust the stack.
fn skip_value(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = skip_string(bytes, at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' if depth == 0 => return at,
            _ => {}
        }
        if *byte == b'"' && depth == 0 {
            return at;
        }
        at += usize::from(*byte != b'"');
    }
    at
}

/// The position after the string that begins at `at`.
fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Writes a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    // Most have nothing to escape, which is seen many bytes at a time.
    let is_escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let has_escaped = |chunk: &[u8]| chunk.iter().fold(false, |found, byte| found | is_escaped(byte));
    if !text.as_bytes().chunks(ESCAPE_CHUNK_BYTES).any(has_escaped) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[written..at]);
        if escape.is_empty() {
            _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        written = at + 1;
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// Writes bytes in this module's form.
pub fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("{\"$bytes\":\"");
    BASE64.encode_string(bytes, out);
    out.push_str("\"}");
}

/// Writes a floating point number in this module's form.
pub fn write_double(out: &mut String, value: f64) {
    if value.is_finite() {
        // Rust's debug form is the shortest that reads back the same, always with a point or an exponent.
        _ = write!(out, "{value:?}");
    } else {
        _ = write!(out, "{{\"$double\":\"{}\"}}", non_finite(value));
    }
}

fn non_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

#[cfg(test)]
mod tests;
