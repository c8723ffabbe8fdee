//! `templates --stdin`: text from standard input, and for each of its lines a cluster: what one statement writes.
//! Asks nobody.
//!
//! The clusters are known only when all lines were read, so that between reading and writing the number of each
//! line's template lies in a temporary file: four bytes a line. Memory does not grow with the text, only with the
//! number of its templates, which has a limit; lines past it are one cluster.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

use storage::templates::{BODY_BYTES_MAX, Clusters, Miner, PLACEHOLDER, SEPARATOR, TOKENS_MAX, id, shown};

use super::error::ClientError;
use super::output::{Output, csv_lines};

/// How much of a line is looked at, in bytes.
const LINE_BYTES_MAX: usize = BODY_BYTES_MAX;
/// How much of a line that has too many variables: with a blank after each there are no more than [`TOKENS_MAX`].
const BEGINNING_BYTES_MAX: usize = 2 * TOKENS_MAX;
/// Stands in the temporary file for the template of lines that get none of their own.
const REST: u32 = u32::MAX;

/// Reads lines until the end and writes `line,cluster,template` for each, in their order.
pub(super) fn stdin(input: &mut dyn BufRead, output: &mut Output) -> Result<(), ClientError> {
    let temporary = |error: io::Error| ClientError::Open(format!("a temporary file cannot be used: {error}"));
    let mut numbers = BufWriter::new(tempfile::tempfile().map_err(temporary)?);
    let mut miner = Miner::default();
    let (mut line, mut lines) = (Vec::new(), 0u64);
    while read_line(input, &mut line).map_err(ClientError::Input)? {
        let number = template(&mut miner, &line);
        numbers.write_all(&number.to_le_bytes()).map_err(temporary)?;
        lines += 1;
    }
    let numbers = numbers.into_inner().map_err(|error| temporary(error.into_error()))?;
    write(numbers, lines, &miner, output)
}

/// Reads a line without its end, up to [`LINE_BYTES_MAX`], and passes over the rest of it. False at the end.
fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let bytes = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            bytes => bytes?,
        };
        if bytes.is_empty() {
            break;
        }
        any = true;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let piece = &bytes[..end.unwrap_or(bytes.len())];
        line.extend(&piece[..piece.len().min(LINE_BYTES_MAX - line.len())]);
        let read = piece.len() + usize::from(end.is_some());
        input.consume(read);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(any)
}

/// The number of a line's template. Bytes that are not UTF-8, and the two characters that the miner needs for
/// itself, are taken as U+FFFD.
fn template(miner: &mut Miner, line: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(line).replace([PLACEHOLDER, SEPARATOR], "\u{fffd}");
    let beginning = |bytes: usize| &text[..text.floor_char_boundary(bytes)];
    let mut variables = String::new();
    let number = miner
        .split(beginning(LINE_BYTES_MAX), &mut variables)
        .or_else(|| miner.split(beginning(BEGINNING_BYTES_MAX), &mut variables));
    number.map_or(REST, |number| number.0)
}

fn write(mut numbers: File, lines: u64, miner: &Miner, output: &mut Output) -> Result<(), ClientError> {
    let failed = |error: io::Error| ClientError::Open(format!("a temporary file cannot be read: {error}"));
    let clusters = Clusters::new(miner.templates());
    let row = |id: u64, text: &str| csv_lines([[format!("{id:016x}"), shown(text)]]);
    let rest = PLACEHOLDER.to_string();
    let rest = row(id(&rest), &rest)?;
    let rows = clusters.ids().iter().zip(clusters.texts()).map(|(id, text)| row(*id, text));
    let rows = rows.collect::<io::Result<Vec<_>>>()?;
    output.data("line,cluster,template\n")?;
    numbers.rewind().map_err(failed)?;
    let mut numbers = BufReader::new(numbers);
    for line in 1..=lines {
        let mut number = [0; size_of::<u32>()];
        numbers.read_exact(&mut number).map_err(failed)?;
        let row = match u32::from_le_bytes(number) {
            REST => &rest,
            number => &rows[clusters.of()[number as usize]],
        };
        output.data(&format!("{line},{row}"))?;
    }
    Ok(output.flush()?)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The rows for a text: cluster and template of each line, after a look at the header and the numbers.
    fn rows(text: &[u8]) -> Vec<(String, String)> {
        let written = Shared::default();
        // A small buffer, so that lines lie across its ends.
        let mut input = BufReader::with_capacity(7, text);
        stdin(&mut input, &mut Output::into(Box::new(written.clone()), None)).unwrap();
        let written = written.0.lock().unwrap().clone();
        let mut reader = csv::Reader::from_reader(written.as_slice());
        assert_eq!(reader.headers().unwrap(), &["line", "cluster", "template"][..]);
        let rows = reader.records().enumerate().map(|(at, row)| {
            let row = row.unwrap();
            assert_eq!(row[0], (at + 1).to_string());
            assert_eq!(row[1].len(), 16);
            (row[1].to_owned(), row[2].to_owned())
        });
        rows.collect()
    }

    fn templates(text: &[u8]) -> Vec<String> {
        rows(text).into_iter().map(|(_, template)| template).collect()
    }

    #[test]
    fn each_line_has_its_template() {
        let long = [b"job 7 ".as_slice(), &b"x".repeat(1 << 20), b"\njob 8 done"].concat();
        let cases: [(&[u8], &[&str]); 8] = [
            (b"", &[]),
            (b"\n", &[""]),
            (b"job 1 done\njob 2 done\n", &["job <*> done", "job <*> done"]),
            (b"job 1 done\r\n\r\nend", &["job <*> done", "", "end"]),
            (b"said \"a, b\" now 5", &["said \"a, b\" now <*>"]),
            (b"bad \xff\xfe byte 5\n", &["bad \u{fffd}\u{fffd} byte <*>"]),
            (b"a \x1a b \x1f 5", &["a \u{fffd} b \u{fffd} <*>"]),
            (&b"1 ".repeat(5000), &["<*>"]),
        ];
        for (text, expected) in cases {
            assert_eq!(templates(text), expected, "{:?}", String::from_utf8_lossy(text));
        }
        let found = templates(&long);
        assert_eq!(found[0].len(), "job <*> ".len() + LINE_BYTES_MAX - "job 7 ".len());
        assert_eq!(found[1], "job <*> done");
    }

    #[test]
    fn a_cluster_is_named_by_its_template_and_by_nothing_else() {
        let one = rows(b"user ann came\njob 1 done\n");
        let other = rows(b"something else\njob 99 done\n");
        assert_eq!(one[1], other[1]);
        assert_ne!(one[0].0, one[1].0);
    }

    #[test]
    fn there_are_as_many_rows_as_lines() {
        // A simple generator, so that lines of all kinds come in all orders.
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let text: Vec<u8> = (0..next(400))
                .map(|_| [b'\n', b'\r', b'a', b'1', b' ', b'"', b',', 0xff, 0x1a, b'='][next(10) as usize])
                .collect();
            let ended = text.is_empty() || text.ends_with(b"\n");
            let lines = text.iter().filter(|byte| **byte == b'\n').count() + usize::from(!ended);
            assert_eq!(rows(&text).len(), lines, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
