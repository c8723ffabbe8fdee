//! Which lines are read, and how.

use clap::CommandFactory;

use super::*;

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("512MB", Some(512_000_000)),
        ("512MiB", Some(536_870_912)),
        ("2GiB", Some(2_147_483_648)),
        ("2 gib", Some(2_147_483_648)),
        ("1KB", Some(1_000)),
        ("7", Some(7)),
        ("7B", Some(7)),
        ("", None),
        ("GB", None),
        ("-1MB", None),
        ("1.5GB", None),
        ("99999999999TB", None),
    ] {
        assert_eq!(text.parse::<ByteSize>().ok(), bytes.map(ByteSize), "{text}");
    }
}

#[test]
fn ages() {
    const DAY: u64 = 86_400;
    for (text, seconds) in [
        ("30m", Some(1_800)),
        ("12h", Some(DAY / 2)),
        ("30d", Some(30 * DAY)),
        ("8 w", Some(56 * DAY)),
        ("1y", Some(365 * DAY)),
        ("0d", None),
        ("30", None),
        ("d", None),
        ("-1d", None),
        ("1.5d", None),
        ("30D", None),
        ("30é", None),
        ("99999999999999999y", None),
    ] {
        assert_eq!(text.parse::<Age>().ok(), seconds.map(Duration::from_secs).map(Age), "{text}");
    }
}

#[test]
fn lines_that_are_read_and_lines_that_are_not() {
    let id = "0AF7651916CD43DD8448EB211C80319C";
    for (line, good) in [
        ("serve", true),
        ("serve --listen 127.0.0.1:0 --memory 512MiB", true),
        ("serve --memory much", false),
        ("serve --dashboards /etc/causeway/dashboards", true),
        ("dashboards import a.json --output b.toml", true),
        ("dashboards import -", true),
        ("dashboards", false),
        ("serve --retention 30d --retention-size 100GiB", true),
        ("serve --retention never", false),
        ("logs", true),
        ("logs service:a --since 15m status:error", true),
        ("logs --since soon", false),
        ("logs --since 15m --from now-1h", false),
        ("logs --since 15m --to now", true),
        ("spans --limit 0", false),
        ("traces --format yaml", false),
        ("trace", false),
        ("trace 12", false),
        (&format!("trace {id} --color never"), true),
        ("services --from 2026-11-21T09:00:00Z --to -1", true),
        ("templates service:a --since 1h --limit 5", true),
        ("templates --stdin", true),
        ("templates --stdin severity:error", false),
        ("templates --stdin --format json", false),
        ("sql", true),
        ("sql -", true),
        ("tail", true),
        ("tail service:a severity>=warn --format ndjson", true),
        ("tail --spans status:error", true),
        ("tail --since 1h", false),
        ("logs --cursor 1.2", true),
        ("completions bash", true),
        ("completions", false),
        ("completions cmd", false),
        ("man", true),
        ("man somewhere", true),
        ("compact --data somewhere", true),
        ("metrics", false),
        ("metrics up --at now-1m --format table", true),
        ("metrics rate(up[5m]) --since 1h --step 15s --format chart", true),
        ("metrics up --format yaml", false),
        ("serve --promql-features promql-experimental-functions,promql-duration-expr", true),
        ("serve --promql-features everything", false),
        ("why", true),
        ("why --since 15m --service cart", true),
        ("why --from now-1h --to now --baseline-from now-3h --baseline-to now-2h", true),
        ("why --baseline-from now-3h", false),
        ("why --since 15m --from now-1h", false),
        ("why --service= --since 15m", false),
        ("why cart", false),
        ("incidents", true),
        ("incidents --open --since 1d", true),
        ("incidents i1 --format json", true),
        ("incidents i1 --open", false),
        ("incidents i1 --since 1d", false),
        ("changes --since 1d", true),
        ("mark deploy --service cart --version 2.4.0 rolled out by hand", true),
        ("mark flag --service cart --time now-5m new-checkout on", true),
        ("mark deploy", false),
        ("mark restart --service cart", false),
        ("mark deploy --service cart --time soon", false),
        ("demo", true),
        ("demo --list", true),
        ("demo --fault slow-query --after 90s --for 5m --rate 20/s", true),
        ("demo --fault fire", false),
        ("demo --for 5m", false),
        ("demo --fault cpu --after 5", false),
        ("demo --fault cpu --for 200h", false),
        ("demo --rate 0/s", false),
        ("demo --rate 2.5", true),
        ("demo --url http://127.0.0.1:4318", true),
        ("demo --url http://127.0.0.1:4318 --listen 127.0.0.1:0", false),
    ] {
        let read = Cli::try_parse_from(std::iter::once("causeway").chain(line.split(' ')));
        assert_eq!(read.is_ok(), good, "{line}: {:?}", read.err());
    }
}

#[test]
fn a_trace_id_is_read_in_either_case() {
    assert_eq!(trace_id(&"AB".repeat(16)), Ok("ab".repeat(16)));
    assert!(trace_id(&"xy".repeat(16)).is_err());
}
