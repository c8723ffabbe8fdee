//! What is known of metric families: type, help and unit.

use hashbrown::HashMap;

use super::labels::Form;
use super::{RemoteWrite, metadata};
use crate::decode::notes::Reason;
use crate::decode::wire::{Fields, WireError};

/// The longest name, help and unit of a family, in bytes together, that are remembered.
const FAMILY_BYTES_MAX: usize = 16 * 1024;

/// What a family takes besides its texts, in bytes.
const FAMILY_BYTES: usize = 128;

/// What the series of a histogram or summary are called behind the family's name, and of which types it may be.
const SUFFIXES: [(&str, &[FamilyType]); 4] = [
    ("_total", &[FamilyType::Counter]),
    ("_bucket", &[FamilyType::Histogram, FamilyType::GaugeHistogram]),
    ("_sum", &[FamilyType::Histogram, FamilyType::GaugeHistogram, FamilyType::Summary]),
    ("_count", &[FamilyType::Histogram, FamilyType::GaugeHistogram, FamilyType::Summary]),
];

/// The type of a family, in the order of both versions' enums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FamilyType {
    Unknown,
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
}

impl FamilyType {
    pub(super) const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
    ];

    fn from_wire(number: u32) -> Self {
        Self::ALL.get(number as usize).copied().unwrap_or(Self::Unknown)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// What is known of the family of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Family<'a> {
    pub(super) kind: FamilyType,
    pub(super) help: Option<&'a str>,
    pub(super) unit: Option<&'a str>,
    /// What stands in `metadata`.
    pub(super) metadata: &'static str,
}

impl<'a> Family<'a> {
    fn new(version: RemoteWrite, kind: FamilyType, help: &'a str, unit: &'a str) -> Self {
        let non_empty = |text: &'a str| (!text.is_empty()).then_some(text);
        Self { kind, help: non_empty(help), unit: non_empty(unit), metadata: metadata(version, kind) }
    }

    /// How long its texts are.
    pub(super) fn bytes(&self) -> usize {
        self.help.map_or(0, str::len) + self.unit.map_or(0, str::len)
    }

    /// Reads the metadata of a series of version 2, or says what is wrong with them.
    pub(super) fn read(message: &[u8], form: &Form<'a>) -> Result<Result<Self, Reason>, WireError> {
        let (mut kind, mut help, mut unit) = (FamilyType::Unknown, 0, 0);
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => kind = FamilyType::from_wire(field.varint32()?),
                3 => help = field.varint32()?,
                4 => unit = field.varint32()?,
                _ => {}
            }
        }
        // Number 0 is no text, whether or not any symbol was sent.
        let text = |number| if number == 0 { Ok("") } else { form.symbol(number) };
        Ok(text(help).and_then(|help| Ok(Self::new(RemoteWrite::V2, kind, help, text(unit)?))))
    }
}

/// What is remembered of families by their names: version 1 sends it apart from their series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Families {
    by_name: HashMap<Box<str>, Remembered>,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Remembered {
    kind: FamilyType,
    help: Box<str>,
    unit: Box<str>,
}

/// A family as version 1 sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FamilyMessage<'p> {
    name: &'p str,
    kind: FamilyType,
    help: &'p str,
    unit: &'p str,
}

/// The families that a request of version 1 tells of, but for those that are not UTF-8 or too long. What is damaged is
/// passed over: decoding tells of it.
pub(crate) fn families_of(payload: &[u8]) -> impl Iterator<Item = FamilyMessage<'_>> {
    let messages = Fields::new(payload).filter_map(|field| {
        let field = field.ok()?;
        (field.tag == 3).then(|| field.bytes())?.ok()
    });
    messages.filter_map(|message| FamilyMessage::read(message).ok()?)
}

impl<'p> FamilyMessage<'p> {
    fn read(message: &'p [u8]) -> Result<Option<Self>, WireError> {
        let mut kind = FamilyType::Unknown;
        let [mut name, mut help, mut unit]: [&[u8]; 3] = [&[]; 3];
        for field in Fields::new(message) {
            let field = field?;
            match field.tag {
                1 => kind = FamilyType::from_wire(field.varint32()?),
                2 => name = field.bytes()?,
                4 => help = field.bytes()?,
                5 => unit = field.bytes()?,
                _ => {}
            }
        }
        let texts = [name, help, unit].map(|text| std::str::from_utf8(text));
        let [Ok(name), Ok(help), Ok(unit)] = texts else { return Ok(None) };
        let family = Self { name, kind, help, unit };
        Ok((!name.is_empty() && family.bytes() <= FAMILY_BYTES_MAX).then_some(family))
    }

    /// How many bytes it takes once it is remembered.
    pub(crate) fn bytes(&self) -> usize {
        FAMILY_BYTES + self.name.len() + self.help.len() + self.unit.len()
    }
}

impl Families {
    /// How many bytes they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this is what is remembered already.
    pub(crate) fn has(&self, family: &FamilyMessage<'_>) -> bool {
        let same = |known: &Remembered| {
            known.kind == family.kind && *known.help == *family.help && *known.unit == *family.unit
        };
        self.by_name.get(family.name).is_some_and(same)
    }

    /// Remembers a family in place of what was known of it.
    pub(crate) fn put(&mut self, family: &FamilyMessage<'_>) {
        let remembered = Remembered { kind: family.kind, help: family.help.into(), unit: family.unit.into() };
        self.bytes += family.bytes();
        if let Some(before) = self.by_name.insert(family.name.into(), remembered) {
            self.bytes -= FAMILY_BYTES + family.name.len() + before.help.len() + before.unit.len();
        }
    }

    /// What is known of the family of a series of version 1.
    pub(super) fn of(&self, metric: &str) -> Family<'_> {
        let found = self.by_name.get(metric).or_else(|| {
            SUFFIXES.iter().find_map(|(suffix, kinds)| {
                let family = self.by_name.get(metric.strip_suffix(suffix)?)?;
                kinds.contains(&family.kind).then_some(family)
            })
        });
        match found {
            Some(found) => Family::new(RemoteWrite::V1, found.kind, &found.help, &found.unit),
            None => Family::new(RemoteWrite::V1, FamilyType::Unknown, "", ""),
        }
    }
}
