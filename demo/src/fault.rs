//! What can break, and what a diagnosis should say about it: one table for the program, its documentation and tests.

use std::fmt;
use std::str::FromStr;

/// A fault, by what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A processor that others use up
    Cpu,
    /// Memory that is never given back
    MemoryLeak,
    /// A slow network
    NetworkDelay,
    /// An operation that returns an error
    Error,
    /// An operation that throws
    Exception,
    /// A lock that is held for too long
    Lock,
    /// A statement of SQL that takes long
    SlowQuery,
    /// A new version that is wrong
    BadDeploy,
    /// A new configuration that is wrong
    ConfigChange,
    /// Consumers that do not keep up
    QueueBacklog,
    /// An instance that is gone
    DeadInstance,
    /// A client that tries again too soon and too often
    RetryStorm,
}

/// What a suspect's `target` names, in the words of a diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A resource of the instance
    Resource(&'static str),
    /// The place between two statements, written `logger#line`
    Code {
        /// The last event before the place
        from: &'static str,
        /// The first event after it where nothing is wrong
        to: &'static str,
    },
    /// An operation of the service
    Operation(&'static str),
    /// An edge from the service to what it calls or takes from
    Edge {
        /// Who calls, or the queue taken from
        from: &'static str,
        /// Who is called, or who takes
        to: &'static str,
    },
    /// A version of the service
    Version(&'static str),
    /// A resource attribute and its new value
    Config {
        /// The attribute
        key: &'static str,
        /// Its value while the fault is on
        value: &'static str,
    },
    /// An instance of the service, without the number of its restart
    Instance(&'static str),
}

impl fmt::Display for Target {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(name) => write!(to, "resource {name}"),
            Self::Code { from, to: next } => write!(to, "code between {from} and {next}"),
            Self::Operation(name) => write!(to, "operation {name}"),
            Self::Edge { from, to: next } => write!(to, "edge {from} to {next}"),
            Self::Version(version) => write!(to, "version {version}"),
            Self::Config { key, value } => write!(to, "config {key}={value}"),
            Self::Instance(name) => write!(to, "instance {name}"),
        }
    }
}

/// What a fault does, and what is right to say about it.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// The fault
    pub fault: Fault,
    /// Its name on the command line
    pub name: &'static str,
    /// The service that is the cause
    pub service: &'static str,
    /// The beginning of the id of the instance that is, where it is one
    pub instance: Option<&'static str>,
    /// The kind that a diagnosis should say
    pub kind: &'static str,
    /// The target that it should name
    pub target: Target,
    /// What happens, in a sentence
    pub what: &'static str,
}

/// All faults.
pub static LABELS: [Label; 12] = [
    Label {
        fault: Fault::Cpu,
        name: "cpu",
        service: "pricing",
        instance: Some("pricing-1"),
        kind: "cpu",
        target: Target::Resource("cpu"),
        what: "other work takes the processors of one instance, so that requests wait for them",
    },
    Label {
        fault: Fault::MemoryLeak,
        name: "memory-leak",
        service: "recommendation",
        instance: Some("recommendation-1"),
        kind: "memory",
        target: Target::Resource("memory"),
        what: "one instance loses memory, pauses ever longer to collect garbage, and is killed at its limit",
    },
    Label {
        fault: Fault::NetworkDelay,
        name: "network-delay",
        service: "catalog",
        instance: Some("catalog-2"),
        kind: "network",
        target: Target::Resource("network"),
        what: "every packet from and to one instance is late, to its data base too",
    },
    Label {
        fault: Fault::Error,
        name: "error",
        service: "payment",
        instance: None,
        kind: "code",
        target: Target::Code { from: "payment::charge#73", to: "payment::charge#86" },
        what: "most charges are answered with an error after the bank authorised them",
    },
    Label {
        fault: Fault::Exception,
        name: "exception",
        service: "catalog",
        instance: None,
        kind: "code",
        target: Target::Code { from: "catalog::detail#52", to: "catalog::detail#71" },
        what: "showing a product throws where its kind is bundle",
    },
    Label {
        fault: Fault::Lock,
        name: "lock",
        service: "inventory",
        instance: None,
        kind: "lock",
        target: Target::Operation("POST /reservations"),
        what: "an audit holds the lock stock-ledger most of the time, so that reservations wait",
    },
    Label {
        fault: Fault::SlowQuery,
        name: "slow-query",
        service: "orders",
        instance: None,
        kind: "dependency",
        // As the service graph names a database: system and name.
        target: Target::Edge { from: "orders", to: "postgresql/shop" },
        what: "reading orders from the data base takes a hundred times as long, as without an index",
    },
    Label {
        fault: Fault::BadDeploy,
        name: "bad-deploy",
        service: "search",
        instance: None,
        kind: "deploy",
        target: Target::Version("2.4.0"),
        what: "version 2.4.0 is rolled out and fails on many searches; it is rolled back at the end",
    },
    Label {
        fault: Fault::ConfigChange,
        name: "config-change",
        service: "cart",
        instance: None,
        kind: "config",
        target: Target::Config { key: "shop.config.revision", value: "r119" },
        what: "revision r119 lowers the pool of connections to one and keeps none of them open",
    },
    Label {
        fault: Fault::QueueBacklog,
        name: "queue-backlog",
        service: "shipping",
        instance: None,
        kind: "queue",
        target: Target::Edge { from: "orders", to: "shipping" },
        what: "the consumers wait seconds between messages, so that the queue orders grows",
    },
    Label {
        fault: Fault::DeadInstance,
        name: "dead-instance",
        service: "inventory",
        instance: Some("inventory-2"),
        kind: "instance",
        target: Target::Instance("inventory-2"),
        what: "one of two instances dies, and connections to it are refused",
    },
    Label {
        fault: Fault::RetryStorm,
        name: "retry-storm",
        service: "payment",
        instance: None,
        kind: "retry",
        target: Target::Edge { from: "payment", to: "fraud" },
        what: "the client of fraud gives up too soon and tries again at once, until its circuit breaker opens",
    },
];

