//! The walk against `prost`, on bytes right and wrong.
//!
//! Both accept the same payloads and make the same rows of them, but for two deliberate differences: text that
//! is not UTF-8 is repaired here and an error there, and depth is counted from the record here and from the
//! request there (these messages are too flat for it to matter).

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRng, TestRunner};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

use super::random::{any_log_request, any_metric_request, any_span_request};
use super::*;
use crate::decode::shape::{self, Kind, Shape};

/// How many rounds of random changes are made, each to one payload per signal; unset, [`ROUNDS`].
const ROUNDS_VARIABLE: &str = "CAUSEWAY_DECODE_ROUNDS";
const ROUNDS: u64 = 300;

/// Limits that these payloads often reach.
const TIGHT: Limits = Limits { attributes_per_record_max: 2, attribute_bytes_max: 9 };

static SPAN_REQUEST: Shape = Shape(&[(1, Kind::Message(&RESOURCE_SPANS))]);
static RESOURCE_SPANS: Shape =
    Shape(&[(1, Kind::Message(&RESOURCE)), (2, Kind::Message(&SCOPE_SPANS)), (3, Kind::Bytes)]);
static SCOPE_SPANS: Shape =
    Shape(&[(1, Kind::Message(&SCOPE)), (2, Kind::Message(&shape::SPAN)), (3, Kind::Bytes)]);
static LOG_REQUEST: Shape = Shape(&[(1, Kind::Message(&RESOURCE_LOGS))]);
static RESOURCE_LOGS: Shape =
    Shape(&[(1, Kind::Message(&RESOURCE)), (2, Kind::Message(&SCOPE_LOGS)), (3, Kind::Bytes)]);
static SCOPE_LOGS: Shape =
    Shape(&[(1, Kind::Message(&SCOPE)), (2, Kind::Message(&shape::LOG_RECORD)), (3, Kind::Bytes)]);
static METRIC_REQUEST: Shape = Shape(&[(1, Kind::Message(&RESOURCE_METRICS))]);
static RESOURCE_METRICS: Shape =
    Shape(&[(1, Kind::Message(&RESOURCE)), (2, Kind::Message(&SCOPE_METRICS)), (3, Kind::Bytes)]);
static SCOPE_METRICS: Shape =
    Shape(&[(1, Kind::Message(&SCOPE)), (2, Kind::Message(&shape::METRIC)), (3, Kind::Bytes)]);
static RESOURCE: Shape = Shape(&[(1, Kind::Message(&shape::KEY_VALUE)), (2, Kind::Varint)]);
static SCOPE: Shape =
    Shape(&[(1, Kind::Bytes), (2, Kind::Bytes), (3, Kind::Message(&shape::KEY_VALUE)), (4, Kind::Varint)]);

fn request_shape(signal: Signal) -> &'static Shape {
    match signal {
        Signal::Spans => &SPAN_REQUEST,
        Signal::Logs => &LOG_REQUEST,
        Signal::Metrics => &METRIC_REQUEST,
        Signal::Red => unreachable!("no client sends it"),
    }
}

/// Checks that the walk does with a payload what the reference does; gives whether they accept it.
fn agree(signal: Signal, payload: &[u8], limits: &Limits) -> Result<bool, TestCaseError> {
    let found = decode(signal, Bytes::copy_from_slice(payload), Encoding::Protobuf, RECEIVED, limits);
    let expected = match reference::decode(signal, payload, limits) {
        Ok(expected) => expected,
        // Whether the rest of the payload is right, it does not say.
        Err(error) if error.to_string().contains("UTF-8") => return Ok(found.is_ok()),
        Err(error) => {
            prop_assert!(found.is_err(), "{signal} accepted, though {error}: {payload:?}");
            return Ok(false);
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return Err(TestCaseError::fail(format!("{signal} {error}: {payload:?}"))),
    };
    let rows = packed::unpack(&found.batch.rows).unwrap();
    prop_assert_eq!(&rows, &expected.rows, "{} {:?}", signal, payload);
    prop_assert_eq!(&found.batch.answer, &expected.answer);
    prop_assert_eq!(found.batch.repeatable, expected.repeatable);
    prop_assert_eq!((found.attributes_dropped, found.values_cut), expected.dropped_and_cut);
    Ok(true)
}

fn agree_within_both_limits(signal: Signal, payload: &[u8]) -> Result<bool, TestCaseError> {
    agree(signal, payload, &TIGHT)?;
    agree(signal, payload, &Limits::default())
}

fn payload() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    prop_oneof![
        any_span_request().prop_map(|request| (Signal::Spans, request.encode_to_vec())),
        any_log_request().prop_map(|request| (Signal::Logs, request.encode_to_vec())),
        any_metric_request().prop_map(|request| (Signal::Metrics, request.encode_to_vec())),
    ]
}

