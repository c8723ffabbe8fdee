use clap::Parser;

use super::*;
use crate::cli::{Cli, Client, Command};

fn args(line: &str) -> MetricsArgs {
    let cli = Cli::try_parse_from(["causeway", "metrics", "up"].into_iter().chain(line.split_whitespace()));
    let Command::Client(Client::Metrics(args)) = cli.unwrap().command else { panic!("not metrics") };
    args
}

#[test]
fn times_make_a_range_and_nothing_a_time() {
    const SECOND: i64 = 1_000_000_000;
    let now = 1_000_000 * SECOND;
    let range = |from: i64, to: i64, step_ms| When::Range { from: from * SECOND, to: to * SECOND, step_ms };
    for (line, when) in [
        ("", When::At(None)),
        ("--at 5", When::At(Some(5 * SECOND))),
        ("--step 1m", range(996_400, 1_000_000, 60_000)),
        ("--from 400000", range(400_000, 1_000_000, 3_600_000)),
        ("--to 7200", range(3_600, 7_200, 15_000)),
        ("--from 0 --to 100 --step 0.5", range(0, 100, 500)),
        ("--exemplars", range(996_400, 1_000_000, 15_000)),
    ] {
        assert_eq!(When::of(&args(line), now), when, "{line}");
    }
}

#[test]
fn steps_are_round() {
    for (seconds, step_ms) in [
        (0, 1_000),
        (250, 1_000),
        (251, 5_000),
        (3_600, 15_000),
        (6 * 3_600, 120_000),
        (86_400, 600_000),
        (7 * 86_400, 3_600_000),
        (365 * 86_400, 2 * 86_400_000),
    ] {
        assert_eq!(step_of(seconds * 1_000_000_000), step_ms, "{seconds}");
    }
}

#[test]
fn what_no_chart_can_show_is_refused_before_anything_is_asked() {
    for (line, good) in [
        ("", true),
        ("--format chart", false),
        ("--format chart --since 1h", true),
        ("--format chart --since 1h --exemplars", false),
        ("--format table --since 1h --exemplars", true),
    ] {
        assert_eq!(check(&args(line)).is_ok(), good, "{line}");
    }
    for line in ["--at 5 --since 1h", "--at 5 --exemplars", "--step 0", "--exemplars --step 5s"] {
        let all = ["causeway", "metrics", "up"].into_iter().chain(line.split_whitespace());
        assert!(Cli::try_parse_from(all).is_err(), "{line}");
    }
}
