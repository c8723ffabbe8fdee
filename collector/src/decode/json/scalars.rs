//! Texts, numbers, ids and bytes of OTLP's JSON.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use crate::decode::DecodeError;

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Base64 in both alphabets, padded or not: readers of protobuf's JSON take all four.
const ENGINES: [GeneralPurpose; 2] =
    [GeneralPurpose::new(&STANDARD, ANY_PADDING), GeneralPurpose::new(&URL_SAFE, ANY_PADDING)];

/// Text.
pub(super) fn text(value: Value) -> Result<String, DecodeError> {
    match value {
        Value::String(text) => Ok(text),
        other => Err(DecodeError::expected("a string", &other)),
    }
}

/// True or false.
pub(super) fn boolean(value: &Value) -> Result<bool, DecodeError> {
    value.as_bool().ok_or_else(|| DecodeError::expected("true or false", value))
}

/// An integer, as number or string.
pub(super) fn integer<N: TryFrom<i128>>(value: &Value) -> Result<N, DecodeError> {
    let read = match value {
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            // A number written with a point or an exponent is an integer still if it has no fraction.
            .or_else(|| number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as i128)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    read.and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| DecodeError::expected("an integer in its range", value))
}

/// The number of an enum's value; its name is invalid.
pub(super) fn enumeration(value: &Value) -> Result<i32, DecodeError> {
    match value {
        Value::Number(_) => integer(value),
        _ => Err(DecodeError::expected("an enum's number", value)),
    }
}

/// A floating point number, or one of the three strings that stand for what is not finite.
pub(super) fn double(value: &Value) -> Result<f64, DecodeError> {
    let read = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            // Rust reads `inf` and `nan` too, which JSON does not.
            text if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => {
                text.parse().ok()
            }
            _ => None,
        },
        _ => None,
    };
    read.ok_or_else(|| DecodeError::expected("a number, \"NaN\", \"Infinity\" or \"-Infinity\"", value))
}

/// An id: hexadecimal of either case. Text that is not hexadecimal becomes an id of a wrong length, so that its
/// record is rejected alone and not the request.
pub(super) fn id(value: Value) -> Result<Vec<u8>, DecodeError> {
    const WRONG: [u8; 1] = [1];
    let text = text(value)?;
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    match digits {
        Some(digits) if digits.len().is_multiple_of(2) => {
            Ok(digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect())
        }
        _ => Ok(WRONG.to_vec()),
    }
}

/// Bytes in base64.
pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, DecodeError> {
    let read = match value {
        Value::String(text) => ENGINES.iter().find_map(|engine| engine.decode(text).ok()),
        _ => None,
    };
    read.ok_or_else(|| DecodeError::expected("base64", value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_numbers_or_strings() {
        let cases = [
            (json!(5), Some(5)),
            (json!("5"), Some(5)),
            (json!(i64::MIN), Some(i64::MIN)),
            (json!(i64::MAX.to_string()), Some(i64::MAX)),
            (json!(1e3), Some(1000)),
            (json!(u64::MAX), None),
            (json!(1.5), None),
            (json!(1e300), None),
            (json!(""), None),
            (json!("five"), None),
            (json!([5]), None),
        ];
        for (value, expected) in cases {
            assert_eq!(integer::<i64>(&value).ok(), expected, "{value}");
        }
        assert_eq!(integer::<u64>(&json!(u64::MAX.to_string())).ok(), Some(u64::MAX));
        assert_eq!(integer::<u64>(&json!(u64::MAX)).ok(), Some(u64::MAX));
        assert_eq!(integer::<u32>(&json!(-1)).ok(), None);
    }

    #[test]
    fn enums_are_numbers_only() {
        for (value, expected) in
            [(json!(2), Some(2)), (json!("SPAN_KIND_SERVER"), None), (json!("2"), None), (json!(2.5), None)]
        {
            assert_eq!(enumeration(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn doubles_have_three_names_for_what_is_not_finite() {
        let cases = [
            (json!(1), "1.0"),
            (json!(-2.5), "-2.5"),
            (json!("2.5e3"), "2500.0"),
            (json!("NaN"), "NaN"),
            (json!("Infinity"), "inf"),
            (json!("-Infinity"), "-inf"),
            (json!("inf"), "error"),
            (json!("nan"), "error"),
            (json!(""), "error"),
            (json!(true), "error"),
        ];
        for (value, expected) in cases {
            let found = double(&value).map_or("error".to_owned(), |number| format!("{number:?}"));
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn bytes_are_base64_of_any_kind() {
        for text in ["+/+/AQ==", "+/+/AQ", "-_-_AQ==", "-_-_AQ"] {
            assert_eq!(bytes(&json!(text)).ok(), Some(vec![0xfb, 0xff, 0xbf, 1]), "{text}");
        }
        assert!(bytes(&json!("not base64!")).is_err());
    }

    #[test]
    fn ids_are_hexadecimal() {
        let cases = [
            (json!("00fF"), vec![0, 255]),
            (json!(""), vec![]),
            (json!("0"), vec![1]),
            (json!("zz"), vec![1]),
            (json!("€€"), vec![1]),
        ];
        for (value, expected) in cases {
            assert_eq!(id(value.clone()).ok(), Some(expected), "{value}");
        }
        assert!(id(json!(5)).is_err());
    }
}
