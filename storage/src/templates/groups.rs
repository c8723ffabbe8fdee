//! The second layer: words that vary. Masked bodies with the same punctuation and number of words are a group.
//!
//! A word becomes a variable where all else is the same and it took [`VALUES_MIN`] values, or, in a group of many
//! texts, where a text is much like an earlier one. What was given before stays valid: only later bodies get the
//! more general template.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::miner::{ByHash, TemplateNumber};
use super::{PLACEHOLDER, TOKENS_MAX};
use crate::text;

/// A word is a variable once it took so many values where all else is the same. Fewer are states or verbs, which
/// are better told apart.
const VALUES_MIN: u16 = 8;
/// Past so many texts, a group joins texts that are much alike.
const ALIKE_FROM_TEXTS: usize = 64;
/// Two texts are much alike if at least one in so many of their words is the same at its place.
const ALIKE_SHARE: usize = 2;
/// The texts of a group that a new one is compared with.
const COMPARED_MAX: usize = 64;
/// The general templates of a group.
const GENERAL_MAX: usize = 64;
/// The places of words whose values are counted; past it counting begins anew.
const PLACES_MAX: usize = 1 << 16;

/// Stands for a varying word among the hashes of words.
const VARYING: u32 = 0;

/// A piece of a masked body that is a variable of its template, as a byte range.
pub(super) type Cut = (u32, u32);

/// A masked body as words.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// Where the words are in the masked body.
    places: Vec<Cut>,
    /// A hash of each word.
    words: Vec<u32>,
    /// A hash of the punctuation.
    group: u64,
    /// The masked body without its words.
    frame: String,
    /// The text of its template, after [`Shape::cut`].
    pub(super) text: String,
    /// Its variables in the masked body, after [`Shape::cut`].
    pub(super) cuts: Vec<Cut>,
}

impl Shape {
    /// Reads a masked body. Words past the first [`TOKENS_MAX`] count as punctuation: they never vary.
    pub(super) fn read(&mut self, masked: &str) {
        self.places.clear();
        self.words.clear();
        self.frame.clear();
        let mut end = 0;
        for (at, run) in text::runs(masked) {
            if self.words.len() == TOKENS_MAX {
                break;
            }
            self.frame.push_str(&masked[end..at]);
            self.frame.push('a');
            end = at + run.len();
            self.places.push((at as u32, end as u32));
            self.words.push((xxh3_64(run.as_bytes()) as u32).max(VARYING + 1));
        }
        self.frame.push_str(&masked[end..]);
        self.group = xxh3_64(self.frame.as_bytes());
    }

    /// Makes the template of the masked body in which those words vary that are [`VARYING`] in `words`.
    pub(super) fn cut(&mut self, masked: &str, words: &[u32]) {
        self.text.clear();
        self.cuts.clear();
        let mut end = 0;
        for (&(from, to), _) in self.places.iter().zip(words).filter(|(_, word)| **word == VARYING) {
            keep(masked, end, from, &mut self.text, &mut self.cuts);
            self.text.push(PLACEHOLDER);
            self.cuts.push((from, to));
            end = to;
        }
        keep(masked, end, masked.len() as u32, &mut self.text, &mut self.cuts);
    }
}

/// Takes over a piece of the masked body, with the variables that it has already.
fn keep(masked: &str, from: u32, to: u32, text: &mut String, cuts: &mut Vec<Cut>) {
    let piece = &masked[from as usize..to as usize];
    text.push_str(piece);
    cuts.extend(piece.match_indices(PLACEHOLDER).map(|(at, _)| {
        let at = from + at as u32;
        (at, at + 1)
    }));
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: ByHash<Group>,
    /// How many values the word took at a place, by the hash of all else.
    values: ByHash<u16>,
}

#[derive(Debug, Default)]
struct Group {
    texts: usize,
    literal: Vec<Words>,
    general: Vec<(TemplateNumber, Words)>,
}

/// The hashes of a template's words, [`VARYING`] for those that vary.
type Words = Box<[u32]>;

impl Groups {
    /// The general template whose words are those of the shape, by their hashes.
    pub(super) fn find(&self, shape: &Shape) -> Option<(TemplateNumber, &[u32])> {
        let general = &self.groups.get(&shape.group)?.general;
        let fits = |words: &[u32]| words.iter().zip(&shape.words).all(|(a, b)| *a == VARYING || a == b);
        general.iter().find(|(_, words)| fits(words)).map(|(number, words)| (*number, &**words))
    }

    /// Learns from a shape that no template fits. Answers its words, with those [`VARYING`] that are to vary.
    pub(super) fn learn(&mut self, shape: &Shape) -> Words {
        let mut words = shape.words.clone();
        // A general template can itself be one of many that differ in one word: its words are counted as well.
        while self.count(shape.group, &mut words) {}
        if !words.contains(&VARYING) {
            self.alike(shape, &mut words);
        }
        words.into()
    }

    /// Records the template that a shape got.
    pub(super) fn add(&mut self, shape: &Shape, words: Words, number: TemplateNumber) {
        let group = self.groups.entry(shape.group).or_default();
        group.texts += 1;
        if !words.contains(&VARYING) {
            if group.literal.len() < COMPARED_MAX {
                group.literal.push(words);
            }
        } else if group.general.len() < GENERAL_MAX && group.general.iter().all(|(_, other)| *other != words)
        {
            group.general.push((number, words));
            // One with more varying words fits more.
            group.general.sort_by_key(|(_, words)| words.iter().filter(|word| **word != VARYING).count());
        }
    }

    /// Counts the values of each word where all else is the same. Those that took many become [`VARYING`]; true
    /// if there are such.
    fn count(&mut self, group: u64, words: &mut [u32]) -> bool {
        if self.values.len() + words.len() >= PLACES_MAX {
            self.values.clear();
        }
        let at = |index: usize, word: u32| xxh3_64_with_seed(&word.to_le_bytes(), index as u64);
        let all =
            words.iter().enumerate().fold(group, |sum, (index, word)| sum.wrapping_add(at(index, *word)));
        // The same words may come again: they are no further value.
        let new = u16::from(self.values.insert(all, 1).is_none());
        let mut many = false;
        for (index, word) in words.iter_mut().enumerate().filter(|(_, word)| **word != VARYING) {
            let rest = all.wrapping_sub(at(index, *word)).wrapping_add(at(index, VARYING));
            let values = self.values.entry(rest.rotate_left(1)).or_default();
            *values = values.saturating_add(new);
            if *values >= VALUES_MIN {
                *word = VARYING;
                many = true;
            }
        }
        many
    }

    /// In a large group, the words vary in which the shape differs from the text that is most like it.
    fn alike(&self, shape: &Shape, words: &mut [u32]) {
        let Some(group) = self.groups.get(&shape.group).filter(|group| group.texts >= ALIKE_FROM_TEXTS)
        else {
            return;
        };
        let same = |other: &[u32]| other.iter().zip(&shape.words).filter(|(a, b)| a == b).count();
        let others = group.general.iter().map(|(_, words)| words).chain(&group.literal);
        let Some((same, other)) = others.map(|other| (same(other), other)).max_by_key(|(same, _)| *same)
        else {
            return;
        };
        if same * ALIKE_SHARE >= words.len() {
            words.iter_mut().zip(other).filter(|(a, b)| *a != *b).for_each(|(word, _)| *word = VARYING);
        }
    }
}
