//! Parameters, from the query of an address or from a form. A form's come first; of several of a name the first
//! counts, but for those that are lists.

use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use model::{TimeRange, UnixNanos};

use super::answer::Failed;
use crate::error::QueryError;
use crate::promql::{self, Matcher, REGEXES_MAX};

/// The most selectors of a question.
const SELECTORS_MAX: usize = 100;
/// The first and the last time there, which clients send for open ends.
const FIRST_TIME: &str = "-292273086-05-16T16:47:06Z";
const LAST_TIME: &str = "292277025-08-18T07:12:54.999999999Z";

/// Parameters in their order.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let address = request.uri().query().unwrap_or_default().to_owned();
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !is_form {
            return Ok(Self::read(b"", &address));
        }
        let body = Bytes::from_request(request, state).await.map_err(|error| {
            Failed::from(QueryError::TooLarge(format!("the form cannot be read: {}", error.body_text())))
        })?;
        Ok(Self::read(&body, &address))
    }
}

impl Form {
    pub(super) fn read(body: &[u8], address: &str) -> Self {
        let pairs = form_urlencoded::parse(body).chain(form_urlencoded::parse(address.as_bytes()));
        Self(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }

    /// A parameter, empty if it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// All parameters of a name.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How many are wanted at most; none, or zero, is as many as there are.
    pub(super) fn limit(&self) -> Result<Option<usize>, Failed> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |message: &dyn fmt::Display| Failed::parameter("limit", message);
        match text.strip_prefix('-').unwrap_or(text).parse::<usize>() {
            Ok(0) => Ok(None),
            Ok(_) if text.starts_with('-') => Err(wrong(&"limit must be non-negative")),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(wrong(&format!("strconv.Atoi: parsing {text:?}: invalid syntax"))),
        }
    }

    /// A number that may be absent, as `metadata` and the like have it.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Failed> {
        match self.get(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| Failed::bad(format!("{name} must be a number"))),
        }
    }

    /// A time in milliseconds that has to be there.
    pub(super) fn time(&self, name: &str) -> Result<i64, Failed> {
        let text = self.get(name);
        time(text)
            .ok_or_else(|| Failed::parameter(name, format!("cannot parse {text:?} to a valid timestamp")))
    }

    /// A time in milliseconds that may be absent.
    pub(super) fn time_or(&self, name: &str, default: i64) -> Result<i64, Failed> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(default);
        }
        let wrong = || format!("invalid time value for '{name}': cannot parse {text:?} to a valid timestamp");
        time(text).ok_or_else(|| Failed::parameter(name, wrong()))
    }

    /// `start` and `end`, both included and open where they are absent, in milliseconds.
    pub(super) fn ends(&self) -> Result<(i64, i64), Failed> {
        Ok((self.time_or("start", i64::MIN)?, self.time_or("end", i64::MAX)?))
    }

    /// `start` and `end` as a range of stored times.
    pub(super) fn range(&self) -> Result<TimeRange, Failed> {
        let (start, end) = self.ends()?;
        Ok(stored(start, end))
    }

    /// A duration in nanoseconds that has to be there.
    pub(super) fn duration(&self, name: &str) -> Result<i64, String> {
        duration(self.get(name))
    }

    /// How long the question may take, if it says so.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, Failed> {
        if self.get("timeout").is_empty() {
            return Ok(None);
        }
        let nanos = self.duration("timeout").map_err(|message| Failed::parameter("timeout", message))?;
        Ok(Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))))
    }

    /// How far back selectors look, in milliseconds, if it is said.
    pub(super) fn lookback(&self) -> Result<Option<i64>, Failed> {
        if self.get("lookback_delta").is_empty() {
            return Ok(None);
        }
        let wrong = |message| Failed::bad(format!("error parsing lookback delta duration: {message}"));
        let ms = self.duration("lookback_delta").map_err(wrong)? / 1_000_000;
        Ok(Some(ms).filter(|ms| *ms > 0))
    }

    /// All of `match[]`. One that every series passes is refused.
    pub(super) fn selectors(&self) -> Result<Vec<Vec<Matcher>>, String> {
        let (mut selectors, mut regexes) = (Vec::new(), 0);
        for text in self.all("match[]") {
            if selectors.len() == SELECTORS_MAX {
                return Err(format!("match[] is given more than {SELECTORS_MAX} times"));
            }
            let matchers = promql::parse_selector(text).map_err(|error| error.to_string())?;
            regexes += matchers.iter().filter(|matcher| matcher.regex().is_some()).count();
            if regexes > REGEXES_MAX {
                return Err(format!("match[] has more than {REGEXES_MAX} regular expressions in all"));
            }
            selectors.push(matchers);
        }
        let chooses = |matchers: &Vec<Matcher>| matchers.iter().any(|matcher| !matcher.matches(""));
        match selectors.iter().all(chooses) {
            true => Ok(selectors),
            false => Err("match[] must contain at least one non-empty matcher".to_owned()),
        }
    }
}

