//! The catalog: which segments exist, and how far the log is in them. SQLite, one file, `catalog.sqlite`.
//!
//! | table | holds |
//! |---|---|
//! | `meta` | `format`, the version of the whole data directory; `next_seq`; `checksum` over the tables below but `seen` and `records` |
//! | `tenants` | the number of each tenant's name |
//! | `segments` | one row a segment ([`SegmentMeta`]) |
//! | `rolled_up` | the segments of spans whose rows are counted in segments of `red` |
//! | `positions` | per source and partition the last position that is in segments |
//! | `seen` | hashes and answers of requests of the last ten minutes |
//! | `records` | incidents and marks of changes ([`records`]) |
//!
//! Publishing is one transaction: segments come, segments go, positions move on. A position that does not
//! follow on the last one is refused.
//!
//! SQLite knows no checksums of its own pages, and passes over a damaged frame of its write-ahead journal as if it
//! had never been written. So there is no such journal (a rollback journal is gone when a commit is), and every
//! publication renews a checksum of all that a wrong answer could come from, which is compared when the catalog is
//! opened.

pub(crate) mod records;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{Answer, Signal, TenantId, TenantName, UnixNanos};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::error::{Result, StoreError};
use crate::guard::{Key, REMEMBERED, Seen};
use crate::segment::SegmentMeta;
use crate::wal::WalPosition;

/// The newest format of a data directory that this program reads and the one it writes.
pub(crate) const FORMAT: u32 = 4;
/// The file's name.
pub(crate) const FILE: &str = "catalog.sqlite";
/// The source of positions of the log of a data directory.
const SOURCE: &str = "wal";

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE IF NOT EXISTS segments (
        id TEXT PRIMARY KEY, tenant INTEGER NOT NULL, signal INTEGER NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        first_arrival INTEGER NOT NULL, last_arrival INTEGER NOT NULL, indexed INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS rolled_up (id TEXT PRIMARY KEY) STRICT;
    CREATE TABLE IF NOT EXISTS positions (
        source TEXT NOT NULL, part INTEGER NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (source, part)) STRICT;
    CREATE TABLE IF NOT EXISTS seen (
        tenant INTEGER NOT NULL, signal INTEGER NOT NULL, hash BLOB NOT NULL, arrival INTEGER NOT NULL,
        rejected INTEGER NOT NULL, message TEXT NOT NULL, PRIMARY KEY (tenant, signal, hash)) STRICT;
    CREATE INDEX IF NOT EXISTS seen_arrival ON seen (arrival);
";

/// The catalog of a data directory.
#[derive(Debug)]
pub(crate) struct Catalog {
    connection: Mutex<Connection>,
    path: PathBuf,
}

/// What one transaction publishes.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    /// Segments that now exist.
    pub(crate) added: Vec<SegmentMeta>,
    /// Segments that no longer do.
    pub(crate) removed: Vec<String>,
    /// The stretch of the log that the added ones hold, if it is a seal.
    pub(crate) log: Option<SealedLog>,
}

/// A stretch of the log that has become segments.
#[derive(Debug)]
pub(crate) struct SealedLog {
    /// The last position that was in segments before.
    pub(crate) from: WalPosition,
    /// The last one that is now.
    pub(crate) to: WalPosition,
    /// The `seq` after the last row.
    pub(crate) next_seq: i64,
    /// The requests in it that a copy would repeat.
    pub(crate) seen: Vec<Seen>,
}

