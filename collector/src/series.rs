//! How many series a tenant and each of its metrics may have, so that a label whose values never come twice cannot
//! fill the index and the memory of every question.
//!
//! A series is *active* until it was not seen for an hour, or up to a quarter more, by arrival. New ones are let in up to
//! the limits; rows of those that are not are taken out of their batch and told to the sender. Nothing of it is stored: a
//! restart begins anew.
//!
//! An active series takes 9 to 21 bytes: a word of its hash, its metric's hash and when it was seen, in a hash table. Two
//! series of one word count as one, which is as rare as it is harmless. A tenant's are in [`TABLES`] tables, each of which
//! grows and is swept by itself, so that no request waits long.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::error::ArrowError;
use hashbrown::HashTable;
use model::{Signal, TenantName, UnixNanos};
use xxhash_rust::xxh3::xxh3_64;

use crate::decode::Decoded;

/// A quarter of an hour, in nanoseconds: how exactly it is known when a series was seen.
const EPOCH_NANOS: i64 = 900 * 1_000_000_000;
/// For how many epochs behind that in which it was seen a series is active.
const EPOCHS_ACTIVE: i64 = 4;
/// How many epochs are told apart, as a power of two.
const EPOCH_BITS: u32 = 4;
const EPOCHS: i64 = 1 << EPOCH_BITS;
/// How many bits of the hash of a metric's name are kept, and of a series.
const METRIC_BITS: u32 = 24;
const SERIES_BITS: u32 = u64::BITS - METRIC_BITS - EPOCH_BITS;
/// Over how many tables the series of a tenant are spread.
const TABLES: usize = 64;
/// How many tenants are told apart; further ones share the limits of one.
const TENANTS_MAX: usize = 1_000;

/// The active series of all tenants.
pub(crate) struct ActiveSeries {
    /// How many a metric of a tenant may have.
    per_metric_max: usize,
    /// How many a tenant may have.
    max: usize,
    /// Those past [`TENANTS_MAX`] under `None`.
    tenants: Mutex<HashMap<Option<TenantName>, Arc<Mutex<TenantSeries>>>>,
}

/// Which limit a new series is past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Metric,
    Tenant,
}

impl ActiveSeries {
    /// No series yet.
    pub(crate) fn new(per_metric_max: usize, max: usize) -> Self {
        Self { per_metric_max, max, tenants: Mutex::default() }
    }

    /// Takes the rows of new series that are past the limits out of a batch, and notes that.
    pub(crate) fn bound(
        &self,
        tenant: &TenantName,
        decoded: &mut Decoded,
        received: UnixNanos,
    ) -> Result<(), ArrowError> {
        if decoded.batch.signal != Signal::Metrics {
            return Ok(());
        }
        let refused = self.refused(tenant, &decoded.batch.rows, received);
        if refused.is_empty() {
            return Ok(());
        }
        let reason = |limit| match limit {
            Limit::Metric => format!(
                "the metric has as many active series as series_per_metric_max allows, {}",
                self.per_metric_max
            ),
            Limit::Tenant => format!("there are as many active series as series_max allows, {}", self.max),
        };
        let reasons = [reason(Limit::Metric), reason(Limit::Tenant)];
        let refused: Vec<(usize, &str)> =
            refused.iter().map(|(row, limit)| (*row, reasons[*limit as usize].as_str())).collect();
        decoded.reject_rows(&refused)
    }

    /// The rows of series that are not let in. The others are active from here on.
    fn refused(&self, tenant: &TenantName, rows: &RecordBatch, received: UnixNanos) -> Vec<(usize, Limit)> {
        let series = rows.column_by_name("series").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let metrics =
            rows.column_by_name("metric").and_then(|column| column.as_dictionary_opt::<Int32Type>());
        let (Some(series), Some(metrics)) = (series, metrics) else { return Vec::new() };
        let Some(names) = metrics.values().as_string_opt::<i32>() else { return Vec::new() };
        let names: Vec<u64> = names.iter().map(|name| metric_of(name.unwrap_or_default())).collect();
        let tenant = self.tenant(tenant);
        let mut tenant = lock(&tenant);
        let epoch = received.0.div_euclid(EPOCH_NANOS);
        let keys = metrics.keys().values().iter();
        let rows = series.values().iter().zip(keys).enumerate();
        rows.filter_map(|(row, (series, key))| {
            let metric = usize::try_from(*key).ok().and_then(|key| names.get(key)).copied().unwrap_or(0);
            let refused = tenant.see(series.cast_unsigned(), metric, epoch, self).err()?;
            Some((row, refused))
        })
        .collect()
    }

