//! Records: small things that are written down about telemetry and change, such as incidents and marks of changes. What
//! stands in one is the business of whoever wrote it; here it is text with a time.
//!
//! A record has a checksum of its own. A damaged one is left out and told of, the others stay.

use model::{TenantId, TimeRange, UnixNanos};
use rusqlite::{OptionalExtension, Row, params};

use super::Catalog;
use crate::error::{Result, StoreError};

/// The most bytes of one record.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// The most records of a tenant in one collection: the oldest go where one more comes.
pub const RECORDS_MAX: usize = 10_000;
/// The longest name of a record, in bytes.
const ID_BYTES_MAX: usize = 128;

pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS records (
        tenant INTEGER NOT NULL, collection INTEGER NOT NULL, id TEXT NOT NULL, time INTEGER NOT NULL,
        body TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (tenant, collection, id)) STRICT;
    CREATE INDEX IF NOT EXISTS records_time ON records (tenant, collection, time);
";

/// What a record is about. The numbers are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// What went wrong, with a copy of its evidence.
    Incidents,
    /// Deploys, configuration, flags and scale, as somebody said.
    Changes,
}

impl Collection {
    fn number(self) -> u16 {
        match self {
            Self::Incidents => 1,
            Self::Changes => 2,
        }
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name, of its own in the collection. One of the same name is replaced.
    pub id: String,
    /// When it was, by which it is found.
    pub time: UnixNanos,
    /// What it says.
    pub body: String,
}

/// Records that were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    /// Newest first.
    pub records: Vec<Record>,
    /// How many more there were that are damaged.
    pub damaged: u64,
}

impl Record {
    fn crc(&self) -> u32 {
        let crc = crc32c::crc32c(self.id.as_bytes());
        let crc = crc32c::crc32c_append(crc, &self.time.0.to_le_bytes());
        crc32c::crc32c_append(crc, self.body.as_bytes())
    }

    /// Refuses what is too large.
    fn check(&self) -> Result<()> {
        let (id, body) = (self.id.len(), self.body.len());
        match id {
            1..=ID_BYTES_MAX if body <= RECORD_BYTES_MAX => Ok(()),
            _ => Err(StoreError::Record(format!(
                "a record has a name of 1 to {ID_BYTES_MAX} bytes and at most {RECORD_BYTES_MAX} bytes; \
                 this one has {id} and {body}"
            ))),
        }
    }

    /// The record, if it is as it was written.
    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let record = Self { id: row.get(0)?, time: UnixNanos(row.get(1)?), body: row.get(2)? };
        Ok((record.crc() == row.get::<_, u32>(3)?).then_some(record))
    }
}

impl Catalog {
    /// Writes a record down, durably, and forgets the oldest of its collection past [`RECORDS_MAX`].
    pub(crate) fn put_record(&self, tenant: TenantId, of: Collection, record: &Record) -> Result<()> {
        record.check()?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![tenant.0, of.number(), record.id, record.time.0, record.body, record.crc()],
        )?;
        transaction.execute(
            "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE tenant = ?1 AND collection = ?2
             ORDER BY time DESC, id DESC LIMIT -1 OFFSET ?3)",
            params![tenant.0, of.number(), RECORDS_MAX as i64],
        )?;
        Ok(transaction.commit()?)
    }

    /// Forgets a record. Says whether there was one.
    pub(crate) fn remove_record(&self, tenant: TenantId, of: Collection, id: &str) -> Result<bool> {
        let removed = self.lock().execute(
            "DELETE FROM records WHERE tenant = ?1 AND collection = ?2 AND id = ?3",
            params![tenant.0, of.number(), id],
        )?;
        Ok(removed > 0)
    }

    /// Records whose time is in `range`, newest first, at most `limit`.
    pub(crate) fn records(
        &self,
        tenant: TenantId,
        of: Collection,
        range: TimeRange,
        limit: usize,
    ) -> Result<Records> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, time, body, crc FROM records WHERE tenant = ?1 AND collection = ?2
             AND (?3 IS NULL OR time >= ?3) AND (?4 IS NULL OR time < ?4) ORDER BY time DESC, id DESC LIMIT ?5",
        )?;
        let mut rows = statement.query(params![
            tenant.0,
            of.number(),
            range.from.map(|time| time.0),
            range.to.map(|time| time.0),
            limit.min(RECORDS_MAX) as i64
        ])?;
        let mut found = Records::default();
        while let Some(row) = rows.next()? {
            match Record::read(row)? {
                Some(record) => found.records.push(record),
                None => found.damaged += 1,
            }
        }
        Ok(found)
    }

    /// A record by its name.
    pub(crate) fn record(&self, tenant: TenantId, of: Collection, id: &str) -> Result<Option<Record>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, time, body, crc FROM records WHERE tenant = ?1 AND collection = ?2 AND id = ?3",
        )?;
        let found = statement.query_row(params![tenant.0, of.number(), id], Record::read).optional()?;
        match found {
            Some(None) => {
                Err(StoreError::damaged(&self.path, format!("record {id:?} is not as it was written")))
            }
            Some(found) => Ok(found),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
impl Catalog {
    /// Fills a collection with records from 1 on that have no right checksum.
    pub(crate) fn fill_records(&self, tenant: TenantId, of: Collection, count: i64) {
        let fill = "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < ?3)
                    INSERT INTO records SELECT ?1, ?2, n, n, '', 0 FROM n";
        let filled = self.lock().execute(fill, params![tenant.0, of.number(), count]);
        filled.expect("a table takes rows");
    }
}