/// A small generator of numbers, so that a seed gives a run again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

fn key_and(tag: u32, kind: WireType, rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(tag, kind, &mut out);
    if kind == WireType::LengthDelimited {
        encode_varint(rest.len() as u64, &mut out);
    }
    out.extend_from_slice(rest);
    out
}

/// A field that no message knows.
fn unknown_field(numbers: &mut Numbers) -> Vec<u8> {
    let tag = 100 + numbers.below(3) as u32;
    match numbers.below(5) {
        0 => key_and(tag, WireType::Varint, &[0x85, 0]),
        1 => key_and(tag, WireType::SixtyFourBit, &[1; 8]),
        2 => key_and(tag, WireType::ThirtyTwoBit, &[2; 4]),
        3 => key_and(tag, WireType::LengthDelimited, b"later"),
        _ => {
            let mut inner = unknown_field(numbers);
            inner.extend(key_and(tag, WireType::EndGroup, &[]));
            key_and(tag, WireType::StartGroup, &inner)
        }
    }
}

/// The fields of a right message: tag, wire type, and what follows key and length.
fn split(mut message: &[u8]) -> Vec<(u32, WireType, Vec<u8>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let (tag, kind) = decode_key(&mut message).unwrap();
        let length = match kind {
            WireType::Varint => message.iter().position(|byte| *byte < 0x80).unwrap() + 1,
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            _ => decode_varint(&mut message).unwrap() as usize,
        };
        let (field, rest) = message.split_at(length);
        fields.push((tag, kind, field.to_vec()));
        message = rest;
    }
    fields
}

/// The message with its fields in another order, in parts, twice, packed or not, and with unknown ones.
fn rewrite(message: &[u8], shape: &Shape, numbers: &mut Numbers) -> Vec<u8> {
    let mut fields = Vec::new();
    for (tag, kind, field) in split(message) {
        match shape.0.iter().find(|(known, _)| *known == tag).map(|(_, kind)| kind) {
            Some(Kind::Message(shape)) => {
                let field = rewrite(&field, shape, numbers);
                if numbers.one_in(4) {
                    // In two parts, between two of its fields.
                    let inner = split_raw(&field);
                    let (first, second) = inner.split_at(numbers.below(inner.len() + 1));
                    fields.push(key_and(tag, kind, &first.concat()));
                    fields.push(key_and(tag, kind, &second.concat()));
                } else {
                    fields.push(key_and(tag, kind, &field));
                }
            }
            Some(Kind::Fixed64s) if kind == WireType::LengthDelimited && numbers.one_in(2) => {
                let items = field.chunks_exact(8).map(|item| key_and(tag, WireType::SixtyFourBit, item));
                fields.extend(items);
            }
            Some(Kind::Varints) if kind == WireType::LengthDelimited && numbers.one_in(2) => {
                let items = field.split_inclusive(|byte| *byte < 0x80);
                fields.extend(items.map(|item| key_and(tag, WireType::Varint, item)));
            }
            _ => fields.push(key_and(tag, kind, &field)),
        }
        if numbers.one_in(10) {
            fields.extend(fields.last().cloned());
        }
        if numbers.one_in(10) {
            fields.push(unknown_field(numbers));
        }
    }
    if numbers.one_in(3) {
        for index in (1..fields.len()).rev() {
            fields.swap(index, numbers.below(index + 1));
        }
    }
    fields.concat()
}

/// The fields of a message that may have groups, as they stand.
fn split_raw(mut message: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let before = message;
        let (tag, kind) = decode_key(&mut message).unwrap();
        prost::encoding::skip_field(kind, tag, &mut message, Default::default()).unwrap();
        fields.push(before[..before.len() - message.len()].to_vec());
    }
    fields
}

