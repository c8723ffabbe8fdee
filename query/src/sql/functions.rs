//! Functions that the planner puts into queries.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, DictionaryArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ExpressionPlacement, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use model::attributes;

use storage::{ATTRIBUTE_TEXT, MATCHES, Phrase};

use crate::columns::hex;

/// `attribute_text(map, key)`: an attribute's value as text, null where it is absent.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct AttributeText {
    signature: Signature,
}

impl Default for AttributeText {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

/// The name of [`IdText`].
pub(super) const ID_TEXT: &str = "id_text";

impl ScalarUDFImpl for AttributeText {
    fn name(&self) -> &str {
        ATTRIBUTE_TEXT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        of_column(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [map, key] = args.args.as_slice() else {
            return exec_err!("attribute_text takes a map and a key");
        };
        let ColumnarValue::Scalar(key) = key else {
            return exec_err!("the key of an attribute is a constant");
        };
        let Some(Some(key)) = key.try_as_str() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
        };
        let quoted = attributes::quote(key);
        let maps = map.to_array(args.number_rows)?;
        let value = |stored: &str| {
            let value = attributes::parse_value(attributes::get_quoted(stored, &quoted)?)?;
            value.text().map(|text| text.into_owned())
        };
        Ok(ColumnarValue::Array(map_texts(&maps, value)?))
    }
}

/// A function of a column and a constant belongs where the column is read: a file has an attribute in a column of
/// its own, and knows of most bodies by their template.
fn of_column(args: &[ExpressionPlacement]) -> ExpressionPlacement {
    match args {
        [ExpressionPlacement::Column, ExpressionPlacement::Literal] => {
            ExpressionPlacement::MoveTowardsLeafNodes
        }
        _ => ExpressionPlacement::KeepInPlace,
    }
}

/// `matches(text, phrase)`: whether a text has a word or phrase, as searches find it: whole words, one directly after
/// the other, case ignored.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Matches {
    signature: Signature,
}

impl Default for Matches {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Matches {
    fn name(&self) -> &str {
        MATCHES
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [text, _] if is_text(text) => Ok(DataType::Boolean),
            [other, _] => plan_err!("matches(text, phrase) looks into text, not {other}"),
            _ => plan_err!("matches takes a text and a phrase, such as matches(body, 'connection refused')"),
        }
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        of_column(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [texts, ColumnarValue::Scalar(phrase)] = args.args.as_slice() else {
            return exec_err!("the phrase of matches(text, phrase) is a constant");
        };
        let Some(Some(phrase)) = phrase.try_as_str() else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        };
        let phrase = Phrase::new(phrase);
        let texts = texts.to_array(args.number_rows)?;
        if let Some(dictionary) = texts.as_dictionary_opt::<Int32Type>() {
            let values = cast(dictionary.values(), &DataType::Utf8)?;
            let found: Vec<Option<bool>> =
                values.as_string::<i32>().iter().map(|text| text.map(|text| phrase.is_in(text))).collect();
            let of_key = |key: Option<i32>| found.get(usize::try_from(key?).ok()?).copied().flatten();
            let found: BooleanArray = dictionary.keys().iter().map(of_key).collect();
            return Ok(ColumnarValue::Array(Arc::new(found)));
        }
        let texts = cast(&texts, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>().iter();
        let found: BooleanArray = texts.map(|text| text.map(|text| phrase.is_in(text))).collect();
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}

/// Whether a type is text, in whatever form.
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// A function of each text, once per distinct value of a dictionary.
fn map_texts(texts: &ArrayRef, value: impl Fn(&str) -> Option<String>) -> Result<ArrayRef> {
    if let Some(texts) = texts.as_string_opt::<i32>() {
        let mut out = StringBuilder::new();
        texts.iter().for_each(|text| out.append_option(text.and_then(&value)));
        return Ok(Arc::new(out.finish()));
    }
    let Some(dictionary) = texts.as_dictionary_opt::<Int32Type>() else {
        let texts = arrow::compute::cast(texts, &DataType::Utf8)?;
        return map_texts(&texts, value);
    };
    let values: StringArray =
        dictionary.values().as_string::<i32>().iter().map(|text| text.and_then(&value)).collect();
    let mapped = DictionaryArray::<Int32Type>::try_new(dictionary.keys().clone(), Arc::new(values))?;
    Ok(arrow::compute::cast(&mapped, &DataType::Utf8)?)
}

/// `id_text(id)`: an id as lower-case hexadecimal text.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IdText {
    signature: Signature,
}

impl Default for IdText {
    fn default() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IdText {
    fn name(&self) -> &str {
        ID_TEXT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(ids) = args.args.first() else { return exec_err!("id_text takes an id") };
        let ids = ids.to_array(args.number_rows)?;
        let ids = ids.as_fixed_size_binary_opt();
        let ids = ids.ok_or_else(|| DataFusionError::Execution("id_text takes an id".to_owned()))?;
        let texts: StringArray = ids.iter().map(|id| id.map(hex)).collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}
