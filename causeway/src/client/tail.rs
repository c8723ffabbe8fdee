//! `tail`: rows as they arrive. The connection is opened again when it is lost, and goes on after the last row.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::{Format, TailArgs};
use crate::client::Outcome;
use crate::client::answer::{Kind, Page, Writer, misread};
use crate::client::error::ClientError;
use crate::client::events::{Event, Events};
use crate::client::output::{Output, hint, notice};
use crate::client::source::{Remote, Source};
use crate::client::text::{Tone, count};

/// How long to wait before a lost connection is opened again: twice as long each time, up to the second.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Refuses what cannot be followed, before anything is opened.
pub(super) fn check(args: &TailArgs) -> Result<(), ClientError> {
    if args.connection.data.is_some() {
        let message = "--data reads a directory that nothing is written to: leave it out to follow a server";
        return Err(ClientError::Usage(message.to_owned()));
    }
    if args.connection.format == Format::Json {
        let message = "a tail has no end, and so no whole JSON: --format ndjson has a row a line";
        return Err(ClientError::Usage(message.to_owned()));
    }
    Ok(())
}

/// Follows a server until Ctrl-C.
pub(super) fn tail(source: &Source, args: &TailArgs, output: &mut Output) -> Result<Outcome, ClientError> {
    let Source::Remote(remote) = source else {
        check(args)?;
        return Err(ClientError::Usage("a tail follows a server".to_owned()));
    };
    let kind = if args.spans { Kind::Spans } else { Kind::Logs };
    let text = args.query.join(" ");
    let params = [("q", text.clone()), ("signal", kind.key().to_owned())];
    let mut follower = Follower {
        kind,
        args,
        writer: Writer::following(kind, args.connection.format, output),
        output,
        last: None,
        rows: 0,
    };
    let (mut lost, mut pause) = (false, RETRY_FIRST);
    loop {
        let ended = match remote.follow("/api/tail", &params, follower.last.as_deref(), &text) {
            Ok(events) => {
                follower.say_connected(remote, lost);
                pause = RETRY_FIRST;
                follower.read(events)
            }
            Err(error) if lost && error.may_pass() => Err(error),
            Err(ClientError::Interrupted(_)) => Ok(()),
            Err(error) => return Err(error),
        };
        follower.output.flush()?;
        if source.interrupt().is_pressed() {
            break;
        }
        let reason = match ended {
            Ok(()) => "the server ended it".to_owned(),
            Err(error) if error.may_pass() => error.to_string(),
            Err(error) => return Err(error),
        };
        if !lost {
            notice(args.connection.color, Tone::Warn, "lost:", &format!("{reason}; trying again"));
        }
        lost = true;
        if source.interrupt().wait(pause) {
            break;
        }
        pause = (pause * 2).min(RETRY_MAX);
    }
    Ok(Outcome::of(follower.rows > 0))
}

/// What is known of the rows so far.
struct Follower<'a> {
    kind: Kind,
    args: &'a TailArgs,
    writer: Writer,
    output: &'a mut Output,
    /// Where to go on.
    last: Option<String>,
    rows: u64,
}

impl Follower<'_> {
    fn say_connected(&self, remote: &Remote, lost: bool) {
        let color = self.args.connection.color;
        if lost {
            notice(color, Tone::Good, "back:", &format!("following {} again", remote.url()));
        } else {
            hint(color, "following:", &format!("{}; Ctrl-C ends", remote.url()));
        }
    }

    /// Shows events until they end.
    fn read(&mut self, mut events: Events) -> Result<(), ClientError> {
        while let Some(event) = events.next()? {
            self.show(&event)?;
            self.last = event.id.or(self.last.take());
            // What waits to be read is shown together.
            if !events.has_more() {
                self.output.flush()?;
            }
        }
        Ok(())
    }

    fn show(&mut self, event: &Event) -> Result<(), ClientError> {
        match event.name.as_str() {
            "log" | "span" => {
                let asked = self.kind.path();
                let row = serde_json::from_str::<&RawValue>(&event.data);
                let row = row.map_err(|error| misread(asked, &error))?;
                self.rows += 1;
                self.writer.page(&Page::of(vec![row], asked), self.output)
            }
            "dropped" => {
                self.output.flush()?;
                notice(self.args.connection.color, Tone::Warn, "dropped:", &dropped(&event.data));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// What an event says that was left out.
fn dropped(data: &str) -> String {
    let data: Value = serde_json::from_str(data).unwrap_or_default();
    let number = |key: &str| data[key].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let rows = count(number("rows"), "row", "rows");
    let mut text = format!("{rows} that match came faster than they were taken");
    if number("untested") > 0 {
        text.push_str(&format!("; {} more were not looked at", number("untested")));
    }
    if data["unfinished"] == true {
        text.push_str("; rows since the last one may be missing, as looking for them took too long");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_said_in_words() {
        for (data, part) in [
            (r#"{"rows":1}"#, "1 row that match"),
            (r#"{"rows":0,"untested":7,"unfinished":false}"#, "; 7 more were not looked at"),
            (r#"{"rows":2,"untested":0,"unfinished":true}"#, "may be missing"),
            ("no json", "0 rows"),
        ] {
            assert!(dropped(data).contains(part), "{data}: {}", dropped(data));
        }
    }
}
