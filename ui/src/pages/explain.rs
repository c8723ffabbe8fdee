//! `/explain`: what is wrong in a window of time, who may be the cause, and what the window was compared with.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use diagnosis::{Change, Diagnosis, Question, Status};
use model::{Reader, TimeRange, UnixNanos};

use crate::Ui;
use crate::address::{Address, and, search, term};
use crate::copy::{self, CopyAs};
use crate::format::{self, count, duration};
use crate::pages::changes::ChangeTable;
use crate::pages::incidents::newest_span;
use crate::pages::respond;
use crate::pages::suspects::{self, SuspectList};
use crate::problem::{Problem, html};
use crate::prose::Prose;
use crate::range::Range;
use crate::visit::{Frame, Section, Visit};

const MINUTE: i64 = 60_000_000_000;
/// The window of a page that was not asked about a certain time.
const QUARTER: i64 = 15 * MINUTE;
/// How long before the window changes are looked for.
const CHANGES_BEFORE: i64 = 60 * MINUTE;
/// How many changes are shown, the newest ones; the rest are counted.
const CHANGES_MAX: usize = 20;
/// Windows that are offered: text, name.
const PRESETS: [(&str, &str); 4] = [
    ("now-5m", "last 5 minutes"),
    ("now-15m", "last 15 minutes"),
    ("now-1h", "last hour"),
    ("now-6h", "last 6 hours"),
];

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainPage {
    frame: Frame,
    /// The parameters as they stand in the form.
    t: String,
    service: String,
    vs: String,
    /// The window in words.
    range: String,
    /// Why another window than the one of the address is explained.
    note: Option<&'static str>,
    presets: Vec<(String, &'static str, bool)>,
    heading: &'static str,
    state: &'static str,
    message: Prose,
    baseline: Option<String>,
    partial: Option<String>,
    elapsed: String,
    suspects: SuspectList,
    changes: ChangeTable,
    /// How many changes are not shown.
    more_changes: Option<String>,
    /// What to try: address and text.
    ways: Vec<(String, &'static str)>,
    /// The same question to the API.
    request: String,
    copy: CopyAs,
}

/// The question of the address.
#[derive(Debug, Clone)]
struct Asked {
    /// What is explained; it has both ends.
    range: Range,
    from: i64,
    to: i64,
    service: String,
    /// What to compare with, where the address says so.
    vs: Option<Range>,
    note: Option<&'static str>,
}

/// Answers the page.
pub(crate) async fn page(
    State(ui): State<Ui>,
    Extension(reader): Extension<Reader>,
    visit: Visit,
) -> Response {
    respond(answer(&ui, &reader, &visit).await, &visit, &ui)
}

async fn answer(ui: &Ui, reader: &Reader, visit: &Visit) -> Result<Response, Problem> {
    let newest = newest_span(ui, reader).await?;
    let asked = Asked::of(visit, newest, UnixNanos::now())?;
    let diagnosis = ui.diagnostics.diagnose(reader, &asked.question()).await?;
    let before = TimeRange {
        from: Some(UnixNanos(asked.from.saturating_sub(CHANGES_BEFORE))),
        to: Some(UnixNanos(asked.to)),
    };
    let changes = ui.diagnostics.changes(reader, before).await?;
    html(&view(visit, ui.version, &asked, &diagnosis, changes))
}

impl Asked {
    /// Reads the address. A diagnosis is about a window with two ends: one that is open reaches to now, or begins a
    /// quarter of an hour before its end, and without any it is the newest quarter of an hour that has spans.
    fn of(visit: &Visit, newest: Option<UnixNanos>, now: UnixNanos) -> Result<Self, Problem> {
        let given = Range::of(&visit.params, now)?;
        let quarter = |to: UnixNanos| UnixNanos(to.0.saturating_sub(QUARTER));
        let (from, to, note) = match (given.range.from, given.range.to) {
            (Some(from), Some(to)) => (from, to, None),
            (Some(from), None) if from < now => (from, now, None),
            (Some(from), None) => {
                (from, UnixNanos(from.0.saturating_add(QUARTER)), Some("15 minutes from its begin"))
            }
            (None, Some(to)) => (quarter(to), to, Some("15 minutes before its end")),
            (None, None) => {
                let to = UnixNanos(newest.map_or(now.0, |newest| newest.0.saturating_add(1)));
                (quarter(to), to, Some("the newest 15 minutes that have spans"))
            }
        };
        let vs = visit.params.text("vs")?.trim();
        let vs = (!vs.is_empty()).then(|| Range::read("vs", vs, now)).transpose()?;
        // What was asked for stays in the address; a window that was chosen is named by its ends.
        let range = match note {
            None => Range { range: TimeRange { from: Some(from), to: Some(to) }, ..given },
            Some(_) => Range::between(from, to),
        };
        let service = visit.params.text("service")?.trim().to_owned();
        Ok(Self { range, from: from.0, to: to.0, service, vs, note })
    }

    fn question(&self) -> Question {
        Question {
            range: self.range.range,
            service: (!self.service.is_empty()).then(|| self.service.clone()),
            baseline: self.vs.as_ref().map(|vs| vs.range),
            ..Question::default()
        }
    }

    /// The page of another window.
    fn at(&self, t: &str) -> String {
        let vs = self.vs.as_ref().map_or("", |vs| vs.text.as_str());
        Address::new("/explain").with("t", t).with("service", &self.service).with("vs", vs).to_string()
    }

    /// The window with as much before and after it.
    fn wider(&self) -> String {
        let length = self.to.saturating_sub(self.from).max(MINUTE);
        self.at(&crate::range::between(self.from.saturating_sub(length), self.to.saturating_add(length)))
    }

    /// What to try where there is no suspect.
    fn ways(&self, status: Status) -> Vec<(String, &'static str)> {
        let t = self.range.text.as_str();
        let of_service = |q: &str| match self.service.as_str() {
            "" => q.to_owned(),
            service => and(q, &term("service", service)),
        };
        let mut ways = vec![(self.wider(), "Three times the window")];
        if !self.service.is_empty() {
            ways.push((Address::new("/explain").with("t", t).to_string(), "The same window, all services"));
        }
        match status {
            Status::Ok => ways.clear(),
            Status::Quiet => {
                ways.push((search("traces", &of_service("status:error"), t), "Failed traces of this time"));
                ways.push((search("logs", &of_service("severity>=error"), t), "Error logs of this time"));
            }
            Status::NotEnough => {
                ways.push(("/explain".to_owned(), "The newest 15 minutes that have spans"));
                ways.push(("/services?t=".to_owned(), "Services in everything stored"));
            }
        }
        // A service whose name is too long for a link has none.
        ways.retain(|(href, _)| !href.is_empty());
        ways
    }

    /// The same question elsewhere.
    fn copied(&self, visit: &Visit) -> CopyAs {
        let curl =
            format!("curl http://{}/api/diagnose -d {}", visit.authority, copy::quoted(&self.request()));
        let mut command = format!("causeway why{}", copy::flags(self.range.range));
        if !self.service.is_empty() {
            command.push_str(&format!(" --service {}", copy::quoted(&self.service)));
        }
        if let Some(TimeRange { from: Some(from), to: Some(to) }) = self.vs.as_ref().map(|vs| vs.range) {
            let (from, to) = (format::rfc3339(from.0), format::rfc3339(to.0));
            command.push_str(&format!(" --baseline-from {from} --baseline-to {to}"));
        }
        CopyAs::new(visit, &self.range).form("curl", curl).form("causeway", command)
    }

    /// The same question to the API.
    fn request(&self) -> String {
        let mut body = serde_json::json!({ "from": self.from.to_string(), "to": self.to.to_string() });
        if !self.service.is_empty() {
            body["service"] = self.service.as_str().into();
        }
        if let Some(TimeRange { from: Some(from), to: Some(to) }) = self.vs.as_ref().map(|vs| vs.range) {
            body["baseline"] = serde_json::json!({ "from": from.0.to_string(), "to": to.0.to_string() });
        }
        body.to_string()
    }
}

fn view(
    visit: &Visit,
    version: &'static str,
    asked: &Asked,
    diagnosis: &Diagnosis,
    mut changes: Vec<Change>,
) -> ExplainPage {
    let (heading, state) = match diagnosis.status {
        Status::Ok => ("Suspects", "ok"),
        Status::Quiet => ("Nothing is wrong here", "quiet"),
        Status::NotEnough => ("There is not enough to tell", "not-enough"),
    };
    let more = changes.len().saturating_sub(CHANGES_MAX);
    changes.truncate(CHANGES_MAX);
    let presets = PRESETS.iter().map(|(t, name)| (asked.at(t), *name, *t == asked.range.text));
    ExplainPage {
        frame: visit.frame("Explain", Section::Incidents, version).over(&asked.range),
        t: asked.range.text.clone(),
        service: asked.service.clone(),
        vs: asked.vs.as_ref().map(|vs| vs.text.clone()).unwrap_or_default(),
        range: crate::range::words(&asked.range.range),
        note: asked.note,
        presets: presets.collect(),
        heading,
        state,
        message: Prose::new(&diagnosis.message),
        baseline: diagnosis.baseline.as_ref().map(suspects::baseline),
        partial: diagnosis.partial.clone(),
        elapsed: duration(i64::try_from(diagnosis.elapsed_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)),
        suspects: SuspectList::new(&diagnosis.suspects, &asked.range.text),
        changes: ChangeTable::new(&changes),
        more_changes: (more > 0).then(|| format!("{} older ones are not shown.", count(more as u64))),
        ways: asked.ways(diagnosis.status),
        request: asked.request(),
        copy: asked.copied(visit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;
    use crate::sample::{self, HOSTILE, START};

    const NOW: UnixNanos = UnixNanos(START);

    fn asked(address: &str, newest: Option<i64>) -> Asked {
        Asked::of(&checks::visit(address), newest.map(UnixNanos), NOW).unwrap()
    }

    fn diagnosis(status: Status, message: &str) -> Diagnosis {
        let incident = sample::incident();
        let suspects = if status == Status::Ok { incident.suspects } else { Vec::new() };
        let baseline = (status != Status::NotEnough).then_some(incident.baseline).flatten();
        let message = message.to_owned();
        Diagnosis { status, message, baseline, suspects, partial: None, elapsed_ms: 321 }
    }

    fn page(name: &str, address: &str, diagnosis: &Diagnosis) -> String {
        let changes = sample::incident().changes;
        let page = view(&checks::visit(address), "0.1.0", &asked(address, None), diagnosis, changes)
            .render()
            .unwrap();
        checks::is_sound(name, &page);
        page
    }

    #[test]
    fn a_window_has_two_ends() {
        let old = START - 100 * 3_600_000_000_000;
        for (address, newest, from, to, is_chosen) in [
            ("/explain", Some(old), old + 1 - QUARTER, old + 1, true),
            ("/explain?t=", None, START - QUARTER, START, true),
            ("/explain?t=now-1h", Some(old), START - 60 * MINUTE, START, false),
            ("/explain?t=now-2h..now-1h", None, START - 120 * MINUTE, START - 60 * MINUTE, false),
            ("/explain?t=..now-1h", None, START - 60 * MINUTE - QUARTER, START - 60 * MINUTE, true),
            (
                "/explain?t=1900000000..",
                None,
                1_900_000_000_000_000_000,
                1_900_000_000_000_000_000 + QUARTER,
                true,
            ),
        ] {
            let asked = asked(address, newest);
            assert_eq!((asked.from, asked.to, asked.note.is_some()), (from, to, is_chosen), "{address}");
            assert_eq!(
                asked.question().range,
                TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) }
            );
        }
        for wrong in ["/explain?t=pink", "/explain?vs=pink", "/explain?t=5..4"] {
            assert!(Asked::of(&checks::visit(wrong), None, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_question_is_that_of_the_address() {
        let asked = asked("/explain?t=now-2h..now-1h&service=cart&vs=now-5h..now-4h", None);
        let question = asked.question();
        assert_eq!(question.service.as_deref(), Some("cart"));
        assert_eq!(question.baseline.unwrap().from, Some(UnixNanos(START - 300 * MINUTE)));
        let request: serde_json::Value = serde_json::from_str(&asked.request()).unwrap();
        assert_eq!(request["baseline"]["to"], (START - 240 * MINUTE).to_string());
        assert_eq!(asked.at("now-1h"), "/explain?t=now-1h&service=cart&vs=now-5h..now-4h");
    }

    #[test]
    fn suspects_are_shown_with_what_they_were_compared_with() {
        let answer = diagnosis(Status::Ok, "in payment, `charge::begin#73` is no longer followed");
        let page = page("explain", "/explain?t=now-15m&service=payment", &answer);
        for part in [
            "<code>charge::begin#73</code>",
            "24 minutes between 2025-11-21 08:30:00 and 2025-11-21 08:59:00 UTC: 24 of 29 minutes",
            "href=\"/traces/0af7651916cd43dd8448eb211c80319c?span=00f067aa0ba902b7#s-00f067aa0ba902b7\"",
            "797 ms",
            "3.50 GiB",
            "97 %",
            "rollout 17",
            "321 ms",
            "value=\"payment\"",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("Three times the window"));
    }

    #[test]
    fn what_is_not_known_is_said_with_what_to_try() {
        let quiet = diagnosis(Status::Quiet, "nothing differs from the reference");
        let quiet = page("explain-quiet", "/explain?t=now-15m&service=cart", &quiet);
        for part in
            ["Nothing is wrong here", "nothing differs", "24 minutes", "Failed traces", "all services"]
        {
            assert!(quiet.contains(part), "{part}");
        }
        let empty = diagnosis(Status::NotEnough, "there are no spans in this window");
        let empty = page("explain-not-enough", "/explain?t=now-15m", &empty);
        for part in [
            "There is not enough to tell",
            "there are no spans in this window",
            "newest 15 minutes",
            "/services?t=",
        ] {
            assert!(empty.contains(part), "{part}");
        }
        assert!(!empty.contains("Compared with") && !empty.contains("all services"));
    }

    #[test]
    fn hostile_text_stays_text() {
        let incident = sample::hostile_incident();
        let (status, message) = (Status::Ok, HOSTILE.to_owned());
        let (suspects, baseline) = (incident.suspects, incident.baseline);
        let partial = Some(HOSTILE.to_owned());
        let answer = Diagnosis { status, message, baseline, suspects, partial, elapsed_ms: 1 };
        let address = "/explain?t=now-1h&service=%3Cscript%3E%22%27&vs=now-3h..now-2h";
        page("explain-hostile", address, &answer);
    }
}
