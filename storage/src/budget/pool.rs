//! The budget as DataFusion's memory pool: all queries together have the share of [`Purpose::Queries`].

use std::fmt;

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

use super::{MemoryBudget, Purpose};

impl MemoryPool for MemoryBudget {
    fn name(&self) -> &str {
        "memory budget"
    }

    fn grow(&self, _reservation: &MemoryReservation, additional: usize) {
        self.ledger().add(Purpose::Queries, additional);
    }

    fn shrink(&self, _reservation: &MemoryReservation, shrink: usize) {
        self.give_back(Purpose::Queries, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        match self.take(Purpose::Queries, 0, additional) {
            Ok(_) => Ok(()),
            // Not counted as a refusal: the query is told that it is too large, and not to come again.
            Err(full) => {
                let consumer = reservation.consumer().name();
                Err(DataFusionError::ResourcesExhausted(format!("{consumer}: {full}")))
            }
        }
    }

    fn reserved(&self) -> usize {
        self.reserved_for(Purpose::Queries)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.share(Purpose::Queries))
    }
}

impl fmt::Display for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (taken, share) = (self.reserved_for(Purpose::Queries), self.share(Purpose::Queries));
        write!(f, "{} ({taken} of {share} bytes for queries)", self.name())
    }
}