impl Label {
    /// The service, with the instance where it is one.
    pub fn place(&self) -> String {
        self.instance
            .map_or_else(|| self.service.to_owned(), |instance| format!("{} ({instance})", self.service))
    }
}

impl Fault {
    /// All faults, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        LABELS.iter().map(|label| label.fault)
    }

    /// What it does, and what is right to say.
    pub fn label(self) -> &'static Label {
        // One row per fault in the order of the enum, which a test holds.
        &LABELS[self as usize]
    }

    /// Its bit in a set of faults.
    pub(crate) fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.label().name)
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = LABELS.iter().find(|label| label.name == text).map(|label| label.fault);
        found.ok_or_else(|| {
            let names: Vec<&str> = LABELS.iter().map(|label| label.name).collect();
            format!("`{text}` is no fault: it is one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{self, Step};

    #[test]
    fn every_fault_has_its_row() {
        for (at, label) in LABELS.iter().enumerate() {
            assert_eq!(label.fault as usize, at, "{}", label.name);
            assert_eq!(label.name.parse(), Ok(label.fault));
            assert!(shop::service(label.service).is_some(), "{}", label.name);
        }
        assert!("disk".parse::<Fault>().unwrap_err().contains("slow-query"));
    }

    #[test]
    fn the_documentation_has_the_table() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/demo.md");
        let page = std::fs::read_to_string(page).unwrap();
        for label in &LABELS {
            let row = format!(
                "| `{}` | {} | {} | {} | {} |",
                label.name,
                label.what,
                label.place(),
                label.kind,
                label.target
            );
            assert!(page.contains(&row), "docs/demo.md lacks this row:\n{row}");
        }
    }

    /// The statements of a service's operations, and the fault that stands between two of them.
    fn around_breaks(service: &'static shop::Service) -> Vec<(Fault, String, String)> {
        let mut events: Vec<Result<String, Fault>> = Vec::new();
        shop::each_step_of(service, &mut |step| match step {
            Step::Log(statement) => events.push(Ok(statement.event())),
            Step::Breaks(fault) => events.push(Err(*fault)),
            _ => {}
        });
        let around = events.windows(3).filter_map(|three| match three {
            [Ok(from), Err(fault), Ok(to)] => Some((*fault, from.clone(), to.clone())),
            _ => None,
        });
        around.collect()
    }

    #[test]
    fn targets_in_code_are_the_statements_around_the_defect() {
        for label in &LABELS {
            if let Target::Code { from, to } = label.target {
                let around = around_breaks(shop::service(label.service).unwrap());
                assert!(around.contains(&(label.fault, from.to_owned(), to.to_owned())), "{around:?}");
            }
        }
    }
}
