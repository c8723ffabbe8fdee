use proptest::prelude::*;

use super::resident::{Watch, private_pages};
use super::*;

const MIB: usize = 1 << 20;

#[test]
fn shares_leave_something_for_the_program() {
    let parts: usize = Purpose::ALL.iter().map(|purpose| purpose.parts()).sum();
    assert!(parts < PARTS, "{parts}");
    let budget = MemoryBudget::new(384 * MIB);
    let shares = Purpose::ALL.map(|purpose| budget.share(purpose) / MIB);
    assert_eq!(shares, [36, 48, 72, 84, 48, 72]);
    assert!(MemoryBudget::new(usize::MAX).share(Purpose::Queries) < usize::MAX / 4);
}

#[test]
fn a_share_is_full_and_then_free() {
    let budget = MemoryBudget::new(32 * MIB);
    let first = budget.try_reserve(Purpose::Merges, 4 * MIB).unwrap();
    let second = budget.try_reserve(Purpose::Merges, 2 * MIB).unwrap();
    let full = budget.try_reserve(Purpose::Merges, 1).unwrap_err();
    let (purpose, taken) = (Purpose::Merges, 6 * MIB);
    assert_eq!(full, MemoryFull::Full { purpose, wanted: 1, taken, limit: taken });
    assert_eq!(
        full.to_string(),
        "memory for merges is full: 1 bytes are asked for, and 6291456 of 6291456 are taken"
    );
    drop(first);
    let third = budget.try_reserve(Purpose::Merges, 4 * MIB).unwrap();
    assert_eq!(second.bytes() + third.bytes(), budget.reserved_for(Purpose::Merges));
    assert_eq!(budget.usage().refused[Purpose::Merges as usize], 1);
}

#[test]
fn what_is_larger_than_its_share_goes_alone_or_never() {
    let budget = MemoryBudget::new(32 * MIB);
    let mut large = budget.try_reserve(Purpose::Bodies, 64 * MIB).unwrap();
    assert_eq!(large.bytes(), 3 * MIB, "all of the share, and no more");
    assert_eq!(large.try_grow(MIB), Ok(()), "still alone");
    assert!(budget.try_reserve(Purpose::Bodies, 1).is_err());
    drop(large);
    let small = budget.try_reserve(Purpose::Bodies, 1).unwrap();
    assert!(budget.try_reserve(Purpose::Bodies, 64 * MIB).is_err(), "not alone");
    drop(small);
    let never = budget.wait_for(Purpose::Merges, 7 * MIB, Duration::ZERO).unwrap_err();
    assert_eq!(never, MemoryFull::Never { purpose: Purpose::Merges, wanted: 7 * MIB, limit: 6 * MIB });
}

#[test]
fn queries_stop_before_bodies_do() {
    let budget = MemoryBudget::new(100 * MIB);
    let fresh = budget.gauge(Purpose::FreshRows);
    fresh.set(89 * MIB as u64);
    drop(budget.begin_query(MIB).unwrap());
    fresh.set(91 * MIB as u64);
    let refused = budget.begin_query(MIB).unwrap_err();
    assert!(matches!(refused, MemoryFull::Short { .. }), "{refused}");
    drop(budget.try_reserve(Purpose::Bodies, MIB).unwrap());
    fresh.set(100 * MIB as u64);
    assert!(budget.try_reserve(Purpose::Bodies, MIB).is_err());
    let refused = budget.usage().refused;
    assert_eq!((refused[Purpose::Queries as usize], refused[Purpose::Bodies as usize]), (1, 1));
    drop(fresh);
    drop(budget.begin_query(MIB).unwrap());
}

#[test]
fn resident_memory_stops_queries_and_shrinks_bodies() {
    // This process holds more than these budgets.
    let resident = MemoryBudget::of_process(1 << 40).usage().resident.unwrap() as usize;
    let small = MemoryBudget::of_process(resident / 16);
    let alone = small.begin_query(1).expect("the only work under way is never refused");
    assert!(matches!(small.begin_query(1), Err(MemoryFull::Short { .. })));
    drop(alone);
    let quarter = small.share(Purpose::Bodies) / BODIES_SHRINK;
    let only = small.try_reserve(Purpose::Bodies, quarter).unwrap();
    assert!(small.try_reserve(Purpose::Bodies, 1).is_err(), "far past the budget they go one by one");
    drop(only);
    let large = MemoryBudget::of_process(1 << 50);
    let queries = [large.begin_query(1), large.begin_query(1)];
    assert!(queries.iter().all(Result::is_ok));
}

#[test]
fn bodies_have_less_room_the_less_there_is() {
    for (in_use, limit) in [(0, 12), (99, 12), (100, 3), (114, 3), (115, 1), (300, 1)] {
        assert_eq!(bodies_limit(12, in_use, 100), limit, "{in_use}");
    }
}

