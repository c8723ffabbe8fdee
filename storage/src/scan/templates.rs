//! Templates of rows on their way out: the column with their identities, and what stands at their variable places.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, Int32Array, ListBuilder, RecordBatch, StringArray,
    StringBuilder,
};
use arrow::datatypes::{Field, FieldRef, Int32Type, Schema};
use model::{Field as ModelField, Predicate, Test, schema};

use crate::error::Result;
use crate::segment::form::BODY_TEMPLATE;
use crate::snapshot::Table;
use crate::templates::{Origin, TEMPLATE_ID, TEMPLATE_VARIABLES, Templates, digits};

/// So many fresh rows, the newest, are mined for the sake of rows that are shown; the others when they are asked for
/// by their templates, or shown themselves.
pub(super) const FRESH_ROWS_SHOWN_MAX: usize = 65_536;

/// The templates of a table's rows: those that were met before, of all its segments, and of its newest fresh rows.
pub(crate) fn known(table: &Table, fresh_rows_max: usize) -> Arc<Templates> {
    let registry = &table.registry;
    let mut origins = HashSet::new();
    for segment in &table.segments {
        let origin = Origin::Segment(segment.meta.id.clone());
        // A segment that cannot be read teaches nothing; whoever reads its rows is told of the damage.
        if registry.get(&origin).is_none()
            && let Ok(templates) = segment.templates()
        {
            registry.add(origin.clone(), templates.iter().map(String::as_str));
        }
        origins.insert(origin);
    }
    let mut room = fresh_rows_max;
    for rows in table.fresh.iter().rev() {
        let origin = Origin::Fresh(rows.number);
        if registry.get(&origin).is_none() && room > 0 {
            room = room.saturating_sub(rows.batch.num_rows());
            let templates = rows.templates().as_dictionary::<Int32Type>().values();
            registry.add(origin.clone(), templates.as_string::<i32>().iter().flatten());
        }
        origins.insert(origin);
    }
    registry.keep(&origins);
    registry.current()
}

/// Gives rows the identities of their templates, once a dictionary.
#[derive(Debug)]
pub(crate) struct Identities {
    pub(crate) templates: Arc<Templates>,
    /// The dictionary that was translated last, and what it became.
    last: Mutex<Option<(StringArray, ArrayRef)>>,
}

impl Identities {
    pub(crate) fn new(templates: Arc<Templates>) -> Self {
        Self { templates, last: Mutex::default() }
    }

    /// The identities of a column of templates.
    pub(crate) fn of(&self, templates: &ArrayRef) -> Result<ArrayRef> {
        let Some(templates) = templates.as_dictionary_opt::<Int32Type>() else {
            return Ok(arrow::array::new_null_array(&schema::dictionary(), templates.len()));
        };
        let texts = templates.values().as_string::<i32>();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = match &*last {
            Some((known, ids)) if is_same(known, texts) => Arc::clone(ids),
            _ => {
                let id = |text: Option<&str>| text.map(|text| digits(self.templates.id_of(text)));
                let ids: ArrayRef = Arc::new(texts.iter().map(id).collect::<StringArray>());
                *last = Some((texts.clone(), Arc::clone(&ids)));
                ids
            }
        };
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(templates.keys().clone(), ids)?))
    }

    /// Rows with the identities beside them; null without a column of templates.
    pub(crate) fn beside(&self, rows: &RecordBatch, templates: Option<&ArrayRef>) -> Result<RecordBatch> {
        let ids = match templates {
            Some(templates) => self.of(templates)?,
            None => arrow::array::new_null_array(&schema::dictionary(), rows.num_rows()),
        };
        with_column(rows, Field::new(TEMPLATE_ID, schema::dictionary(), true), ids)
    }

    /// Whole rows with the identities and the variables of their templates beside them.
    pub(super) fn shown(&self, rows: &RecordBatch, templates: Option<&ArrayRef>) -> Result<RecordBatch> {
        let mut variables = ListBuilder::new(StringBuilder::new());
        let bodies = rows.column_by_name("body").and_then(|bodies| bodies.as_string_opt::<i32>());
        let texts = templates.and_then(|templates| templates.as_dictionary_opt::<Int32Type>());
        for row in 0..rows.num_rows() {
            let key = texts
                .and_then(|texts| texts.key(row).map(|key| texts.values().as_string::<i32>().value(key)));
            if let (Some(bodies), Some(template)) = (bodies.filter(|bodies| bodies.is_valid(row)), key) {
                let found = self.templates.variables_of(bodies.value(row), template);
                found.into_iter().for_each(|variable| variables.values().append_value(variable));
            }
            variables.append(true);
        }
        let variables: ArrayRef = Arc::new(variables.finish());
        let field = Field::new(TEMPLATE_VARIABLES, variables.data_type().clone(), true);
        with_column(&self.beside(rows, templates)?, field, variables)
    }
}

/// Whether two dictionaries are one in memory. Both are held, so that none can have come in the place of the other.
pub(super) fn is_same(a: &StringArray, b: &StringArray) -> bool {
    let place =
        |texts: &StringArray| (texts.value_data().as_ptr(), texts.value_offsets().as_ptr(), texts.len());
    place(a) == place(b)
}

fn with_column(rows: &RecordBatch, field: Field, column: ArrayRef) -> Result<RecordBatch> {
    let mut fields: Vec<FieldRef> = rows.schema_ref().fields().iter().map(Arc::clone).collect();
    let mut columns = rows.columns().to_vec();
    fields.push(Arc::new(field));
    columns.push(column);
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Takes the column of templates out of rows.
pub(super) fn take_templates(mut rows: RecordBatch) -> (RecordBatch, Option<ArrayRef>) {
    let templates = rows.schema_ref().index_of(BODY_TEMPLATE).ok().map(|at| rows.remove_column(at));
    (rows, templates)
}

/// The templates at these keys of a dictionary.
pub(super) fn at(templates: &ArrayRef, rows: &[u32]) -> Result<ArrayRef> {
    let rows = arrow::array::UInt32Array::from(rows.to_vec());
    Ok(arrow::compute::take(templates, &rows, None)?)
}

/// A predicate in which a template that became more general is asked for by its present identity.
pub(super) fn with_current(predicate: &Predicate, templates: &Templates) -> Predicate {
    let all = |parts: &[Predicate]| parts.iter().map(|part| with_current(part, templates)).collect();
    match predicate {
        Predicate::And(parts) => Predicate::And(all(parts)),
        Predicate::Or(parts) => Predicate::Or(all(parts)),
        Predicate::Not(part) => Predicate::Not(Box::new(with_current(part, templates))),
        Predicate::Field(ModelField::Template, Test::Equals(id)) => {
            let current = u64::from_str_radix(id, 16).map(|id| digits(templates.current(id)));
            Predicate::Field(ModelField::Template, Test::Equals(current.unwrap_or_else(|_| id.clone())))
        }
        other => other.clone(),
    }
}

/// The keys and the texts of a column of templates; none without one.
pub(super) fn parts(templates: Option<&ArrayRef>) -> Option<(&Int32Array, &StringArray)> {
    let templates = templates?.as_dictionary_opt::<Int32Type>()?;
    Some((templates.keys(), templates.values().as_string_opt::<i32>()?))
}
