//! The miner: takes bodies apart, one after another, and remembers the templates.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

use super::groups::{Cut, Groups, Shape};
use super::mask::Masked;
use super::{BODY_BYTES_MAX, SEPARATOR, TEMPLATE_BYTES_MAX, TEMPLATES_MAX, TOKENS_MAX};

/// So many masked bodies of general templates are remembered with their cuts.
const RECENT_MAX: usize = 8192;
/// The remembered ones take no more than this together.
const RECENT_BYTES_MAX: usize = 2 << 20;

/// A template within its miner: the first has number 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateNumber(pub u32);

impl TemplateNumber {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Takes bodies apart into templates and variables, and learns the templates as it goes. The same bodies in the
/// same order give the same answers. Its memory is bounded: past a limit it keeps bodies whole.
#[derive(Debug, Default)]
pub struct Miner {
    templates: Vec<Box<str>>,
    template_bytes: usize,
    /// The template of each text that was ever one, by its hash.
    known: ByHash<TemplateNumber>,
    /// Masked bodies whose template has further variables, by the hash of the masked body.
    recent: ByHash<Recent>,
    recent_bytes: usize,
    groups: Groups,
    masked: Masked,
    shape: Shape,
}

/// A masked body of a general template.
#[derive(Debug)]
struct Recent {
    masked: Box<str>,
    template: TemplateNumber,
    cuts: Box<[Cut]>,
}

impl Miner {
    /// Takes a body apart: answers its template and appends its variables, joined by [`SEPARATOR`]. None if the
    /// body is to be kept whole: it is too long, has too many variables, holds a reserved character, or would be
    /// a template more than the miner may have. `variables` is then as it was.
    pub fn split(&mut self, body: &str, variables: &mut String) -> Option<TemplateNumber> {
        if body.len() > BODY_BYTES_MAX || !self.masked.mask(body) || self.masked.spans.len() > TOKENS_MAX {
            return None;
        }
        let hash = xxh3_64(self.masked.text.as_bytes());
        if let Some(number) = self.find(hash, &self.masked.text) {
            write(body, self.masked.spans.iter().copied(), variables);
            return Some(number);
        }
        if let Some(recent) = self.recent.get(&hash)
            && *recent.masked == *self.masked.text
        {
            write(body, self.masked.unmask(&recent.cuts), variables);
            return Some(recent.template);
        }
        let number = self.learn(hash)?;
        write(body, self.masked.unmask(&self.shape.cuts), variables);
        Some(number)
    }

    /// The text of a template that this miner gave, with a placeholder at each variable.
    pub fn template(&self, number: TemplateNumber) -> &str {
        self.templates.get(number.index()).map_or("", |text| text)
    }

    /// All templates in the order of their numbers.
    pub fn templates(&self) -> impl ExactSizeIterator<Item = &str> {
        self.templates.iter().map(|text| &**text)
    }

    fn find(&self, hash: u64, text: &str) -> Option<TemplateNumber> {
        self.known.get(&hash).copied().filter(|number| self.template(*number) == text)
    }

    /// Finds or makes the template of a masked body that was not met of late. `shape.cuts` are then its variables.
    fn learn(&mut self, hash: u64) -> Option<TemplateNumber> {
        self.shape.read(&self.masked.text);
        if let Some(number) = self.find_general() {
            self.remember(hash, number);
            return Some(number);
        }
        if self.templates.len() >= TEMPLATES_MAX {
            return None;
        }
        let words = self.groups.learn(&self.shape);
        self.shape.cut(&self.masked.text, &words);
        let text_hash = xxh3_64(self.shape.text.as_bytes());
        let number = match self.find(text_hash, &self.shape.text) {
            Some(number) => number,
            None => self.add(text_hash)?,
        };
        self.groups.add(&self.shape, words, number);
        if self.shape.text != self.masked.text {
            self.remember(hash, number);
        }
        Some(number)
    }

    /// The general template that fits the masked body. The hashes of words propose it, its text decides.
    fn find_general(&mut self) -> Option<TemplateNumber> {
        let (number, words) = self.groups.find(&self.shape)?;
        self.shape.cut(&self.masked.text, words);
        (*self.shape.text == *self.templates[number.index()]).then_some(number)
    }

    fn add(&mut self, hash: u64) -> Option<TemplateNumber> {
        let text = &self.shape.text;
        if self.template_bytes + text.len() > TEMPLATE_BYTES_MAX || self.known.contains_key(&hash) {
            return None;
        }
        let number = TemplateNumber(u32::try_from(self.templates.len()).ok()?);
        self.template_bytes += text.len();
        self.templates.push(text.as_str().into());
        self.known.insert(hash, number);
        Some(number)
    }

    fn remember(&mut self, hash: u64, template: TemplateNumber) {
        let bytes = self.masked.text.len() + self.shape.cuts.len() * size_of::<Cut>();
        if self.recent.len() >= RECENT_MAX || self.recent_bytes + bytes > RECENT_BYTES_MAX {
            self.recent.clear();
            self.recent_bytes = 0;
        }
        self.recent_bytes += bytes;
        let cuts = self.shape.cuts.as_slice().into();
        self.recent.insert(hash, Recent { masked: self.masked.text.as_str().into(), template, cuts });
    }
}

/// Appends the variables at these places of the body.
fn write(body: &str, places: impl Iterator<Item = (usize, usize)>, variables: &mut String) {
    let mut first = true;
    for (from, to) in places {
        if !first {
            variables.push(SEPARATOR);
        }
        first = false;
        variables.push_str(&body[from..to]);
    }
}

/// A map whose keys are hashes already.
pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Unhashed>>;

#[derive(Debug, Default)]
pub(super) struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
