//! Names of OpenTelemetry as those of Prometheus: a metric gets its unit and what it is behind its name, and what is
//! neither a letter nor a digit becomes an underscore.
//!
//! The rules are those of the specification ("Prometheus and OpenMetrics Compatibility") as Prometheus 3.5 applies them
//! to what it receives over OTLP unless told otherwise, a strategy that it calls `UnderscoreEscapingWithSuffixes`.

/// Units and their names.
const UNITS: [(&str, &str); 27] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
    ("", ""),
];
/// Units that something is counted by, and their names.
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// What the name of a metric tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A sum that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Anything else.
    Other,
}

/// The name of a metric in Prometheus; none if nothing is left of it.
pub(super) fn metric(name: &str, unit: &str, sort: Sort) -> Option<String> {
    let words = name.split(|c: char| !is_of_name(c)).filter(|word| !word.is_empty());
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    for suffix in unit_suffixes(unit) {
        if !suffix.is_empty() && !words.contains(&suffix) {
            words.push(suffix);
        }
    }
    let last = match sort {
        Sort::Counter => Some("total"),
        Sort::Gauge if unit == "1" => Some("ratio"),
        Sort::Gauge | Sort::Other => None,
    };
    if let Some(last) = last {
        words.retain(|word| word != last);
        words.push(last.to_owned());
    }
    let name = words.join("_");
    match name.chars().next()? {
        '0'..='9' => Some(format!("_{name}")),
        _ => Some(name),
    }
}

/// The name of a label in Prometheus.
pub(super) fn label(name: &str) -> String {
    let sound: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    match sound.as_bytes() {
        [b'0'..=b'9', ..] => format!("key_{sound}"),
        [b'_', b'_', ..] => sound,
        [b'_', ..] => format!("key{sound}"),
        _ => sound,
    }
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// The words that a unit puts behind a name: what it is, and by what it is counted.
fn unit_suffixes(unit: &str) -> [String; 2] {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let (main, per) = (main.trim(), per.trim());
    let is_note = |unit: &str| unit.contains(['{', '}']);
    let main = if is_note(main) { String::new() } else { clean(named(&UNITS, main)) };
    let per = match per {
        "" => String::new(),
        per if is_note(per) => String::new(),
        per => clean(&format!("per_{}", named(&PER_UNITS, per))).trim_end_matches('_').to_owned(),
    };
    let per = if per == "per" { String::new() } else { per };
    let main = if per.is_empty() { main } else { main.trim_end_matches('_').to_owned() };
    [main, per]
}

fn named<'a>(units: &[(&'a str, &'a str)], unit: &'a str) -> &'a str {
    units.iter().find(|(short, _)| *short == unit).map_or(unit, |(_, long)| long)
}

/// A unit as part of a name: underscores for what a name cannot hold, one at a time and none in front.
fn clean(unit: &str) -> String {
    let mut out = String::with_capacity(unit.len());
    for c in unit.chars().map(|c| if is_of_name(c) { c } else { '_' }) {
        if c != '_' || !(out.is_empty() || out.ends_with('_')) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_prometheus_names_them() {
        let cases = [
            ("http.server.request.duration", "s", Sort::Other, "http_server_request_duration_seconds"),
            ("http.server.active_requests", "{request}", Sort::Other, "http_server_active_requests"),
            ("process.cpu.utilization", "1", Sort::Gauge, "process_cpu_utilization_ratio"),
            ("process.cpu.utilization", "1", Sort::Counter, "process_cpu_utilization_total"),
            ("system.network.io", "By", Sort::Counter, "system_network_io_bytes_total"),
            ("system.network.io.bytes", "By", Sort::Counter, "system_network_io_bytes_total"),
            ("requests_total", "1", Sort::Counter, "requests_total"),
            ("total.requests", "", Sort::Counter, "requests_total"),
            ("fuel.use", "l/km", Sort::Gauge, "fuel_use_l_per_km"),
            ("rate", "By/s", Sort::Gauge, "rate_bytes_per_second"),
            ("disk.free", "%", Sort::Gauge, "disk_free_percent"),
            ("2.try", "", Sort::Gauge, "_2_try"),
            ("a..b--c:d", "", Sort::Gauge, "a_b_c:d"),
            ("queue.depth", "{message}/s", Sort::Gauge, "queue_depth_per_second"),
            ("speed", "m/{step}", Sort::Gauge, "speed_meters"),
            ("odd", "  ms ", Sort::Gauge, "odd_milliseconds"),
            ("odd", "__w/ ", Sort::Gauge, "odd_w"),
        ];
        for (name, unit, sort, expected) in cases {
            assert_eq!(metric(name, unit, sort).as_deref(), Some(expected), "{name} in {unit:?}");
        }
        assert_eq!(metric("...", "", Sort::Gauge), None);
    }

    #[test]
    fn labels_are_named_as_prometheus_names_them() {
        let cases = [
            ("http.route", "http_route"),
            ("plain", "plain"),
            ("1st", "key_1st"),
            ("_hidden", "key_hidden"),
            ("__name", "__name"),
            ("größe", "gr__e"),
        ];
        for (name, expected) in cases {
            assert_eq!(label(name), expected);
        }
    }
}
