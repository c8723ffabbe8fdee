//! The description is sound: what it names exists.

use std::collections::BTreeSet;

use super::*;

fn all() -> impl Iterator<Item = &'static Service> {
    SERVICES.iter().chain([&REPORTS]).copied()
}

#[test]
fn what_is_called_exists() {
    let mut calls = 0;
    for service in all() {
        each_step_of(service, &mut |step| match step {
            Step::Call(call) => {
                let to = super::service(call.to).unwrap_or_else(|| panic!("{}", call.to));
                assert!(operation(to, call.operation).is_some(), "{} {}", call.to, call.operation);
                assert!(call.attempts > 0 && call.timeout_ms > 0);
                calls += 1;
            }
            Step::Publish(queue) => {
                let takers = all().filter(|service| {
                    service.consumer.as_ref().is_some_and(|consumer| consumer.queue == *queue)
                });
                assert_eq!(takers.count(), 1, "{queue}");
            }
            _ => {}
        });
    }
    assert!(calls > 15);
    for (name, share) in VISITS {
        assert!(operation(SERVICES[0], name).is_some() && share > 0.0, "{name}");
    }
}

#[test]
fn a_statement_has_a_place_of_its_own() {
    let mut events = BTreeSet::new();
    for service in all() {
        assert_ne!(service.version, service.next_version);
        each_step_of(service, &mut |step| {
            if let Step::Log(statement) = step {
                assert!(events.insert(statement.event()), "{} stands twice", statement.event());
                assert!(statement.logger.starts_with(service.name), "{}", statement.event());
                assert_eq!(statement.file().split('/').next(), Some(service.name));
            }
        });
    }
}

#[test]
fn operations_have_method_and_route() {
    for operation in all().filter(|service| service.name != "reports").flat_map(|service| service.operations)
    {
        assert!(["GET", "POST"].contains(&operation.method()), "{}", operation.name);
        assert!(operation.route().starts_with('/'), "{}", operation.name);
    }
}

#[test]
fn two_services_at_least_have_two_instances() {
    assert!(all().filter(|service| service.instances >= 2).count() >= 2);
    assert!(all().count() >= 8);
}
