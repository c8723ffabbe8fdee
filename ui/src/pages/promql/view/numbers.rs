//! The numbers of a chart: its lines, what they come to, and all of them as a table.

use query::promql::{Point, Points, parse};

use super::super::question::{Asked, Show};
use super::series_name;
use crate::chart::lines::Line;
use crate::colour::COLOURS;
use crate::format::{Moment, count, cut, quantity};

/// The most lines of a chart: those that reach furthest from nothing.
const LINES_MAX: usize = 40;
/// The most series beside one another in the table.
const COLUMNS_MAX: usize = 12;
/// How much of a query is shown in place of a name, in characters.
const QUERY_CHARS_MAX: usize = 120;
const MS: i64 = 1_000_000;

/// A series of a query.
pub(super) struct Drawn<'a> {
    /// The number of the query.
    pub(super) number: usize,
    pub(super) query: &'a str,
    pub(super) points: &'a Points,
}

/// Numbers of several queries.
pub(super) struct Numbers {
    pub(super) lines: Vec<Line>,
    /// What each line comes to.
    pub(super) legend: Vec<LegendRow>,
    /// What is not drawn.
    pub(super) left_out: Option<String>,
    /// The numbers at all steps, where they are asked for.
    pub(super) table: Option<Table>,
}

/// A line in words.
#[derive(Debug, PartialEq)]
pub(super) struct LegendRow {
    pub(super) number: usize,
    pub(super) colour: usize,
    pub(super) name: String,
    /// The page with this series alone; empty where a query cannot say it.
    pub(super) href: String,
    /// Last, lowest, mean and highest.
    pub(super) figures: [String; 4],
}

/// Numbers by time, the newest first.
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<(Moment, Vec<String>)>,
    /// What is not in it.
    pub(super) left_out: Option<String>,
}

impl Numbers {
    pub(super) fn new(asked: &Asked, mut drawn: Vec<Drawn<'_>>) -> Self {
        let all = drawn.len();
        if all > LINES_MAX {
            let mut reach: Vec<f64> = drawn.iter().map(|one| reach(one.points)).collect();
            reach.sort_by(|left, right| right.total_cmp(left));
            let least = reach[LINES_MAX - 1];
            drawn.retain(|one| self::reach(one.points) >= least);
            drawn.truncate(LINES_MAX);
        }
        let left_out = (all > drawn.len()).then(|| {
            format!(
                "The {} series that reach furthest are drawn, {} are not: topk and bottomk choose others.",
                count(drawn.len() as u64),
                count((all - drawn.len()) as u64)
            )
        });
        let lines: Vec<Line> = drawn.iter().enumerate().map(|(place, one)| line(asked, place, one)).collect();
        let legend = drawn.iter().zip(&lines).map(|(one, line)| LegendRow::new(asked, one, line));
        let legend: Vec<LegendRow> = legend.collect();
        let table = (asked.show == Show::Table).then(|| Table::new(asked, &legend, &lines));
        Self { legend, table, left_out, lines }
    }
}

/// How far a series is from nothing at most.
fn reach(points: &Points) -> f64 {
    let values = points.points.iter().filter_map(|(_, point)| float(point)).filter(|value| value.is_finite());
    values.fold(0.0, |most, value| most.max(value.abs()))
}

fn float(point: &Point) -> Option<f64> {
    match point {
        Point::Float(value) => Some(*value),
        Point::Histogram(_) => None,
    }
}

fn line(asked: &Asked, place: usize, one: &Drawn<'_>) -> Line {
    let mut values = vec![None; asked.steps.count()];
    for (time, point) in &one.points.points {
        if let Some(place) = asked.steps.place(*time) {
            values[place] = float(point);
        }
    }
    Line { colour: place % COLOURS, values }
}

impl LegendRow {
    fn new(asked: &Asked, one: &Drawn<'_>, line: &Line) -> Self {
        let labels = &one.points.labels;
        let name = match labels.is_empty() {
            true => cut(one.query, QUERY_CHARS_MAX),
            false => series_name(labels),
        };
        // A name that was cut, or has letters that a query cannot say, leads nowhere.
        let is_query = !labels.name().is_empty() && parse(&name, &asked.options).is_ok();
        Self {
            number: one.number,
            colour: line.colour,
            href: if is_query { asked.with_query(&name).link() } else { String::new() },
            name,
            figures: figures(&line.values),
        }
    }
}

