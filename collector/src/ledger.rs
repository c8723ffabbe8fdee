//! What was received, refused, cut, late, repeated and sampled, by service: for the status page.
//!
//! The rows of a request are counted in one pass over three of their columns, without a lock; the sums are added under
//! one lock a request. Services past [`SERVICES_MAX`] share one entry, so that names cannot fill the memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimestampNanosecondType};
use model::ingest::{Ingest, Kind, Refusal, ServiceIngest};
use model::{Signal, TenantName, UnixNanos, schema};

use crate::answer::shorten;
use crate::decode::Tally;
use crate::error::ReceiveError;

/// How many services of all tenants and signals are told apart.
const SERVICES_MAX: usize = 2_000;
/// The longest name of a service that is kept, in bytes; longer ones are cut.
const NAME_BYTES_MAX: usize = 256;
/// The service of all past the limit.
const OTHER: &str = "(other)";
/// How many refusals are told apart, by tenant, signal and reason.
const REFUSALS_MAX: usize = 2_000;
/// How far from its arrival a row's time is late, or ahead, in nanoseconds: an hour.
const HOUR: i64 = 3_600 * 1_000_000_000;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    services: Mutex<HashMap<(TenantName, Signal, String), ServiceIngest>>,
    /// With whose they are, if that was known.
    refusals: Mutex<Vec<(Option<TenantName>, Refusal)>>,
}

/// The rows of one service in a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rows {
    service: String,
    rows: u64,
    late: (u64, i64),
    ahead: (u64, i64),
    sampled: (u64, i64),
    originals: f64,
}

impl Rows {
    fn see(&mut self, time: i64, weight: f64, received: UnixNanos) {
        self.rows += 1;
        self.originals += weight;
        if time < received.0.saturating_sub(HOUR) {
            self.late = (self.late.0 + 1, time);
        } else if time > received.0.saturating_add(HOUR) {
            self.ahead = (self.ahead.0 + 1, time);
        }
        if weight > 1.0 {
            self.sampled = (self.sampled.0 + 1, time);
        }
    }
}

/// The rows of a request by service, in one pass over their services, times and weights.
pub(crate) fn rows_of(signal: Signal, batch: &RecordBatch, received: UnixNanos) -> Vec<Rows> {
    let column = |name: &str| batch.column_by_name(name);
    let services = column("service_name").and_then(|column| column.as_dictionary_opt::<Int32Type>());
    let times = column(schema::time_column(signal))
        .and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
    let weights = column("weight").and_then(|column| column.as_primitive_opt::<Float64Type>());
    let (Some(services), Some(times)) = (services, times) else { return Vec::new() };
    let Some(names) = services.values().as_string_opt::<i32>() else { return Vec::new() };
    let mut found: Vec<Rows> = (0..names.len()).map(|_| Rows::default()).collect();
    for (row, key) in services.keys().values().iter().enumerate() {
        let weight = weights.map_or(1.0, |weights| weights.value(row));
        if let Some(rows) = usize::try_from(*key).ok().and_then(|key| found.get_mut(key)) {
            rows.see(times.value(row), weight, received);
        }
    }
    for (rows, name) in found.iter_mut().zip(names) {
        rows.service = name.unwrap_or_default().to_owned();
    }
    found.retain(|rows| rows.rows > 0);
    found
}

/// A request that was answered.
pub(crate) struct Taken<'a> {
    pub(crate) tenant: &'a TenantName,
    pub(crate) signal: Signal,
    pub(crate) received: UnixNanos,
    pub(crate) rows: Vec<Rows>,
    pub(crate) noted: &'a [Tally],
    pub(crate) repeat: bool,
}

