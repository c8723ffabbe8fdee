//! Which minutes are looked at before any span is read: by rate, errors and durations, which are rolled up.
//!
//! A store may have months. Of the minutes nearest to the window, those are read in which least is unusual and whose mix
//! of operations is most like the window's, as many as there is room for. [`crate::reference`] chooses among them by the
//! spans themselves.

use std::collections::BTreeMap;

use query::{Gathering, QueryError};

use crate::counts::MINUTE;
use crate::evidence::traffic::{Shift, shift};
use crate::load::{self, MinuteRow, sql_text, sql_time};
use crate::stats::{SIGMAS, SPREAD_MIN, divergence, median, spread};

/// Minutes with data, the nearest to the window, that are candidates.
const MINUTES_MAX: usize = 480;
/// Minutes whose spans are read.
const READ_MINUTES_MAX: usize = 60;
/// Spans of the minutes that are read, about.
pub(crate) const READ_SPANS_MAX: f64 = 300_000.0;
/// The most rows of rolled up minutes.
const ROWS_MAX: usize = 400_000;

/// What is known of a window and the minutes about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// The services of the window.
    pub(crate) services: Vec<String>,
    /// Spans of the window.
    pub(crate) spans: f64,
    /// The minutes to be read, in order.
    pub(crate) minutes: Vec<i64>,
    /// Spans of these minutes.
    pub(crate) minute_spans: f64,
    /// By service: calls a minute that are not as usual.
    pub(crate) traffic: BTreeMap<String, Shift>,
}

/// An operation of a service.
type Operation = (String, String, String);

/// One minute: calls, errors and median duration by operation.
type Minute = BTreeMap<Operation, (f64, f64, f64)>;

/// Which minutes can be a history.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Times {
    /// Those before the window and after it.
    Around,
    /// Those before it.
    Before,
    /// Those of a baseline that was named.
    Of(i64, i64),
}

/// Reads what is rolled up about a window and the minutes that can be its history.
pub(crate) async fn about(
    gathering: &Gathering,
    from: i64,
    to: i64,
    times: Times,
) -> Result<History, QueryError> {
    let first = from.div_euclid(MINUTE);
    let end = to.div_euclid(MINUTE) + 1;
    let rows = window_rows(gathering, first.saturating_mul(MINUTE), end.saturating_mul(MINUTE)).await?;
    let calls_now = calls(&rows);
    let window = window(rows);
    let mut services: Vec<String> = window.keys().map(|(service, ..)| service.clone()).collect();
    services.dedup();
    if services.is_empty() {
        return Ok(History::default());
    }
    let spans = window.values().map(|(calls, ..)| calls).sum();
    let names: Vec<String> = services.iter().map(|name| sql_text(name)).collect();
    let of_services = format!("service_name IN ({})", names.join(", "));
    let mut near = minutes_with_data(gathering, &of_services).await?;
    near.retain(|minute| match times {
        Times::Of(from, to) => minute * MINUTE < to && (minute + 1) * MINUTE > from,
        Times::Before => minute * MINUTE < from,
        // Minutes that the window covers whole are no history.
        Times::Around => minute * MINUTE < from || (minute + 1) * MINUTE > to.saturating_add(1),
    });
    let distance = |minute: i64| if minute < first { first - minute } else { (minute - end + 1).max(0) };
    near.sort_unstable_by_key(|minute| (distance(*minute), *minute));
    near.truncate(MINUTES_MAX);
    near.sort_unstable();
    let (Some(oldest), Some(newest)) = (near.first(), near.last()) else {
        return Ok(History { services, spans, ..History::default() });
    };
    let bounds = format!(
        "{of_services} AND time >= {} AND time <= {}",
        sql_time(oldest * MINUTE),
        sql_time(newest * MINUTE)
    );
    let mut minutes: BTreeMap<i64, Minute> = near.iter().map(|minute| (*minute, Minute::new())).collect();
    let mut rows = load::minutes(gathering, &bounds, ROWS_MAX).await?;
    rows.retain(|row| minutes.contains_key(&row.minute));
    let traffic = traffic(&calls_now, &calls(&rows));
    for MinuteRow { minute, operation, calls, errors, median, .. } in rows {
        minutes.entry(minute).or_default().insert(operation, (calls, errors, median));
    }
    let (minutes, minute_spans) = cheapest(&window, minutes);
    Ok(History { services, spans, minutes, minute_spans, traffic })
}

async fn window_rows(gathering: &Gathering, from: i64, to: i64) -> Result<Vec<MinuteRow>, QueryError> {
    let bounds = format!("time >= {} AND time < {}", sql_time(from), sql_time(to));
    load::minutes(gathering, &bounds, ROWS_MAX).await
}

