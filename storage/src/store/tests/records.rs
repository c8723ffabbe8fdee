//! Records are found by time and name, replaced, forgotten, and left out where they are damaged.

use super::*;
use crate::catalog::records::{Collection, RECORD_BYTES_MAX, RECORDS_MAX, Record};

fn record(id: &str, time: i64, body: &str) -> Record {
    Record { id: id.to_owned(), time: UnixNanos(time), body: body.to_owned() }
}

#[test]
fn records_are_kept_and_found() {
    let mut fixture = Fixture::new();
    let tenant = TenantName::default();
    let of = Collection::Incidents;
    assert_eq!(fixture.store().records(&reader(), of, TimeRange::ALL, 10).unwrap().records, []);
    for (id, time, body) in [("a", 1, "one"), ("b", 3, "two"), ("c", 2, "three"), ("b", 4, "four")] {
        fixture.store().put_record(&tenant, of, &record(id, time, body)).unwrap();
    }
    fixture.store().put_record(&tenant, Collection::Changes, &record("a", 1, "other")).unwrap();
    for state in ["written", "crashed"] {
        let found = |from, to, limit| {
            let range = TimeRange { from: Some(UnixNanos(from)), to: Some(UnixNanos(to)) };
            let found = fixture.store().records(&reader(), of, range, limit).unwrap();
            assert_eq!(found.damaged, 0);
            found.records.into_iter().map(|record| record.body).collect::<Vec<_>>()
        };
        assert_eq!(found(0, 10, 10), ["four", "three", "one"], "{state}");
        assert_eq!(found(2, 4, 10), ["three"], "{state}");
        assert_eq!(found(0, 10, 1), ["four"], "{state}");
        let one = |id| fixture.store().record(&reader(), of, id).unwrap();
        assert_eq!(one("c"), Some(record("c", 2, "three")), "{state}");
        assert_eq!(one("d"), None, "{state}");
        fixture.crash();
    }
    assert!(fixture.store().remove_record(&tenant, of, "c").unwrap());
    assert!(!fixture.store().remove_record(&tenant, of, "c").unwrap());
    assert_eq!(fixture.store().record(&reader(), of, "c").unwrap(), None);
}

#[test]
fn records_have_limits() {
    let fixture = Fixture::new();
    let (tenant, of) = (TenantName::default(), Collection::Changes);
    let large = "x".repeat(RECORD_BYTES_MAX + 1);
    for refused in [record("", 1, ""), record(&"n".repeat(129), 1, ""), record("a", 1, &large)] {
        let error = fixture.store().put_record(&tenant, of, &refused).unwrap_err().to_string();
        assert!(error.contains("at most 1048576 bytes"), "{error}");
    }
    // A collection that is full forgets its oldest.
    let catalog = &fixture.store().inner.shared.catalog;
    let id = fixture.store().inner.shared.tenant(&tenant).unwrap();
    catalog.fill_records(id, of, RECORDS_MAX as i64);
    fixture.store().put_record(&tenant, of, &record("newest", i64::MAX - 1, "")).unwrap();
    let found = fixture.store().records(&reader(), of, TimeRange::ALL, usize::MAX).unwrap();
    assert_eq!(found.records.len() as u64 + found.damaged, RECORDS_MAX as u64);
    // Those that were filled in have no checksum.
    assert_eq!((found.records.len(), found.records[0].id.as_str()), (1, "newest"));
    assert!(fixture.store().record(&reader(), of, "5").unwrap_err().to_string().contains("damaged"));
    assert_eq!(fixture.store().record(&reader(), of, "0").unwrap(), None);
}