impl Catalog {
    /// Opens the catalog of a data directory for writing, making it if there is none.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let connection = Connection::open(&path)?;
        let prepare = || -> Result<()> {
            check_format(&connection, &path)?;
            connection.pragma_update(None, "journal_mode", "TRUNCATE")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(TABLES)?;
            connection.execute_batch(records::TABLE)?;
            check_contents(&connection, &path)?;
            renew_format(&connection)
        };
        prepare().map_err(|error| naming(error, &path))?;
        Ok(Self { connection: Mutex::new(connection), path })
    }

    /// Opens a copy for reading; the file may be changed, since it is a copy.
    pub(crate) fn open_copy(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        let prepare = || -> Result<()> {
            check_format(&connection, path)?;
            connection.execute_batch(TABLES)?;
            connection.execute_batch(records::TABLE)?;
            check_contents(&connection, path)
        };
        prepare().map_err(|error| naming(error, path))?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned() })
    }

    /// All tenants.
    pub(crate) fn tenants(&self) -> Result<Vec<(TenantId, TenantName)>> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT id, name FROM tenants")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)))?;
        let mut tenants = Vec::new();
        for row in rows {
            let (id, name) = row?;
            let name =
                TenantName::new(&name).map_err(|error| StoreError::damaged(&self.path, error.to_string()))?;
            tenants.push((TenantId(id), name));
        }
        Ok(tenants)
    }

    /// The number of a tenant, given now if it has none.
    pub(crate) fn tenant(&self, name: &TenantName) -> Result<TenantId> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute("INSERT OR IGNORE INTO tenants (name) VALUES (?1)", [name.as_str()])?;
        let id = transaction
            .query_row("SELECT id FROM tenants WHERE name = ?1", [name.as_str()], |row| row.get(0))?;
        renew_checksum(&transaction)?;
        transaction.commit()?;
        Ok(TenantId(id))
    }

    /// All segments.
    pub(crate) fn segments(&self) -> Result<Vec<SegmentMeta>> {
        let connection = self.lock();
        let mut statement = connection.prepare(
            "SELECT id, tenant, signal, rows, bytes, first, last, first_arrival, last_arrival, indexed,
                    id IN (SELECT id FROM rolled_up)
             FROM segments ORDER BY first, id",
        )?;
        let mut rows = statement.query([])?;
        let mut segments = Vec::new();
        while let Some(row) = rows.next()? {
            let number: u16 = row.get(2)?;
            // A signal of a later version: its segments stay, unseen.
            let Some(signal) = Signal::from_number(number) else { continue };
            segments.push(SegmentMeta {
                id: row.get(0)?,
                tenant: TenantId(row.get(1)?),
                signal,
                rows: row.get::<_, i64>(3)? as u64,
                bytes: row.get::<_, i64>(4)? as u64,
                first: UnixNanos(row.get(5)?),
                last: UnixNanos(row.get(6)?),
                first_arrival: UnixNanos(row.get(7)?),
                last_arrival: UnixNanos(row.get(8)?),
                indexed: row.get(9)?,
                rolled_up: row.get(10)?,
            });
        }
        Ok(segments)
    }

    /// How far the log is in segments, and the next `seq` as of then.
    pub(crate) fn sealed(&self) -> Result<(WalPosition, i64)> {
        let connection = self.lock();
        let position = "SELECT position FROM positions WHERE source = ?1 AND part = 0";
        let position: Option<i64> = connection.query_row(position, [SOURCE], |row| row.get(0)).optional()?;
        let next_seq = "SELECT value FROM meta WHERE key = 'next_seq'";
        let next_seq: Option<i64> = connection.query_row(next_seq, [], |row| row.get(0)).optional()?;
        Ok((WalPosition(position.unwrap_or(0) as u64), next_seq.unwrap_or(0)))
    }

    /// The requests that copies are still to be told from.
    pub(crate) fn seen(&self) -> Result<Vec<Seen>> {
        let connection = self.lock();
        let mut statement = connection
            .prepare("SELECT tenant, signal, hash, arrival, rejected, message FROM seen ORDER BY arrival")?;
        let mut rows = statement.query([])?;
        let mut seen = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(signal) = Signal::from_number(row.get(1)?) else { continue };
            let hash = u128::from_le_bytes(row.get(2)?);
            seen.push(Seen {
                key: Key { tenant: TenantId(row.get(0)?), signal, hash },
                arrival: UnixNanos(row.get(3)?),
                answer: Answer { rejected: row.get::<_, i64>(4)? as u64, message: row.get(5)? },
            });
        }
        Ok(seen)
    }

    /// Makes a change visible and durable, whole or not at all.
    pub(crate) fn publish(&self, publication: &Publication) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for segment in &publication.added {
            insert(&transaction, segment)?;
        }
        for id in &publication.removed {
            if transaction.execute("DELETE FROM segments WHERE id = ?1", [id])? != 1 {
                return Err(StoreError::damaged(
                    &self.path,
                    format!("segment {id} is not there to be replaced"),
                ));
            }
        }
        for id in &publication.removed {
            transaction.execute("DELETE FROM rolled_up WHERE id = ?1", [id])?;
        }
        if let Some(log) = &publication.log {
            self.advance(&transaction, log)?;
        }
        renew_checksum(&transaction)?;
        Ok(transaction.commit()?)
    }

    fn advance(&self, transaction: &Transaction<'_>, log: &SealedLog) -> Result<()> {
        let before: Option<i64> = transaction
            .query_row("SELECT position FROM positions WHERE source = ?1 AND part = 0", [SOURCE], |row| {
                row.get(0)
            })
            .optional()?;
        if before.unwrap_or(0) as u64 != log.from.0 {
            let what = format!("the log is sealed up to {}, not {}", before.unwrap_or(0), log.from.0);
            return Err(StoreError::damaged(&self.path, what));
        }
        transaction.execute(
            "INSERT OR REPLACE INTO positions VALUES (?1, 0, ?2)",
            params![SOURCE, log.to.0 as i64],
        )?;
        transaction.execute("INSERT OR REPLACE INTO meta VALUES ('next_seq', ?1)", [log.next_seq])?;
        let mut newest = i64::MIN;
        for Seen { key, arrival, answer } in &log.seen {
            newest = newest.max(arrival.0);
            transaction.execute(
                "INSERT OR REPLACE INTO seen VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    key.tenant.0,
                    key.signal.number(),
                    key.hash.to_le_bytes(),
                    arrival.0,
                    answer.rejected as i64,
                    answer.message
                ],
            )?;
        }
        transaction.execute("DELETE FROM seen WHERE arrival < ?1", [newest.saturating_sub(REMEMBERED)])?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert(transaction: &Transaction<'_>, segment: &SegmentMeta) -> Result<()> {
    transaction.execute(
        "INSERT INTO segments VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            segment.id,
            segment.tenant.0,
            segment.signal.number(),
            segment.rows as i64,
            segment.bytes as i64,
            segment.first.0,
            segment.last.0,
            segment.first_arrival.0,
            segment.last_arrival.0,
            segment.indexed
        ],
    )?;
    if segment.rolled_up {
        transaction.execute("INSERT INTO rolled_up VALUES (?1)", [&segment.id])?;
    }
    Ok(())
}

