use proptest::prelude::*;

use super::*;

/// An outline that has one row of each sort, and numbers of one to eight bytes.
fn small() -> Decoded {
    let head = Head {
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        outline: "41.3.1".to_owned(),
        start: "1795258152459387810".to_owned(),
        duration_ns: 940_000_000,
        rows: 7,
        spans: 3,
        events: 1,
        logs: 1,
        errors: 1,
        spans_stored: 3,
        logs_stored: 1,
        warnings: vec!["2 spans have a parent that is not stored (1 parent missing)".to_owned()],
        truncated: false,
    };
    let row = |start, duration, distance, service, name, flags| Row {
        start,
        duration,
        distance,
        service,
        name,
        flags,
    };
    Decoded {
        head,
        services: ["frontend", "zahlung·支付", "unknown_service"].map(str::to_owned).to_vec(),
        names: ["", "GET /cart", "charge", "exception"].map(str::to_owned).to_vec(),
        rows: vec![
            row(0, 940_000_000, 0, 0, 1, Flags::new(Sort::Span, 2, 0)),
            row(1_200, 800_000_000, 1, 1, 2, Flags::new(Sort::Span, 3, Flags::FAILED)),
            row(700_000_000, 0, 1, 1, 3, Flags::new(Sort::Event, 0, Flags::FAILED)),
            row(800_000_000, 0, 2, 1, 0, Flags::new(Sort::Log, 5, Flags::FAILED)),
            row(5, 0, 0, 2, 0, Flags::new(Sort::Gap, 0, 0)),
            row(5, -40, 1, 2, 2, Flags::new(Sort::Span, 0, Flags::REPEATED)),
            row(3, TIME_MAX, 1, 2, 2, Flags::new(Sort::Span, 1, Flags::EARLY)),
        ],
    }
}

/// The fixture that the decoder of the page is tested with too. Its bytes stay: they are version 1.
#[test]
fn version_1_is_read_and_written() {
    let fixture = include_bytes!("../../fixtures/outline-1.bin");
    assert_eq!(encode(&small()), fixture);
    assert_eq!(decode(fixture), Ok(small()));
}

#[test]
fn what_is_no_outline_is_said() {
    let whole = encode(&small());
    for end in 0..whole.len() {
        assert!(decode(&whole[..end]).is_err(), "the first {end} bytes");
    }
    assert_eq!(decode(b"CWO2"), Err(OutlineError::Magic(b"CWO2".to_vec())));
    let cases: [(&str, Decoded); 3] = [
        (
            "a parent that stands above",
            Decoded { rows: vec![Row { distance: 1, ..Row::default() }], ..small() },
        ),
        ("a service of the table", Decoded { rows: vec![Row { service: 3, ..Row::default() }], ..small() }),
        ("a name of the table", Decoded { rows: vec![Row { name: 4, ..Row::default() }], ..small() }),
    ];
    for (expected, outline) in cases {
        let mut bytes = encode_head(&outline.head, &outline.services, &outline.names);
        let mut encoder = Encoder::default();
        encoder.push(outline.rows[0], 0);
        bytes.extend(encoder.block().unwrap());
        bytes.extend(END);
        let wrong = decode(&bytes).unwrap_err().to_string();
        assert!(wrong.contains(expected), "{wrong}");
    }
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let time = prop_oneof![0..1_000i64, 0..TIME_MAX];
    let row = (
        time.clone(),
        time.prop_map(|time| time / 2 - TIME_MAX / 4),
        any::<u32>(),
        0..3u32,
        0..4u32,
        any::<u8>(),
    );
    prop::collection::vec(row, 0..60).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        rows.map(|(number, (start, duration, distance, service, name, flags))| Row {
            start,
            duration,
            distance: distance % (number as u32 + 1),
            service,
            name,
            flags: Flags(flags),
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(rows in rows()) {
        let outline = Decoded { rows, ..small() };
        prop_assert_eq!(decode(&encode(&outline)), Ok(outline));
    }

    #[test]
    fn damage_is_an_error_or_other_rows(rows in rows(), at in any::<prop::sample::Index>(), bits in 1..=255u8) {
        let mut bytes = encode(&Decoded { rows, ..small() });
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        // Whatever comes of it, no panic.
        drop(decode(&bytes));
    }
}

#[test]
fn long_outlines_have_several_blocks() {
    let rows =
        (0..40_000).map(|number| Row { start: number, distance: u32::from(number > 0), ..Row::default() });
    let outline = Decoded { rows: rows.collect(), ..small() };
    let bytes = encode(&outline);
    assert_eq!(decode(&bytes), Ok(outline));
    assert!(bytes.len() < 40_000 * 7 + 1_000, "{} bytes", bytes.len());
}
