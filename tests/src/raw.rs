//! Protobuf written by hand: for fields that no generated type has, and for bytes that are wrong on purpose.

/// A length-delimited field.
pub fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(u64::from(number) << 3 | 2);
    bytes.extend(varint(content.len() as u64));
    bytes.extend_from_slice(content);
    bytes
}

/// A field that holds a number.
pub fn number(number: u32, value: u64) -> Vec<u8> {
    let mut bytes = varint(u64::from(number) << 3);
    bytes.extend(varint(value));
    bytes
}

/// A field of eight fixed bytes.
pub fn fixed64(number: u32, value: u64) -> Vec<u8> {
    let mut bytes = varint(u64::from(number) << 3 | 1);
    bytes.extend(value.to_le_bytes());
    bytes
}

/// One of each kind of field under numbers that OTLP does not use.
pub fn unknown_fields() -> Vec<u8> {
    let nested = field(1, b"nested");
    [
        number(1_000, u64::MAX),
        fixed64(1_001, 7),
        field(1_002, &nested),
        varint(1_003 << 3 | 5),
        vec![1, 2, 3, 4],
    ]
    .concat()
}

/// A number in seven-bit groups.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
