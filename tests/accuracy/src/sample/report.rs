//! The answers as tables.

use std::collections::BTreeSet;

use super::cases::Case;
use super::{Answers, Repeats, Scored, Variant};
use crate::score::{KS, Ranks, Share, is_unnamed_code};
use crate::table::{Table, place, score};
use crate::told::Told;

/// All that was found.
pub(super) fn tables(
    cases: &[Case],
    answers: &Answers,
    repeats: Repeats,
    quiet: &[(String, Told)],
) -> Vec<Table> {
    let mut tables = Vec::new();
    if let Some(exact) = answers.get(&Variant::Exact) {
        tables.push(by_case(cases, exact));
        tables.push(by_kind(cases, exact));
    }
    if answers.len() > 1 {
        tables.push(by_variant(cases, answers));
    }
    tables.push(of_quiet(quiet));
    tables.push(checks(cases.len(), repeats));
    tables
}

fn by_case(cases: &[Case], answers: &[Scored]) -> Table {
    let columns = [
        "case",
        "kind",
        "root",
        "target",
        "first suspect",
        "its target",
        "score",
        "root is at",
        "target is at",
        "ms",
    ];
    let mut table = Table::new("Sample: every case, asked for by its window", &columns);
    for (case, scored) in cases.iter().zip(answers) {
        let Scored { told, ranks, named } = scored;
        let first = told.first();
        table.row([
            case.case_id.clone(),
            case.kind.clone(),
            case.root.service.clone(),
            format!("{}{}", case.target_text(), if *named { "" } else { " (not in the data)" }),
            told.headline(),
            first.map_or_else(|| "-".to_owned(), |suspect| suspect.target_text()),
            score(first.map(|suspect| suspect.score)),
            place(ranks.service),
            place(ranks.inner),
            told.elapsed_ms.to_string(),
        ]);
    }
    table.note("root is at: place of the root service among services; target is at: among pairs of service and target");
    table
}

fn by_kind(cases: &[Case], answers: &[Scored]) -> Table {
    let columns =
        ["kind", "n", "AS@1", "AS@3", "AS@5", "AIS@1", "AIS@3", "AIS@5", "AIS@1 of the named", "null events"];
    let mut table = Table::new("Sample: by kind of fault", &columns);
    let kinds: BTreeSet<&str> = cases.iter().map(|case| case.kind.as_str()).collect();
    let all: Vec<(&Case, &Scored)> = cases.iter().zip(answers).collect();
    for kind in kinds {
        let of: Vec<_> = all.iter().filter(|(case, _)| case.kind == kind).copied().collect();
        table.row(shares(kind, &of));
    }
    table.row(shares("all", &all));
    let (services, inner, named) = (service_first(&all), inner_first(&all), named_first(&all));
    table.note(format!("root service first: {}", services.with_interval()));
    table.note(format!("inner target first, of all: {}", inner.with_interval()));
    table.note(format!(
        "inner target first, of those whose events are in the data: {}",
        named.with_interval()
    ));
    table.note(
        "null events: of the code faults in windows without logs of the root service, those where the root comes \
         first as code at an unknown place",
    );
    table
}

fn shares(kind: &str, of: &[(&Case, &Scored)]) -> Vec<String> {
    let mut cells = vec![kind.to_owned(), of.len().to_string()];
    let within = |rank: fn(&Ranks) -> Option<usize>, k: usize| {
        Share::of(of, |(_, scored)| rank(&scored.ranks).is_some_and(|rank| rank <= k)).text()
    };
    cells.extend(KS.iter().map(|k| within(|ranks| ranks.service, *k)));
    cells.extend(KS.iter().map(|k| within(|ranks| ranks.inner, *k)));
    cells.push(named_first(of).text());
    cells.push(null_events(of).text());
    cells
}

/// Of the cases whose target cannot be named, those where it is not, and the rest is right.
fn null_events(of: &[(&Case, &Scored)]) -> Share {
    let unnamed = of.iter().filter(|(_, scored)| !scored.named);
    Share::of(unnamed, |(case, scored)| {
        let first = scored.told.first();
        first.is_some_and(|first| first.service == case.root.service && is_unnamed_code(first))
    })
}

fn service_first(of: &[(&Case, &Scored)]) -> Share {
    Share::of(of, |(_, scored)| scored.ranks.service == Some(1))
}

fn inner_first(of: &[(&Case, &Scored)]) -> Share {
    Share::of(of, |(_, scored)| scored.ranks.inner == Some(1))
}

fn named_first(of: &[(&Case, &Scored)]) -> Share {
    Share::of(of.iter().filter(|(_, scored)| scored.named), |(_, scored)| scored.ranks.inner == Some(1))
}

fn by_variant(cases: &[Case], answers: &Answers) -> Table {
    let columns = [
        "variant",
        "asked",
        "AS@1",
        "AIS@1",
        "AIS@1 of the named",
        "null events",
        "quiet",
        "not enough",
        "slowest ms",
        "root not first",
    ];
    let mut table = Table::new("Sample: asked in other ways", &columns);
    for (variant, scored) in answers {
        let all: Vec<(&Case, &Scored)> = cases.iter().zip(scored).collect();
        let status = |status: &str| scored.iter().filter(|one| one.told.status == status).count().to_string();
        let lost: Vec<&str> = all
            .iter()
            .filter(|(_, scored)| scored.ranks.service != Some(1))
            .map(|(case, _)| case.case_id.as_str())
            .collect();
        table.row([
            variant.name(),
            variant.about(),
            service_first(&all).text(),
            inner_first(&all).text(),
            named_first(&all).text(),
            null_events(&all).text(),
            status("quiet"),
            status("not_enough"),
            scored.iter().map(|one| one.told.elapsed_ms).max().unwrap_or(0).to_string(),
            lost.join(", "),
        ]);
    }
    table
}

fn of_quiet(quiet: &[(String, Told)]) -> Table {
    let mut table =
        Table::new("Sample: windows without a fault", &["window", "status", "first suspect", "score", "ms"]);
    for (name, told) in quiet {
        let first = told.first();
        table.row([
            name.clone(),
            told.status.clone(),
            first.map_or_else(|| "-".to_owned(), |suspect| suspect.place()),
            score(first.map(|suspect| suspect.score)),
            told.elapsed_ms.to_string(),
        ]);
    }
    table
}

fn checks(n: usize, repeats: Repeats) -> Table {
    let mut table = Table::new("Sample: asked again", &[]);
    table.note(format!("the same question at once: {} of {n} answers have the same bytes", repeats.at_once));
    table.note(format!(
        "after the storage was settled: {} of {n} answers have the same bytes",
        repeats.settled
    ));
    table.note("without `elapsed_ms`");
    table
}
