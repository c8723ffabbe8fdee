//! What the index is asked, as a flat list of steps, so that no depth of it makes reading recurse: the parts of a
//! predicate stand before it, as in a calculation in reverse Polish notation.

use datafusion::common::{internal_err, plan_err};
use model::{Field, Level, Predicate, Test};
use prost::{Enumeration, Message};

use super::Result;

/// One step: a test, or so many of the last ones as one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Step {
    #[prost(enumeration = "Kind", tag = "1")]
    kind: i32,
    /// How many of the last it takes.
    #[prost(uint64, tag = "2")]
    parts: u64,
    /// The word or phrase, or the attribute's key.
    #[prost(string, tag = "3")]
    text: String,
    /// What it equals; without, that it is there.
    #[prost(string, optional, tag = "4")]
    equals: Option<String>,
}

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
enum Kind {
    All = 0,
    And = 1,
    Or = 2,
    Not = 3,
    Text = 4,
    Service = 5,
    Trace = 6,
    Record = 7,
    Scope = 8,
    Resource = 9,
}

/// The steps of a predicate.
pub(super) fn steps(predicate: &Predicate) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    push(predicate, &mut steps)?;
    Ok(steps)
}

fn push(predicate: &Predicate, steps: &mut Vec<Step>) -> Result<()> {
    let mut step = |kind: Kind, text: &str, equals: Option<&String>| {
        steps.push(Step { kind: kind.into(), parts: 0, text: text.to_owned(), equals: equals.cloned() });
    };
    match predicate {
        Predicate::All => step(Kind::All, "", None),
        Predicate::And(parts) => return join(Kind::And, parts, steps),
        Predicate::Or(parts) => return join(Kind::Or, parts, steps),
        Predicate::Not(part) => return join(Kind::Not, std::slice::from_ref(part.as_ref()), steps),
        Predicate::Text(text) => step(Kind::Text, text, None),
        Predicate::Field(Field::Service, Test::Equals(name)) => step(Kind::Service, "", Some(name)),
        Predicate::Field(Field::Trace, Test::Equals(id)) => step(Kind::Trace, "", Some(id)),
        Predicate::Attribute(level, key, test) => {
            let kind = match level {
                Level::Record => Kind::Record,
                Level::Scope => Kind::Scope,
                Level::Resource => Kind::Resource,
                Level::Any | Level::Event => return unknown(predicate),
            };
            match test {
                Test::Exists => step(kind, key, None),
                Test::Equals(value) => step(kind, key, Some(value)),
                _ => return unknown(predicate),
            }
        }
        other => return unknown(other),
    }
    Ok(())
}

/// The parts, and behind them what they are taken together by.
fn join(kind: Kind, parts: &[Predicate], steps: &mut Vec<Step>) -> Result<()> {
    parts.iter().try_for_each(|part| push(part, steps))?;
    steps.push(Step { kind: kind.into(), parts: parts.len() as u64, ..Step::default() });
    Ok(())
}

fn unknown<T>(predicate: &Predicate) -> Result<T> {
    internal_err!("no plan of SQL asks the index for {predicate:?}")
}

/// The predicate of these steps.
pub(super) fn predicate(steps: &[Step]) -> Result<Predicate> {
    let mut done = Vec::new();
    for step in steps {
        let from = usize::try_from(step.parts).ok().and_then(|parts| done.len().checked_sub(parts));
        let Some(from) = from else { return plan_err!("what the index is asked lacks a part") };
        let parts = done.split_off(from);
        done.push(one(step, parts)?);
    }
    match <[Predicate; 1]>::try_from(done) {
        Ok([predicate]) => Ok(predicate),
        Err(_) => plan_err!("what the index is asked is not one question"),
    }
}

fn one(step: &Step, mut parts: Vec<Predicate>) -> Result<Predicate> {
    let Ok(kind) = Kind::try_from(step.kind) else {
        return plan_err!("the index is asked something that this version does not know");
    };
    let test = || step.equals.clone().map_or(Test::Exists, Test::Equals);
    let attribute = |level| Predicate::Attribute(level, step.text.clone(), test());
    Ok(match (kind, parts.len()) {
        (Kind::And, _) => Predicate::And(parts),
        (Kind::Or, _) => Predicate::Or(parts),
        (Kind::Not, 1) => Predicate::Not(Box::new(parts.swap_remove(0))),
        (Kind::All, 0) => Predicate::All,
        (Kind::Text, 0) => Predicate::Text(step.text.clone()),
        (Kind::Service, 0) => Predicate::Field(Field::Service, test()),
        (Kind::Trace, 0) => Predicate::Field(Field::Trace, test()),
        (Kind::Record, 0) => attribute(Level::Record),
        (Kind::Scope, 0) => attribute(Level::Scope),
        (Kind::Resource, 0) => attribute(Level::Resource),
        _ => return plan_err!("a part of what the index is asked takes others that it cannot"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Predicate {
        Predicate::Text(text.to_owned())
    }

    #[test]
    fn predicates_come_back_and_damaged_ones_are_refused() {
        let equals = |value: &str| Test::Equals(value.to_owned());
        let mut deep = text("x");
        // Deeper than readers of protobuf or JSON go.
        for _ in 0..500 {
            deep = Predicate::Or(vec![deep, text("y")]);
        }
        let cases = [
            Predicate::All,
            text("card refused"),
            Predicate::And(vec![]),
            Predicate::Not(Box::new(Predicate::Field(Field::Service, equals("cart")))),
            Predicate::Or(vec![
                Predicate::Attribute(Level::Record, "http.route".to_owned(), equals("")),
                Predicate::Attribute(Level::Scope, "é".to_owned(), Test::Exists),
                Predicate::And(vec![
                    Predicate::Attribute(Level::Resource, "host.name".to_owned(), Test::Exists),
                    Predicate::Field(Field::Trace, equals("0af7651916cd43dd8448eb211c80319c")),
                ]),
            ]),
            deep,
        ];
        for case in cases {
            let all = steps(&case).unwrap();
            assert_eq!(predicate(&all).unwrap(), case);
        }
        let damaged = [
            vec![],
            vec![Step { kind: 99, ..Step::default() }],
            vec![Step { kind: Kind::And.into(), parts: 1, ..Step::default() }],
            vec![Step { kind: Kind::Or.into(), parts: u64::MAX, ..Step::default() }],
            vec![Step { kind: Kind::Not.into(), ..Step::default() }],
            vec![Step::default(), Step::default()],
            vec![Step::default(), Step { kind: Kind::Text.into(), parts: 1, ..Step::default() }],
        ];
        for steps in damaged {
            assert!(predicate(&steps).is_err(), "{steps:?}");
        }
        let wide = Predicate::Attribute(Level::Any, "k".to_owned(), Test::Exists);
        assert!(steps(&wide).is_err());
    }
}
