//! Server-sent events, as the HTML standard describes them, read from a connection.

use std::io::{BufRead, BufReader, Read};

use crate::client::error::ClientError;
use crate::client::interrupt::Guard;

/// The longest line in bytes: more than a server keeps for one reader.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// One event; one without data only moves the id on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is.
    pub(crate) name: String,
    /// What it says.
    pub(crate) data: String,
    /// Where to go on after it.
    pub(crate) id: Option<String>,
}

/// Events until the connection ends.
pub(crate) struct Events {
    reader: BufReader<Box<dyn Read>>,
    failed: Box<dyn Fn(std::io::Error) -> ClientError>,
    _guard: Option<Guard>,
}

impl Events {
    /// Events read from `reader`, which Ctrl-C ends as long as the guard lives. `failed` says what a broken
    /// connection means.
    pub(crate) fn new(
        reader: impl Read + 'static,
        failed: impl Fn(std::io::Error) -> ClientError + 'static,
        guard: Option<Guard>,
    ) -> Self {
        Self { reader: BufReader::new(Box::new(reader)), failed: Box::new(failed), _guard: guard }
    }

    /// The next event; `None` at the end. An event that is cut off is none.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, ClientError> {
        let mut event = Event::default();
        let mut any = false;
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if std::mem::take(&mut any) {
                    return Ok(Some(event));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" if event.data.is_empty() => value.clone_into(&mut event.data),
                "data" => event.data.extend(["\n", value]),
                "id" => event.id = Some(value.to_owned()),
                // A comment, or what a later version says.
                _ => continue,
            }
            any = true;
        }
        Ok(None)
    }

    /// Whether more has arrived already.
    pub(crate) fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// The next line without its end; `None` at the end of the connection, where half a line is none.
    fn line(&mut self) -> Result<Option<String>, ClientError> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        read.map_err(&self.failed)?;
        if bytes.pop() != Some(b'\n') {
            return Ok(None);
        }
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_the_standard_says() {
        let event = |name: &str, data: &str, id: Option<&str>| Event {
            name: name.to_owned(),
            data: data.to_owned(),
            id: id.map(str::to_owned),
        };
        for (text, expected) in [
            ("", vec![]),
            (": alive\n\n", vec![]),
            (": alive\nid: 7\n\n", vec![event("", "", Some("7"))]),
            ("event: log\nid: 1\ndata: {\"a\": 1}\n\n", vec![event("log", "{\"a\": 1}", Some("1"))]),
            ("event:log\r\ndata:x\r\n\r\n", vec![event("log", "x", None)]),
            (
                "data: a\ndata: b\nretry: 5\n\ndata: c\n\n",
                vec![event("", "a\nb", None), event("", "c", None)],
            ),
            ("data: whole\n\ndata: cut off", vec![event("", "whole", None)]),
            ("data: no empty line behind\n", vec![]),
        ] {
            let mut events = Events::new(text.as_bytes(), ClientError::Input, None);
            let read: Vec<Event> = std::iter::from_fn(|| events.next().unwrap()).collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
