//! Parquet's hybrid of runs and packed bits, for definition levels and places in a dictionary.
//!
//! A run is its length times two as a varint, then the value in whole bytes. Packed values come in groups of eight: the
//! number of groups times two plus one as a varint, then the values' low bits one behind another.

/// How many equal values become a run. Fewer are packed.
const RUN_MIN: usize = 8;
/// How many bytes of equal bits become a run.
const RUN_BYTES_MIN: usize = 4;

/// Writes the first `rows` bits, which have one bit each in `bits`.
pub(super) fn write_bits(bits: &[u8], rows: usize, out: &mut Vec<u8>) {
    let whole = rows / 8;
    let (mut packed, mut at) = (0, 0);
    while at < whole {
        let byte = bits[at];
        if byte != 0 && byte != u8::MAX {
            at += 1;
            continue;
        }
        let length = bits[at..whole].iter().take_while(|other| **other == byte).count();
        if length >= RUN_BYTES_MIN {
            write_groups(&bits[packed..at], None, out);
            write_run(u32::from(byte & 1), length * 8, 1, out);
            packed = at + length;
        }
        at += length;
    }
    // What stands behind the last row is not ours.
    let last = (!rows.is_multiple_of(8)).then(|| bits[whole] & ((1 << (rows % 8)) - 1));
    write_groups(&bits[packed..whole], last, out);
}

fn write_groups(bits: &[u8], last: Option<u8>, out: &mut Vec<u8>) {
    let groups = bits.len() + usize::from(last.is_some());
    if groups > 0 {
        write_varint(groups * 2 + 1, out);
        out.extend_from_slice(bits);
        out.extend(last);
    }
}

/// Writes numbers of at most `width` bits.
pub(super) fn write_numbers(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    let (mut packed, mut at) = (0, 0);
    while at < numbers.len() {
        let number = numbers[at];
        let length = numbers[at..].iter().take_while(|other| **other == number).count();
        // Packed values come by eight: the run lends those that are missing.
        let lent = (packed..at).len().wrapping_neg() % 8;
        if length >= RUN_MIN + lent {
            pack(&numbers[packed..at + lent], width, out);
            write_run(number, length - lent, width, out);
            packed = at + length;
        }
        at += length;
    }
    pack(&numbers[packed..], width, out);
}

/// Writes so many equal numbers.
pub(super) fn write_run(number: u32, length: usize, width: u8, out: &mut Vec<u8>) {
    write_varint(length * 2, out);
    out.extend_from_slice(&number.to_le_bytes()[..usize::from(width.div_ceil(8))]);
}

/// Writes numbers packed, zeros behind them until they are a number of whole groups.
fn pack(numbers: &[u32], width: u8, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    write_varint(numbers.len().div_ceil(8) * 2 + 1, out);
    let (mut word, mut bits) = (0u64, 0u32);
    for number in numbers {
        word |= u64::from(*number) << bits;
        bits += u32::from(width);
        if bits >= 32 {
            out.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            bits -= 32;
        }
    }
    let missing = numbers.len().wrapping_neg() % 8 * usize::from(width);
    let bytes = (bits as usize + missing).div_ceil(8);
    // At most 7 numbers of 32 bits are missing, and 31 bits are left.
    out.extend_from_slice(&word.to_le_bytes()[..bytes.min(8)]);
    out.resize(out.len() + bytes.saturating_sub(8), 0);
}

fn write_varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 128 {
        out.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}
