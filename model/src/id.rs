//! Trace and span ids: bytes inside, lower-case hexadecimal outside.

use std::fmt;
use std::str::FromStr;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a {what} id: {digits} hexadecimal digits were expected, not all of them zero")]
pub struct IdError {
    /// `trace` or `span`.
    pub what: &'static str,
    /// How many digits one has.
    pub digits: usize,
    /// What was there instead.
    pub found: String,
}

macro_rules! id {
    ($name:ident, $bytes:literal, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// The id in `bytes`; `None` unless the length is right and one byte differs from zero.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let id: [u8; $bytes] = bytes.try_into().ok()?;
                (id != [0; $bytes]).then_some(Self(id))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Reads hexadecimal digits of either case.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let error =
                    || IdError { what: $what, digits: 2 * $bytes, found: text.chars().take(80).collect() };
                let digits = text.as_bytes();
                if digits.len() != 2 * $bytes {
                    return Err(error());
                }
                let mut id = [0; $bytes];
                for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
                    let high = (pair[0] as char).to_digit(16).ok_or_else(error)?;
                    let low = (pair[1] as char).to_digit(16).ok_or_else(error)?;
                    *byte = (high * 16 + low) as u8;
                }
                Self::from_bytes(&id).ok_or_else(error)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    };
}

id!(TraceId, 16, "trace", "The 16 bytes that name a trace, never all zero.");
id!(SpanId, 8, "span", "The 8 bytes that name a span within its trace, never all zero.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_either_case_and_print_lower() {
        let id: TraceId = "0AF7651916cd43dd8448eb211c80319c".parse().unwrap();
        assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn what_is_no_id_is_named() {
        for text in ["", "00", "0000000000000000", "b7ad6b716920333g", "b7ad6b71692033310", "€€€€€"]
        {
            let error = text.parse::<SpanId>().unwrap_err();
            assert!(error.to_string().contains("16 hexadecimal digits"), "{error}");
        }
    }
}
