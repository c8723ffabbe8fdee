//! The records of a store, by tenant.

use model::{Reader, TenantName, TimeRange};

use super::Store;
use crate::catalog::records::{Collection, Record, Records};
use crate::error::{Result, StoreError};

impl Store {
    /// Writes a record down. It is durable when this returns. Blocks.
    pub fn put_record(&self, tenant: &TenantName, of: Collection, record: &Record) -> Result<()> {
        let shared = &self.inner.shared;
        if self.inner.log.is_none() {
            return Err(StoreError::Closed);
        }
        shared.catalog.put_record(shared.tenant(tenant)?, of, record)
    }

    /// Forgets a record, if there is one. Blocks.
    pub fn remove_record(&self, tenant: &TenantName, of: Collection, id: &str) -> Result<bool> {
        let shared = &self.inner.shared;
        if self.inner.log.is_none() {
            return Err(StoreError::Closed);
        }
        let Some(tenant) = shared.known_tenant(tenant) else { return Ok(false) };
        shared.catalog.remove_record(tenant, of, id)
    }

    /// Records whose time is in `range`, newest first, at most `limit`. Blocks.
    pub fn records(
        &self,
        reader: &Reader,
        of: Collection,
        range: TimeRange,
        limit: usize,
    ) -> Result<Records> {
        let shared = &self.inner.shared;
        match shared.known_tenant(&reader.tenant) {
            Some(tenant) => shared.catalog.records(tenant, of, range, limit),
            None => Ok(Records::default()),
        }
    }

    /// A record by its name. Blocks.
    pub fn record(&self, reader: &Reader, of: Collection, id: &str) -> Result<Option<Record>> {
        let shared = &self.inner.shared;
        match shared.known_tenant(&reader.tenant) {
            Some(tenant) => shared.catalog.record(tenant, of, id),
            None => Ok(None),
        }
    }

    /// Whose data there are.
    pub fn tenants(&self) -> Vec<TenantName> {
        let mut tenants: Vec<TenantName> = super::lock(&self.inner.shared.tenants).keys().cloned().collect();
        tenants.sort_unstable();
        tenants
    }
}