/// What a checksum is taken over, each row a text.
const CHECKED: [&str; 5] = [
    "SELECT concat_ws('|', id, name) FROM tenants ORDER BY id",
    "SELECT concat_ws('|', id, tenant, signal, rows, bytes, first, last, first_arrival, last_arrival, indexed)
     FROM segments ORDER BY id",
    "SELECT id FROM rolled_up ORDER BY id",
    "SELECT concat_ws('|', source, part, position) FROM positions ORDER BY source, part",
    "SELECT concat_ws('|', key, value) FROM meta WHERE key <> 'checksum' ORDER BY key",
];

fn checksum(connection: &Connection) -> Result<u32> {
    let mut crc = 0;
    for query in CHECKED {
        let mut statement = connection.prepare_cached(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            crc = crc32c::crc32c_append(crc, row.get_ref(0)?.as_bytes().unwrap_or_default());
            crc = crc32c::crc32c_append(crc, b"\n");
        }
    }
    Ok(crc)
}

/// From now on rows may come that an earlier program cannot read: it has to refuse the directory.
fn renew_format(connection: &Connection) -> Result<()> {
    let found = "SELECT value FROM meta WHERE key = 'format'";
    let found: Option<u32> = connection.query_row(found, [], |row| row.get(0)).optional()?;
    if found == Some(FORMAT) {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    transaction.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?1)", [FORMAT])?;
    renew_checksum(&transaction)?;
    Ok(transaction.commit()?)
}

fn renew_checksum(transaction: &Transaction<'_>) -> Result<()> {
    let checksum = checksum(transaction)?;
    transaction.execute("INSERT OR REPLACE INTO meta VALUES ('checksum', ?1)", [checksum])?;
    Ok(())
}

/// Refuses a file that SQLite finds broken, and contents that do not match their checksum. A catalog of an earlier version has none.
fn check_contents(connection: &Connection, path: &Path) -> Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::damaged(path, verdict));
    }
    let found = "SELECT value FROM meta WHERE key = 'checksum'";
    let found: Option<i64> = connection.query_row(found, [], |row| row.get(0)).optional()?;
    match found {
        Some(found) if found != i64::from(checksum(connection)?) => {
            Err(StoreError::damaged(path, "its contents do not match their checksum"))
        }
        _ => Ok(()),
    }
}

/// What SQLite says of the file itself names the file.
fn naming(error: StoreError, path: &Path) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        StoreError::Catalog(error) => match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) | None => StoreError::damaged(path, error.to_string()),
            Some(_) => StoreError::Catalog(error),
        },
        other => other,
    }
}

/// Refuses a data directory of a later version before anything is changed in it.
fn check_format(connection: &Connection, path: &Path) -> Result<()> {
    let exists = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'";
    if connection.query_row::<i64, _, _>(exists, [], |row| row.get(0))? == 0 {
        return Ok(());
    }
    let found = "SELECT value FROM meta WHERE key = 'format'";
    let found: Option<u32> = connection.query_row(found, [], |row| row.get(0)).optional()?;
    match found {
        Some(found) if found > FORMAT => {
            Err(StoreError::NewerFormat { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Ok(()),
    }
}