#[test]
fn memory_that_stays_is_kept_until_it_grows_or_is_short() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut watch = Watch::new(start, 50);
    let budget = 100;
    // Seconds, bytes, whether telemetry is refused first, what counts.
    let steps = [
        (1, 95, false, 95),
        (5, 95, false, 95),
        (6, 95, false, 84),
        (7, 96, false, 84),
        (8, 99, false, 87),
        (12, 99, false, 87),
        (13, 99, false, 84),
        (14, 99, true, 99),
        (18, 99, false, 99),
        (19, 99, false, 84),
        (20, 60, false, 60),
        (21, 130, false, 130),
        (26, 130, false, 114),
    ];
    for (seconds, bytes, short, counts) in steps {
        if short {
            watch.short(at(seconds));
        }
        watch.observe(at(seconds), bytes, budget);
        assert_eq!(watch.bytes - watch.kept, counts, "after {seconds} s");
    }
}

#[test]
fn pages_of_files_do_not_count() {
    for (text, pages) in [
        ("5000 1200 300 40 0 900 0\n", Some(900)),
        ("5000 300 1200 40 0 900 0\n", Some(0)),
        ("5000 1200", None),
        ("5000 x 3", None),
        ("", None),
    ] {
        assert_eq!(private_pages(text), pages, "{text:?}");
    }
}

#[test]
fn threads_and_tasks_wait_for_memory() {
    let budget = MemoryBudget::new(32 * MIB);
    for purpose in [Purpose::Merges, Purpose::Decoding] {
        let all = budget.share(purpose);
        let held = budget.try_reserve(purpose, all).unwrap();
        assert!(budget.wait_for(purpose, all, Duration::from_millis(1)).is_err(), "{purpose}");
        let waiting = Arc::clone(&budget);
        let thread = std::thread::spawn(move || {
            let long = Duration::from_secs(60);
            match purpose {
                Purpose::Merges => waiting.wait_for(purpose, all, long),
                _ => {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(waiting.reserve(purpose, all, long))
                }
            }
        });
        drop(held);
        assert_eq!(thread.join().unwrap().unwrap().bytes(), all, "{purpose}");
        assert_eq!(budget.reserved_for(purpose), 0, "{purpose}");
    }
}

#[test]
fn a_cache_holds_its_part_and_gives_it_back() {
    let budget = MemoryBudget::new(32 * MIB);
    let share = budget.cache_share(1, 4);
    assert_eq!(share.bytes_max(), MIB as u64);
    let cache = moka::sync::Cache::builder()
        .max_capacity(share.bytes_max())
        .weigher(|_: &usize, charge: &Arc<Charge>| charge.weight())
        .build();
    assert!(share.charge(MIB + 1).is_none());
    for key in 0..100 {
        cache.insert(key, Arc::new(share.charge(MIB / 8).unwrap()));
        cache.run_pending_tasks();
        assert!(budget.reserved_for(Purpose::Caches) <= 2 * MIB, "{key}");
    }
    assert!(budget.reserved_for(Purpose::Caches) > 0);
    cache.invalidate_all();
    cache.run_pending_tasks();
    drop(cache);
    assert_eq!(budget.reserved_for(Purpose::Caches), 0);
}

/// What somebody does with memory.
#[derive(Debug, Clone)]
enum Step {
    Reserve(usize, usize),
    Query(usize),
    Grow(usize, usize),
    Drop(usize),
    Gauge(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = 0..3 * MIB;
    prop_oneof![
        (0..Purpose::ALL.len(), bytes.clone()).prop_map(|(purpose, bytes)| Step::Reserve(purpose, bytes)),
        bytes.clone().prop_map(Step::Query),
        (any::<prop::sample::Index>(), bytes.clone()).prop_map(|(at, bytes)| Step::Grow(at.index(64), bytes)),
        (0..64_usize).prop_map(Step::Drop),
        bytes.prop_map(Step::Gauge),
    ]
}

proptest! {
    /// Whatever is reserved, grown, refused and dropped: the ledger is the sum of what is held, no share and no
    /// budget is exceeded, and in the end nothing is left.
    #[test]
    fn reservations_never_leak(steps in prop::collection::vec(step(), 0..200)) {
        let budget = MemoryBudget::new(16 * MIB);
        let gauge = budget.gauge(Purpose::FreshRows);
        let mut held: Vec<Reservation> = Vec::new();
        for step in steps {
            match step {
                Step::Reserve(purpose, bytes) => {
                    held.extend(budget.try_reserve(Purpose::ALL[purpose], bytes));
                }
                Step::Query(bytes) => held.extend(budget.begin_query(bytes)),
                Step::Grow(at, bytes) => {
                    let count = held.len().max(1);
                    if let Some(reservation) = held.get_mut(at % count) {
                        let before = reservation.bytes();
                        let grown = reservation.try_grow(bytes);
                        prop_assert!(grown.is_ok() || reservation.bytes() == before);
                    }
                }
                Step::Drop(at) => {
                    if !held.is_empty() {
                        drop(held.swap_remove(at % held.len()));
                    }
                }
                Step::Gauge(bytes) => gauge.set(bytes as u64),
            }
            for purpose in Purpose::ALL {
                let mine = held.iter().filter(|reservation| reservation.purpose == purpose);
                let mut sum: usize = mine.map(Reservation::bytes).sum();
                if purpose == Purpose::FreshRows {
                    sum += gauge.get() as usize;
                } else {
                    prop_assert!(sum <= budget.share(purpose));
                }
                prop_assert_eq!(budget.reserved_for(purpose), sum);
            }
        }
        drop(held);
        drop(gauge);
        prop_assert_eq!(budget.usage().reserved, [0; Purpose::ALL.len()]);
    }
}
