//! `accuracy demo`: the demo's shop in simulated time, broken in each way and asked for the window of the fault; and
//! without faults, asked for all of its windows.

mod judge;
mod incidents;
mod report;

use std::path::Path;

use ::tests::harness::announce;
use ::tests::otlp::Signal;
use anyhow::Result;
use bytes::Bytes;
use demo::fault::Fault;
use demo::model::{self, Batch, FaultPlan, MINUTE, Plan};
use prost::Message;

use crate::cli::DemoArgs;
use crate::subject::{Subject, Window, program};
use crate::table::Table;
use crate::told::Told;
use incidents::Opened;
use judge::{Verdict, judge};

/// When the shop opens: a Tuesday at noon.
const START: i64 = 1_763_467_200_000_000_000;

/// The status of an answer with suspects.
const SUSPECTED: &str = "ok";

/// Healthy minutes after the last fault, in which incidents can close.
const AFTER: u32 = 10;

/// What was found.
#[derive(Debug, Default)]
struct Found {
    episodes: Vec<Episode>,
    calm: Vec<Calm>,
    opened: Vec<Opened>,
}

/// A fault in a shop that was asked for.
#[derive(Debug, Clone)]
struct Episode {
    seed: u64,
    plan: FaultPlan,
    told: Told,
    verdict: Verdict,
}

/// A window of a shop without faults.
#[derive(Debug, Clone)]
struct Calm {
    seed: u64,
    minute: u32,
    told: Told,
}

/// Runs it; whether it is as good as was demanded.
pub(crate) fn run(args: &DemoArgs) -> Result<(Vec<Table>, bool)> {
    let program = program(args.program.as_deref())?;
    let faults: Vec<Fault> =
        if args.faults.is_empty() { Fault::all().collect() } else { args.faults.clone() };
    let mut found = Found::default();
    for seed in &args.seeds {
        let stores: Vec<&[Fault]> = if args.together { vec![&faults] } else { faults.chunks(1).collect() };
        for faults in stores {
            broken(&program, args, *seed, faults, &mut found)?;
        }
        if args.quiet > 0 {
            whole(&program, args, *seed, &mut found)?;
        }
    }
    Ok((report::tables(args, &found), is_as_demanded(args, &found)))
}

/// Whether it is as good as the command line demands. What is not, is said.
fn is_as_demanded(args: &DemoArgs, found: &Found) -> bool {
    let right = found.episodes.iter().filter(|episode| episode.verdict.is_right()).count();
    let wrong = found.calm.iter().filter(|calm| calm.told.status == SUSPECTED).count();
    if right < args.right_min {
        announce(&format!("accuracy: {right} first suspects are right, demanded are {}", args.right_min));
    }
    let false_max = args.false_max.unwrap_or(usize::MAX);
    if wrong > false_max {
        announce(&format!(
            "accuracy: {wrong} windows without a fault have suspects, allowed are {false_max}"
        ));
    }
    right >= args.right_min && wrong <= false_max
}

/// A shop that breaks in these ways, one after the other.
fn broken(program: &Path, args: &DemoArgs, seed: u64, faults: &[Fault], found: &mut Found) -> Result<()> {
    let plan = plan(args, seed, faults);
    let mut subject = Subject::start(program)?;
    live(&mut subject, &plan)?;
    for fault in &plan.faults {
        found.episodes.push(asked(&mut subject, seed, *fault)?);
    }
    if args.incidents {
        found.opened.push(incidents::opened(&mut subject, &plan)?);
    }
    Ok(())
}

fn asked(subject: &mut Subject, seed: u64, plan: FaultPlan) -> Result<Episode> {
    let told = subject.ask(Window { from: plan.from, to: plan.to })?;
    let verdict = judge(plan.fault.label(), &told.suspects);
    announce(&format!("accuracy: {} with seed {seed}: {}", plan.fault, told.headline()));
    Ok(Episode { seed, plan, told, verdict })
}

/// Each fault after healthy minutes.
fn plan(args: &DemoArgs, seed: u64, faults: &[Fault]) -> Plan {
    let each = args.minutes + args.lasting;
    let of = |(at, fault): (u32, &Fault)| {
        let from = START + i64::from(at * each + args.minutes) * MINUTE;
        FaultPlan { fault: *fault, from, to: from + i64::from(args.lasting) * MINUTE }
    };
    let planned = (0u32..).zip(faults).map(of).collect::<Vec<_>>();
    let after = if args.incidents { AFTER } else { 0 };
    let minutes = each * u32::try_from(planned.len()).unwrap_or(u32::MAX) + after;
    Plan { seed, start: START, minutes, rate: args.rate, faults: planned, distractors: true }
}

/// A shop without faults: what is said of each of its windows.
fn whole(program: &Path, args: &DemoArgs, seed: u64, found: &mut Found) -> Result<()> {
    let (faults, rate, minutes) = (Vec::new(), args.rate, args.quiet);
    let mut subject = Subject::start(program)?;
    let plan = Plan { seed, start: START, minutes, rate, faults, distractors: true };
    live(&mut subject, &plan)?;
    let starts = (0..args.quiet).step_by(args.lasting as usize);
    for minute in starts.filter(|minute| minute + args.lasting <= args.quiet) {
        let from = START + i64::from(minute) * MINUTE;
        let told = subject.ask(Window { from, to: from + i64::from(args.lasting) * MINUTE })?;
        announce(&format!("accuracy: no fault, seed {seed}, minute {minute}: {}", told.headline()));
        found.calm.push(Calm { seed, minute, told });
    }
    if args.incidents {
        found.opened.push(incidents::opened(&mut subject, &plan)?);
    }
    Ok(())
}

/// Lets a shop live through a plan and sends what it exports.
fn live(subject: &mut Subject, plan: &Plan) -> Result<()> {
    let mut sent = Ok(());
    model::run(plan, &mut |batch: Batch| {
        if sent.is_ok() {
            sent = send(subject, &batch);
        }
    });
    sent
}

fn send(subject: &mut Subject, batch: &Batch) -> Result<()> {
    let bodies: [(Signal, Bytes); 3] = [
        (Signal::Traces, batch.traces.encode_to_vec().into()),
        (Signal::Logs, batch.logs.encode_to_vec().into()),
        (Signal::Metrics, batch.metrics.encode_to_vec().into()),
    ];
    bodies.into_iter().try_for_each(|(signal, body)| subject.send(signal, body, None))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn faults_come_after_healthy_minutes() {
        let cli = Cli::try_parse_from(["accuracy", "demo", "--minutes", "10", "--lasting", "5"]).unwrap();
        let Command::Demo(args) = cli.command else { panic!("another command") };
        let plan = plan(&args, 7, &[Fault::Cpu, Fault::Lock]);
        let minutes = |at: i64| START + at * MINUTE;
        assert_eq!((plan.seed, plan.minutes), (7, 30));
        let expected = [
            FaultPlan { fault: Fault::Cpu, from: minutes(10), to: minutes(15) },
            FaultPlan { fault: Fault::Lock, from: minutes(25), to: minutes(30) },
        ];
        assert_eq!(plan.faults, expected);
    }
}
