use super::*;
use crate::budget::Purpose;

const MIB: usize = 1 << 20;

/// Values of a number of bytes.
fn cache(budget: &Arc<MemoryBudget>, parts: usize) -> Cache<usize> {
    Cache::new(budget.cache_share(parts, PARTS), |bytes| *bytes)
}

#[test]
fn caches_full_to_the_brim_still_take_what_is_used() {
    let budget = MemoryBudget::new(128 * MIB);
    let share = budget.share(Purpose::Caches);
    assert_eq!(share, 16 * MIB);
    let caches = [FILTER_PARTS, METADATA_PARTS, INDEX_PARTS, FOOTER_PARTS].map(|parts| cache(&budget, parts));
    for round in 0..100 {
        for cache in &caches {
            cache.keep(&format!("once {round}"), MIB / 4);
            assert!(budget.reserved_for(Purpose::Caches) <= share, "{round}");
        }
    }
    assert!(budget.reserved_for(Purpose::Caches) > share / 2);
    for cache in &caches {
        for _ in 0..200 {
            if cache.get("often").is_none() {
                cache.keep("often", MIB / 4);
            }
        }
        assert!(cache.get("often").is_some());
    }
    drop(caches);
    assert_eq!(budget.reserved_for(Purpose::Caches), 0);
}

#[test]
fn a_round_of_more_than_fits_finds_what_does() {
    let budget = MemoryBudget::new(128 * MIB);
    let filters = cache(&budget, FILTER_PARTS);
    let mut found = 0;
    for round in 0..20 {
        for number in 0..16 {
            let id = number.to_string();
            match filters.get(&id) {
                Some(_) => found += usize::from(round >= 10),
                None => drop(filters.keep(&id, MIB)),
            }
        }
    }
    // Of 16 values 6 fit beside what the cache itself takes.
    assert!(found >= 10 * 5, "{found} of 160 were found");
}

#[test]
fn without_memory_nothing_is_kept_and_all_is_used() {
    let caches = cache(&MemoryBudget::new(0), FILTER_PARTS);
    assert_eq!(*caches.keep("a", 7), 7);
    assert!(caches.get("a").is_none());
}

#[test]
fn memory_counts_as_long_as_it_is_held() {
    let budget = MemoryBudget::new(128 * MIB);
    let cache = cache(&budget, FILTER_PARTS);
    let held = cache.keep("a", MIB);
    cache.entries.invalidate("a");
    cache.entries.run_pending_tasks();
    assert_eq!(budget.reserved_for(Purpose::Caches), MIB + ENTRY_BYTES);
    drop(held);
    drop(cache);
    assert_eq!(budget.reserved_for(Purpose::Caches), 0);
}
