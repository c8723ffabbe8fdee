//! Tenants, and what a reader may see.

use std::fmt;

/// The number the catalog gave a tenant. Only this number becomes part of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u32);

/// The longest name of a tenant, in bytes.
const TENANT_NAME_BYTES_MAX: usize = 128;

/// Why a text names no tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tenant's name has 1 to {TENANT_NAME_BYTES_MAX} printable ASCII characters; this one has {length} bytes"
)]
pub struct TenantNameError {
    /// How long the refused name is, in bytes.
    pub length: usize,
}

/// A tenant's name as clients and the configuration write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(String);

impl TenantName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, TenantNameError> {
        let printable = name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if name.is_empty() || name.len() > TENANT_NAME_BYTES_MAX || !printable {
            return Err(TenantNameError { length: name.len() });
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantName {
    /// The tenant of a request that names none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks, and what they may see. Nothing is read from the store without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Whose data.
    pub tenant: TenantName,
    /// Which of its streams.
    pub streams: Streams,
}

/// The streams that a reader may see. An access list will join here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Streams {
    /// Every one.
    All,
}

impl Reader {
    /// A reader of all that a tenant has.
    pub fn of(tenant: TenantName) -> Self {
        Self { tenant, streams: Streams::All }
    }
}
