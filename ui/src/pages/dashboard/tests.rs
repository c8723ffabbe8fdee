use query::promql::Options;

use super::*;
use crate::dashboards::check::{Form, read};

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

fn dashboard(keys: &str) -> Dashboard {
    read(Form::Toml, &format!("title = \"A\"\n{keys}"), &Options::default()).unwrap()
}

#[test]
fn the_time_is_that_of_the_file_where_something_is_so_new() {
    let fresh = Some((0, NOW.0));
    let old = Some((0, NOW.0 - 100 * HOUR));
    for (keys, extent, expected) in [
        ("range = \"now-6h\"", fresh, "now-6h"),
        ("range = \"now-6h\"", None, "now-6h"),
        ("", fresh, "now-1h"),
        ("", None, "now-1h"),
        ("range = \"now-6h\"", old, "2023-11-10T17:13:20.000000001Z..2023-11-10T18:13:20.000000001Z"),
    ] {
        assert_eq!(usual_range(&dashboard(keys), extent, NOW).text, expected, "{keys} {extent:?}");
    }
}

#[test]
fn open_ends_are_those_of_the_data_or_now() {
    let range =
        |from: Option<i64>, to: Option<i64>| TimeRange { from: from.map(UnixNanos), to: to.map(UnixNanos) };
    for (range, extent, expected) in [
        (range(Some(1), Some(2)), Some((5, 9)), (1, 2)),
        (range(Some(1), None), Some((5, 9)), (1, NOW.0)),
        (range(None, None), Some((5, 9)), (5, 9)),
        (range(None, Some(3)), Some((5, 9)), (3, 3)),
        (range(None, None), None, (NOW.0 - HOUR, NOW.0)),
    ] {
        assert_eq!(ends(range, extent, NOW), expected, "{range:?} {extent:?}");
    }
}

#[test]
fn how_often_a_page_is_answered_is_first_what_its_file_says() {
    for (keys, expected) in
        [("", "off"), ("refresh = \"30s\"", "30s"), ("refresh = \"20s\"", "30s"), ("refresh = \"1h\"", "5m")]
    {
        let all = refreshes(&dashboard(keys));
        assert_eq!((all[0].0, all.len()), (expected, REFRESHES.len()), "{keys}");
    }
}
