//! The packed form of rows: attributes as columns of their own where that pays.
//!
//! A *packed* batch is what a receiver builds, the write-ahead log and the memtables hold, and a segment's
//! Parquet file is made from. It has the columns of [`crate::schema::wire`] (in the store also
//! [`crate::schema::STORE_COLUMNS`]) with two differences:
//!
//! - Behind them stand *attribute columns*, named `attributes.` and the attribute's key, in byte order of the
//!   key, each nullable and of one of four types: text (dictionary), `Int64`, `Float64`, `Boolean`. Null
//!   means that the row does not have this attribute here.
//! - `attributes` holds the *rest*: the attributes of a row that are in no column, in the form of
//!   [`crate::attributes`]; null if there are none. Values of other types (arrays, maps, bytes, no value), of
//!   a type that differs from their column's, and of keys without a column are there.
//!
//! An attribute of a row stands in one of the two places, never in both. A batch without attribute columns,
//! its rest never null, is the form that rows had before; every reader takes both.

/// What the name of an attribute column begins with; the key follows.
pub const ATTRIBUTE_PREFIX: &str = "attributes.";

/// How many attribute columns a batch or a segment may have. Keys beyond them are in the rest.
pub const ATTRIBUTE_COLUMNS_MAX: usize = 256;
