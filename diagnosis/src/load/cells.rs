//! Columns of answers, read by name and row.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType};

use super::Series;
use crate::frame::{Names, Service};

/// The rows of a batch.
pub(super) struct Cells<'a>(pub(super) &'a RecordBatch);

/// A column of bytes of one length.
pub(super) struct Ids<'a>(Option<&'a arrow::array::FixedSizeBinaryArray>);

impl Ids<'_> {
    pub(super) fn get<const N: usize>(&self, row: usize) -> Option<[u8; N]> {
        self.0.filter(|ids| ids.is_valid(row)).and_then(|ids| ids.value(row).try_into().ok())
    }
}

/// A column of integers or times.
pub(super) struct Ints(Option<ArrayRef>);

impl Ints {
    pub(super) fn get(&self, row: usize) -> Option<i64> {
        let column = self.0.as_ref().filter(|column| column.is_valid(row))?;
        match column.data_type() {
            DataType::Timestamp(..) => {
                column.as_primitive_opt::<TimestampNanosecondType>().map(|times| times.value(row))
            }
            _ => column.as_primitive_opt::<Int64Type>().map(|ints| ints.value(row)),
        }
    }
}

/// A column of text.
#[derive(Clone, Copy)]
pub(super) enum Texts<'a> {
    None,
    Plain(&'a arrow::array::StringArray),
    View(&'a arrow::array::StringViewArray),
    Dictionary(&'a arrow::array::Int32Array, &'a arrow::array::StringArray),
}

impl<'a> Texts<'a> {
    pub(super) fn get(self, row: usize) -> Option<&'a str> {
        match self {
            Self::None => None,
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::View(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Dictionary(keys, texts) => {
                let key = keys.is_valid(row).then(|| keys.value(row) as usize)?;
                texts.is_valid(key).then(|| texts.value(key))
            }
        }
    }
}

impl<'a> Cells<'a> {
    fn column(&self, name: &str) -> Option<&'a ArrayRef> {
        self.0.column_by_name(name)
    }

    pub(super) fn ids(&self, name: &str) -> Ids<'a> {
        Ids(self.column(name).and_then(|column| column.as_fixed_size_binary_opt()))
    }

    pub(super) fn ints(&self, name: &str) -> Ints {
        Ints(self.column(name).cloned())
    }

    pub(super) fn double(&self, name: &str, row: usize) -> Option<f64> {
        let column = self.column(name)?.as_primitive_opt::<Float64Type>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    pub(super) fn bool(&self, name: &str, row: usize) -> bool {
        let column: Option<&BooleanArray> = self.column(name).and_then(|column| column.as_boolean_opt());
        column.is_some_and(|column| column.is_valid(row) && column.value(row))
    }

    pub(super) fn texts(&self, name: &str) -> Texts<'a> {
        let Some(column) = self.column(name) else { return Texts::None };
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Texts::Plain(texts);
        }
        if let Some(texts) = column.as_string_view_opt() {
            return Texts::View(texts);
        }
        let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else { return Texts::None };
        let values = dictionary.values().as_string_opt::<i32>();
        values.map_or(Texts::None, |values| Texts::Dictionary(dictionary.keys(), values))
    }

    pub(super) fn services(&self) -> Services<'a> {
        Services {
            name: self.texts("service_name"),
            namespace: self.texts("service_namespace"),
            environment: self.texts("deployment_environment"),
            last: None,
        }
    }
}

/// A column of text whose values have numbers: each of a dictionary is looked up once.
pub(super) struct Numbered<'a> {
    texts: Texts<'a>,
    numbers: Vec<u32>,
    last: Option<(&'a str, u32)>,
}

impl<'a> Numbered<'a> {
    pub(super) fn new(texts: Texts<'a>) -> Self {
        let distinct = if let Texts::Dictionary(_, values) = texts { values.len() } else { 0 };
        Self { texts, numbers: vec![u32::MAX; distinct], last: None }
    }

    /// The number of a row's text; nothing is the empty text.
    pub(super) fn number(&mut self, row: usize, names: &mut Names) -> u32 {
        if let Texts::Dictionary(keys, _) = self.texts
            && keys.is_valid(row)
        {
            let key = keys.value(row) as usize;
            if self.numbers[key] == u32::MAX {
                self.numbers[key] = names.number(self.texts.get(row).unwrap_or_default().to_owned());
            }
            return self.numbers[key];
        }
        let text = self.texts.get(row).unwrap_or_default();
        match self.last {
            Some((last, number)) if last == text => number,
            _ => {
                let number = names.number(text.to_owned());
                self.last = Some((text, number));
                number
            }
        }
    }
}

/// Name, namespace and environment.
type ServiceTexts<'a> = (Option<&'a str>, Option<&'a str>, Option<&'a str>);

