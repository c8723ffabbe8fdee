//! What the clients wrote down, and whether the store agrees.

use std::collections::{BTreeMap, BTreeSet};

use tests::{
    api::{Api, number},
    otlp::Signal,
};

use super::load::Sent;

/// Ids by the service that sent them; a service sends one signal.
#[derive(Default)]
pub(crate) struct Ledger {
    services: BTreeMap<String, (Signal, BTreeSet<String>)>,
    requests: usize,
    repeated: usize,
}

impl Ledger {
    /// Requests that were acknowledged.
    pub(crate) fn add(&mut self, sent: Vec<Sent>) {
        for sent in sent {
            let entry =
                self.services.entry(sent.service).or_insert_with(|| (sent.kind.signal(), BTreeSet::new()));
            entry.1.extend(sent.ids);
            self.requests += 1;
        }
    }

    /// Requests that were acknowledged only when they were sent again.
    pub(crate) fn add_repeated(&mut self, sent: Vec<Sent>) {
        self.repeated += sent.len();
        self.add(sent);
    }

    pub(crate) fn summary(&self) -> String {
        let records: usize = self.services.values().map(|(_, ids)| ids.len()).sum();
        let (requests, repeated) = (self.requests, self.repeated);
        format!("{requests} requests with {records} records, {repeated} of them not answered at first")
    }

    /// Counts every id.
    pub(crate) fn check(&self, api: &Api, when: &str) {
        for (service, (signal, expected)) in &self.services {
            let stored = ids(api, service, *signal);
            let wrong: Vec<_> = stored.iter().filter(|(_, count)| **count != 1).collect();
            assert!(wrong.is_empty(), "{when}: {service}: stored more than once: {wrong:?}");
            let stored: BTreeSet<_> = stored.into_keys().collect();
            let lost: Vec<_> = expected.difference(&stored).collect();
            let strange: Vec<_> = stored.difference(expected).collect();
            assert!(
                lost.is_empty() && strange.is_empty(),
                "{when}: {service}: lost {lost:?}, never sent {strange:?}"
            );
        }
        self.check_totals(api, when);
    }

    /// No rows beside those that were counted by service, no address twice, and summaries that agree.
    fn check_totals(&self, api: &Api, when: &str) {
        for (signal, table) in
            [(Signal::Traces, "spans"), (Signal::Logs, "logs"), (Signal::Metrics, "metrics")]
        {
            let sent: usize =
                self.services.values().filter(|(of, _)| *of == signal).map(|(_, ids)| ids.len()).sum();
            let stored = api.count(&format!("SELECT count(*) FROM {table}"));
            assert_eq!(stored, sent as u64, "{when}: rows of {table}");
            if signal != Signal::Metrics {
                let addresses = api.count(&format!("SELECT count(DISTINCT seq) FROM {table}"));
                assert_eq!(addresses, stored, "{when}: addresses of {table}");
            }
        }
        let spans = api.count("SELECT count(*) FROM spans");
        assert_eq!(api.count("SELECT sum(span_count) FROM traces"), spans, "{when}: spans that traces count");
    }
}

/// Right after a kill: what was acknowledged in that round is there once, what was not answered at most once.
pub(crate) fn check_acknowledged(api: &Api, acknowledged: &[Sent], unanswered: &[Sent], round: usize) {
    let mut services: BTreeMap<&str, (Signal, BTreeSet<&str>)> = BTreeMap::new();
    for sent in acknowledged.iter().chain(unanswered) {
        services.entry(&sent.service).or_insert_with(|| (sent.kind.signal(), BTreeSet::new()));
    }
    for sent in acknowledged {
        let expected = services.get_mut(sent.service.as_str()).expect("every service was entered");
        expected.1.extend(sent.ids.iter().map(String::as_str));
    }
    for (service, (signal, expected)) in services {
        let stored = ids(api, service, signal);
        let lost: Vec<_> = expected.iter().filter(|id| !stored.contains_key(**id)).collect();
        assert!(lost.is_empty(), "after the kill of round {round}: {service}: lost {lost:?}");
        let doubled: Vec<_> = stored.iter().filter(|(_, count)| **count != 1).collect();
        assert!(
            doubled.is_empty(),
            "after the kill of round {round}: {service}: more than once: {doubled:?}"
        );
    }
}

/// How often each id of a service is stored.
fn ids(api: &Api, service: &str, signal: Signal) -> BTreeMap<String, u64> {
    let (id, table) = match signal {
        Signal::Traces => ("span_id", "spans"),
        Signal::Logs => ("attributes['id']", "logs"),
        Signal::Metrics => ("attributes['id']", "metrics"),
    };
    let sql = format!("SELECT {id}, count(*) FROM {table} WHERE service_name = '{service}' GROUP BY {id}");
    let row = |row: Vec<serde_json::Value>| {
        let id =
            row[0].as_str().unwrap_or_else(|| panic!("{sql}: an id that is no text: {}", row[0])).to_owned();
        (id, number(&row[1]).expect("a count is a number"))
    };
    api.sql(&sql).into_iter().map(row).collect()
}