fn window(rows: Vec<MinuteRow>) -> Minute {
    let mut window = Minute::new();
    for row in rows {
        let of = window.entry(row.operation).or_default();
        *of = (of.0 + row.calls, of.1 + row.errors, of.2.max(row.median));
    }
    window
}

/// By service and minute, what was asked of it.
fn calls(rows: &[MinuteRow]) -> BTreeMap<String, BTreeMap<i64, f64>> {
    let mut calls: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    let asked = rows.iter().filter(|row| ["server", "consumer"].contains(&row.operation.2.as_str()));
    for row in asked {
        *calls.entry(row.operation.0.clone()).or_default().entry(row.minute).or_default() += row.calls;
    }
    calls
}

/// By service: traffic of the window that is not as usual. The median of its minutes, since the first and the last may
/// have begun or ended elsewhere.
fn traffic(
    now: &BTreeMap<String, BTreeMap<i64, f64>>,
    then: &BTreeMap<String, BTreeMap<i64, f64>>,
) -> BTreeMap<String, Shift> {
    let of_service = |(service, minutes): (&String, &BTreeMap<i64, f64>)| {
        let inside: Vec<f64> = minutes.values().copied().collect();
        let history: Vec<f64> = then
            .get(service)?
            .iter()
            .filter(|(at, _)| !minutes.contains_key(at))
            .map(|(_, calls)| *calls)
            .collect();
        Some((service.clone(), shift(median(&inside), &history)?))
    };
    now.iter().filter_map(of_service).collect()
}

async fn minutes_with_data(gathering: &Gathering, of_services: &str) -> Result<Vec<i64>, QueryError> {
    let sql = format!("SELECT time, sum(calls) AS calls FROM red WHERE {of_services} GROUP BY time");
    load::times(gathering, &sql, ROWS_MAX).await.map(|times| {
        let mut minutes: Vec<i64> = times.iter().map(|time| time.div_euclid(MINUTE)).collect();
        minutes.sort_unstable();
        minutes.dedup();
        minutes
    })
}

/// The minutes in which least is unusual and that are most like the window, within what is read.
fn cheapest(window: &Minute, minutes: BTreeMap<i64, Minute>) -> (Vec<i64>, f64) {
    let mut durations: BTreeMap<&Operation, Vec<f64>> = BTreeMap::new();
    let mut failures: BTreeMap<&Operation, Vec<f64>> = BTreeMap::new();
    for minute in minutes.values() {
        for (operation, (calls, errors, median)) in minute {
            durations.entry(operation).or_default().push(median.max(1.0).ln());
            failures.entry(operation).or_default().push(errors / calls.max(1.0));
        }
    }
    let usual = |values: BTreeMap<&Operation, Vec<f64>>, least: f64| -> BTreeMap<Operation, (f64, f64)> {
        let of = |values: Vec<f64>| {
            let middle = median(&values);
            (middle, spread(&values, middle).max(least))
        };
        values.into_iter().map(|(operation, values)| (operation.clone(), of(values))).collect()
    };
    let (durations, failures) = (usual(durations, SPREAD_MIN), usual(failures, SPREAD_MIN));
    let far = |known: Option<&(f64, f64)>, value: f64| {
        known.is_some_and(|(middle, sigma)| (value - middle) / sigma > SIGMAS)
    };
    let calls_of = |minute: &Minute| minute.values().map(|(calls, ..)| calls).sum::<f64>();
    let window_calls = calls_of(window).max(1.0);
    let mut costs: Vec<(f64, i64, f64)> = Vec::new();
    for (number, minute) in &minutes {
        let calls = calls_of(minute);
        let mut unusual = 0.0;
        for (operation, (of, errors, median)) in minute {
            let slow = far(durations.get(operation), median.max(1.0).ln());
            let failing = far(failures.get(operation), errors / of.max(1.0));
            unusual += f64::from(u8::from(slow) + u8::from(failing));
        }
        let unlike = divergence(window.iter().map(|(operation, (of, ..))| {
            let then = minute.get(operation).map_or(0.0, |(calls_then, ..)| calls_then / calls.max(1.0));
            (of / window_calls, then)
        }));
        costs.push((unusual / minute.len().max(1) as f64 + unlike, *number, calls));
    }
    costs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut chosen, mut spans) = (Vec::new(), 0.0);
    for (_, number, calls) in costs {
        if chosen.len() == READ_MINUTES_MAX || spans + calls > READ_SPANS_MAX && !chosen.is_empty() {
            break;
        }
        chosen.push(number);
        spans += calls;
    }
    chosen.sort_unstable();
    (chosen, spans)
}
