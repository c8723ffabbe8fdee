//! A sketch of durations: weighted counts in buckets of growing width, from which quantiles are read.
//!
//! It is a DDSketch (Masson, Rim, Lee, 2019) without a limit on its buckets: durations are 63-bit integers, so
//! there are at most [`KEY_MAX`] + 2. Bucket `k` holds durations over `γ^(k-1)` up to `γ^k` nanoseconds, where `γ`
//! is `(1 + 0.01) / (1 - 0.01)`, and stands for `2γ^k / (γ + 1)`: every quantile is within one percent of a
//! duration of that rank. Zero has a bucket of its own. Two sketches add up to that of all their durations.
//!
//! Own code, since counts are weights: a sampled span stands for many, and not for a whole number of them. It also
//! keeps what is there only; most rows of a table have few durations.
//!
//! As bytes, numbers unsigned LEB128 and little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | form of the counts: 0 whole numbers, 1 doubles of 8 bytes |
//! | 1… | how many buckets; that of zero has key 0, bucket `k` key `k + 1` |
//! | … | the keys in ascending order, each as its distance from the one before |
//! | … | their counts |

use thiserror::Error;

/// How far from a duration of its rank a quantile may be.
const RELATIVE_ERROR: f64 = 0.01;
/// The largest key of a bucket: that of the longest duration.
const KEY_MAX: u16 = 2_200;
const VERSION: u8 = 1;
const WHOLE: u8 = 0;
const DOUBLES: u8 = 1;
/// Whole counts up to here are written as such: further ones are not exact as doubles.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;

/// Durations with their weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sketch {
    /// Key and weight, ascending by key. Key 0 is that of the duration zero.
    buckets: Vec<(u16, f64)>,
}

/// Bytes that are no sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a sketch of durations is expected: {0}")]
pub struct SketchError(&'static str);

impl Sketch {
    /// Adds a duration that stands for `weight` of them. A negative one is unknown and left out.
    pub fn add(&mut self, duration_ns: i64, weight: f64) {
        if duration_ns >= 0 && weight > 0.0 && weight.is_finite() {
            self.add_to(key(duration_ns), weight);
        }
    }

    fn add_to(&mut self, key: u16, weight: f64) {
        match self.buckets.binary_search_by_key(&key, |bucket| bucket.0) {
            Ok(at) => self.buckets[at].1 += weight,
            Err(at) => self.buckets.insert(at, (key, weight)),
        }
    }

    /// Adds all durations of another sketch.
    pub fn merge(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
            return;
        }
        other.buckets.iter().for_each(|(key, weight)| self.add_to(*key, *weight));
    }

    /// The sum of all weights.
    pub fn count(&self) -> f64 {
        self.buckets.iter().map(|(_, weight)| weight).sum()
    }

    /// Its durations in nanoseconds, each within one percent, ascending, with their weights.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64)> {
        self.buckets.iter().map(|(key, weight)| (value(*key), *weight))
    }

    /// Whether it holds no duration.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The shortest duration that at least this share of all did not exceed, within one percent; `None` without
    /// durations.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        // A rank that a sum of doubles missed by its rounding is reached.
        let rank = share.clamp(0.0, 1.0) * count - count * 1e-12;
        let mut below = 0.0;
        let reached = self.buckets.iter().find(|(_, weight)| {
            below += weight;
            below >= rank
        });
        reached.or(self.buckets.last()).map(|(key, _)| value(*key))
    }

    /// Its bytes in memory, about.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.buckets.capacity() * size_of::<(u16, f64)>()
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let whole = self.buckets.iter().all(|(_, weight)| weight.fract() == 0.0 && *weight <= WHOLE_MAX);
        out.extend([VERSION, if whole { WHOLE } else { DOUBLES }]);
        push_number(out, self.buckets.len() as u64);
        let mut before = 0;
        for (key, _) in &self.buckets {
            push_number(out, u64::from(key - before));
            before = *key;
        }
        for (_, weight) in &self.buckets {
            match whole {
                true => push_number(out, *weight as u64),
                false => out.extend(weight.to_le_bytes()),
            }
        }
    }

    /// Adds the durations of an encoded sketch.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), SketchError> {
        let other = Self::decode(bytes)?;
        match self.buckets.is_empty() {
            true => *self = other,
            false => self.merge(&other),
        }
        Ok(())
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchError> {
        let short = SketchError("it ends early");
        let (&[version, form], mut rest) = bytes.split_first_chunk::<2>().ok_or(short)?;
        if version != VERSION || form > DOUBLES {
            return Err(SketchError("its version is not known"));
        }
        let count = number(&mut rest).ok_or(short)?;
        if count > u64::from(KEY_MAX) + 1 {
            return Err(SketchError("it has too many buckets"));
        }
        let mut buckets = Vec::with_capacity(count as usize);
        let mut key = 0;
        for at in 0..count {
            let step = number(&mut rest).ok_or(short)?;
            if (at > 0 && step == 0) || step > u64::from(KEY_MAX - key) {
                return Err(SketchError("its buckets are not in order"));
            }
            key += step as u16;
            buckets.push((key, 0.0));
        }
        for (_, weight) in &mut buckets {
            *weight = match form {
                WHOLE => number(&mut rest).ok_or(short)? as f64,
                _ => {
                    let (weight, tail) = rest.split_first_chunk::<8>().ok_or(short)?;
                    rest = tail;
                    f64::from_le_bytes(*weight)
                }
            };
            if !(*weight > 0.0 && weight.is_finite()) {
                return Err(SketchError("a count is none"));
            }
        }
        if !rest.is_empty() {
            return Err(SketchError("it ends late"));
        }
        Ok(Self { buckets })
    }
}

