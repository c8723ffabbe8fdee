//! What sets of spans mean: on a span a test of it, on a trace whether it has such a span.

use model::{Chain, Predicate};

/// What is asked of a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It has a span that matches.
    Has(Predicate),
    /// All of these.
    All(Vec<Condition>),
    /// Any of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

/// A predicate in which a set that stands alone is what it says in its braces.
pub(super) fn dissolved(predicate: Predicate) -> Predicate {
    let all = |parts: Vec<Predicate>| parts.into_iter().map(dissolved).collect();
    match predicate {
        Predicate::And(parts) => Predicate::And(all(parts)),
        Predicate::Or(parts) => Predicate::Or(all(parts)),
        Predicate::Not(part) => Predicate::Not(Box::new(dissolved(*part))),
        Predicate::Chain(Chain { first, steps }) if steps.is_empty() => *first,
        predicate => predicate,
    }
}

/// What is asked of a trace. A search without sets asks for one span that matches all of it; with sets, every set
/// asks for a span of its own, and so do the terms outside of them together.
pub(super) fn condition(predicate: Predicate) -> Condition {
    if !predicate.has_chain() {
        return Condition::Has(predicate);
    }
    match predicate {
        Predicate::And(parts) => grouped(parts, Predicate::And, Condition::All),
        Predicate::Or(parts) => grouped(parts, Predicate::Or, Condition::Any),
        Predicate::Not(part) => Condition::Not(Box::new(condition(*part))),
        predicate => Condition::Has(dissolved(predicate)),
    }
}

fn grouped(
    parts: Vec<Predicate>,
    together: fn(Vec<Predicate>) -> Predicate,
    each: fn(Vec<Condition>) -> Condition,
) -> Condition {
    let (sets, mut terms): (Vec<_>, Vec<_>) = parts.into_iter().partition(Predicate::has_chain);
    let mut conditions: Vec<Condition> = sets.into_iter().map(condition).collect();
    match terms.len() {
        0 => {}
        1 => conditions.push(Condition::Has(terms.remove(0))),
        _ => conditions.push(Condition::Has(together(terms))),
    }
    match conditions.len() {
        1 => conditions.remove(0),
        _ => each(conditions),
    }
}
