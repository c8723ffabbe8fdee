//! Incidents that open by themselves: how long after a fault began, whether it is suspected, and how many there are
//! where nothing is wrong.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use demo::model::{FaultPlan, MINUTE, Plan};
use serde::Deserialize;

use super::judge::{Verdict, judge};
use crate::score::Share;
use crate::subject::Subject;
use crate::table::{Table, place, yes};
use crate::told::Suspect;

/// How often incidents are looked at, and how long nothing may change until all minutes count as judged.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SAME_FOR: Duration = Duration::from_secs(25);
/// The longest that is waited.
const WAIT_MAX: Duration = Duration::from_secs(1800);
/// An incident that begins so long after the end of a fault is still of it, and none that begins so long before.
const AROUND: i64 = 2 * MINUTE;
/// A second in nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// An incident as the API tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Incident {
    start: String,
    end: Option<String>,
    suspects: Vec<Suspect>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    incidents: Vec<Incident>,
}

/// What opened while a plan was lived through.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    seed: u64,
    faults: Vec<OfFault>,
    /// Those that are of no fault.
    false_ones: usize,
    minutes: u32,
}

/// What opened of a fault: how many, and what the first says.
#[derive(Debug, Clone)]
struct OfFault {
    plan: FaultPlan,
    count: usize,
    /// From the beginning of the fault to that of the incident, in seconds.
    after_s: Option<i64>,
    is_closed: bool,
    headline: String,
    verdict: Verdict,
}

/// Waits until all that was sent is judged, and compares what opened with the plan.
pub(super) fn opened(subject: &mut Subject, plan: &Plan) -> Result<Opened> {
    let mut incidents = wait(subject)?;
    incidents.sort_by_key(Incident::start);
    let of = |fault: &FaultPlan| of_fault(fault, incidents.iter().filter(|one| one.is_of(fault)));
    let is_false = |one: &&Incident| !plan.faults.iter().any(|fault| one.is_of(fault));
    Ok(Opened {
        seed: plan.seed,
        faults: plan.faults.iter().map(of).collect(),
        false_ones: incidents.iter().filter(is_false).count(),
        minutes: plan.minutes,
    })
}

/// The incidents, as soon as they no longer change.
fn wait(subject: &mut Subject) -> Result<Vec<Incident>> {
    let begun = Instant::now();
    let mut since = begun;
    let mut seen = look(subject)?;
    while since.elapsed() < SAME_FOR {
        if begun.elapsed() > WAIT_MAX {
            bail!("incidents still change after {} s", WAIT_MAX.as_secs());
        }
        thread::sleep(LOOK_EVERY);
        let now = look(subject)?;
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(seen)
}

fn look(subject: &mut Subject) -> Result<Vec<Incident>> {
    let text = subject.get("/api/incidents?limit=500")?;
    let answer: Answer = serde_json::from_str(&text).context("the answer is no list of incidents")?;
    Ok(answer.incidents)
}

fn of_fault<'a>(plan: &FaultPlan, mut incidents: impl Iterator<Item = &'a Incident>) -> OfFault {
    let (label, first) = (plan.fault.label(), incidents.next());
    let suspects = first.map_or(&[][..], |one| &one.suspects);
    OfFault {
        plan: *plan,
        count: usize::from(first.is_some()) + incidents.count(),
        after_s: first.map(|one| (one.start() - plan.from) / SECOND),
        is_closed: first.is_some_and(|one| one.end.is_some()),
        headline: suspects.first().map_or_else(|| "-".to_owned(), Suspect::place),
        verdict: judge(label, suspects),
    }
}

impl Incident {
    fn start(&self) -> i64 {
        self.start.parse().unwrap_or(i64::MAX)
    }

    fn is_of(&self, fault: &FaultPlan) -> bool {
        (fault.from - AROUND..fault.to + AROUND).contains(&self.start())
    }
}

/// All that opened, as a table.
pub(super) fn table(all: &[Opened]) -> Table {
    let columns = [
        "fault",
        "seed",
        "incidents",
        "begins after s",
        "closed",
        "first suspect",
        "service",
        "kind",
        "right is at",
    ];
    let mut table = Table::new("Demo: incidents that opened by themselves", &columns);
    for (opened, of) in all.iter().flat_map(|opened| opened.faults.iter().map(move |of| (opened, of))) {
        table.row([
            of.plan.fault.to_string(),
            opened.seed.to_string(),
            of.count.to_string(),
            of.after_s.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string()),
            yes(of.is_closed),
            of.headline.clone(),
            yes(of.verdict.service),
            yes(of.verdict.kind),
            place(of.verdict.rank),
        ]);
    }
    let faults: Vec<&OfFault> = all.iter().flat_map(|opened| &opened.faults).collect();
    let is_open = |of: &&OfFault| of.count > 0;
    table.note(format!("faults with an incident: {}", Share::of(&faults, is_open).text()));
    let right = Share::of(&faults, |of| of.count > 0 && of.verdict.is_right());
    table.note(format!("and its first suspect right in service and kind: {}", right.text()));
    let minutes: u32 = all.iter().map(|opened| opened.minutes).sum();
    let wrong: usize = all.iter().map(|opened| opened.false_ones).sum();
    table.note(format!("incidents of no fault: {wrong} in {minutes} minutes"));
    table
}

#[cfg(test)]
mod tests {
    use demo::fault::Fault;

    use super::*;

    #[test]
    fn incidents_belong_to_faults() {
        let fault = FaultPlan { fault: Fault::Cpu, from: 10 * MINUTE, to: 15 * MINUTE };
        let incident = |minute: i64| Incident {
            start: (minute * MINUTE).to_string(),
            end: None,
            suspects: vec![Suspect {
                service: "pricing".to_owned(),
                kind: "cpu".to_owned(),
                ..Suspect::default()
            }],
        };
        for (minute, expected) in [(7, false), (8, true), (11, true), (16, true), (17, false)] {
            assert_eq!(incident(minute).is_of(&fault), expected, "{minute}");
        }
        let both = [incident(11), incident(14)];
        let of = of_fault(&fault, both.iter());
        assert_eq!((of.count, of.after_s, of.is_closed), (2, Some(60), false));
        assert!(of.verdict.is_right());
        let none = of_fault(&fault, [].iter());
        assert_eq!((none.count, none.after_s, none.headline.as_str()), (0, None, "-"));
    }
}
