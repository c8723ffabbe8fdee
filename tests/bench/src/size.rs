//! Sizes and times as they are written on the command line.

use std::str::FromStr;

/// A size in bytes, written as `512MB`, `1GiB` or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

/// The units, longest first where one ends in another.
const UNITS: [(&str, u64); 7] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let unit = UNITS.iter().find_map(|(name, bytes)| Some((lower.strip_suffix(name)?, *bytes)));
        let (number, bytes) = unit.unwrap_or((&lower, 1));
        let number = number.trim_end().parse::<u64>().ok();
        let bytes = number.and_then(|number| number.checked_mul(bytes));
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not a size: write it as 512MB, 512MiB or 1GiB"))
    }
}

/// A header, written as `name: value`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once(':').ok_or_else(|| format!("`{text}` is not a header: write it as `name: value`"))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1GiB", Some(1 << 30)),
            ("512MB", Some(512_000_000)),
            ("64 mib", Some(64 << 20)),
            ("7", Some(7)),
            ("7B", Some(7)),
            ("1.5GiB", None),
            ("-1", None),
            ("much", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(text.parse::<ByteSize>().ok(), bytes.map(ByteSize), "{text}");
        }
    }

    #[test]
    fn headers() {
        assert_eq!(header("X-A: b:c"), Ok(("x-a".to_owned(), "b:c".to_owned())));
        assert!(header("x").is_err());
    }
}
