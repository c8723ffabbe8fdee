//! Many times the load that is sustainable: what is still taken, and how the rest is refused.

use std::time::Duration;

use anyhow::Result;

use super::{MIB, refusals};
use crate::cli::OverloadArgs;
use crate::client::Protocol;
use crate::client::Target;
use crate::drive::{self, Clock, Load, Outcome, Refused, Until};
use crate::load::Signal;
use crate::procfs;
use crate::progress::say;
use crate::server::{Group, Program, Server};
use crate::stats::ratio;
use crate::subject::directory;
use crate::table::{Cell, Table};

/// Which share of the load that was asked for counts as that load.
const OFFERED_ENOUGH: f64 = 0.9;

const COLUMNS: [&str; 10] = [
    "load",
    "connections",
    "s",
    "offered/s",
    "taken/s",
    "of the peak %",
    "late",
    "broken",
    "p99 ms",
    "refusals",
];

/// Runs it.
pub(crate) async fn run(args: &OverloadArgs) -> Result<Vec<Table>> {
    let program = Program::find(args.program.as_deref(), Some(args.memory.0))?;
    let (group, limited) = match Group::new(args.group.0) {
        Ok(group) => {
            let limited = group.describe();
            (Some(group), limited)
        }
        Err(error) => (None, format!("WITHOUT A LIMIT OF MEMORY: {error:#}")),
    };
    say(&limited);
    let directory = directory(args.dir.as_deref())?;
    let mut server = Server::start(&program, &directory.path().join("data"), group.as_ref())?;
    let peak = Box::pin(drive::run(load(args, &server, args.connections, None))).await?;
    let pace = peak.rate() * f64::from(args.times);
    let over = Box::pin(drive::run(load(args, &server, args.clients, Some(pace)))).await?;

    let title =
        format!("Overload: {}; {} by {}", program.version(), args.signal.name(), args.protocol.name());
    let mut table = Table::new(title, &COLUMNS);
    table.row(row("as much as it takes", args.connections, &peak, &peak));
    table.row(row(&format!("{} times that", args.times), args.clients, &over, &peak));
    table.note(format!("{limited}; the program's budget is {} bytes", args.memory.0));
    let offered = offered_rate(&over) / peak.rate().max(f64::EPSILON);
    if offered < f64::from(args.times) * OFFERED_ENOUGH {
        table.note(format!("THE LOAD WAS {offered:.1} TIMES THE PEAK, NOT {}: all clients", args.times));
        table.note("waited for answers, or the generator had no time for more");
    }
    table.note(match server.ended() {
        Some(status) => format!("THE SERVER ENDED: {status}"),
        None => {
            let usage = procfs::usage(server.pid())?;
            let (peak, now) = (usage.resident_peak as f64 / MIB, usage.resident as f64 / MIB);
            format!("the server lives; resident {peak:.0} MiB at most, {now:.0} MiB in the end")
        }
    });
    let kills = group.as_ref().and_then(Group::kills);
    table.note(kills.map_or("kills for want of memory are not told".to_owned(), |kills| {
        format!("kills for want of memory: {kills}")
    }));
    let final_codes: Vec<String> =
        over.refusals.keys().filter(|code| !code.is_retryable()).map(ToString::to_string).collect();
    table.note(match final_codes.is_empty() {
        true if over.refusals.is_empty() => {
            "no request was refused: whether refusals may be sent again is not shown".to_owned()
        }
        true => "every refusal may be sent again".to_owned(),
        false => format!("REFUSALS THAT MAY NOT BE SENT AGAIN: {}", final_codes.join(", ")),
    });
    table.note(format!("late: no answer within {} s; broken: the connection was", args.patience));
    table.note(format!("the generator used {:.1} CPU s of the overload", over.generator_cpu));
    drop(server);
    Ok(vec![table])
}

fn load(args: &OverloadArgs, server: &Server, connections: u32, pace: Option<f64>) -> Load {
    let address = if args.protocol == Protocol::Grpc { &server.otlp_grpc } else { &server.otlp_http };
    let signal: Signal = args.signal;
    let (name, refused, seconds, seed) = match pace {
        None => ("the peak", Refused::SendAgain, args.peak_seconds, args.load.seed),
        Some(_) => ("the overload", Refused::Count, args.seconds, args.load.seed + 1),
    };
    Load {
        name: name.to_owned(),
        target: Target::new(address, None, signal, args.protocol, args.load.compression),
        templates: args.load.shape(signal, args.protocol).build().into(),
        seed,
        clock: Clock::Now,
        connections: connections as usize,
        until: Until::Time(Duration::from_secs(seconds)),
        pace,
        refused,
        patience: pace.map(|_| Duration::from_secs(args.patience)),
    }
}

fn offered_rate(outcome: &Outcome) -> f64 {
    outcome.offered as f64 / outcome.elapsed.as_secs_f64().max(f64::EPSILON)
}

fn row(name: &str, connections: u32, outcome: &Outcome, peak: &Outcome) -> Vec<Cell> {
    let seconds = outcome.elapsed.as_secs_f64().max(f64::EPSILON);
    vec![
        name.into(),
        u64::from(connections).into(),
        Cell::number(seconds, 0),
        Cell::number(offered_rate(outcome), 0),
        Cell::number(outcome.rate(), 0),
        Cell::number(ratio(outcome.rate() * 100.0, peak.rate()), 1),
        outcome.late.into(),
        outcome.broken.into(),
        Cell::number(outcome.latency.quantile_ms(0.99), 1),
        refusals(outcome).into(),
    ]
}
