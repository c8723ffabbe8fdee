use query::rows::{RowDetail, Trace};

use super::*;
use crate::pages::checks;
use crate::sample;

/// The page of a trace, as the engine would give its rows.
fn page_of(query: &str, trace: &Trace) -> Result<String, BadParameter> {
    let visit = checks::visit(&format!("/traces/{}{query}", trace.trace_id));
    let choice = Choice::of(&visit)?;
    let (outline, details) = sample::outlined(trace);
    let is_chosen = |row: &TraceRow| match &row.detail {
        RowDetail::Span(span) => choice.span.as_ref() == Some(&span.span_id),
        RowDetail::Log(log) => choice.log.as_ref() == Some(&log.id),
        _ => false,
    };
    let chosen = details.iter().position(is_chosen);
    let tree = Tree::of(&outline.rows);
    let found = match choice.find.as_str() {
        "" => None,
        "wrong" => Some(Err("it is wrong".to_owned())),
        _ => Some(Ok(vec![2, 4])),
    };
    let shown = Shown { outline: &outline, tree, chosen, found };
    let wanted = listed(&choice, &outline);
    let slice = Slice::of(&choice, &shown, wanted.len())?;
    let rows: Vec<TraceRow> = wanted.part(slice.range()).iter().map(|row| details[*row].clone()).collect();
    let logs =
        |row: usize| shown.tree.children(row).filter(|row| matches!(details[*row].detail, RowDetail::Log(_)));
    let detail =
        chosen.map(|row| std::iter::once(row).chain(logs(row)).map(|row| details[row].clone()).collect());
    let detail: Vec<TraceRow> = detail.unwrap_or_default();
    Ok(view(&visit, "0.1.0", &shown, (slice, &rows), &detail, &choice)?.render().unwrap())
}

fn rendered(name: &str, query: &str, trace: &Trace) -> String {
    let page = page_of(query, trace).unwrap();
    checks::is_sound(name, &page);
    page
}

/// The row of an id, up to its end.
fn row<'a>(page: &'a str, id: &str) -> &'a str {
    let at = page.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("no row {id}"));
    page[at..].split("</tr>").next().unwrap()
}

#[test]
fn logs_and_events_stand_under_their_span() {
    let trace = sample::shop();
    let page = rendered("trace", "", &trace);
    let failed = format!("s-{}", trace.spans[14].span_id);
    let place = |id: &str| page.find(&format!("id=\"{id}\"")).unwrap();
    let exception = format!("e-{}-1", trace.spans[14].span_id);
    let (retry, error) = (format!("l-{}", trace.logs[5].id), format!("l-{}", trace.logs[6].id));
    assert!(
        place(&failed) < place(&retry)
            && place(&retry) < place(&exception)
            && place(&exception) < place(&error)
    );
    assert!(row(&page, &failed).contains("688 ms"));
    assert!(row(&page, &failed).contains("failed"));
    assert!(row(&page, &error).contains("charge failed: connection refused"));
    let gap = format!("gap-{}", sample::outlined(&trace).0.rows.len() - 2);
    assert!(row(&page, &gap).contains("span 53995c3f42cd8ad8 is not stored; 1 row hangs"));
    assert!(page.contains("order ord-20261 was not placed"));
    assert!(!page.contains("id=\"detail\""), "nothing is chosen");
}

#[test]
fn a_chosen_span_shows_all_that_is_known_of_it() {
    let trace = sample::shop();
    let span = &trace.spans[14];
    let page = rendered("trace-span", &format!("?span={}", span.span_id.to_uppercase()), &trace);
    assert!(row(&page, &format!("s-{}", span.span_id)).contains("aria-selected=\"true\""));
    let detail = &page[page.find("id=\"detail\"").unwrap()..];
    for part in [
        "http.response.status_code",
        "service.instance.id",
        "exception.stacktrace",
        "retrying POST",
        "connection refused",
    ] {
        assert!(detail.contains(part), "{part}");
    }
    let linked = rendered("trace-link", &format!("?span={}", trace.spans[15].span_id), &trace);
    assert!(linked.contains("/traces/4bf92f3577b34da6a3ce929d0e0e4736?span=00f067aa0ba902b7"));
}

#[test]
fn long_names_are_cut_and_stand_whole_among_the_attributes() {
    let mut trace = sample::shop();
    let (name, message) = ("n".repeat(65_536), "m".repeat(65_536));
    let span = &mut trace.spans[14];
    (span.name, span.status_message) = (name.clone(), Some(message.clone()));
    let query = format!("?span={}", span.span_id);
    let page = rendered("trace-long-names", &query, &trace);
    let detail = &page[page.find("id=\"detail\"").unwrap()..];
    assert!(detail.contains(&format!("<h2>{}…</h2>", "n".repeat(300))));
    assert!(detail.contains(&format!("<pre>{name}</pre>")) && !detail.contains("Same operation"));
    assert_eq!(page.matches(&message).count(), 1, "in the detail only");
}

