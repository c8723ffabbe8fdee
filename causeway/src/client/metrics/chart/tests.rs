use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::super::answer::Sample;
use super::*;

/// A series of a label, with numbers a second apart; none where there is no sample.
fn series(label: &str, values: &[Option<f64>]) -> Series {
    let labels = [("__name__", "load"), ("host", label)];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let samples = values.iter().enumerate().filter_map(|(at, value)| {
        Some(Sample { time_ms: at as i64 * 1000, text: String::new(), value: Some((*value)?) })
    });
    Series { labels: BTreeMap::from(labels), samples: samples.collect() }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn shown(series: &[Series], seconds: i64, width: usize) -> String {
    let written = Shared::default();
    let mut output = Output::into(Box::new(written.clone()), Some(width));
    show(series, (0, seconds * 1000), 1000, &mut output).unwrap();
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn few_series_are_lines_with_axes_and_a_legend() {
    let rising: Vec<_> = (0..=60).map(|at| Some(f64::from(at))).collect();
    let falling: Vec<_> = (0..=60).map(|at| Some(f64::from(60 - at))).collect();
    let text = shown(&[series("a", &rising), series("b", &falling)], 60, 60);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "load");
    assert_eq!(lines.len(), 1 + ROWS + 2 + 3, "{text}");
    let marks: Vec<&str> =
        lines[1..=ROWS].iter().filter_map(|line| line.split_once(" ┤")).map(|(mark, _)| mark).collect();
    assert_eq!(marks, ["60", "40", "20", " 0"]);
    // The one begins where the other ends.
    assert!(lines[1].contains('⠉') || lines[1].contains('⠑') || lines[1].contains('⠒'), "{text}");
    assert_eq!(
        lines[ROWS + 2].split_whitespace().collect::<Vec<_>>(),
        ["00:00:15", "00:00:30", "00:00:45", "00:01:00"]
    );
    assert!(lines.iter().all(|line| columns(line) <= 60), "{text}");
    assert_eq!(
        lines[ROWS + 3..],
        [
            "    SERIES      MIN  MAX  LAST",
            "━━  {host=\"a\"}    0   60    60",
            "━━  {host=\"b\"}    0   60     0"
        ]
    );
}

#[test]
fn many_series_are_rows() {
    let many: Vec<Series> = (0..=LINES_MAX)
        .map(|number| series(&number.to_string(), &[Some(1.0), Some(2.0), None, Some(number as f64)]))
        .collect();
    let text = shown(&many, 3, 80);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 + many.len(), "{text}");
    assert!(lines[1].starts_with("COURSE") && lines[1].ends_with("MIN  MAX  LAST"), "{text}");
    assert_eq!(lines[2], "▅         █                    ▁  {host=\"0\"}    0    2     0");
}

#[test]
fn a_gap_breaks_a_line() {
    let dots = |values: &[Option<f64>]| {
        let one = series("a", values);
        let chart = Chart::of(&[&one], (0, 4000), 1000, 40).unwrap();
        chart.cells.iter().map(|(dots, _)| dots.count_ones()).sum::<u32>()
    };
    let width = 40 - "5 │".chars().count();
    assert_eq!(dots(&[Some(5.0); 5]), (width * ACROSS) as u32);
    assert_eq!(dots(&[Some(5.0), None, Some(5.0), None, Some(5.0)]), 3);
}

#[test]
fn what_cannot_be_drawn_is_no_chart() {
    let nothing = series("a", &[Some(f64::NAN), Some(f64::INFINITY)]);
    assert!(Chart::of(&[&nothing], (0, 1000), 1000, 40).is_none());
    assert_eq!(shown(&[series("a", &[])], 10, 40), "");
    for values in [[1e300, 1e300], [-1e308, 1e308], [5e-324, 0.0]] {
        let extreme = series("a", &values.map(Some));
        let chart = Chart::of(&[&extreme], (0, 0), 1000, 5).unwrap();
        assert_eq!(chart.lines(Paint { on: false }).len(), ROWS + 2);
    }
}

#[test]
fn marks_below_are_as_close_as_they_fit() {
    let below = |seconds: i64, width: usize| {
        let one = series("a", &[Some(1.0)]);
        Chart::of(&[&one], (0, seconds * 1000), 1000, width).unwrap().below().1
    };
    let times = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(times(&below(3600, 100)), ["00:10", "00:20", "00:30", "00:40", "00:50", "01:00"]);
    assert_eq!(times(&below(3 * 86_400, 60)), ["01-02", "01-03", "01-04"]);
    assert!(times(&below(100 * 365 * 86_400, 40)).len() <= 4);
}
