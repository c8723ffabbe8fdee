//! Rows that match, in another order than newest first: every match is looked at, and the first of the order are kept.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::ControlFlow;

use arrow::array::RecordBatch;
use model::predicate::RowKey;
use model::{Signal, UnixNanos, schema};
use storage::Scan;

use super::work::Work;
use super::{Search, check, context, resolve};
use crate::columns::Columns;
use crate::error::QueryError;
use crate::rows::Page;

/// An order of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By time, the earliest first.
    Oldest,
    /// Spans by duration, the longest first.
    Longest,
    /// Spans by duration, the shortest first.
    Shortest,
    /// Logs by severity, the worst first.
    Worst,
}

impl Order {
    /// The column that it looks at beside time and `seq`.
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Oldest => None,
            Self::Longest | Self::Shortest => Some("duration_ns"),
            Self::Worst => Some("severity_number"),
        }
    }

    /// The place of a row: the greatest comes first.
    fn rank(self, value: i64, key: RowKey) -> Rank {
        match self {
            Self::Oldest => (0, key.time.0.saturating_neg(), key.seq.saturating_neg()),
            Self::Shortest => (value.saturating_neg(), key.time.0, key.seq),
            Self::Longest | Self::Worst => (value, key.time.0, key.seq),
        }
    }

    /// The row at a place.
    fn key(self, rank: Rank) -> RowKey {
        match self {
            Self::Oldest => RowKey { time: UnixNanos(rank.1.saturating_neg()), seq: rank.2.saturating_neg() },
            _ => RowKey { time: UnixNanos(rank.1), seq: rank.2 },
        }
    }
}

/// Value, time, `seq`.
type Rank = (i64, i64, i64);

/// A page of rows in an order. Nothing is counted beside them.
pub(super) fn page<T>(
    work: &mut Work<'_>,
    scan: &Scan,
    search: &Search,
    order: Order,
    convert: fn(&RecordBatch) -> Vec<T>,
) -> Result<Page<T>, QueryError> {
    check(search)?;
    let below = search.cursor.as_deref().map(cursor_rank).transpose()?;
    let predicate = resolve::resolved(work, scan.signal, scan.range, &scan.predicate, None)?;
    let scan = Scan { predicate, ..scan.clone() };
    let time = schema::time_column(scan.signal);
    let mut columns = vec!["seq", time];
    columns.extend(order.column());
    let mut first: BinaryHeap<Reverse<Rank>> = BinaryHeap::new();
    work.visit(&scan, &columns, |rows| {
        let read = Columns(rows);
        for row in 0..rows.num_rows() {
            let value = order.column().and_then(|column| read.int(column, row)).unwrap_or(0);
            let time = UnixNanos(read.time(time, row).unwrap_or(0));
            let rank = order.rank(value, RowKey { time, seq: read.int("seq", row).unwrap_or(0) });
            if below.is_none_or(|below| rank < below) {
                first.push(Reverse(rank));
            }
            if first.len() > search.limit {
                first.pop();
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let ranks: Vec<Rank> = first.into_sorted_vec().into_iter().map(|Reverse(rank)| rank).collect();
    let keys: Vec<RowKey> = ranks.iter().map(|rank| order.key(*rank)).collect();
    let mut found = context::fetched(work, scan.signal, &keys, convert)?;
    found.sort_by_key(|(key, _)| keys.iter().position(|place| place == key));
    let full = search.limit > 0 && ranks.len() == search.limit;
    let cursor = ranks.last().filter(|_| full).map(|(a, b, c)| format!("{a}.{b}.{c}"));
    let rows = found.into_iter().map(|(_, row)| row).collect();
    Ok(Page { rows, cursor, stats: work.stats()?, total: None, facets: None, histogram: None })
}

fn cursor_rank(text: &str) -> Result<Rank, QueryError> {
    let mut parts = text.split('.').map(|part| part.parse::<i64>().ok());
    let rank = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Some(value)), Some(Some(time)), Some(Some(seq)), None) => Some((value, time, seq)),
        _ => None,
    };
    rank.ok_or_else(|| {
        QueryError::invalid(format!("{text:?} is no cursor of this order: take one from its last page"))
    })
}

impl super::Engine {
    /// Log records in an order; nothing is counted.
    pub async fn logs_by(
        &self,
        reader: &model::Reader,
        search: &Search,
        order: Order,
    ) -> Result<Page<crate::rows::Log>, QueryError> {
        self.page_by(Signal::Logs, reader, search, order, super::rows_of::logs).await
    }

    /// Spans in an order; nothing is counted.
    pub async fn spans_by(
        &self,
        reader: &model::Reader,
        search: &Search,
        order: Order,
    ) -> Result<Page<crate::rows::Span>, QueryError> {
        self.page_by(Signal::Spans, reader, search, order, super::rows_of::spans).await
    }

    async fn page_by<T: Send + 'static>(
        &self,
        signal: Signal,
        reader: &model::Reader,
        search: &Search,
        order: Order,
        convert: fn(&RecordBatch) -> Vec<T>,
    ) -> Result<Page<T>, QueryError> {
        let predicate = crate::search::parse(&search.q, signal)?;
        let scan = Scan { signal, range: search.range, predicate };
        let asked = search.clone();
        let budget = std::sync::Arc::clone(self.store.budget());
        let page = self.ask(reader, search.limit, move |snapshot, control| {
            page(&mut Work::new(snapshot, control, &budget), &scan, &asked, order, convert)
        });
        self.watch.over(reader, signal.table(), &search.q, page).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;

    #[test]
    fn pages_follow_on_one_another_in_every_order() {
        let fixture = Fixture::new();
        for state in ["fresh", "compacted"] {
            for (order, expected) in [
                (Order::Oldest, ["GET /cart", "charge", "ping"]),
                (Order::Longest, ["GET /cart", "charge", "ping"]),
                (Order::Shortest, ["ping", "charge", "GET /cart"]),
            ] {
                let mut search = Search { limit: 1, ..Search::default() };
                let mut names = Vec::new();
                loop {
                    let page = fixture.engine.spans_by(&fixture.reader, &search, order);
                    let page = fixture.runtime.block_on(page).unwrap();
                    names.extend(page.rows.into_iter().map(|span| span.name));
                    search.cursor = page.cursor;
                    if search.cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(names, expected, "{state} {order:?}");
            }
            fixture.runtime.block_on(fixture.engine.compact()).unwrap();
        }
        let five = Search { limit: 5, ..Search::default() };
        let worst = fixture.engine.logs_by(&fixture.reader, &five, Order::Worst);
        let worst = fixture.runtime.block_on(worst).unwrap();
        assert_eq!(worst.rows[0].body, "card refused");
        let wrong = Search { limit: 1, cursor: Some("1.2".to_owned()), ..Search::default() };
        let wrong = fixture.engine.logs_by(&fixture.reader, &wrong, Order::Worst);
        assert!(fixture.runtime.block_on(wrong).is_err());
    }
}
