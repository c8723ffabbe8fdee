//! Answers that are right, and answers that are not.

use super::*;
use crate::script::{Command, parse};

/// What is wrong with an answer to the last query of a script, if anything.
fn wrong(script: &str, json: &str) -> Option<String> {
    let (eval, found) = both(script, json);
    answer(&eval, &found, true).err()
}

fn both(script: &str, json: &str) -> (Box<Eval>, Answer) {
    let Some((_, Command::Eval(eval))) = parse(script).unwrap().pop() else { panic!("{script}") };
    (eval, crate::answer::parse(json.as_bytes()).unwrap())
}

fn vector(result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}}}}"#)
}

const A_AND_B: &str =
    r#"{"metric":{"a":"1"},"value":[60,"1"]},{"metric":{"a":"2"},"value":[60,"2.0000001"]}"#;

#[test]
fn vectors() {
    let check = |lines: &str, expected: Option<&str>| {
        let found = wrong(&format!("eval instant at 1m x\n{lines}"), &vector(A_AND_B));
        assert_eq!(found.as_deref(), expected, "{lines}");
    };
    check("{a=\"1\"} 1\n{a=\"2\"} 2", None);
    check("{a=\"2\"} 2\n{a=\"1\"} 1", None);
    check("expect ordered\n{a=\"1\"} 1\n{a=\"2\"} 2", None);
    check("expect ordered\n{a=\"2\"} 2\n{a=\"1\"} 1", Some("has {a=\"2\"} at place 1, not 0"));
    check("{a=\"1\"} 1", Some("has 2 series, not 1: {a=\"1\"} 1@60000; {a=\"2\"} 2.0000001@60000"));
    check("{a=\"1\"} 1\n{a=\"3\"} 2", Some("lacks {a=\"3\"}: {a=\"1\"} 1@60000; {a=\"2\"} 2.0000001@60000"));
    check("{a=\"1\"} 1\n{a=\"2\"} 3", Some("has {a=\"2\"} 2.0000001@60000, not [(60000, Float(3.0))]"));
}

#[test]
fn histograms() {
    let found = r#"{"metric":{},"histogram":[60,{"count":"3","sum":"5","buckets":[[0,"0.5","1","1"],[0,"1","2","2"]]}]}"#;
    let check =
        |histogram: &str| wrong(&format!("eval instant at 1m x\n{{}} {{{{{histogram}}}}}"), &vector(found));
    assert_eq!(check("count:3 sum:5 buckets:[1 2]"), None);
    for other in
        ["count:4 sum:5 buckets:[1 2]", "count:3 sum:5 buckets:[1 3]", "count:3 sum:5 offset:1 buckets:[1 2]"]
    {
        assert!(check(other).is_some(), "{other}");
    }
}

#[test]
fn ranges() {
    let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[120,"3"]]}]}}"#;
    let check = |values: &str| wrong(&format!("eval range from 0 to 2m step 1m x\n{{}} {values}"), matrix);
    assert_eq!(check("1 _ 3"), None);
    assert!(check("1 3").is_some() && check("1 _ 4").is_some() && check("1 2 3").is_some());
}

#[test]
fn the_middle_of_a_range() {
    let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"a":"1"},"values":[[0,"7"],[60,"1"],[120,"7"]]},{"metric":{"a":"2"},"values":[[0,"7"]]}]}}"#;
    let check = |script: &str| {
        let (eval, answer) = both(script, matrix);
        middle(&eval, 60_000, &answer).is_ok()
    };
    assert!(check("eval instant at 1m x\n{a=\"1\"} 1"));
    assert!(check("eval instant at 1m x\n1"));
    assert!(!check("eval instant at 1m x\n{a=\"1\"} 7"));
    assert!(!check("eval instant at 1m x"));
}

#[test]
fn numbers_and_notes() {
    let scalar = |notes: &str| {
        format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":[60,"3"]}}{notes}}}"#)
    };
    let check = |script: &str, notes: &str| wrong(&format!("{script}\n3"), &scalar(notes)).is_none();
    let warned = r#","warnings":["careful (1:2)"]"#;
    assert!(check("eval instant at 1m x", ""));
    assert!(!check("eval instant at 1m x", warned));
    assert!(check("eval_warn instant at 1m x", warned));
    assert!(!check("eval_warn instant at 1m x", ""));
    assert!(check("eval instant at 1m x\nexpect warn msg: careful", warned));
    assert!(!check("eval instant at 1m x\nexpect warn msg: hasty", warned));
    assert!(!check("eval instant at 1m x\nexpect no_warn", warned));
    assert!(!check("eval instant at 1m x\nexpect info", warned));
    assert!(check("eval instant at 1m x\nexpect warn regex: ^care", warned));
}

#[test]
fn refusals() {
    let refused = r#"{"status":"error","error":"too many"}"#;
    assert_eq!(wrong("eval_fail instant at 1m x", refused), None);
    assert_eq!(wrong("eval instant at 1m x\nexpect fail msg: too many", refused), None);
    assert!(wrong("eval instant at 1m x\nexpect fail msg: too few", refused).is_some());
    assert!(wrong("eval instant at 1m x", refused).is_some());
    assert!(wrong("eval_fail instant at 1m x", &vector("")).is_some());
}

#[test]
fn numbers_that_are_the_same() {
    for (left, right, expected) in [
        (1.0, 1.0 + 1e-9, true),
        (1.0, 1.0001, false),
        (0.0, 1e-300, false),
        (f64::NAN, f64::NAN, true),
        (f64::NAN, 1.0, false),
        (f64::INFINITY, f64::INFINITY, true),
        (f64::INFINITY, f64::MAX, false),
        (f64::MAX, f64::MAX * (1.0 - 1e-9), true),
    ] {
        assert_eq!(same(left, right), expected, "{left} {right}");
    }
}
