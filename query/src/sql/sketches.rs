//! Functions over sketches of durations, the column `duration` of the table `red`.
//!
//! `quantile(duration, 0.95)` reads one sketch, `quantile_merge(duration, 0.95)` those of many rows as one; both in
//! nanoseconds, null without durations. `sketch_merge(duration)` is the sketch of many rows.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use model::Sketch;

/// `quantile(sketch, share)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Quantile {
    signature: Signature,
}

impl Default for Quantile {
    fn default() -> Self {
        Self { signature: of_sketch_and_share() }
    }
}

fn of_sketch_and_share() -> Signature {
    Signature::exact(vec![DataType::Binary, DataType::Float64], Volatility::Immutable)
}

impl ScalarUDFImpl for Quantile {
    fn name(&self) -> &str {
        "quantile"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [sketches, shares] = args.args.as_slice() else {
            return exec_err!("quantile takes a sketch and a share");
        };
        let (sketches, shares) = (sketches.to_array(args.number_rows)?, shares.to_array(args.number_rows)?);
        let shares = shares.as_primitive::<Float64Type>();
        let one = |(row, bytes): (usize, Option<&[u8]>)| -> Result<Option<f64>> {
            match bytes {
                Some(bytes) if shares.is_valid(row) => {
                    Ok(decoded(bytes)?.quantile(checked(shares.value(row))?))
                }
                _ => Ok(None),
            }
        };
        let quantiles = sketches.as_binary::<i32>().iter().enumerate().map(one);
        Ok(ColumnarValue::Array(Arc::new(quantiles.collect::<Result<Float64Array>>()?)))
    }
}

fn decoded(bytes: &[u8]) -> Result<Sketch> {
    Sketch::decode(bytes).map_err(|error| DataFusionError::Execution(error.to_string()))
}

fn checked(share: f64) -> Result<f64> {
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => exec_err!("a quantile is asked for by a share from 0 to 1, such as 0.95, not {share}"),
    }
}

/// `quantile_merge(sketch, share)` and `sketch_merge(sketch)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Merge {
    signature: Signature,
    quantile: bool,
}

impl Merge {
    /// `quantile_merge(sketch, share)`.
    pub(super) fn quantile() -> Self {
        Self { signature: of_sketch_and_share(), quantile: true }
    }

    /// `sketch_merge(sketch)`.
    pub(super) fn sketch() -> Self {
        let signature = Signature::exact(vec![DataType::Binary], Volatility::Immutable);
        Self { signature, quantile: false }
    }
}

impl AggregateUDFImpl for Merge {
    fn name(&self) -> &str {
        if self.quantile { "quantile_merge" } else { "sketch_merge" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.quantile { DataType::Float64 } else { DataType::Binary })
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Merged { sketch: Sketch::default(), share: None, quantile: self.quantile }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, kind| Arc::new(Field::new(format!("{}[{name}]", args.name), kind, true));
        Ok(vec![field("sketch", DataType::Binary), field("share", DataType::Float64)])
    }
}

/// Sketches that have become one.
#[derive(Debug)]
struct Merged {
    sketch: Sketch,
    /// Which quantile is asked for, as the first row says.
    share: Option<f64>,
    quantile: bool,
}

impl Merged {
    fn add(&mut self, sketches: &ArrayRef, shares: Option<&ArrayRef>) -> Result<()> {
        for bytes in sketches.as_binary::<i32>().iter().flatten() {
            let added = self.sketch.merge_encoded(bytes);
            added.map_err(|error| DataFusionError::Execution(error.to_string()))?;
        }
        let share = shares.and_then(|shares| shares.as_primitive::<Float64Type>().iter().flatten().next());
        self.share = self.share.or(share);
        Ok(())
    }

    fn encoded(&self) -> ScalarValue {
        let mut bytes = Vec::new();
        self.sketch.encode(&mut bytes);
        ScalarValue::Binary(Some(bytes))
    }
}

impl Accumulator for Merged {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        match values {
            [sketches, shares @ ..] => self.add(sketches, shares.first()),
            [] => exec_err!("a sketch is expected"),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match (self.quantile, self.share) {
            (false, _) => Ok(self.encoded()),
            (true, Some(share)) => Ok(ScalarValue::Float64(self.sketch.quantile(checked(share)?))),
            (true, None) => Ok(ScalarValue::Float64(None)),
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.encoded(), ScalarValue::Float64(self.share)])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sketch.size()
    }
}
