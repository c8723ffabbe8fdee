//! The commands of a script: `clear`, `load` and `eval`, each with the lines that belong to it.

mod expect;

use anyhow::{Context, Result, bail, ensure};

use crate::notation::Line;
pub use expect::{Eval, Message, Notes, Outcome, Times};

/// The longest script.
pub const SCRIPT_BYTES_MAX: u64 = 4 << 20;

/// A command.
#[derive(Debug)]
pub enum Command {
    /// Forgets what was loaded.
    Clear,
    /// Loads series beside those that are there.
    Load(Load),
    /// Asks something.
    Eval(Box<Eval>),
}

/// What is loaded.
#[derive(Debug)]
pub struct Load {
    /// The time between values, in milliseconds; the first is at 0.
    pub every_ms: i64,
    /// Whether classic histograms are loaded as native ones too, which keep their bounds.
    pub with_custom_buckets: bool,
    /// The series.
    pub lines: Vec<Line>,
}

/// All commands, each with the number of its line.
pub fn parse(text: &str) -> Result<Vec<(usize, Command)>> {
    let comment_is_empty = |line: &'_ str| line.starts_with('#');
    let lines: Vec<&str> =
        text.lines().map(str::trim).map(|line| if comment_is_empty(line) { "" } else { line }).collect();
    let mut commands = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let (number, line) = (at + 1, lines[at]);
        at += 1;
        if line.is_empty() {
            continue;
        }
        // What belongs to `clear` is nothing, even where no empty line follows.
        let length =
            if line == "clear" { 0 } else { lines[at..].iter().take_while(|line| !line.is_empty()).count() };
        let body = &lines[at..at + length];
        at += length;
        commands.push((number, command(line, body).with_context(|| format!("line {number}: {line}"))?));
    }
    Ok(commands)
}

fn command(line: &str, body: &[&str]) -> Result<Command> {
    let (word, rest) = word(line);
    match word {
        "clear" => Ok(Command::Clear),
        "load" | "load_with_nhcb" => {
            let lines = body.iter().map(|line| Line::parse(line).with_context(|| (*line).to_owned()));
            Ok(Command::Load(Load {
                every_ms: duration(rest.trim())?,
                with_custom_buckets: word != "load",
                lines: lines.collect::<Result<_>>()?,
            }))
        }
        word if word.starts_with("eval") => Ok(Command::Eval(Box::new(Eval::parse(line, body)?))),
        _ => bail!("a script has the commands clear, load and eval"),
    }
}

/// The next word, and what follows.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// The units of durations, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
    ("y", 31_536_000_000),
];

/// A number of seconds, or a duration such as `1h30m`, in milliseconds.
fn duration(text: &str) -> Result<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok((seconds * 1000.0).round() as i64);
    }
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    ensure!(!rest.is_empty(), "there is no duration: write it as 5m or 1h30m");
    let mut total = 0i64;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let ms = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
        let part = digits.parse::<i64>().ok().zip(ms).and_then(|(count, ms)| count.checked_mul(ms));
        let sum = part.and_then(|part| total.checked_add(part));
        total = sum.with_context(|| format!("{text:?} is no duration: write it as 5m or 1h30m"))?;
        rest = after;
    }
    Ok(sign * total)
}

#[cfg(test)]
mod tests;
