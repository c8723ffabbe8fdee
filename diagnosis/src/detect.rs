//! Incidents open and close by themselves.
//!
//! Minutes are judged by event time, whenever their spans arrive: a recording of past days, or one replayed faster, does
//! the same as live traffic. A minute is due when no more of its spans come for a while. Every operation's errors and
//! durations are tested against the minutes before, those of incidents left out; what stays unusual for several minutes,
//! more than chance would have it anywhere in many days, is looked at through its traces. Only where these name a suspect an
//! incident opens. It is closed when its operations have been as usual for a while.

mod alarms;
mod minutes;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::TimestampNanosecondType;
use model::{Reader, Signal, TenantName, TimeRange, UnixNanos};
use query::QueryError;
use storage::Arrival;
use tokio_util::sync::CancellationToken;

use crate::answer::Status;
use crate::changes::{Change, ChangeKind};
use crate::counts::MINUTE;
use crate::incidents::{Affected, Incident, Moment};
use crate::{Diagnosis, Diagnostics, Question};
use alarms::{Alarm, Alarms};
use minutes::Minutes;

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
/// Marks of changes within so many minutes before an incident are told with it.
const CHANGES_BEFORE: i64 = 30;
/// The most affected operations that are told.
const AFFECTED_MAX: usize = 50;
/// Incidents that are looked through for open ones after a start.
const OPEN_MAX: usize = 100;
/// The most moments of a timeline.
const MOMENTS_MAX: usize = 100;

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
    if let Some(newest) = before.snapshot.extent(Signal::Spans).and_then(|extent| extent.to) {
        let newest = newest.0.div_euclid(MINUTE);
        detector.minutes.note((newest - JUDGED_MAX as i64..=newest).collect(), Instant::now());
    }
    drop(before);
    if let Err(error) = detector.take_up().await {
        tracing::warn!(%error, "incidents of an earlier run could not be read");
    }
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            arrival = arrivals.next() => match arrival {
                Some(Arrival::Rows(rows)) => detector.minutes.note(minutes_of(&rows), Instant::now()),
                Some(Arrival::Lost(_)) => {}
                None => return,
            },
            _ = look.tick() => {
                let due = detector.minutes.due(Instant::now(), JUDGED_MAX);
                if !due.is_empty() && let Err(error) = detector.judge(&due).await {
                    tracing::warn!(%error, "minutes could not be judged");
                    if error.is_temporary() {
                        detector.minutes.note(due.into_iter().collect(), Instant::now());
                    }
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

/// The minutes in which spans began.
fn minutes_of(rows: &arrow::array::RecordBatch) -> BTreeSet<i64> {
    let starts = rows.column_by_name("start_time");
    let starts = starts.and_then(|starts| starts.as_primitive_opt::<TimestampNanosecondType>());
    starts.into_iter().flat_map(|starts| starts.values()).map(|start| start.div_euclid(MINUTE)).collect()
}

/// What is known of one tenant's incidents.
struct Detector {
    diagnostics: Diagnostics,
    reader: Reader,
    minutes: Minutes,
    /// Minutes in which something was wrong: no history for others.
    wrong: BTreeSet<i64>,
    open: Option<Open>,
    /// Windows whose traces named nobody, by their first minute.
    dismissed: BTreeSet<i64>,
}

/// An incident under way.
struct Open {
    incident: Incident,
    first: i64,
    last: i64,
    looked: i64,
}

impl Detector {
    fn new(diagnostics: Diagnostics, reader: Reader) -> Self {
        let (minutes, wrong, dismissed) = (Minutes::default(), BTreeSet::new(), BTreeSet::new());
        Self { diagnostics, reader, minutes, wrong, open: None, dismissed }
    }

    /// Takes up the newest incident that an earlier run left open; older ones are over.
    async fn take_up(&mut self) -> Result<(), QueryError> {
        let known = self.diagnostics.incidents(&self.reader, TimeRange::ALL, OPEN_MAX).await?;
        let open = known.into_iter().filter(|incident| incident.end.is_none());
        for incident in open {
            let first = incident.start.parse::<i64>().unwrap_or(0).div_euclid(MINUTE);
            let starts = incident.operations.iter().filter_map(|affected| affected.start.parse::<i64>().ok());
            let last = starts.map(|start| start.div_euclid(MINUTE)).max().unwrap_or(first);
            let taken = Open { incident, first, last, looked: 0 };
            match self.open.is_none() {
                true => self.open = Some(taken),
                false => {
                    let end = Some(((last + 1) * MINUTE).to_string());
                    let incident = Incident { end, ..taken.incident };
                    self.diagnostics.put_incident(&self.reader, &incident).await?;
                }
            }
        }
        Ok(())
    }

    /// Judges minutes, the oldest first.
    async fn judge(&mut self, due: &[i64]) -> Result<(), QueryError> {
        let (Some(first), Some(last)) = (due.first(), due.last()) else { return Ok(()) };
        let gathering = self.diagnostics.engine.gathering(&self.reader)?;
        let alarms = Alarms::read(&gathering, *first, *last).await?;
        drop(gathering);
        self.mark_versions(&alarms, due).await?;
        for minute in due {
            self.judge_one(&alarms, *minute).await?;
        }
        Ok(())
    }

    async fn judge_one(&mut self, alarms: &Alarms, minute: i64) -> Result<(), QueryError> {
        let found = alarms.at(minute, &self.wrong);
        let lasting = alarms.lasting(minute, &found);
        if let Some(open) = &self.open
            && minute - open.last > CLOSED_AFTER
        {
            self.close().await?;
        }
        // Among many operations one is always somewhat unusual: what counts is what lasts, and what has been part of the
        // incident.
        let counts = |alarm: &Alarm| {
            let of_incident = self.open.as_ref().is_some_and(|open| is_part(&open.incident, alarm));
            of_incident || lasting.iter().any(|(_, other)| other == alarm)
        };
        let found: Vec<Alarm> = found.into_iter().filter(counts).collect();
        if found.is_empty() {
            if let Some(open) = &self.open
                && minute - open.last >= CLOSED_AFTER
            {
                self.close().await?;
            }
            return Ok(());
        }
        self.wrong.insert(minute);
        match &mut self.open {
            Some(open) if minute >= open.first => {
                open.last = open.last.max(minute);
                add(&mut open.incident, &found);
                let age = open.last - open.first;
                if age > open.looked && AGAIN_AFTER.contains(&age) {
                    open.looked = age;
                    self.look_again().await?;
                }
                self.put().await
            }
            _ => self.consider(alarms, minute, lasting).await,
        }
    }

    /// Opens an incident if traces name a suspect.
    async fn consider(
        &mut self,
        alarms: &Alarms,
        minute: i64,
        lasting: Vec<(i64, Alarm)>,
    ) -> Result<(), QueryError> {
        let Some(first) = lasting.iter().map(|(first, _)| *first).min() else { return Ok(()) };
        let found: Vec<Alarm> = lasting.into_iter().map(|(_, alarm)| alarm).collect();
        if self.dismissed.contains(&minute) {
            return Ok(());
        }
        let window = (first * MINUTE, (minute + 1) * MINUTE - 1);
        let diagnosis = self.diagnose(window).await?;
        if diagnosis.status != Status::Ok {
            self.dismissed.insert(minute);
            return Ok(());
        }
        let mut incident = Incident {
            id: format!("{:012x}", first),
            title: title(&diagnosis, &found),
            start: (first * MINUTE).to_string(),
            end: None,
            services: Vec::new(),
            operations: Vec::new(),
            traffic_share: 0.0,
            suspects: diagnosis.suspects,
            baseline: diagnosis.baseline,
            changes: self.changes_before(first).await?,
            timeline: Vec::new(),
        };
        for change in incident.changes.iter().rev() {
            let of = change.version.as_deref().or(change.text.as_deref()).unwrap_or("");
            let text = format!("{:?} of {} {of}", change.kind, change.service).to_lowercase();
            incident.timeline.push(Moment { time: change.time.clone(), text: text.trim().to_owned() });
        }
        for past in first..minute {
            let of_past = alarms.at(past, &BTreeSet::new());
            let same = |alarm: &&Alarm| found.iter().any(|other| other.is_same(alarm));
            let of_past: Vec<Alarm> = of_past.iter().filter(same).cloned().collect();
            add(&mut incident, &of_past);
        }
        add(&mut incident, &found);
        incident.traffic_share = alarms.share(first, minute);
        let summary = incident.suspects.first().map_or_else(String::new, |suspect| suspect.summary.clone());
        moment(&mut incident, (minute + 1) * MINUTE, format!("first suspect: {summary}"));
        self.wrong.extend(first..=minute);
        self.open = Some(Open { incident, first, last: minute, looked: 0 });
        self.put().await
    }

    async fn diagnose(&self, (from, to): (i64, i64)) -> Result<Diagnosis, QueryError> {
        let range = TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) };
        self.diagnostics.diagnose(&self.reader, &Question { range, ..Question::default() }).await
    }

    /// Asks anew who it was, now that more is known.
    async fn look_again(&mut self) -> Result<(), QueryError> {
        let Some(open) = &self.open else { return Ok(()) };
        let window = (open.first * MINUTE, (open.last + 1) * MINUTE - 1);
        let diagnosis = self.diagnose(window).await?;
        let Some(open) = &mut self.open else { return Ok(()) };
        if diagnosis.status == Status::Ok {
            let before =
                open.incident.suspects.first().map(|suspect| (suspect.service.clone(), suspect.kind.clone()));
            let after =
                diagnosis.suspects.first().map(|suspect| (suspect.service.clone(), suspect.kind.clone()));
            if before != after
                && let Some(suspect) = diagnosis.suspects.first()
            {
                let text = format!("first suspect: {}", suspect.summary);
                moment(&mut open.incident, (open.last + 1) * MINUTE, text);
            }
            open.incident.title = title(&diagnosis, &[]);
            open.incident.suspects = diagnosis.suspects;
            open.incident.baseline = diagnosis.baseline;
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<(), QueryError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let end = (open.last + 1) * MINUTE;
        open.incident.end = Some(end.to_string());
        moment(&mut open.incident, end, "as usual again".to_owned());
        self.put().await?;
        self.open = None;
        Ok(())
    }

    async fn put(&self) -> Result<(), QueryError> {
        match &self.open {
            Some(open) => self.diagnostics.put_incident(&self.reader, &open.incident).await,
            None => Ok(()),
        }
    }

    async fn changes_before(&self, first: i64) -> Result<Vec<Change>, QueryError> {
        let from = UnixNanos((first - CHANGES_BEFORE).saturating_mul(MINUTE));
        let to = UnixNanos((first + 1).saturating_mul(MINUTE));
        self.diagnostics.changes(&self.reader, TimeRange { from: Some(from), to: Some(to) }).await
    }

    /// Marks versions that nobody had before.
    async fn mark_versions(&self, alarms: &Alarms, due: &[i64]) -> Result<(), QueryError> {
        for (service, version, minute) in alarms.new_versions(due) {
            let time = minute.saturating_mul(MINUTE);
            let change = Change {
                id: format!("deploy-{service}-{version}").chars().take(120).collect(),
                time: time.to_string(),
                kind: ChangeKind::Deploy,
                service,
                namespace: None,
                environment: None,
                version: Some(version),
                text: None,
                source: "telemetry".to_owned(),
            };
            self.diagnostics.put_change(&self.reader, &change).await?;
        }
        Ok(())
    }
}

/// Whether an alarm is about an operation that an incident has reached already.
fn is_part(incident: &Incident, alarm: &Alarm) -> bool {
    let is_it = |known: &Affected| {
        (&known.service, &known.operation, known.signal.as_str())
            == (&alarm.service, &alarm.operation, alarm.signal)
    };
    incident.operations.iter().any(is_it)
}

fn title(diagnosis: &Diagnosis, found: &[Alarm]) -> String {
    match (diagnosis.suspects.first(), found.first()) {
        (Some(suspect), _) => format!("{}: {}", suspect.service, suspect.kind),
        (None, Some(alarm)) => format!("{}: {}", alarm.service, alarm.operation),
        (None, None) => "something is wrong".to_owned(),
    }
}

fn moment(incident: &mut Incident, time: i64, text: String) {
    if incident.timeline.len() < MOMENTS_MAX {
        incident.timeline.push(Moment { time: time.to_string(), text });
        incident.timeline.sort_by_key(|moment| moment.time.parse::<i64>().unwrap_or(0));
    }
}

/// Adds what alarms say to an incident: whom it reached, and when first.
fn add(incident: &mut Incident, found: &[Alarm]) {
    for alarm in found {
        let is_it = |known: &&mut Affected| {
            (&known.service, &known.operation, known.signal.as_str())
                == (&alarm.service, &alarm.operation, alarm.signal)
        };
        if !incident.services.contains(&alarm.service) {
            incident.services.push(alarm.service.clone());
        }
        let room = incident.operations.len() < AFFECTED_MAX;
        match incident.operations.iter_mut().find(is_it) {
            Some(known) if alarm.value > known.value => {
                (known.value, known.expected) = (alarm.value, alarm.expected);
            }
            Some(_) => {}
            None if room => {
                let start = alarm.minute * MINUTE;
                incident.operations.push(Affected {
                    service: alarm.service.clone(),
                    operation: alarm.operation.clone(),
                    signal: alarm.signal.to_owned(),
                    value: alarm.value,
                    expected: alarm.expected,
                    unit: alarm.unit.to_owned(),
                    start: start.to_string(),
                });
                let text =
                    format!("{} of {} {} begin to be unusual", alarm.signal, alarm.service, alarm.operation);
                moment(incident, start, text);
            }
            None => {}
        }
    }
}