fn gamma() -> f64 {
    (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
}

fn key(duration_ns: i64) -> u16 {
    if duration_ns == 0 {
        return 0;
    }
    // The logarithm of gamma, as a constant: this runs once a span.
    const BUCKETS_PER_E: f64 = 1.0 / 0.020_000_666_706_669_435;
    ((duration_ns as f64).ln() * BUCKETS_PER_E).ceil() as u16 + 1
}

fn value(key: u16) -> f64 {
    match key {
        0 => 0.0,
        key => 2.0 * gamma().powi(i32::from(key) - 1) / (gamma() + 1.0),
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(durations: &[i64]) -> Sketch {
        let mut sketch = Sketch::default();
        durations.iter().for_each(|duration| sketch.add(*duration, 1.0));
        sketch
    }

    fn bytes(sketch: &Sketch) -> Vec<u8> {
        let mut out = Vec::new();
        sketch.encode(&mut out);
        out
    }

    #[test]
    fn the_constant_is_the_logarithm_and_every_duration_has_a_key() {
        assert!((gamma().ln() - 0.020_000_666_706_669_435).abs() < 1e-15, "{:.18}", gamma().ln());
        assert_eq!((key(0), key(1)), (0, 1));
        assert!(key(i64::MAX) <= KEY_MAX);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let mut sketch = Sketch::default();
        for (duration, weight) in [(-1, 1.0), (i64::MIN, 1.0), (5, 0.0), (5, f64::NAN), (5, f64::INFINITY)] {
            sketch.add(duration, weight);
        }
        assert!(sketch.is_empty());
        assert_eq!(sketch.quantile(0.5), None);
        assert_eq!(Sketch::decode(&bytes(&sketch)), Ok(sketch));
    }

    #[test]
    fn weights_count_as_so_many() {
        let mut sketch = Sketch::default();
        sketch.add(100, 3.5);
        sketch.add(1_000_000, 0.5);
        assert_eq!(sketch.count(), 4.0);
        assert!((sketch.quantile(0.875).unwrap() / 100.0 - 1.0).abs() <= 0.01);
        assert!((sketch.quantile(0.88).unwrap() / 1e6 - 1.0).abs() <= 0.01);
        assert_eq!(Sketch::decode(&bytes(&sketch)), Ok(sketch));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let whole = bytes(&of(&[0, 5, 5, 900]));
        for length in 0..whole.len() {
            assert!(Sketch::decode(&whole[..length]).is_err(), "{length}");
        }
        let cases: [&[u8]; 6] = [
            &[2, 0, 0],
            &[1, 2, 0],
            &[1, 0, 0, 0],
            &[1, 0, 2, 1, 0, 1, 1],
            &[1, 0, 1, 1, 0],
            &[1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
        ];
        for case in cases {
            assert!(Sketch::decode(case).is_err(), "{case:?}");
        }
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent(
            mut durations in prop::collection::vec(prop_oneof![0_i64..1_000, 0_i64..10_000_000_000, any::<i64>()], 1..200),
            cut in 0_usize..200,
            share in 0.0..=1.0_f64,
        ) {
            let cut = cut.min(durations.len());
            let mut sketch = of(&durations[..cut]);
            sketch.merge_encoded(&bytes(&of(&durations[cut..]))).unwrap();
            prop_assert_eq!(&sketch, &of(&durations));
            prop_assert_eq!(Sketch::decode(&bytes(&sketch)), Ok(sketch.clone()));
            durations.retain(|duration| *duration >= 0);
            durations.sort_unstable();
            if let Some(found) = sketch.quantile(share) {
                let rank = (share * durations.len() as f64 - 1e-9).ceil().max(1.0) as usize;
                let exact = durations[rank - 1] as f64;
                prop_assert!((found - exact).abs() <= exact * 0.010_001, "{} for {}", found, exact);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(sketch) = Sketch::decode(&bytes) {
                prop_assert!(sketch.count() > 0.0 || sketch.is_empty());
            }
        }
    }
}