/// A range of milliseconds, both ends included, as one of stored times.
pub(super) fn stored(start_ms: i64, end_ms: i64) -> TimeRange {
    let nanos = |ms: i64| UnixNanos(ms.saturating_mul(1_000_000));
    TimeRange { from: (start_ms > i64::MIN).then(|| nanos(start_ms)), to: end_ms.checked_add(1).map(nanos) }
}

/// A time in milliseconds: seconds with a fraction, or RFC 3339.
fn time(text: &str) -> Option<i64> {
    match text {
        FIRST_TIME => return Some(i64::MIN),
        LAST_TIME => return Some(i64::MAX),
        _ => (),
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds.trunc() * 1000.0 + (seconds.fract() * 1000.0).round();
        return ms.is_finite().then_some(ms as i64);
    }
    text.parse().ok().map(|time: jiff::Timestamp| {
        let floor = time.as_nanosecond().div_euclid(1_000_000);
        i64::try_from(floor).unwrap_or(if floor < 0 { i64::MIN } else { i64::MAX })
    })
}

/// A duration in nanoseconds: seconds with a fraction, or as PromQL has it.
fn duration(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.abs() * 1e9 > i64::MAX as f64 => {
            Err(format!("cannot parse {text:?} to a valid duration. It overflows int64"))
        }
        Ok(seconds) if !seconds.is_nan() => Ok((seconds * 1e9) as i64),
        _ => promql::parse_duration(text)
            .and_then(|ms| ms.checked_mul(1_000_000))
            .ok_or_else(|| format!("cannot parse {text:?} to a valid duration")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_prometheus_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1700000000.123", Some(1_700_000_000_123)),
            ("1700000000.1236", Some(1_700_000_000_124)),
            ("-1.5", Some(-1500)),
            ("1e9", Some(1_000_000_000_000)),
            ("1970-01-01T00:00:01.5Z", Some(1500)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("1969-12-31T23:59:59.9999Z", Some(-1)),
            (FIRST_TIME, Some(i64::MIN)),
            (LAST_TIME, Some(i64::MAX)),
            ("", None),
            ("now", None),
            ("NaN", None),
            ("Inf", None),
            ("1970-01-01", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, expected) in [
            ("15", Ok(15_000_000_000)),
            ("0.5", Ok(500_000_000)),
            ("-1", Ok(-1_000_000_000)),
            ("1m30s", Ok(90_000_000_000)),
            ("0s", Ok(0)),
            ("", Err("cannot parse \"\" to a valid duration")),
            ("soon", Err("cannot parse \"soon\" to a valid duration")),
            ("NaN", Err("cannot parse \"NaN\" to a valid duration")),
            ("1e10", Err("cannot parse \"1e10\" to a valid duration. It overflows int64")),
        ] {
            assert_eq!(duration(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_form_comes_before_the_address() {
        let form = Form::read(b"query=a%2Bb&match%5B%5D=x", "query=c&match[]=y&limit=5");
        assert_eq!(form.get("query"), "a+b");
        assert_eq!(form.all("match[]").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!((form.limit().unwrap(), form.get("absent")), (Some(5), ""));
    }

    #[test]
    fn a_range_includes_both_ends() {
        let range = |query: &str| Form::read(b"", query).range().unwrap();
        assert_eq!(range(""), TimeRange::ALL);
        let both = range("start=1&end=2.5");
        assert_eq!(both.from, Some(UnixNanos(1_000_000_000)));
        assert_eq!(both.to, Some(UnixNanos(2_501_000_000)));
        assert_eq!(range(&format!("start={FIRST_TIME}&end={LAST_TIME}")), TimeRange::ALL);
    }
}
