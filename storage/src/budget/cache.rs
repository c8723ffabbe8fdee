//! The caches' share of the budget.
//!
//! A cache keeps a [`Charge`] beside each value and weighs it by [`Charge::weight`]: the cache holds its own
//! part, and the budget knows what lies in it for as long as anybody holds the value.
//!
//! ```ignore
//! let share = budget.cache_share(1, 2);
//! let cache = moka::sync::Cache::builder()
//!     .max_capacity(share.bytes_max())
//!     .weigher(|_, entry: &Arc<(Value, Charge)>| entry.1.weight())
//!     .build();
//! if let Some(charge) = share.charge(bytes_of(&value)) {
//!     cache.insert(key, Arc::new((value, charge)));
//! }
//! ```

use std::sync::Arc;

use super::{MemoryBudget, Purpose, Reservation};

/// A part of the caches' share, for one cache.
#[derive(Debug, Clone)]
pub struct CacheShare {
    budget: Arc<MemoryBudget>,
    bytes_max: usize,
}

/// The memory of one value in a cache. Dropping it gives the memory back.
#[derive(Debug)]
pub struct Charge(Reservation);

impl CacheShare {
    pub(super) fn new(budget: Arc<MemoryBudget>, bytes_max: usize) -> Self {
        Self { budget, bytes_max }
    }

    /// The most bytes of values, which is the capacity of the cache.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max as u64
    }

    /// Memory for a value of `bytes`. `None` if there is none now, or the value is larger than the share: then
    /// it is used and not kept.
    pub fn charge(&self, bytes: usize) -> Option<Charge> {
        if bytes > self.bytes_max {
            return None;
        }
        self.budget.try_reserve(Purpose::Caches, bytes).ok().map(Charge)
    }
}

impl Charge {
    /// What the value weighs in its cache, in bytes.
    pub fn weight(&self) -> u32 {
        u32::try_from(self.0.bytes()).unwrap_or(u32::MAX)
    }
}
