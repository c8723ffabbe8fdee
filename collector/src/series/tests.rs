//! What is let in, and what is told of the rest.

use super::*;
use crate::decode::{Families, Limits, RemoteWrite, decode_remote_write};
use crate::testing::prometheus::{sample, series, write_request};
use prost::Message;

const HOUR: i64 = 4 * EPOCH_NANOS;
const START: UnixNanos = UnixNanos(1_800_000_000_000_000_000);

fn after(hours: i64) -> UnixNanos {
    UnixNanos(START.0 + hours * HOUR)
}

/// A batch of one row for each series, given by metric and label.
fn batch(names: &[(&str, usize)]) -> Decoded {
    let names: Vec<(&str, String)> =
        names.iter().map(|(metric, label)| (*metric, label.to_string())).collect();
    let timeseries = names
        .iter()
        .map(|(metric, label)| {
            let labels = [("__name__", *metric), ("job", "shop"), ("label", label.as_str())];
            series(&labels, vec![sample(1.0, 1)])
        })
        .collect();
    let payload = write_request(timeseries).encode_to_vec();
    let (limits, families) = (Limits::default(), Families::default());
    decode_remote_write(RemoteWrite::V1, &payload.into(), START, &limits, &families).unwrap()
}

/// How many rows are kept of a batch that arrives so many hours after the start.
fn kept(active: &ActiveSeries, tenant: &str, names: &[(&str, usize)], hours: i64) -> usize {
    let mut decoded = batch(names);
    active.bound(&TenantName::new(tenant).unwrap(), &mut decoded, after(hours)).unwrap();
    decoded.batch.rows.num_rows()
}

fn of(metric: &'static str, labels: std::ops::Range<usize>) -> Vec<(&'static str, usize)> {
    labels.map(|label| (metric, label)).collect()
}

#[test]
fn a_metric_and_a_tenant_have_so_many_series() {
    let active = ActiveSeries::new(10, 25);
    assert_eq!(kept(&active, "one", &of("a", 0..8), 0), 8);
    // Those that are known go on; of new ones two have room.
    assert_eq!(kept(&active, "one", &of("a", 0..20), 0), 10);
    assert_eq!(kept(&active, "one", &of("b", 0..20), 0), 10);
    assert_eq!(kept(&active, "one", &of("c", 0..20), 0), 5);
    assert_eq!(kept(&active, "one", &of("a", 0..10), 0), 10);
    assert_eq!(kept(&active, "two", &of("c", 0..20), 0), 10);
}

#[test]
fn series_that_were_not_seen_for_an_hour_make_room() {
    for later in [2, 3, 4, 5, 20] {
        let active = ActiveSeries::new(100, 1_000);
        assert_eq!(kept(&active, "one", &of("a", 0..100), 0), 100);
        // Half of them are seen again an hour later.
        assert_eq!(kept(&active, "one", &of("a", 0..50), 1), 50);
        assert_eq!(kept(&active, "one", &of("a", 100..200), 1), 0);
        let tenant = active.tenant(&TenantName::new("one").unwrap());
        let room = if later == 2 { 50 } else { 100 };
        // Tables make room one by one, when one of their series comes.
        for label in 1_000..3_000 {
            kept(&active, "one", &[("other", label)], later);
            if lock(&tenant).tables.iter().all(|table| table.swept > START.0 / EPOCH_NANOS + 4) {
                break;
            }
        }
        assert_eq!(kept(&active, "one", &of("a", 200..400), later), room, "after {later} hours");
        let tenant = lock(&tenant);
        let counted: usize = tenant.tables.iter().map(|table| table.series.len()).sum();
        assert_eq!(tenant.count, counted);
        assert_eq!(tenant.by_metric.values().sum::<usize>(), counted);
    }
}

#[test]
fn what_is_taken_out_is_told() {
    let active = ActiveSeries::new(2, 3);
    let names = [("bomb", 1), ("bomb", 2), ("bomb", 3), ("other", 4), ("bomb", 5), ("third", 6)];
    let mut decoded = batch(&names);
    active.bound(&TenantName::default(), &mut decoded, START).unwrap();
    let answer = &decoded.batch.answer;
    assert_eq!(answer.rejected, 3);
    assert_eq!(
        answer.message,
        "2 data points rejected: the metric has as many active series as series_per_metric_max allows, 2 \
         (first: of 'bomb'); 1 data point rejected: there are as many active series as series_max allows, 3 \
         (first: of 'third')"
    );
    let told: Vec<_> = decoded.noted.iter().map(|tally| (tally.service.as_str(), tally.rejected)).collect();
    assert_eq!(told, [("shop", 3)]);
    let first = decoded.noted[0].first_rejected.as_deref().unwrap();
    assert!(first.ends_with("allows, 2 (of 'bomb')"), "{first}");
    let rows = &decoded.batch.rows;
    assert_eq!(rows.num_rows(), 3);
    let metrics = rows.column_by_name("metric").unwrap().as_dictionary::<Int32Type>();
    assert_eq!(metrics.values().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["bomb", "other"]);
    let labels = rows.column_by_name("attributes.label").unwrap().as_dictionary::<Int32Type>();
    assert_eq!(labels.values().as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["1", "2", "4"]);
}

#[test]
fn tenants_past_the_limit_share_one() {
    let active = ActiveSeries::new(1, 1);
    for number in 0..TENANTS_MAX {
        assert_eq!(kept(&active, &format!("t{number}"), &[("a", 1)], 0), 1);
    }
    assert_eq!(kept(&active, "x", &[("a", 2)], 0), 1);
    assert_eq!(kept(&active, "y", &[("a", 3)], 0), 0);
    assert_eq!(kept(&active, "t0", &[("a", 1)], 0), 1);
}

#[test]
fn words_keep_what_they_are_made_of() {
    for (series, metric, epoch) in
        [(0, 0, 0), (u64::MAX, (1 << METRIC_BITS) - 1, 15), (1 << 63, 5, 1_000_003)]
    {
        let seen = Seen::new(series, metric, epoch);
        assert_eq!((seen.metric(), seen.age(epoch), seen.age(epoch + 5)), (metric, 0, 5));
        assert!(seen.is_same(Seen::new(series, metric, epoch + 1)));
        assert!(!seen.is_same(Seen::new(series ^ (1 << 62), metric, epoch)));
        assert!(!seen.is_same(Seen::new(series, metric ^ 1, epoch)));
    }
}
