//! Scripts that are read, and lines that are not.

use super::*;

const SCRIPT: &str = "
# Two series.
load 5m
  a 1 2
  # Comments end a command as empty lines do.

clear
eval instant at 90s sum(a)
  {} 3

eval_warn range from -1m to 1h30m step 10 a{b=\"c\"}
  expect fail msg: no
  expect info regex: n.*ne
  expect no_warn
  expect ordered
  a{b=\"c\"} 1x2

eval_fail instant at 0 1 +
  expected_fail_message nothing follows

eval instant at 1 pi()
  2.5
";

fn evals(commands: &[(usize, Command)]) -> Vec<&Eval> {
    let eval = |command: &'_ (usize, Command)| matches!(command.1, Command::Eval(_));
    let evals = commands.iter().filter(|command| eval(command));
    evals
        .map(|(_, command)| match command {
            Command::Eval(eval) => eval.as_ref(),
            _ => panic!("{command:?}"),
        })
        .collect()
}

#[test]
fn a_script_is_read() {
    let commands = parse(SCRIPT).unwrap();
    let numbers: Vec<usize> = commands.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [3, 7, 8, 11, 18, 21]);
    let Command::Load(load) = &commands[0].1 else { panic!("{commands:?}") };
    assert_eq!((load.every_ms, load.with_custom_buckets, load.lines.len()), (300_000, false, 1));
    let evals = evals(&commands);
    assert_eq!((evals[0].query.as_str(), evals[0].times), ("sum(a)", Times::Instant(90_000)));
    let range = evals[1];
    assert_eq!(range.times, Times::Range { start: -60_000, end: 5_400_000, step: 10_000 });
    assert_eq!(range.query, "a{b=\"c\"}");
    assert!(range.ordered && range.fails && range.says_notes && range.warnings.none && range.infos.any);
    assert!(range.infos.messages[0].matches("none") && !range.failures[0].matches("none"));
    assert!(matches!(&range.outcome, Outcome::Series(lines) if lines[0].values.len() == 3));
    assert!(evals[2].fails && evals[2].failures[0].matches("nothing follows"));
    assert!(matches!(evals[3].outcome, Outcome::Scalar(number) if number == 2.5));
}

#[test]
fn wrong_lines_are_named() {
    for (text, expected) in [
        ("run", "line 1: run: a script has the commands clear, load and eval"),
        ("\nload much", "line 2: load much: \"much\" is no duration: write it as 5m or 1h30m"),
        ("load 5m\n a one", "line 1: load 5m: a one: \"one\" does not begin with a number"),
        ("eval instant 5m x", "line 1: eval instant 5m x: \"at\" is expected where \"5m\" stands"),
        ("eval often at 5m x", "line 1: eval often at 5m x: a query is asked for an `instant` or a `range`"),
        ("eval instant at 5m", "line 1: eval instant at 5m: there is no query"),
        (
            "eval instant at 5m x\n expect joy",
            "line 1: eval instant at 5m x: expect joy: what can be expected is fail, warn, info, no_warn, no_info or ordered",
        ),
    ] {
        let error = parse(text).map(|commands| commands.len()).unwrap_err();
        assert_eq!(format!("{error:#}"), expected, "{text}");
    }
}

#[test]
fn durations() {
    for (text, ms) in
        [("5m", 300_000), ("1h30m", 5_400_000), ("1.5", 1_500), ("-10s", -10_000), ("7ms", 7), ("-1", -1_000)]
    {
        assert_eq!(duration(text).unwrap(), ms, "{text}");
    }
    for text in ["", "-", "m", "5x", "99999999999999999y"] {
        assert!(duration(text).is_err(), "{text}");
    }
}