/// The last value, the lowest, the mean and the highest.
fn figures(values: &[Option<f64>]) -> [String; 4] {
    let known: Vec<f64> = values.iter().copied().flatten().filter(|value| !value.is_nan()).collect();
    let (Some(last), Some(lowest), Some(highest)) =
        (known.last(), known.iter().copied().reduce(f64::min), known.iter().copied().reduce(f64::max))
    else {
        return std::array::from_fn(|_| "–".to_owned());
    };
    let mean = known.iter().map(|value| value / known.len() as f64).sum();
    [*last, lowest, mean, highest].map(short)
}

/// A value with three digits that say something.
fn short(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "−Inf".to_owned(),
        value => quantity(value, "1"),
    }
}

/// A value with all its digits.
fn exact(value: f64) -> String {
    match value.abs() {
        f64::INFINITY => short(value),
        size if size > 0.0 && !(1e-6..1e15).contains(&size) => format!("{value:e}"),
        _ => format!("{value}"),
    }
}

impl Table {
    fn new(asked: &Asked, legend: &[LegendRow], lines: &[Line]) -> Self {
        let shown = &lines[..lines.len().min(COLUMNS_MAX)];
        let steps = (0..asked.steps.count())
            .rev()
            .filter(|step| shown.iter().any(|line| line.values[*step].is_some()));
        let rows = steps.map(|step| {
            let time = Moment::to_second(asked.steps.time_ms(step).saturating_mul(MS));
            let cell = |line: &Line| line.values[step].map_or_else(|| "–".to_owned(), exact);
            (time, shown.iter().map(cell).collect())
        });
        let more = lines.len() - shown.len();
        Self {
            columns: legend.iter().take(shown.len()).map(|row| row.name.clone()).collect(),
            rows: rows.collect(),
            left_out: (more > 0).then(|| format!("{} further series are in the JSON.", count(more as u64))),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::UnixNanos;
    use query::promql::{Labels, NAME};

    use super::*;
    use crate::pages::checks;

    fn asked(address: &str) -> Asked {
        Asked::of(&checks::visit(address), None, UnixNanos(1_700_000_000_000_000_000)).unwrap()
    }

    fn points(labels: Labels, values: &[f64]) -> Points {
        let points = values.iter().enumerate();
        Points {
            labels,
            points: points.map(|(place, value)| (place as i64 * 1000, Point::Float(*value))).collect(),
        }
    }

    #[test]
    fn a_line_is_summed_up() {
        let asked = asked("/promql?t=0..3&step=1s&show=table");
        let named = points(Labels::new([(NAME, "up"), ("job", "a\"b")]), &[1.0, f64::NAN, 4.0]);
        let unnamed = points(Labels::empty(), &[f64::INFINITY]);
        let drawn = vec![
            Drawn { number: 1, query: "up", points: &named },
            Drawn { number: 2, query: "sum(up)", points: &unnamed },
        ];
        let numbers = Numbers::new(&asked, drawn);
        assert_eq!(numbers.legend[0].name, r#"up{job="a\"b"}"#);
        assert!(numbers.legend[0].href.starts_with("/promql?q=up%7Bjob"), "{}", numbers.legend[0].href);
        assert_eq!(numbers.legend[0].figures, ["4", "1", "2.50", "4"]);
        assert_eq!((numbers.legend[1].name.as_str(), numbers.legend[1].href.as_str()), ("sum(up)", ""));
        let table = numbers.table.unwrap();
        let cells: Vec<_> = table.rows.iter().map(|(_, cells)| cells.join(" ")).collect();
        assert_eq!(cells, ["4 –", "NaN –", "1 +Inf"]);
        assert_eq!((numbers.left_out, table.left_out), (None, None));
    }

    #[test]
    fn the_lines_that_reach_furthest_are_drawn() {
        let all: Vec<Points> = (0..100)
            .map(|number| points(Labels::new([("n", format!("{number:03}"))]), &[f64::from(number)]))
            .collect();
        let drawn = all.iter().map(|points| Drawn { number: 1, query: "x", points }).collect();
        let numbers = Numbers::new(&asked("/promql?t=0..3&step=1s&show=table"), drawn);
        assert_eq!((numbers.lines.len(), numbers.legend[0].name.as_str()), (LINES_MAX, r#"{n="060"}"#));
        assert!(numbers.left_out.unwrap().contains("40 series that reach furthest are drawn, 60 are not"));
        assert_eq!(numbers.table.unwrap().left_out.unwrap(), "28 further series are in the JSON.");
        assert_eq!(exact(1e-9), "1e-9");
        assert_eq!(exact(0.1), "0.1");
    }
}