/// The services of rows.
pub(super) struct Services<'a> {
    name: Texts<'a>,
    namespace: Texts<'a>,
    environment: Texts<'a>,
    last: Option<(ServiceTexts<'a>, u32)>,
}

impl<'a> Services<'a> {
    pub(super) fn number(&mut self, row: usize, names: &mut Names<Service>) -> u32 {
        let key = (self.name.get(row), self.namespace.get(row), self.environment.get(row));
        match self.last {
            Some((last, number)) if last == key => number,
            _ => {
                let number = names.number(self.of(row));
                self.last = Some((key, number));
                number
            }
        }
    }

    pub(super) fn of(&self, row: usize) -> Service {
        let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Service {
            name: self.name.get(row).unwrap_or_default().to_owned(),
            namespace: given(self.namespace.get(row)),
            environment: given(self.environment.get(row)),
        }
    }
}

/// Points by series, in the order of the series' names. Sums become rates a second, histograms the mean of what was
/// added.
pub(super) fn series(batches: &[RecordBatch]) -> Vec<Series> {
    type Name = (Service, String, String, String, String);
    #[derive(Default)]
    struct Points {
        sum: bool,
        delta: bool,
        points: Vec<(i64, i64, f64)>,
        /// Time, count and sum.
        histograms: Vec<(i64, f64, f64)>,
    }
    let mut found: BTreeMap<Name, Points> = BTreeMap::new();
    for batch in batches {
        let cells = Cells(batch);
        let services = cells.services();
        let text = |name: &str, row: usize| cells.texts(name).get(row).unwrap_or_default().to_owned();
        let (times, starts, counts) = (cells.ints("time"), cells.ints("start_time"), cells.ints("count"));
        for row in 0..batch.num_rows() {
            let Some(time) = times.get(row) else { continue };
            let value = cells.double("value", row).filter(|value| value.is_finite());
            let histogram = counts.get(row).zip(cells.double("sum", row).filter(|sum| sum.is_finite()));
            if value.is_none() && histogram.is_none() {
                continue;
            }
            let name = (
                services.of(row),
                text("service_instance_id", row),
                text("metric", row),
                text("unit", row),
                text("attributes", row),
            );
            let of = found.entry(name).or_default();
            of.sum = cells.bool("monotonic", row);
            of.delta = cells.texts("temporality").get(row) == Some("delta");
            match (value, histogram) {
                (Some(value), _) => of.points.push((time, starts.get(row).unwrap_or(0), value)),
                (None, Some((count, sum))) => of.histograms.push((time, count as f64, sum)),
                (None, None) => {}
            }
        }
    }
    let series = found.into_iter().map(|((service, instance, metric, unit, attributes), mut of)| {
        of.points.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        of.points.dedup_by_key(|point| point.0);
        of.histograms.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        of.histograms.dedup_by_key(|point| point.0);
        let points = match (of.sum, of.delta) {
            _ if of.points.is_empty() => means(&of.histograms, of.delta),
            (false, _) => of.points.iter().map(|(time, _, value)| (*time, *value)).collect(),
            (true, delta) => rates(&of.points, delta),
        };
        Series { service, instance, metric, unit, attributes, points }
    });
    series.filter(|series| !series.points.is_empty()).collect()
}

/// The mean of what histograms were given since the point before. One whose count fell began anew.
fn means(points: &[(i64, f64, f64)], delta: bool) -> Vec<(i64, f64)> {
    let mean = |time: i64, count: f64, sum: f64| (count > 0.0).then_some((time, sum / count));
    if delta {
        return points.iter().filter_map(|(time, count, sum)| mean(*time, *count, *sum)).collect();
    }
    let pairs = points.windows(2).filter(|pair| pair[1].1 >= pair[0].1);
    pairs.filter_map(|pair| mean(pair[1].0, pair[1].1 - pair[0].1, pair[1].2 - pair[0].2)).collect()
}

/// What a counter grew by, a second. A counter that fell began anew.
fn rates(points: &[(i64, i64, f64)], delta: bool) -> Vec<(i64, f64)> {
    const SECOND: f64 = 1e9;
    let rate = |from: i64, to: i64, grown: f64| {
        let seconds = to.saturating_sub(from) as f64 / SECOND;
        (seconds > 0.0).then_some((to, grown / seconds))
    };
    if delta {
        return points.iter().filter_map(|(time, start, value)| rate(*start, *time, *value)).collect();
    }
    let pairs = points.windows(2).filter(|pair| pair[1].2 >= pair[0].2);
    pairs.filter_map(|pair| rate(pair[0].0, pair[1].0, pair[1].2 - pair[0].2)).collect()
}
