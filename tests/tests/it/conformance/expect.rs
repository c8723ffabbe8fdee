//! What has to come back, and what has to be stored.

use serde_json::Value;
use tests::otlp::{hex, trace_id};

use super::{
    Tag,
    target::Target,
    wire::{Answer, Wire},
};

/// The code of gRPC that says a request is bad.
pub(crate) const INVALID_ARGUMENT: u32 = 3;
/// Not allowed.
pub(crate) const PERMISSION_DENIED: u32 = 7;
/// Too much.
pub(crate) const RESOURCE_EXHAUSTED: u32 = 8;
/// No such method.
pub(crate) const UNIMPLEMENTED: u32 = 12;
/// Not now.
pub(crate) const UNAVAILABLE: u32 = 14;
/// Nobody known.
pub(crate) const UNAUTHENTICATED: u32 = 16;

/// Codes of HTTP that invite a client to send the same again.
const RETRYABLE_HTTP: [u32; 4] = [429, 502, 503, 504];

/// What has to come back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// Success, `partial_success` unset.
    Success,
    /// Success, nothing rejected, and a message with this word in it.
    Warning(&'static str),
    /// Success, so many records rejected, and a message with this word in it.
    Partial(i64, &'static str),
    /// Refused for good, with these codes of HTTP and of gRPC.
    Refused(u16, u32),
    /// Refused for good as undecodable.
    Undecodable,
    /// Either.
    Either(&'static [Self]),
}

impl Expect {
    /// Whether the answer is that.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), String> {
        match self {
            Self::Success => match answer.accepted()?.partial {
                None => Ok(()),
                Some(partial) => Err(format!("partial_success is set: {partial:?}")),
            },
            Self::Warning(word) => partial(answer, 0, word),
            Self::Partial(rejected, word) => partial(answer, *rejected, word),
            Self::Refused(http, grpc) => refused(answer, *http, *grpc, false),
            Self::Undecodable => refused(answer, 400, INVALID_ARGUMENT, true),
            Self::Either(choices) => either(answer, choices),
        }
    }
}

fn partial(answer: &Answer, rejected: i64, word: &str) -> Result<(), String> {
    let Some((count, message)) = answer.accepted()?.partial else {
        return Err(format!("partial_success is not set; expected {rejected} rejected and {word:?}"));
    };
    if count != rejected {
        return Err(format!("{count} rejected instead of {rejected}: {message}"));
    }
    if message.is_empty() || !message.to_lowercase().contains(&word.to_lowercase()) {
        return Err(format!("the message does not say {word:?}: {message:?}"));
    }
    Ok(())
}

fn refused(answer: &Answer, http: u16, grpc: u32, bad_request: bool) -> Result<(), String> {
    let (code, refusal) = answer.refused()?;
    let wanted = if matches!(answer, Answer::Grpc(..)) { grpc } else { u32::from(http) };
    if code != wanted {
        return Err(format!("code {code} instead of {wanted}: {}", answer.describe()));
    }
    if refusal.code == 0 || refusal.message.is_empty() {
        return Err(format!("a refusal that does not say why: {refusal:?}"));
    }
    if bad_request && !refusal.bad_request {
        return Err(format!("no BadRequest detail: {}", answer.describe()));
    }
    not_retryable(answer)
}

/// Nothing in the answer may invite the client to send the same again.
pub(crate) fn not_retryable(answer: &Answer) -> Result<(), String> {
    let (code, refusal) = answer.refused()?;
    let inviting = match answer {
        Answer::Grpc(..) => code == UNAVAILABLE,
        Answer::Http(..) => RETRYABLE_HTTP.contains(&code) || answer.header("retry-after").is_some(),
    };
    match inviting || refusal.retry_info {
        true => Err(format!("invites a retry: {}", answer.describe())),
        false => Ok(()),
    }
}

/// The answer has to invite the client to come again, and to say when.
pub(crate) fn retryable(answer: &Answer) -> Result<(), String> {
    let (code, refusal) = answer.refused()?;
    let inviting = match answer {
        Answer::Grpc(..) => code == UNAVAILABLE && refusal.retry_info,
        Answer::Http(..) => {
            let seconds = answer.header("retry-after").and_then(|after| after.parse::<u32>().ok());
            (code == 429 || code == 503) && seconds.is_some()
        }
    };
    match inviting {
        true => Ok(()),
        false => Err(format!("no retry with a delay: {} {refusal:?}", answer.describe())),
    }
}

fn either(answer: &Answer, choices: &[Expect]) -> Result<(), String> {
    let mut reasons = Vec::new();
    for choice in choices {
        match choice.judge(answer) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; nor: "))
}

/// What has to be stored: an SQL statement, in which `{service}` is the service of the case, and its rows as JSON,
/// in which `{trace}` is the trace id of the case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored(pub(crate) &'static str, pub(crate) &'static str);

impl Stored {
    /// Whether it is; a receiver that cannot be looked into is believed.
    pub(crate) fn judge(&self, target: &Target, tag: &Tag) -> Result<(), String> {
        let Some(api) = target.api() else { return Ok(()) };
        let sql = self.0.replace("{service}", &tag.service);
        let rows = self.1.replace("{trace}", &hex(&trace_id(&tag.service)));
        let answer = api.sql_answer(&sql);
        if answer.status != 200 {
            return Err(format!("{sql}: {}", answer.text()));
        }
        let expected: Value = serde_json::from_str(&rows).expect("the table holds JSON");
        let rows = &answer.json()["rows"];
        match *rows == expected {
            true => Ok(()),
            false => Err(format!("{sql}: stored {rows} instead of {expected}")),
        }
    }
}

/// The type of an answer that carries a message has to be that of the request.
pub(crate) fn same_type(answer: &Answer, wire: Wire) -> Result<(), String> {
    match answer.header("content-type") {
        Some(kind) if kind.starts_with(wire.content_type()) => Ok(()),
        other => Err(format!("answered in {other:?}")),
    }
}
