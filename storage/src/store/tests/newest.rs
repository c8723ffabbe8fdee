//! The newest rows of a segment of many pages: the right ones, and from few pages where that is enough.

use super::*;

/// Rows of each service, more than a page of 8,192 has.
const ROWS: usize = 9_000;

#[test]
fn the_newest_are_found_in_the_newest_pages() {
    let fixture = Fixture::new();
    let common: Vec<String> = (0..ROWS).map(|at| format!("order {at} placed")).collect();
    let mut texts: Vec<&str> = common.iter().map(String::as_str).collect();
    // In the oldest page of each service alone.
    texts[5] = "disk full";
    // Each service begins when the one before has ended, but the last: its rows lie among those of the first.
    for (service, first) in [("a", 0), ("b", ROWS as i64), ("c", 2 * ROWS as i64), ("d", 1)] {
        fixture.logs(service, first * 10, &texts);
    }
    fixture.store().compact(&mut |_| ()).unwrap();
    let snapshot = fixture.store().snapshot(&reader());
    let all = 4 * ROWS as u64;
    let word = |word: &str| Predicate::Text(word.to_owned());
    // The last row of c is the newest of all; of d it is row 10 and on.
    let last_of_c = 20 * ROWS as i64 + ROWS as i64 - 1;
    let times_of = |count: i64| (0..count).map(|at| last_of_c - at).collect::<Vec<_>>();
    let fives = vec![20 * ROWS as i64 + 5, 10 * ROWS as i64 + 5, 15, 5];
    for (predicate, before, limit, expected, most) in [
        (Predicate::All, None, 20, times_of(20), all / 2),
        (word("placed"), None, 20, times_of(20), all / 2),
        (word("placed"), Some(last_of_c - 3), 1, vec![last_of_c - 4], all / 2),
        (word("disk"), None, 20, fives, all),
        (word("absent"), None, 20, Vec::new(), 0),
    ] {
        let before = before.map(|time| RowKey { time: UnixNanos(time), seq: 0 });
        let (rows, stats) =
            snapshot.newest(&scan(predicate.clone()), before, limit, None, &control()).unwrap();
        let times: Vec<i64> = rows.iter().map(|row| key(row).time.0).collect();
        assert_eq!(times, expected, "{predicate:?}");
        assert!(stats.rows <= most && stats.opened <= 1, "{predicate:?}: {stats:?}");
    }
    // Every row once, in order, whatever lies in which page.
    let (rows, _) = snapshot.newest(&scan(Predicate::All), None, all as usize, None, &control()).unwrap();
    let keys: Vec<RowKey> = rows.iter().map(key).collect();
    assert_eq!(keys.len() as u64, all);
    assert!(keys.windows(2).all(|pair| pair[0] > pair[1]));
}