impl Ledger {
    /// Counts a request that was answered.
    pub(crate) fn take(&self, taken: Taken<'_>) {
        let Taken { tenant, signal, received, rows, noted, repeat } = taken;
        let mut services = lock(&self.services);
        for tally in noted {
            note(entry(&mut services, tenant, signal, &tally.service), tally);
        }
        for rows in rows {
            let entry = entry(&mut services, tenant, signal, &rows.service);
            let time = |time: i64| (String::new(), Some(UnixNanos(time)));
            if repeat {
                let words = format!("a request with {} rows of it, sent again", rows.rows);
                entry.held_back.add(rows.rows, || (words, Some(received)));
                continue;
            }
            entry.received += rows.rows;
            entry.originals += rows.originals;
            entry.last_received = received;
            let kinds = [
                (&mut entry.late, rows.late, "a row of"),
                (&mut entry.ahead, rows.ahead, "a row of"),
                (&mut entry.sampled, rows.sampled, "a row that stands for more than one, of"),
            ];
            for (kind, (count, at), words) in kinds {
                kind.add(count, || (words.to_owned(), time(at).1));
            }
        }
    }

    /// Counts a request that was refused as a whole. What it was told is kept for its tenant alone.
    pub(crate) fn refuse(&self, signal: Signal, tenant: Option<TenantName>, error: &ReceiveError) {
        let reason = error.reason();
        let example = if tenant.is_some() { shorten(&error.to_string()) } else { String::new() };
        let mut refusals = lock(&self.refusals);
        let (signal, last) = (signal.table(), UnixNanos::now());
        let room = refusals.len() < REFUSALS_MAX;
        let is_same = |(of, one): &&mut (Option<TenantName>, Refusal)| {
            *of == tenant && one.signal == signal && one.reason == reason
        };
        match refusals.iter_mut().find(is_same) {
            Some((_, one)) => {
                one.requests += 1;
                (one.last, one.example) = (last, example);
            }
            None if !room => {}
            None => {
                let status = error.http().as_u16();
                refusals.push((tenant, Refusal { signal, reason, status, requests: 1, last, example }));
            }
        }
    }

    /// What passed so far, of a tenant.
    pub(crate) fn of(&self, tenant: &TenantName) -> Ingest {
        let services = lock(&self.services);
        let own = services.iter().filter(|((of, ..), _)| of == tenant);
        let mut services: Vec<ServiceIngest> = own.map(|(_, entry)| entry.clone()).collect();
        services.sort_by(|a, b| (b.received, &a.service, a.signal).cmp(&(a.received, &b.service, b.signal)));
        let refusals = lock(&self.refusals);
        let of_it = refusals.iter().filter(|(of, _)| of.as_ref().is_none_or(|of| of == tenant));
        let mut refusals: Vec<Refusal> = of_it.map(|(_, refusal)| refusal.clone()).collect();
        refusals.sort_by_key(|refusal| std::cmp::Reverse(refusal.requests));
        Ingest { services, refusals }
    }
}

fn note(entry: &mut ServiceIngest, tally: &Tally) {
    let words = |text: &str| (text.to_owned(), None);
    entry.rejected.add(tally.rejected, || words(tally.first_rejected.as_deref().unwrap_or_default()));
    entry.repaired.add(tally.repaired, || words("text that is not UTF-8"));
    let truncated: &mut Kind = &mut entry.truncated;
    truncated.add(tally.values_cut, || words("a value that is too long or nested too deep"));
    truncated.add(tally.attributes_dropped, || words("an attribute too many, or with too long a key"));
}

