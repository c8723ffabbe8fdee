//! Zeros that the columns of a batch share: in most requests many columns are all null or all zero.

use arrow::array::PrimitiveArray;
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::ArrowPrimitiveType;

/// Buffers of zeros, one for each length that was asked for. The columns of one batch ask for few.
#[derive(Debug, Default)]
pub struct Zeros {
    buffers: Vec<Buffer>,
}

impl Zeros {
    /// So many bytes, all zero.
    pub fn buffer(&mut self, bytes: usize) -> Buffer {
        if let Some(buffer) = self.buffers.iter().find(|buffer| buffer.len() == bytes) {
            return buffer.clone();
        }
        // Of words, so that it may hold values of any type.
        let words = Buffer::from_vec(vec![0_u64; bytes.div_ceil(size_of::<u64>())]);
        let buffer = words.slice_with_length(0, bytes);
        self.buffers.push(buffer.clone());
        buffer
    }

    /// The validity of so many rows that are all null.
    pub fn nulls(&mut self, rows: usize) -> NullBuffer {
        NullBuffer::new(BooleanBuffer::new(self.buffer(rows.div_ceil(8)), 0, rows))
    }

    /// A column of so many rows, all zero or all null.
    pub fn column<T: ArrowPrimitiveType>(&mut self, rows: usize, null: bool) -> PrimitiveArray<T> {
        let values = ScalarBuffer::new(self.buffer(rows * size_of::<T::Native>()), 0, rows);
        let nulls = null.then(|| self.nulls(rows));
        PrimitiveArray::new(values, nulls)
    }
}