/// Bytes flipped, replaced, cut out, doubled or inserted.
fn damage(payload: &mut Vec<u8>, numbers: &mut Numbers) {
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(payload.len());
        let to = (at + numbers.below(9)).min(payload.len());
        match numbers.below(6) {
            _ if payload.is_empty() => payload.push(numbers.next() as u8),
            0 => payload[at] ^= 1 << numbers.below(8),
            1 => payload[at] = numbers.next() as u8,
            2 => drop(payload.drain(at..to)),
            3 => payload.extend_from_within(at..to),
            4 => payload.insert(at, [0, 0x7f, 0x80, 0xff][numbers.below(4)]),
            _ => payload.truncate(at),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn right_payloads_make_the_same_rows((signal, payload) in payload()) {
        prop_assert!(agree_within_both_limits(signal, &payload)?);
    }

    #[test]
    fn other_forms_of_a_payload_make_the_same_rows((signal, payload) in payload(), seed: u64) {
        let payload = rewrite(&payload, request_shape(signal), &mut Numbers(seed));
        prop_assert!(agree_within_both_limits(signal, &payload)?);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_payload_cut_anywhere_is_accepted_or_not((signal, payload) in payload()) {
        for length in 0..payload.len() {
            agree(signal, &payload[..length], &Limits::default())?;
        }
    }

    #[test]
    fn a_payload_with_a_flipped_bit_is_accepted_or_not((signal, mut payload) in payload(), bit in 0_usize..8) {
        for at in 0..payload.len() {
            payload[at] ^= 1 << bit;
            agree(signal, &payload, &Limits::default())?;
            payload[at] ^= 1 << bit;
        }
    }
}

/// For a long run: `CAUSEWAY_DECODE_ROUNDS=1000000 cargo test -p collector random_damage`. Every round has its
/// own seed, so a failure names the round and happens again.
#[test]
fn random_damage_is_accepted_or_not() {
    let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let rng = TestRng::deterministic_rng(Config::default().rng_algorithm);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut accepted = 0;
    for round in 0..rounds {
        let mut numbers = Numbers(round);
        let (signal, mut bytes) = payload().new_tree(&mut runner).unwrap().current();
        if numbers.one_in(2) {
            bytes = rewrite(&bytes, request_shape(signal), &mut numbers);
        }
        damage(&mut bytes, &mut numbers);
        match agree_within_both_limits(signal, &bytes) {
            Ok(right) => accepted += u64::from(right),
            Err(error) => panic!("round {round}: {error}"),
        }
    }
    // Were all refused, or none, the rounds would show little.
    assert!(rounds < ROUNDS || (rounds / 20..rounds).contains(&accepted), "{accepted} of {rounds}");
}

#[test]
fn text_that_is_not_utf8_is_marked_where_it_stands() {
    let mut request = trace_request(vec![span("one"), span("two")]);
    let sent = &mut request.resource_spans[0].scope_spans[0];
    sent.scope = Some(Default::default());
    sent.scope.as_mut().unwrap().name = "BROKEN-SCOPE".to_owned();
    sent.spans[0].attributes =
        vec![attribute("plain", "x"), attribute("BROKEN-KEY", "v"), attribute("v", "BROKEN-VALUE")];
    sent.spans[1].events = vec![Event { name: "BROKEN-EVENT".to_owned(), ..Event::default() }];
    let right = request.encode_to_vec();
    let cases = [
        ("BROKEN-SCOPE", ["{\"causeway.repaired\":true}", "{\"service.name\":\"shop\"}"], [false, false]),
        ("BROKEN-KEY", ["{}", "{\"service.name\":\"shop\"}"], [true, false]),
        ("BROKEN-VALUE", ["{}", "{\"service.name\":\"shop\"}"], [true, false]),
        ("BROKEN-EVENT", ["{}", "{\"service.name\":\"shop\"}"], [false, true]),
        ("shop", ["{}", "{\"causeway.repaired\":true,\"service.name\":\"\u{fffd}hop\"}"], [false, false]),
    ];
    for (place, [scope, resource], marked) in cases {
        let mut payload = right.clone();
        let at = payload.windows(place.len()).position(|window| window == place.as_bytes()).unwrap();
        payload[at] = 0xff;
        let decoded = decode_any(Signal::Spans, payload, Encoding::Protobuf).unwrap();
        for (row, marked) in rows(&decoded.batch.rows).iter().zip(marked) {
            assert_eq!(row["scope_attributes"], json!(scope), "{place}");
            assert_eq!(row["resource_attributes"], json!(resource), "{place}");
            let attributes = row["attributes"].as_str().unwrap();
            assert_eq!(attributes.contains("\"causeway.repaired\":true"), marked, "{place} {attributes}");
        }
        assert!(decoded.batch.answer.message.ends_with("repaired by U+FFFD: 1"), "{place}");
    }
}