fn entry<'m>(
    services: &'m mut HashMap<(TenantName, Signal, String), ServiceIngest>,
    tenant: &TenantName,
    signal: Signal,
    service: &str,
) -> &'m mut ServiceIngest {
    let name = &service[..service.floor_char_boundary(NAME_BYTES_MAX)];
    let mut key = (tenant.clone(), signal, name.to_owned());
    if services.len() >= SERVICES_MAX && !services.contains_key(&key) {
        key.2 = OTHER.to_owned();
    }
    let name = key.2.clone();
    services.entry(key).or_insert_with(|| ServiceIngest::new(&name, signal))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Float64Array, TimestampNanosecondArray};

    use super::*;

    const NOW: UnixNanos = UnixNanos(100 * HOUR);

    fn batch(services: &[&str], times: &[i64], weights: &[f64]) -> RecordBatch {
        let services: DictionaryArray<Int32Type> = services.iter().copied().collect();
        let times = TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC");
        let columns: [(&str, ArrayRef); 3] = [
            ("service_name", Arc::new(services)),
            ("start_time", Arc::new(times)),
            ("weight", Arc::new(Float64Array::from(weights.to_vec()))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn take(ledger: &Ledger, tenant: &str, batch: &RecordBatch, noted: &[Tally], repeat: bool) {
        let rows = rows_of(Signal::Spans, batch, NOW);
        let tenant = &TenantName::new(tenant).unwrap();
        ledger.take(Taken { tenant, signal: Signal::Spans, received: NOW, rows, noted, repeat });
    }

    #[test]
    fn rows_are_counted_by_service() {
        let ledger = Ledger::default();
        let times = [NOW.0, NOW.0 - 2 * HOUR, NOW.0 + 2 * HOUR, NOW.0];
        let rows = batch(&["a", "b", "b", "b"], &times, &[1.0, 1.0, 1.0, 4.0]);
        let tally = Tally {
            service: "a".to_owned(),
            rejected: 2,
            first_rejected: Some("why (span 1)".to_owned()),
            values_cut: 3,
            ..Tally::default()
        };
        take(&ledger, "one", &rows, &[tally], false);
        take(&ledger, "one", &rows, &[], true);
        take(&ledger, "two", &rows, &[], false);
        let found = ledger.of(&TenantName::new("one").unwrap()).services;
        assert_eq!(found.len(), 2);
        let (b, a) = (&found[0], &found[1]);
        assert_eq!((a.service.as_str(), a.received, a.rejected.count, a.truncated.count), ("a", 1, 2, 3));
        assert_eq!(a.rejected.example.as_deref(), Some("why (span 1)"));
        assert_eq!((b.received, b.late.count, b.ahead.count, b.sampled.count), (3, 1, 1, 1));
        assert_eq!((b.originals, b.held_back.count), (6.0, 3));
        assert_eq!(b.late.at, Some(UnixNanos(NOW.0 - 2 * HOUR)));
    }

    #[test]
    fn services_past_the_limit_share_an_entry() {
        let ledger = Ledger::default();
        for number in 0..SERVICES_MAX + 5 {
            take(&ledger, "one", &batch(&[&format!("s{number}")], &[NOW.0], &[1.0]), &[], false);
        }
        take(&ledger, "one", &batch(&["s0"], &[NOW.0], &[1.0]), &[], false);
        let found = ledger.of(&TenantName::new("one").unwrap()).services;
        assert_eq!(found.len(), SERVICES_MAX + 1);
        let received = |name: &str| found.iter().find(|one| one.service == name).unwrap().received;
        assert_eq!((received(OTHER), received("s0")), (5, 2));
        let long = "é".repeat(NAME_BYTES_MAX);
        take(&ledger, "two", &batch(&[&long], &[NOW.0], &[1.0]), &[], false);
        let cut = ledger.of(&TenantName::new("two").unwrap()).services;
        // All of them are told apart already, so that further names share the entry of their tenant.
        assert_eq!(cut[0].service, OTHER);
    }

    #[test]
    fn refusals_are_counted_by_reason_with_the_last_example() {
        let ledger = Ledger::default();
        for limit in [1, 2] {
            ledger.refuse(Signal::Logs, Some(TenantName::default()), &ReceiveError::TooLarge { limit });
        }
        ledger.refuse(Signal::Spans, None, &ReceiveError::Crowded(3));
        ledger.refuse(Signal::Spans, TenantName::new("two").ok(), &ReceiveError::TooLarge { limit: 5 });
        let found = ledger.of(&TenantName::default()).refusals;
        let told: Vec<_> =
            found.iter().map(|one| (one.signal, one.reason, one.status, one.requests)).collect();
        assert_eq!(told, [("logs", "too large", 413, 2), ("spans", "too many at once", 429, 1)]);
        assert_eq!(found[0].example, "the request is larger than 2 bytes");
    }
}
