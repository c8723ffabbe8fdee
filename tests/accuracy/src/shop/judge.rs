//! What an answer about the demo's shop is worth, by the table of its faults.

use demo::fault::{Label, Target};
use serde_json::Value;

use crate::told::Suspect;

/// What is right about the first suspect, and where the right one is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The service.
    pub(super) service: bool,
    /// The kind.
    pub(super) kind: bool,
    /// The instance; nothing where the fault is in no single one.
    pub(super) instance: Option<bool>,
    /// The target.
    pub(super) target: bool,
    /// The place of the first suspect that is right in service and kind, from 1.
    pub(super) rank: Option<usize>,
}

impl Verdict {
    /// Whether service and kind are right.
    pub(super) fn is_right(&self) -> bool {
        self.service && self.kind
    }
}

/// Compares suspects with a label.
pub(super) fn judge(label: &Label, suspects: &[Suspect]) -> Verdict {
    let is_right = |suspect: &Suspect| suspect.service == label.service && suspect.kind == label.kind;
    let rank = suspects.iter().position(is_right).map(|at| at + 1);
    let Some(first) = suspects.first() else {
        return Verdict { instance: label.instance.map(|_| false), ..Verdict::default() };
    };
    let is_instance = |name: &str| first.instance.as_ref().is_some_and(|instance| instance.starts_with(name));
    Verdict {
        service: first.service == label.service,
        kind: first.kind == label.kind,
        instance: label.instance.map(is_instance),
        target: first.service == label.service && is_target(label.target, &first.target),
        rank,
    }
}

/// Whether a target is of the right type and names what the label names, in whichever of its fields.
fn is_target(label: Target, target: &Value) -> bool {
    let is = |name: &str| target["type"] == name;
    let at = |key: &str, part: &str| target[key].as_str().is_some_and(|text| text.contains(part));
    let any = |part: &str| {
        let fields = target.as_object().into_iter().flatten().filter(|(key, _)| *key != "type");
        fields.into_iter().any(|(_, value)| value.as_str().is_some_and(|text| text.contains(part)))
    };
    match label {
        Target::Resource(name) => is("resource") && target["resource"] == name,
        Target::Code { from, to } => is("code") && at("from", from) && at("to", to),
        Target::Operation(name) => is("operation") && any(name),
        Target::Edge { from, to } => is("edge") && at("from", from) && at("to", to),
        Target::Version(version) => is("version") && any(version),
        Target::Config { key, value } => is("config") && any(key) && any(value),
        Target::Instance(name) => is("instance") && any(name),
    }
}

#[cfg(test)]
mod tests {
    use demo::fault::Fault;
    use serde_json::json;

    use super::*;

    #[test]
    fn targets() {
        let check = |fault: Fault, target: Value, expected: bool| {
            assert_eq!(is_target(fault.label().target, &target), expected, "{fault}: {target}");
        };
        check(Fault::Cpu, json!({ "type": "resource", "resource": "cpu" }), true);
        check(Fault::Cpu, json!({ "type": "resource", "resource": "memory" }), false);
        let (from, to) = ("payment::charge#73", "payment::charge#86");
        check(Fault::Error, json!({ "type": "code", "from": from, "to": to }), true);
        check(Fault::Error, json!({ "type": "code", "from": to, "to": from }), false);
        check(Fault::Error, json!({ "type": "code", "from": null, "to": null }), false);
        check(Fault::Lock, json!({ "type": "operation", "operation": "POST /reservations" }), true);
        check(Fault::SlowQuery, json!({ "type": "edge", "from": "orders", "to": "postgresql/shop" }), true);
        check(Fault::SlowQuery, json!({ "type": "edge", "from": "orders", "to": null }), false);
        check(Fault::BadDeploy, json!({ "type": "version", "version": "2.4.0" }), true);
        check(Fault::BadDeploy, json!({ "type": "version", "version": "2.3.4" }), false);
        let config = json!({ "type": "config", "key": "shop.config.revision", "value": "r119" });
        check(Fault::ConfigChange, config, true);
        check(Fault::DeadInstance, json!({ "type": "instance", "instance": "inventory-2-g1" }), true);
    }

    #[test]
    fn first_suspects() {
        let suspect = |service: &str, instance: Option<&str>, kind: &str| Suspect {
            service: service.to_owned(),
            instance: instance.map(str::to_owned),
            kind: kind.to_owned(),
            target: json!({ "type": "resource", "resource": "cpu" }),
            score: 1.0,
        };
        let label = Fault::Cpu.label();
        let right = suspect("pricing", Some("pricing-1-g1"), "cpu");
        let verdict = judge(label, std::slice::from_ref(&right));
        let expected =
            Verdict { service: true, kind: true, instance: Some(true), target: true, rank: Some(1) };
        assert_eq!(verdict, expected);
        let verdict = judge(label, &[suspect("web", None, "cpu"), right]);
        let expected =
            Verdict { service: false, kind: true, instance: Some(false), target: false, rank: Some(2) };
        assert_eq!(verdict, expected);
        assert!(!verdict.is_right());
        assert_eq!(judge(label, &[]), Verdict { instance: Some(false), ..Verdict::default() });
        assert_eq!(judge(Fault::Lock.label(), &[]), Verdict::default());
    }
}
