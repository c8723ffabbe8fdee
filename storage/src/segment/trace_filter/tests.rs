use super::*;

/// A random id; every number gives another one.
fn id(number: u64) -> [u8; 16] {
    // The steps of a 64-bit linear congruential generator, twice: as random as filters need.
    let step =
        |seed: u64| seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let first = step(step(number) ^ 0x9e37_79b9_7f4a_7c15);
    [first.to_be_bytes(), step(first ^ number).to_be_bytes()].concat().try_into().unwrap()
}

fn ids(count: u64) -> Vec<[u8; 16]> {
    (0..count).map(id).collect()
}

fn wrong(filter: &StoredFilter, from: u64, count: u64) -> usize {
    (from..from + count).filter(|number| filter.may_have(&id(*number))).count()
}

/// The table of the module's comment: hundredths of a byte an id, and wrong answers to a million unknown ids.
/// A filter over ids, which may repeat.
fn build(ids: Vec<[u8; 16]>) -> Result<Option<TraceFilter>> {
    let mut hashes = TraceHashes::default();
    ids.iter().for_each(|id| hashes.add(id));
    TraceFilter::of(hashes)
}

#[test]
fn filters_by_size_and_error() {
    const IDS: u64 = 1_000_000;
    let bloom = |error: f64| {
        let mut filter = Sbbf::new_with_ndv_fpp(IDS, error).unwrap();
        (0..IDS).for_each(|number| filter.insert(id(number).as_slice()));
        StoredFilter::Bloom(filter)
    };
    let fuse = build(ids(IDS)).unwrap().unwrap();
    let filters = [StoredFilter::Fuse(fuse), bloom(1.0 / 200.0), bloom(1.0 / 65_536.0)];
    let measured = filters.map(|filter| {
        assert_eq!(wrong(&filter, 0, 10_000), 10_000, "what is there is found");
        (filter.bytes() * 100 / IDS as usize, wrong(&filter, IDS, 1_000_000))
    });
    assert_eq!(measured, [(235, 9), (209, 1009), (419, 35)]);
}

#[test]
fn a_filter_holds_its_ids_however_many_and_however_often() {
    let part = PART_IDS as u64;
    for count in [1, 2, 3, 10, 100, HASHES_MIN as u64 + 1, part, part + 1, 3 * part] {
        let mut given = ids(count);
        given.extend(ids(count.min(1_000)));
        let built = build(given).unwrap().unwrap();
        assert_eq!(built.parts.len() as u64, count.div_ceil(part), "{count}");
        let read = TraceFilter::decode(&built.encode()).unwrap();
        assert_eq!(read.parts.len(), built.parts.len(), "{count}");
        let filter = StoredFilter::Fuse(read);
        assert_eq!(wrong(&filter, 0, count) as u64, count, "{count}");
        assert!(wrong(&filter, count, 10_000) < 5, "{count}");
    }
    assert!(build(Vec::new()).unwrap().is_none());
}

#[test]
fn repeats_go_while_hashes_are_collected() {
    let mut hashes = TraceHashes::default();
    for _ in 0..100 {
        for id in ids(5_000) {
            hashes.add(&id);
            assert!(hashes.hashes.len() <= HASHES_MIN);
        }
    }
    assert_eq!(hashes.distinct().len(), 5_000);
}

#[test]
fn bytes_that_are_no_filter_are_refused() {
    let bytes = build(ids(100)).unwrap().unwrap().encode();
    assert!(TraceFilter::decode(&bytes).is_some());
    for end in 0..bytes.len() {
        assert!(TraceFilter::decode(&bytes[..end]).is_none(), "cut to {end}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(TraceFilter::decode(&longer).is_none());
    // Wherever the head is changed, it is refused or can be asked.
    for at in 0..4 + PART_HEAD_BYTES {
        for value in [0, 1, 2, 3, 0x7f, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Some(filter) = TraceFilter::decode(&changed) {
                let filter = StoredFilter::Fuse(filter);
                assert!(wrong(&filter, 0, 100) <= 100);
            }
        }
    }
}
