use std::sync::Arc;

use super::*;

#[test]
fn answers_as_the_api_writes_them() {
    let labels = Labels::new([("__name__", "a"), ("x", "q\"\\\n\u{1}é")]);
    let histogram = Arc::new(Histogram {
        count: 6.0,
        sum: 1.5,
        zero_threshold: 0.5,
        zero_count: 1.0,
        positive: vec![(1, 2.0)],
        negative: vec![(1, 3.0)],
        ..Histogram::default()
    });
    let written =
        r#"{"count":"6","sum":"1.5","buckets":[[1,"-2","-1","3"],[3,"-0.5","0.5","1"],[0,"1","2","2"]]}"#;
    let float = |value| Point::Float(value);
    let sample = |point| Sample { labels: labels.clone(), time_ms: 1_500, point };
    let metric = r#"{"__name__":"a","x":"q\"\\\n\u0001é"}"#;
    let cases = [
        (
            Value::Scalar { time_ms: 1_000, value: 1e21 },
            "scalar",
            r#"[1,"1000000000000000000000"]"#.to_owned(),
        ),
        (
            Value::String { time_ms: 1_001, value: "a\"b".to_owned() },
            "string",
            r#"[1.001,"a\"b"]"#.to_owned(),
        ),
        (
            Value::Vector(vec![sample(float(f64::NAN)), sample(float(1e-7))]),
            "vector",
            format!(
                r#"[{{"metric":{metric},"value":[1.500,"NaN"]}},{{"metric":{metric},"value":[1.500,"1e-07"]}}]"#
            ),
        ),
        (
            Value::Vector(vec![sample(Point::Histogram(Arc::clone(&histogram)))]),
            "vector",
            format!(r#"[{{"metric":{metric},"histogram":[1.500,{written}]}}]"#),
        ),
        (
            Value::Matrix(vec![Points {
                labels: Labels::empty(),
                points: vec![
                    (0, float(f64::INFINITY)),
                    (1000, Point::Histogram(histogram)),
                    (-500, float(2.0)),
                ],
            }]),
            "matrix",
            format!(r#"[{{"metric":{{}},"values":[[0,"+Inf"],[-0.500,"2"]],"histograms":[[1,{written}]]}}]"#),
        ),
        (Value::Vector(Vec::new()), "vector", "[]".to_owned()),
    ];
    for (value, kind, expected) in cases {
        assert_eq!(result(&value), expected);
        assert_eq!(data(&value), format!(r#"{{"resultType":"{kind}","result":{expected}}}"#));
        assert!(serde_json::from_str::<serde_json::Value>(&data(&value)).is_ok());
    }
}

#[test]
fn an_empty_histogram_has_no_buckets() {
    let point = Point::Histogram(Arc::default());
    let value = Value::Vector(vec![Sample { labels: Labels::empty(), time_ms: 0, point }]);
    assert_eq!(result(&value), r#"[{"metric":{},"histogram":[0,{"count":"0","sum":"0"}]}]"#);
}

#[test]
fn a_list_in_pieces_is_the_list() {
    for count in [0, 1, 2, 40_000] {
        let items: Vec<usize> = (0..count).collect();
        let pieces: Vec<String> = list(items, |out, item| out.push_str(&item.to_string())).collect();
        let items: Vec<usize> = serde_json::from_str(&pieces.concat()).unwrap();
        assert!(items.into_iter().eq(0..count));
        let (_, others) = pieces.split_last().unwrap();
        assert!(others.iter().all(|piece| piece.len() >= PIECE_BYTES && piece.len() < PIECE_BYTES + 10));
        assert_eq!(others.is_empty(), count < 40_000);
    }
}

#[test]
fn pieces_are_the_result() {
    let labels = Labels::new([("a", "b")]);
    let sample = |value| Sample { labels: labels.clone(), time_ms: 1500, point: Point::Float(value) };
    for value in [
        Value::Scalar { time_ms: 0, value: f64::INFINITY },
        Value::Vector(Vec::new()),
        Value::Vector(vec![sample(1.0), sample(f64::NAN)]),
        Value::Matrix(vec![Points { labels: labels.clone(), points: vec![(1000, Point::Float(0.5))] }]),
    ] {
        assert_eq!(pieces(value.clone()).collect::<String>(), result(&value));
    }
}
