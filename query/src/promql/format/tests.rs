use super::super::{Options, parse};
use super::*;

fn shown(query: &str) -> String {
    pretty(&parse(query, &Options::default()).unwrap(), query)
}

#[test]
fn a_short_query_is_one_line() {
    for (query, expected) in [
        ("http_requests_total", "http_requests_total"),
        ("cpu{mode!~'idle|user',host =\"a\"}", "cpu{host=\"a\",mode!~\"idle|user\"}"),
        ("{__name__ = \"cpu\", mode!=\"\"}", "{__name__=\"cpu\",mode!=\"\"}"),
        ("{\"cpu.time\", \"host.name\"=~\"a.*\"}", "{\"host.name\"=~\"a.*\",__name__=\"cpu.time\"}"),
        ("{__name__ != \"x\", a='b'} # why", "{__name__!=\"x\",a=\"b\"}"),
        ("rate( cpu [ 90s ] )", "rate(cpu[1m30s])"),
        ("cpu[4w] offset -1h", "cpu[4w] offset -1h"),
        ("cpu[30d] @ end()", "cpu[30d] @ end()"),
        ("cpu[7d] @ 1700000000.5 offset 5m", "cpu[1w] @ 1700000000.500 offset 5m"),
        ("cpu offset 0s", "cpu"),
        ("max_over_time(rate(cpu[5m])[1h:])", "max_over_time(rate(cpu[5m])[1h:])"),
        ("max_over_time(cpu[1h:1m] @ start())", "max_over_time(cpu[1h:1m] @ start())"),
        ("SUM(cpu) BY (host, \"a.b\")", "sum by (host, \"a.b\") (cpu)"),
        ("sum by () (cpu)", "sum(cpu)"),
        ("sum without () (cpu)", "sum without () (cpu)"),
        ("topk(5, cpu)", "topk(5, cpu)"),
        ("count_values('it\\'s', cpu)", "count_values(\"it's\", cpu)"),
        ("a+b", "a + b"),
        ("a == bool on(x) group_left (y) b", "a == bool on (x) group_left (y) b"),
        ("a * on() group_right b", "a * on () group_right () b"),
        ("a unless ignoring (x) b", "a unless ignoring (x) b"),
        ("a + ignoring () b", "a + b"),
        ("1 + on() 2", "1 + 2"),
        ("-1 ^ 2", "-1 ^ 2"),
        ("--3", "3"),
        ("-(-a)", "-(-a)"),
        ("a > 1e3", "a > 1000"),
        ("a > 0x1F", "a > 31"),
        ("a > 1h30m", "a > 1h30m"),
        ("a > -90s", "a > -1m30s"),
        ("-Inf", "-Inf"),
        ("vector(NaN)", "vector(NaN)"),
        (
            "label_replace(a, 'b', \"\\t\\x01é\\u200b\", `c\\d`, '')",
            "label_replace(a, \"b\", \"\\t\\x01é\\u200b\", \"c\\\\d\", \"\")",
        ),
        ("time()", "time()"),
    ] {
        assert_eq!(shown(query), expected, "{query}");
    }
}

#[test]
fn a_long_query_has_a_line_for_each_part() {
    let long = "requests_of_a_service_with_a_long_name_total{service=\"checkout\"}";
    let sum = format!("sum by (route) (rate({long}[5m])) / on (route) sum by (route) (rate({long}[1h]))");
    let expected =
        format!("  sum by (route) (rate({long}[5m]))\n/ on (route)\n  sum by (route) (rate({long}[1h]))");
    assert_eq!(shown(&sum), expected);
    let nested = format!("topk(3, label_replace(-({long} + {long}), \"a\", \"$1\", \"b\", \"(.*)\"))");
    let expected = format!(
        "topk(\n  3,\n  label_replace(\n    -(\n        {long}\n      +\n        {long}\n    ),\n    \"a\",\n    \"$1\",\n    \"b\",\n    \"(.*)\"\n  )\n)"
    );
    assert_eq!(shown(&nested), expected);
    let subquery = format!("max_over_time(sum(rate({long}[5m]) + rate({long}[6m]))[1h:1m] offset 1d)");
    let expected = format!(
        "max_over_time(\n  sum(\n      rate({long}[5m])\n    +\n      rate({long}[6m])\n  )[1h:1m] offset 1d\n)"
    );
    assert_eq!(shown(&subquery), expected);
}

#[test]
fn what_is_laid_out_means_the_same() {
    let long = format!("{:060}", 1).replace('0', "x");
    for query in [
        format!("sum(rate(a_{long}[5m])) by (x) > bool {long}{{a=\"b\"}} or -{long} % 5 unless {long}"),
        format!("quantile_over_time(0.9, (a_{long} + b_{long} offset 5m)[1h:] @ start() offset -5m)"),
    ] {
        let once = shown(&query);
        assert!(once.contains('\n'), "{once}");
        assert_eq!(shown(&once), once);
    }
}
