//! What senders of remote write 1 told of metric families. They tell it about once a minute, in requests of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantName;

use crate::decode::{Families, families_of};

/// How many bytes the families of all tenants may take. When they would take more, all go: what is still sent comes back
/// within a minute.
const FAMILIES_BYTES_MAX: usize = 32 << 20;
/// And how many those of one tenant, which go alone when they would take more.
const TENANT_BYTES_MAX: usize = 8 << 20;

/// Families by tenant.
#[derive(Debug, Default)]
pub(crate) struct KnownFamilies {
    by_tenant: Mutex<HashMap<TenantName, Arc<Families>>>,
}

impl KnownFamilies {
    /// What is known with what this payload tells.
    pub(crate) fn with(&self, tenant: &TenantName, payload: &[u8]) -> Arc<Families> {
        // Read before others have to wait.
        let told: Vec<_> = families_of(payload).collect();
        let mut tenants = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        for family in told {
            let known = tenants.get(tenant);
            if known.is_some_and(|known| known.has(&family)) {
                continue;
            }
            let own = known.map_or(0, |known| known.bytes()) + family.bytes();
            let all: usize = tenants.values().map(|families| families.bytes()).sum();
            if own > TENANT_BYTES_MAX {
                tenants.remove(tenant);
            } else if all + family.bytes() > FAMILIES_BYTES_MAX {
                tenants.clear();
            }
            let families = tenants.entry(tenant.clone()).or_default();
            // Copied only while a request is decoded with what was known before.
            Arc::make_mut(families).put(&family);
        }
        tenants.get(tenant).map(Arc::clone).unwrap_or_default()
    }
}