    fn tenant(&self, name: &TenantName) -> Arc<Mutex<TenantSeries>> {
        let mut tenants = lock(&self.tenants);
        let mut key = Some(name.clone());
        if tenants.len() >= TENANTS_MAX && !tenants.contains_key(&key) {
            key = None;
        }
        Arc::clone(tenants.entry(key).or_default())
    }
}

/// The active series of one tenant.
struct TenantSeries {
    tables: Vec<Table>,
    /// How many there are, of all metrics and of each.
    count: usize,
    by_metric: HashMap<u64, usize>,
}

#[derive(Default)]
struct Table {
    series: HashTable<Seen>,
    /// The epoch in which those that were not seen for long were taken out last.
    swept: i64,
}

/// A series, its metric and when it was seen, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen(u64);

impl Default for TenantSeries {
    fn default() -> Self {
        let tables = std::iter::repeat_with(Table::default).take(TABLES).collect();
        Self { tables, count: 0, by_metric: HashMap::new() }
    }
}

impl TenantSeries {
    /// Notes that a series was seen, or says why it is not let in.
    fn see(&mut self, series: u64, metric: u64, epoch: i64, limits: &ActiveSeries) -> Result<(), Limit> {
        let at = (series % TABLES as u64) as usize;
        if self.tables[at].swept < epoch {
            self.sweep(at, epoch);
        }
        let table = &mut self.tables[at];
        let seen = Seen::new(series, metric, table.swept);
        if let Some(known) = table.series.find_mut(seen.hash(), |known| known.is_same(seen)) {
            *known = seen;
            return Ok(());
        }
        let of_metric = self.by_metric.entry(metric);
        let count = match &of_metric {
            Entry::Occupied(count) => *count.get(),
            Entry::Vacant(_) => 0,
        };
        if count >= limits.per_metric_max {
            return Err(Limit::Metric);
        }
        if self.count >= limits.max {
            return Err(Limit::Tenant);
        }
        of_metric.insert_entry(count + 1);
        self.count += 1;
        table.series.insert_unique(seen.hash(), seen, |seen| seen.hash());
        Ok(())
    }

    /// Takes out of a table what is no longer active.
    fn sweep(&mut self, at: usize, epoch: i64) {
        let table = &mut self.tables[at];
        // Past this the epochs of its series could be taken for later ones.
        let is_old = epoch - table.swept >= EPOCHS - EPOCHS_ACTIVE;
        table.swept = epoch;
        table.series.retain(|seen| {
            let active = !is_old && seen.age(epoch) <= EPOCHS_ACTIVE;
            if !active {
                self.count -= 1;
                if let Entry::Occupied(mut count) = self.by_metric.entry(seen.metric()) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
            active
        });
        if table.series.len() < table.series.capacity() / 4 {
            table.series.shrink_to_fit(|seen| seen.hash());
        }
    }
}

impl Seen {
    fn new(series: u64, metric: u64, epoch: i64) -> Self {
        let series = series >> (u64::BITS - SERIES_BITS) << (METRIC_BITS + EPOCH_BITS);
        Self(series | metric << EPOCH_BITS | epoch.rem_euclid(EPOCHS).cast_unsigned())
    }

    fn is_same(self, other: Self) -> bool {
        self.0 >> EPOCH_BITS == other.0 >> EPOCH_BITS
    }

    /// The bits of the series' own hash, spread over a word.
    fn hash(self) -> u64 {
        (self.0 >> (METRIC_BITS + EPOCH_BITS)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn metric(self) -> u64 {
        (self.0 >> EPOCH_BITS) & ((1 << METRIC_BITS) - 1)
    }

    /// How many epochs ago it was seen.
    fn age(self, epoch: i64) -> i64 {
        (epoch - (self.0 % EPOCHS.cast_unsigned()).cast_signed()).rem_euclid(EPOCHS)
    }
}

/// What is kept of a metric's name.
fn metric_of(name: &str) -> u64 {
    xxh3_64(name.as_bytes()) >> (u64::BITS - METRIC_BITS)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
