//! Bytes right and wrong.

use proptest::prelude::*;

use super::*;
use crate::decode::remote::series::ROWS_BYTES_MAX;

/// A request with one of everything.
fn rich() -> WriteRequest {
    let names = [("__name__", "m"), ("instance", "a:1"), ("job", "node")];
    let histogram = Histogram {
        count: Some(3),
        sum: 1.0,
        positive_spans: vec![Span { offset: 1, length: 1 }, Span { offset: 3, length: 1 }],
        positive_deltas: vec![1, 1],
        time: TIME,
        ..Histogram::default()
    };
    let exemplars = vec![Exemplar { labels: labels(&[("trace_id", "01")]), value: 1.0, time: TIME }];
    let first = TimeSeries { exemplars, ..series(&names, vec![sample(1.0, TIME), sample(2.0, TIME)]) };
    let second = TimeSeries { histograms: vec![histogram], ..series(&names[..1], Vec::new()) };
    let metadata =
        vec![MetricMetadata { kind: 1, family: "m".to_owned(), help: "h".to_owned(), unit: "u".to_owned() }];
    WriteRequest { timeseries: vec![first, second], metadata }
}

fn payloads() -> [(RemoteWrite, Vec<u8>); 2] {
    let mut second = request(&rich());
    second.timeseries[0].metadata = Some(SymbolMetadata { kind: 2, help: 1, unit: 2 });
    [(RemoteWrite::V1, rich().encode_to_vec()), (RemoteWrite::V2, second.encode_to_vec())]
}

/// Decodes whatever it is; its rows must fit what was sent.
fn decode_any(version: RemoteWrite, payload: &[u8]) {
    let mut families = Families::default();
    families_of(payload).for_each(|family| families.put(&family));
    if let Ok(decoded) = decode_with(version, payload.to_vec(), &families) {
        assert!(decoded.batch.rows.num_rows() <= payload.len());
        assert!(decoded.batch.rows.get_array_memory_size() < 1 << 20);
    }
}

#[test]
fn cut_anywhere_it_does_not_panic() {
    for (version, payload) in payloads() {
        for end in 0..=payload.len() {
            decode_any(version, &payload[..end]);
        }
    }
}

#[test]
fn no_flipped_bit_makes_it_panic() {
    for (version, payload) in payloads() {
        for at in 0..payload.len() {
            for bit in 0..8 {
                let mut changed = payload.clone();
                changed[at] ^= 1 << bit;
                decode_any(version, &changed);
            }
        }
    }
}

#[test]
fn symbols_have_a_limit() {
    let symbols = |count: usize| [34, 0].repeat(count);
    assert!(decode_with(RemoteWrite::V2, symbols(SYMBOLS_MAX), &Families::default()).is_ok());
    let error = decode_with(RemoteWrite::V2, symbols(SYMBOLS_MAX + 1), &Families::default()).unwrap_err();
    assert!(error.to_string().ends_with("it has more than 1048576 symbols"), "{error}");
}

#[test]
fn many_labels_and_many_samples_have_a_limit() {
    let names: Vec<(String, String)> = (0..1000).map(|at| (format!("l{at:04}"), "v".to_owned())).collect();
    let mut all = vec![("__name__", "m")];
    all.extend(names.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    // Of each label a row has ten bytes, and a sample takes two on the wire.
    let many = ROWS_BYTES_MAX / 10_000;
    let sent = write_request(vec![
        series(&all, vec![sample(0.0, 0); many]),
        series(&all[..2], vec![sample(0.0, 0)]),
    ]);
    let decoded = v1(&sent);
    assert_eq!((decoded.batch.rows.num_rows(), decoded.batch.answer.rejected), (1, many as u64));
    assert!(decoded.batch.answer.message.contains("send fewer at once"), "{}", decoded.batch.answer.message);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        for version in [RemoteWrite::V1, RemoteWrite::V2] {
            decode_any(version, &payload);
        }
    }
}
