//! The scripts of this project, played to the program through every door.

use std::path::Path;

use promql::door::Door;
use promql::subject::Subject;
use promql::suite::{FEATURES, Report, Rules, Script};

/// Plays all scripts; the one about features only where they are on.
fn check(door: Door, features: bool) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let scripts = Script::all(&folder).expect("the scripts are read");
    let tenants = scripts.iter().map(Script::sections).sum();
    let on: &[&str] = if features { &FEATURES } else { &[] };
    let program = tests::harness::program();
    let mut subject = Subject::start(&program, tenants, on).expect("the program starts");
    let rules = Rules { door, features, is_strict: true };
    let mut all = Report::default();
    for script in &scripts {
        all.add(&script.play(&mut subject, rules).expect("the program answers"));
    }
    assert!(all.failures.is_empty(), "{} failures:\n{}", all.failures.len(), all.failures.join("\n"));
    all
}

#[test]
fn through_remote_write_1_without_features() {
    let report = check(Door::V1, false);
    assert!(report.written.passed > 0 && report.featured > 0 && report.unsayable == 0, "{report:?}");
}

#[test]
fn through_remote_write_2_with_features() {
    let report = check(Door::V2, true);
    assert!(report.written.passed > 0 && report.featured == 0 && report.unsayable == 0, "{report:?}");
}

#[test]
fn through_otlp() {
    let report = check(Door::Otlp, true);
    assert!(report.written.passed > report.unsayable, "{report:?}");
}
