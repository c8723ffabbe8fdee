//! Incidents open and close by themselves.
//!
//! Minutes are judged by event time, whenever their spans arrive: a recording of past days, or one replayed faster, does
//! the same as live traffic. A minute is due when no more of its spans come for a while. Every operation's errors and
//! durations are tested against the minutes before, those of incidents left out; what stays unusual for several minutes,
//! more than chance would have it anywhere in many days, is looked at through its traces. Only where these name a suspect an
//! incident opens. It is closed when its operations have been as usual for a while. The minute after an unusual one is
//! looked at before it is over, so that what is clearly wrong need not wait for its end.

mod alarms;
mod marks;
mod minutes;
mod open;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::TimestampNanosecondType;
use model::{Reader, Signal, TenantName, TimeRange, UnixNanos};
use query::QueryError;
use storage::Arrival;
use tokio_util::sync::CancellationToken;

use crate::answer::Status;
use crate::changes::Change;
use crate::counts::MINUTE;
use crate::diagnose::{Blames, diagnose};
use crate::{CHANGES_BEFORE, Diagnosis, Diagnostics, Question};
use alarms::{Alarm, Alarms, services};
use marks::Known;
use minutes::{Came, Minutes, end};
use open::{Open, by_cause};

/// How often it is looked which minutes are due.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often it is looked whether there are new tenants.
const TENANTS_EVERY: Duration = Duration::from_secs(10);
/// Bytes of spans that wait to be noted; more are left out, and their minutes are known by others.
const INBOX_BYTES_MAX: usize = 32 << 20;
/// The most minutes that are judged at once.
const JUDGED_MAX: usize = 240;
/// Minutes as usual after which an incident is over.
const CLOSED_AFTER: i64 = 3;
/// The longest that an incident stays open without being looked at anew, in minutes.
const AGAIN_AFTER: [i64; 4] = [1, 2, 4, 9];
/// Incidents that are looked through for open ones after a start.
const OPEN_MAX: usize = 100;
/// Incidents of a tenant that are open at once; of more causes, what is wrong joins the oldest.
const OPEN_AT_ONCE_MAX: usize = 8;
/// What is wrong in less than this share of all calls may not show among the traces of all.
const SMALL_SHARE: f64 = 0.05;
/// The most services that are asked about then.
const SERVICES_ASKED_MAX: usize = 3;
/// Minutes that were wrong, or that named nobody, which are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// Watches the data of all tenants until it is told to stop.
pub async fn watch(diagnostics: Diagnostics, stop: CancellationToken) {
    let mut watched: BTreeSet<TenantName> = BTreeSet::new();
    loop {
        for tenant in diagnostics.engine.store().tenants() {
            if watched.insert(tenant.clone()) {
                tokio::spawn(watch_tenant(diagnostics.clone(), Reader::of(tenant), stop.clone()));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TENANTS_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn watch_tenant(diagnostics: Diagnostics, reader: Reader, stop: CancellationToken) {
    let subscribed = diagnostics.engine.store().subscribe(&reader, Signal::Spans, INBOX_BYTES_MAX);
    let Ok((before, mut arrivals)) = subscribed else { return };
    let mut detector = Detector::new(diagnostics, reader);
    // What was stored before somebody watched: its newest minutes.
    let newest = before.snapshot.extent(Signal::Spans).and_then(|extent| extent.to);
    drop(before);
    if let Err(error) = detector.take_up(newest.map(|newest| newest.0.div_euclid(MINUTE))).await {
        tracing::warn!(%error, "incidents of an earlier run could not be read");
    }
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            arrival = arrivals.next() => match arrival {
                Some(Arrival::Rows(rows)) => detector.minutes.note(came(&rows), Instant::now()),
                Some(Arrival::Lost(_)) => {}
                None => return,
            },
            _ = look.tick() => {
                let due = detector.minutes.due(Instant::now(), JUDGED_MAX);
                let looked = match due.is_empty() {
                    true => detector.look_ahead().await,
                    false => detector.judge(&due).await,
                };
                if let Err(error) = looked {
                    tracing::warn!(%error, "minutes could not be judged");
                    if error.is_temporary() {
                        detector.minutes.note(Came::whole(due), Instant::now());
                    }
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

/// The minutes in which spans began.
fn came(rows: &arrow::array::RecordBatch) -> Came {
    let starts = rows.column_by_name("start_time");
    let starts = starts.and_then(|starts| starts.as_primitive_opt::<TimestampNanosecondType>());
    Came::of(starts.map_or(&[], |starts| starts.values()))
}

/// What is known of one tenant's incidents.
struct Detector {
    diagnostics: Diagnostics,
    reader: Reader,
    minutes: Minutes,
    known: Known,
    /// Minutes in which something was wrong: no history for others.
    wrong: BTreeSet<i64>,
    open: Vec<Open>,
    /// Minutes at which traces named nobody.
    dismissed: BTreeSet<i64>,
    /// The newest minute that was judged, if something in it was unusual that no incident tells.
    unusual: Option<i64>,
}

impl Detector {
    fn new(diagnostics: Diagnostics, reader: Reader) -> Self {
        Self {
            diagnostics,
            reader,
            minutes: Minutes::default(),
            known: Known::default(),
            wrong: BTreeSet::new(),
            open: Vec::new(),
            dismissed: BTreeSet::new(),
            unusual: None,
        }
    }

    /// Takes up what an earlier run left open, and notes the minutes of `newest` that it did not judge.
    async fn take_up(&mut self, newest: Option<i64>) -> Result<(), QueryError> {
        let known = self.diagnostics.incidents(&self.reader, TimeRange::ALL, OPEN_MAX).await?;
        let mut settled = i64::MIN;
        for incident in known {
            let open = Open::again(incident);
            match (open.incident.end.is_some(), self.open.len() < OPEN_AT_ONCE_MAX) {
                (true, _) => {
                    self.wrong.extend(open.first..=open.last);
                    settled = settled.max(open.last);
                }
                (false, true) => self.open.push(open),
                (false, false) => self.close(open).await?,
            }
        }
        if let Some(newest) = newest {
            let first = (newest - JUDGED_MAX as i64).max(settled.saturating_add(1));
            self.minutes.note(Came::whole(first..=newest), Instant::now());
        }
        self.forget();
        Ok(())
    }

    /// Leaves the newest of what is remembered.
    fn forget(&mut self) {
        for minutes in [&mut self.wrong, &mut self.dismissed] {
            while minutes.len() > REMEMBERED_MAX {
                minutes.pop_first();
            }
        }
    }

    /// Judges minutes, the oldest first.
    async fn judge(&mut self, due: &[i64]) -> Result<(), QueryError> {
        let (Some(first), Some(last)) = (due.first(), due.last()) else { return Ok(()) };
        let gathering = self.diagnostics.engine.gathering(&self.reader)?;
        let alarms = Alarms::read(&gathering, *first, *last).await?;
        let marks = self.known.read(&gathering, (*first, *last), alarms.spans(*first, *last)).await?;
        drop(gathering);
        for change in marks.into_iter().chain(alarms.deploys(due)) {
            self.diagnostics.put_change(&self.reader, &change).await?;
        }
        for minute in due {
            self.judge_one(&alarms, *minute).await?;
        }
        self.forget();
        Ok(())
    }

    async fn judge_one(&mut self, alarms: &Alarms, minute: i64) -> Result<(), QueryError> {
        let found = alarms.at(minute, &self.wrong);
        let mut is_wrong = false;
        for at in (0..self.open.len()).rev() {
            let open = &mut self.open[at];
            // Among many operations one is always somewhat unusual: what counts is what has been part of the incident.
            let part: Vec<Alarm> = found.iter().filter(|alarm| open.has(alarm)).cloned().collect();
            if minute < open.first {
                continue;
            }
            if part.is_empty() {
                if minute - open.last >= CLOSED_AFTER {
                    let over = self.open.remove(at);
                    self.close(over).await?;
                }
                continue;
            }
            is_wrong = true;
            open.last = open.last.max(minute);
            open.add(&part);
            self.look_again(at).await?;
            self.put(at).await?;
        }
        let rest = self.part_of_none(minute, found);
        self.unusual = (!rest.is_empty()).then_some(minute);
        let lasting = alarms.lasting(minute, &rest);
        if is_wrong || !lasting.is_empty() {
            self.wrong.insert(minute);
        }
        if lasting.is_empty() || self.dismissed.contains(&minute) {
            return Ok(());
        }
        let is_somebody = self.consider(alarms, (minute, end(minute)), lasting).await?;
        if !is_somebody {
            self.dismissed.insert(minute);
        }
        Ok(())
    }

    /// Looks at a minute that is not over, after one that was unusual.
    async fn look_ahead(&mut self) -> Result<(), QueryError> {
        let Some(unusual) = self.unusual else { return Ok(()) };
        let Some((minute, newest)) = self.minutes.under_way(unusual, Instant::now()) else { return Ok(()) };
        let gathering = self.diagnostics.engine.gathering(&self.reader)?;
        let alarms = Alarms::read(&gathering, minute, minute).await?;
        drop(gathering);
        let found = self.part_of_none(minute, alarms.at(minute, &self.wrong));
        let lasting = alarms.lasting(minute, &found);
        if !lasting.is_empty() {
            self.consider(&alarms, (minute, newest), lasting).await?;
        }
        Ok(())
    }

    /// What no open incident tells.
    fn part_of_none(&self, minute: i64, found: Vec<Alarm>) -> Vec<Alarm> {
        let is_known = |alarm: &Alarm| self.open.iter().any(|open| minute >= open.first && open.has(alarm));
        found.into_iter().filter(|alarm| !is_known(alarm)).collect()
    }

    /// Opens incidents if traces until a time name suspects, one for each cause; what an open one causes joins it. Says
    /// whether they name any.
    async fn consider(
        &mut self,
        alarms: &Alarms,
        (minute, until): (i64, i64),
        lasting: Vec<(i64, Alarm)>,
    ) -> Result<bool, QueryError> {
        let Some(first) = lasting.iter().map(|(first, _)| *first).min() else { return Ok(false) };
        let found: Vec<Alarm> = lasting.into_iter().map(|(_, alarm)| alarm).collect();
        let share = alarms.share(first, minute, &|alarm| found.iter().any(|other| other.is_same(alarm)));
        let asked = self.ask((first * MINUTE, until), &found, share).await?;
        let Some((diagnosis, blames, service)) = asked else { return Ok(false) };
        for (suspect, found) in by_cause(&diagnosis, &blames, found) {
            let cause = &diagnosis.suspects[suspect];
            let room = self.open.len() < OPEN_AT_ONCE_MAX;
            let same = self.open.iter().position(|open| open.is_of(cause) || !room);
            if let Some(at) = same {
                let open = &mut self.open[at];
                open.add(&found);
                open.last = open.last.max(minute);
                self.put(at).await?;
                continue;
            }
            let mut own = diagnosis.clone();
            own.suspects[..=suspect].rotate_right(1);
            let names = self.open.iter().map(|open| open.incident.id.as_str());
            let changes = self.changes_before(first).await?;
            let mut open = Open::new(&own, (first, minute), until + 1, changes, names);
            for past in first..minute {
                let of_past = alarms.at(past, &BTreeSet::new());
                let same = |alarm: &&Alarm| found.iter().any(|other| other.is_same(alarm));
                open.add(&of_past.iter().filter(same).cloned().collect::<Vec<Alarm>>());
            }
            open.add(&found);
            open.service.clone_from(&service);
            open.incident.traffic_share = alarms.share(first, minute, &|alarm| open.has(alarm));
            self.wrong.extend(first..=minute);
            self.open.push(open);
            self.put(self.open.len() - 1).await?;
        }
        Ok(true)
    }

    /// Asks who it was; `None` if nobody is suspected. Among many services the traces of a small one are too few to show in
    /// those of all: then it is asked about the services of the alarms, the worst first. Says about which.
    async fn ask(
        &self,
        window: (i64, i64),
        found: &[Alarm],
        share: f64,
    ) -> Result<Option<(Diagnosis, Blames, Option<String>)>, QueryError> {
        let (diagnosis, blames) = self.diagnose(window, None).await?;
        if diagnosis.status == Status::Ok {
            return Ok(Some((diagnosis, blames, None)));
        }
        if share > SMALL_SHARE {
            return Ok(None);
        }
        for service in services(found).into_iter().take(SERVICES_ASKED_MAX) {
            let (diagnosis, blames) = self.diagnose(window, Some(service)).await?;
            if diagnosis.status == Status::Ok {
                return Ok(Some((diagnosis, blames, Some(service.to_owned()))));
            }
        }
        Ok(None)
    }

    async fn diagnose(
        &self,
        (from, to): (i64, i64),
        service: Option<&str>,
    ) -> Result<(Diagnosis, Blames), QueryError> {
        let range = TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) };
        let service = service.map(str::to_owned);
        let question = Question { range, service, is_under_way: true, ..Question::default() };
        Box::pin(diagnose(&self.diagnostics, &self.reader, &question)).await
    }

    /// Asks anew who it was, now and then, since more is known.
    async fn look_again(&mut self, at: usize) -> Result<(), QueryError> {
        let open = &self.open[at];
        let age = open.last - open.first;
        if age <= open.looked || !AGAIN_AFTER.contains(&age) {
            return Ok(());
        }
        let (diagnosis, blames) =
            self.diagnose((open.first * MINUTE, end(open.last)), open.service.as_deref()).await?;
        let alone = self.open.len() == 1;
        let open = &mut self.open[at];
        open.looked = age;
        if diagnosis.status == Status::Ok {
            open.learn(diagnosis, &blames, alone);
        }
        Ok(())
    }

    async fn close(&self, mut open: Open) -> Result<(), QueryError> {
        open.end();
        self.diagnostics.put_incident(&self.reader, &open.incident).await
    }

    async fn put(&self, at: usize) -> Result<(), QueryError> {
        self.diagnostics.put_incident(&self.reader, &self.open[at].incident).await
    }

    async fn changes_before(&self, first: i64) -> Result<Vec<Change>, QueryError> {
        let from = UnixNanos((first - CHANGES_BEFORE).saturating_mul(MINUTE));
        let to = UnixNanos((first + 1).saturating_mul(MINUTE));
        self.diagnostics.changes(&self.reader, TimeRange { from: Some(from), to: Some(to) }).await
    }
}
