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
//!
//! Terms:
//! - *logical form*: the form before, in which `attributes` holds all of a row's attributes.
//! - *sparse*: so seldom in the rows that a column would be nearly all nulls. Such keys go to the rest.
//!
//! [`AttributeColumns`] packs, [`unpack`] gives the logical form back.

mod zeros;
mod text;
mod columns;
mod unpack;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};

use crate::{Signal, schema};

pub use columns::{AttributeColumns, Key};
pub use text::TextColumn;
pub use unpack::{attributes, unpack};
pub use zeros::Zeros;

/// What the name of an attribute column begins with; the key follows.
pub const ATTRIBUTE_PREFIX: &str = "attributes.";

/// How many attribute columns a batch or a segment may have. Keys beyond them are in the rest.
pub const ATTRIBUTE_COLUMNS_MAX: usize = 256;

/// For how many rows a column has room from its first value on. What is not used is given back at the end.
pub const ROWS_RESERVED: usize = 256;

/// The name of the column that holds the rest, or in the logical form all attributes.
pub const REST_COLUMN: &str = "attributes";

/// The name of the column that holds an attribute.
pub fn field_name(key: &str) -> String {
    format!("{ATTRIBUTE_PREFIX}{key}")
}

/// The attribute whose column has this name; `None` if it is no attribute column.
pub fn key(field_name: &str) -> Option<&str> {
    field_name.strip_prefix(ATTRIBUTE_PREFIX)
}

/// The schema of a packed batch on its way in: [`crate::schema::wire`] with a nullable rest, and these
/// attribute columns behind it.
pub fn schema(signal: Signal, attribute_columns: impl IntoIterator<Item = Field>) -> SchemaRef {
    let fixed = match signal {
        Signal::Spans => &SPANS,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
        Signal::Red => &RED,
    };
    let fields = fixed.iter().cloned().chain(attribute_columns.into_iter().map(Arc::new));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The fields that every packed batch of a signal has, made once.
static SPANS: LazyLock<Vec<FieldRef>> = LazyLock::new(|| fixed(Signal::Spans));
static LOGS: LazyLock<Vec<FieldRef>> = LazyLock::new(|| fixed(Signal::Logs));
static METRICS: LazyLock<Vec<FieldRef>> = LazyLock::new(|| fixed(Signal::Metrics));
static RED: LazyLock<Vec<FieldRef>> = LazyLock::new(|| fixed(Signal::Red));

fn fixed(signal: Signal) -> Vec<FieldRef> {
    let wire = schema::wire(signal);
    wire.fields().iter().map(|field| Arc::new(with_rest_nullable(field, true))).collect()
}

/// The field; that of the rest may be null or not.
fn with_rest_nullable(field: &Field, nullable: bool) -> Field {
    match field.name() == REST_COLUMN {
        true => field.clone().with_nullable(nullable),
        false => field.clone(),
    }
}

#[cfg(test)]
mod tests;