#[test]
fn services_beyond_the_legend_are_counted() {
    let mut trace = sample::chain(1_100, false);
    for (number, span) in trace.spans.iter_mut().enumerate() {
        span.service = format!("s-{number}");
    }
    let page = rendered("trace-services", "", &trace);
    assert!(page.contains("and 1,076 more</li>") && page.contains("<bdi>s-0</bdi>"), "{page}");
}

#[test]
fn a_chosen_log_shows_its_whole_body() {
    let trace = sample::shop();
    let page = rendered("trace-log", &format!("?log={}", trace.logs[6].id), &trace);
    let detail = &page[page.find("id=\"detail\"").unwrap()..];
    assert!(detail.contains("raise ChargeError(reason)"));
    assert!(detail.contains("Lines around it"));
}

#[test]
fn hostile_text_stays_text() {
    let trace = sample::hostile_trace();
    for (name, query) in [
        ("trace-hostile", String::new()),
        ("trace-hostile-span", format!("?span={}", trace.spans[14].span_id)),
        ("trace-hostile-log", format!("?log={}", trace.logs[6].id)),
    ] {
        let page = rendered(name, &query, &trace);
        assert!(page.contains("&#60;script&#62;alert(1)"), "{name}");
    }
}

#[test]
fn long_traces_come_in_pages_and_say_so() {
    let trace = sample::chain(2_500, false);
    let page = rendered("trace-long", "", &trace);
    assert!(page.contains("Rows 1 to 200 of 2,500"));
    assert!(page.contains("?page=2") && page.contains("?page=13"));
    assert!(page.contains("aria-rowcount=\"2501\""));
    let last = &trace.spans[2_499].span_id;
    let page = rendered("trace-long-last", &format!("?span={last}"), &trace);
    assert!(page.contains("Rows 2,401 to 2,500 of 2,500"));
    assert!(row(&page, &format!("s-{last}")).contains("·2500"));
    assert_eq!(page_of("?page=14", &trace).unwrap_err().expected, "a page of 13 pages was expected");
}

#[test]
fn what_is_sought_is_counted_and_marked() {
    let trace = sample::shop();
    let page = rendered("trace-find", "?find=status:error", &trace);
    assert!(page.contains("2 rows found") && page.contains("value=\"status:error\""));
    assert_eq!(page.matches(" match\"").count(), 2);
    let page = rendered("trace-find-wrong", "?find=wrong", &trace);
    assert!(page.contains("it is wrong") && page.matches(" match\"").count() == 0);
}

#[test]
fn a_span_that_is_not_there_is_said() {
    let page = rendered("trace-absent", "?span=00000000000000aa", &sample::shop());
    assert!(page.contains("not among the rows of this trace"));
    assert!(Choice::of(&checks::visit("/traces/x?span=zz")).is_err());
}

#[test]
fn odd_traces_are_shown_too() {
    let mut odd = sample::trace_of(&["a a 5", "b - 3", "b - 3"], &["- 1", "gone 2"]);
    odd.spans[1].duration_ns = -40;
    let page = rendered("trace-odd", "", &odd);
    for part in ["ancestors", "span gone is not stored", "ends before it begins", "−40 ns"] {
        assert!(page.contains(part), "{part}");
    }
    let logs_only = rendered("trace-logs-only", "", &sample::trace_of(&[], &["- 1"]));
    assert!(logs_only.contains("Logs without spans"));
    rendered("trace-empty", "", &sample::trace_of(&[], &[]));
    let far = sample::trace_of(&["a - -9223372036854775808", "b a 9223372036854775806"], &[]);
    rendered("trace-far", "", &Trace { duration_ns: i64::MAX, ..far });
}

#[test]
fn other_views_need_no_script() {
    let trace = sample::shop();
    let table = rendered("trace-table", "?view=table", &trace);
    assert!(table.contains("Operations of this trace") && table.contains("Payment/Charge"));
    let part = rendered("trace-table-part", "?view=table&z=0..2000000", &trace);
    assert!(part.contains("of the time that is zoomed to") && !part.contains("</span> Payment/Charge"));
    let graph = rendered("trace-graph", "?view=graph", &trace);
    assert!(graph.contains("checkout calls payment: 1 call") && graph.contains("Calls between services"));
    let logs = rendered("trace-logs", "?view=logs", &trace);
    let place = |text: &str| logs.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(
        place("checkout requested by user") < place("charging card")
            && place("charging card") < place("was not placed")
    );
    assert!(rendered("trace-flame", "?view=flame", &trace).contains("Flames are drawn by script"));
    for view in ["table", "graph", "logs"] {
        rendered(&format!("trace-hostile-{view}"), &format!("?view={view}"), &sample::hostile_trace());
        rendered(&format!("trace-empty-{view}"), &format!("?view={view}"), &sample::trace_of(&[], &[]));
    }
    assert!(page_of("?view=pink", &trace).is_err() && page_of("?z=2..1", &trace).is_err());
}
