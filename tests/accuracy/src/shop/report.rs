//! The answers as tables.

use super::{Calm, Episode, Found, SUSPECTED, incidents};
use crate::cli::DemoArgs;
use crate::score::Share;
use crate::table::{Table, place, score, yes};

/// All that was found.
pub(super) fn tables(args: &DemoArgs, found: &Found) -> Vec<Table> {
    let mut tables = vec![by_episode(args, &found.episodes)];
    if !found.calm.is_empty() {
        tables.push(of_calm(args, &found.calm));
    }
    if !found.opened.is_empty() {
        tables.push(incidents::table(&found.opened));
    }
    tables
}

fn by_episode(args: &DemoArgs, episodes: &[Episode]) -> Table {
    let stores = if args.together { "all faults of a seed in one store" } else { "each in its own store" };
    let title = format!(
        "Demo: {} minutes of a fault after {} healthy ones, {} requests of customers a second, {stores}",
        args.lasting, args.minutes, args.rate
    );
    let columns = [
        "fault",
        "seed",
        "right",
        "its target",
        "first suspect",
        "target told",
        "score",
        "service",
        "kind",
        "instance",
        "target",
        "right is at",
        "ms",
    ];
    let mut table = Table::new(title, &columns);
    for Episode { seed, plan, told, verdict } in episodes {
        let (label, first) = (plan.fault.label(), told.first());
        table.row([
            label.name.to_owned(),
            seed.to_string(),
            format!("{}: {}", label.place(), label.kind),
            label.target.to_string(),
            told.headline(),
            first.map_or_else(|| "-".to_owned(), |suspect| suspect.target_text()),
            score(first.map(|suspect| suspect.score)),
            yes(verdict.service),
            yes(verdict.kind),
            verdict.instance.map_or_else(|| "-".to_owned(), yes),
            yes(verdict.target),
            place(verdict.rank),
            told.elapsed_ms.to_string(),
        ]);
    }
    let share = |holds: fn(&Episode) -> bool| Share::of(episodes, holds).with_interval();
    table.note(format!("first suspect right in service: {}", share(|episode| episode.verdict.service)));
    table.note(format!("in service and kind: {}", share(|episode| episode.verdict.is_right())));
    let of_instances = episodes.iter().filter_map(|episode| episode.verdict.instance);
    table.note(format!("in instance, where it is one: {}", Share::of(of_instances, |is| is).with_interval()));
    table.note(format!("in target: {}", share(|episode| episode.verdict.target)));
    table
}

fn of_calm(args: &DemoArgs, calm: &[Calm]) -> Table {
    let title = format!(
        "Demo: {} minutes without a fault for each seed, asked for in windows of {}",
        args.quiet, args.lasting
    );
    let mut table = Table::new(title, &["seed", "minute", "status", "first suspect", "score"]);
    for Calm { seed, minute, told } in calm.iter().filter(|calm| calm.told.status == SUSPECTED) {
        table.row([
            seed.to_string(),
            minute.to_string(),
            told.status.clone(),
            told.headline(),
            score(told.first().map(|suspect| suspect.score)),
        ]);
    }
    let of = |status: &'static str| Share::of(calm, |calm| calm.told.status == status).text();
    table.note(format!(
        "quiet: {}; with suspects: {}; not enough: {}",
        of("quiet"),
        of(SUSPECTED),
        of("not_enough")
    ));
    table
}
