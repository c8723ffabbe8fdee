//! Clusters: templates joined as people see them, one for what one statement writes.
//!
//! Templates with the same words are one. Where texts of some length differ in names only, the names vary. Where
//! all else is the same and a word takes many values, it varies. Where a text fits another with more values, it is
//! that one. This is repeated until nothing changes.

use std::collections::{HashMap, HashSet};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::miner::ByHash;
use super::words::{Kind, Word, is_name, words};
use super::{PLACEHOLDER, SHOWN};

/// A word varies once it takes so many values where all else is the same.
const VALUES_MIN: u32 = 5;
/// It varies only beside so many words that stay.
const WORDS_BESIDE_MIN: usize = 2;
/// Names vary only beside so many words that stay.
const WORDS_BESIDE_NAMES_MIN: usize = 3;
/// Among texts of one length, so many ways in which values and words alternate are tried on each text.
const PATTERNS_MAX: usize = 64;
/// How often joining is repeated: what varies now may make others the same.
const ROUNDS_MAX: usize = 6;

/// Stands for a value among the numbers of words.
const VALUE: u32 = 0;

/// The final clusters of a set of templates. The same templates give the same clusters; their order decides the
/// numbers of the clusters and nothing else.
#[derive(Debug)]
pub struct Clusters {
    of: Vec<usize>,
    texts: Vec<String>,
    ids: Vec<u64>,
    alone: Vec<u64>,
    values: Vec<Vec<Piece>>,
}

/// A piece of a template, as a byte range.
pub(super) type Piece = (u32, u32);

impl Clusters {
    /// Joins templates.
    pub fn new<'a>(templates: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Names::default();
        let mut lines: Vec<Line<'_>> =
            templates.into_iter().map(|text| Line::new(text, &mut names)).collect();
        let alone = lines.iter().map(|line| names.id(&line.sequence())).collect();
        for _ in 0..ROUNDS_MAX {
            let by_names = vary(&mut lines, |sequences| differing_names(sequences, &names));
            let by_values = vary(&mut lines, many_values);
            let by_fit = vary(&mut lines, fitting);
            if !by_names && !by_values && !by_fit {
                break;
            }
        }
        let values = lines.iter().map(Line::pieces).collect();
        let (of, texts, ids) = number(&lines, &names);
        Self { of, texts, ids, alone, values }
    }

    /// The cluster of each template, in the order given; clusters are numbered from 0 as they appear.
    pub fn of(&self) -> &[usize] {
        &self.of
    }

    /// The text of each cluster: the shortest of its templates', with a placeholder at what varies.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The lasting identity of each cluster: a hash of its words and of where values stand among them. It does not
    /// depend on which of its templates are there, nor on their order.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The identity that each template would have if it were the only one.
    pub(super) fn alone(&self) -> &[u64] {
        &self.alone
    }

    /// Where in each template the values are: what [`PLACEHOLDER`]s stand for in the text of its cluster.
    pub(super) fn values(&self) -> &[Vec<Piece>] {
        &self.values
    }
}

/// The different words of all templates, by number; [`VALUE`] is none of them.
#[derive(Debug, Default)]
struct Names<'a> {
    numbers: HashMap<&'a str, u32>,
    texts: Vec<&'a str>,
    is_name: Vec<bool>,
}

impl<'a> Names<'a> {
    fn number(&mut self, word: &'a str) -> u32 {
        let next = self.is_name.len() as u32 + VALUE + 1;
        let number = *self.numbers.entry(word).or_insert(next);
        if number == next {
            self.texts.push(word);
            self.is_name.push(is_name(word));
        }
        number
    }

    /// A hash of the words of a sequence, blanks between them.
    fn id(&self, sequence: &[u32]) -> u64 {
        let word = |number: &u32| match number.checked_sub(VALUE + 1) {
            Some(at) => self.texts[at as usize],
            None => SHOWN,
        };
        xxh3_64(sequence.iter().map(word).collect::<Vec<_>>().join(" ").as_bytes())
    }

    fn varies(&self, word: u32) -> bool {
        word == VALUE || self.is_name[(word - VALUE - 1) as usize]
    }
}

/// A template as its words, those that vary by rule or by comparison as [`VALUE`].
#[derive(Debug)]
struct Line<'a> {
    text: &'a str,
    words: Vec<Word<'a>>,
    numbers: Vec<u32>,
}

impl<'a> Line<'a> {
    fn new(text: &'a str, names: &mut Names<'a>) -> Self {
        let words = words(text);
        let number = |word: &Word<'a>| if word.kind == Kind::Word { names.number(word.text) } else { VALUE };
        let numbers = words.iter().map(number).collect();
        Self { text, words, numbers }
    }

    /// The words that count, values that follow one another as one.
    fn sequence(&self) -> Vec<u32> {
        let counting = self.words.iter().zip(&self.numbers).filter(|(word, _)| word.kind != Kind::Aside);
        let mut sequence: Vec<u32> = counting.map(|(_, number)| *number).collect();
        sequence.dedup_by(|a, b| *a == VALUE && *b == VALUE);
        sequence
    }

    /// Makes values of the words at these places of the sequence.
    fn vary(&mut self, varying: &[bool]) {
        let mut place = None;
        let mut in_values = false;
        for (word, number) in self.words.iter().zip(&mut self.numbers) {
            if word.kind == Kind::Aside {
                continue;
            }
            let value = *number == VALUE;
            if !(value && in_values) {
                place = Some(place.map_or(0, |place: usize| place + 1));
            }
            in_values = value;
            if place.and_then(|place| varying.get(place)) == Some(&true) {
                *number = VALUE;
            }
        }
    }

    /// Where the values are: those that only blanks part are one.
    fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for (word, number) in self.words.iter().zip(&self.numbers) {
            if *number != VALUE {
                continue;
            }
            let end = (word.at + word.text.len()) as u32;
            let blank = |from: u32| self.text[from as usize..word.at].bytes().all(|byte| byte == b' ');
            match pieces.last_mut() {
                Some((_, last)) if !word.text.is_empty() && blank(*last) => *last = end,
                _ => pieces.push((word.at as u32, end)),
            }
        }
        pieces
    }

    /// The text with a placeholder for each value.
    fn shown(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut end = 0;
        for (from, to) in self.pieces() {
            out.push_str(&self.text[end..from as usize]);
            out.push(PLACEHOLDER);
            end = to as usize;
        }
        out.push_str(&self.text[end..]);
        out
    }
}

/// Finds what varies among the different sequences and makes it vary in the lines; false if nothing does.
fn vary(lines: &mut [Line<'_>], find: impl Fn(&[Vec<u32>]) -> Vec<Vec<bool>>) -> bool {
    let (of, sequences) = different(lines.iter().map(Line::sequence));
    let varying = find(&sequences);
    for (line, sequence) in lines.iter_mut().zip(of) {
        line.vary(&varying[sequence]);
    }
    varying.iter().flatten().any(|varies| *varies)
}

/// Numbers things as they appear: the number of each, and the different ones.
fn different<T: Clone + Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> (Vec<usize>, Vec<T>) {
    let mut numbers = HashMap::new();
    let mut different = Vec::new();
    let of = all.map(|one| {
        *numbers.entry(one.clone()).or_insert_with(|| {
            different.push(one);
            different.len() - 1
        })
    });
    (of.collect(), different)
}

/// Where sequences differ in names only.
fn differing_names(sequences: &[Vec<u32>], names: &Names<'_>) -> Vec<Vec<bool>> {
    let mut without_names: HashMap<Vec<u32>, Vec<usize>> = HashMap::new();
    for (index, sequence) in sequences.iter().enumerate() {
        let mut rest: Vec<u32> =
            sequence.iter().map(|word| if names.varies(*word) { VALUE } else { *word }).collect();
        rest.dedup_by(|a, b| *a == VALUE && *b == VALUE);
        without_names.entry(rest).or_default().push(index);
    }
    let mut varying: Vec<Vec<bool>> = sequences.iter().map(|sequence| vec![false; sequence.len()]).collect();
    for (rest, alike) in without_names {
        let stay = rest.iter().filter(|word| **word != VALUE).count();
        if alike.len() < 2 || stay < WORDS_BESIDE_NAMES_MIN {
            continue;
        }
        let first = &sequences[alike[0]];
        let aligned = alike.iter().all(|index| sequences[*index].len() == first.len());
        for place in 0..alike.iter().map(|index| sequences[*index].len()).max().unwrap_or(0) {
            let same = aligned && alike.iter().all(|index| sequences[*index][place] == first[place]);
            for index in alike.iter().filter(|index| !same && place < sequences[**index].len()) {
                let word = sequences[*index][place];
                varying[*index][place] = word != VALUE && names.varies(word);
            }
        }
    }
    varying
}

/// Where a word takes many values while all else is the same, or stands where another text has a value.
fn many_values(sequences: &[Vec<u32>]) -> Vec<Vec<bool>> {
    let mut places: ByHash<(u32, bool)> = ByHash::default();
    for sequence in sequences {
        for (word, rest) in sequence.iter().zip(rests(sequence)) {
            let (values, any) = places.entry(rest).or_default();
            *values += 1;
            *any |= *word == VALUE;
        }
    }
    let varying = |sequence: &Vec<u32>| {
        let stay = sequence.iter().filter(|word| **word != VALUE).count();
        let varies = |(word, rest): (&u32, u64)| {
            *word != VALUE
                && stay > WORDS_BESIDE_MIN
                && places.get(&rest).is_some_and(|(values, any)| *any || *values >= VALUES_MIN)
        };
        sequence.iter().zip(rests(sequence)).map(varies).collect()
    };
    sequences.iter().map(varying).collect()
}

/// Where a sequence has a word and another one, otherwise the same, has values. That one has as many words that
/// stay as there are such places, or more.
fn fitting(sequences: &[Vec<u32>]) -> Vec<Vec<bool>> {
    let mut patterns: HashMap<usize, Vec<Vec<bool>>> = HashMap::new();
    let known: HashSet<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    for sequence in sequences {
        let pattern: Vec<bool> = sequence.iter().map(|word| *word == VALUE).collect();
        let patterns = patterns.entry(sequence.len()).or_default();
        let stay = pattern.iter().filter(|value| !**value).count();
        if stay >= WORDS_BESIDE_NAMES_MIN && patterns.len() < PATTERNS_MAX && !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    let mut fit = Vec::new();
    let fitting = |sequence: &Vec<u32>| {
        let fits = |pattern: &&Vec<bool>| {
            fit.clear();
            fit.extend(sequence.iter().zip(*pattern).map(|(word, value)| if *value { VALUE } else { *word }));
            let differ = fit.iter().zip(sequence).filter(|(a, b)| a != b).count();
            let stay = pattern.iter().filter(|value| !**value).count();
            differ > 0 && differ <= stay && known.contains(fit.as_slice())
        };
        match patterns.get(&sequence.len()).and_then(|patterns| patterns.iter().find(fits)) {
            Some(pattern) => {
                sequence.iter().zip(pattern).map(|(word, value)| *value && *word != VALUE).collect()
            }
            None => vec![false; sequence.len()],
        }
    };
    sequences.iter().map(fitting).collect()
}

/// For each place of a sequence a hash of all else.
fn rests(sequence: &[u32]) -> impl Iterator<Item = u64> {
    let at = |place: usize, word: u32| xxh3_64_with_seed(&word.to_le_bytes(), place as u64 + 1);
    let length = xxh3_64(&sequence.len().to_le_bytes());
    let all =
        sequence.iter().enumerate().fold(length, |sum, (place, word)| sum.wrapping_add(at(place, *word)));
    let rest = move |(place, word): (usize, &u32)| {
        let place_hash = xxh3_64(&place.to_le_bytes());
        all.wrapping_sub(at(place, *word)).wrapping_add(place_hash)
    };
    sequence.iter().enumerate().map(rest)
}

/// Numbers the clusters: that of each line, their texts and their identities. Those with the same text are one.
fn number(lines: &[Line<'_>], names: &Names<'_>) -> (Vec<usize>, Vec<String>, Vec<u64>) {
    let (of_line, sequences) = different(lines.iter().map(Line::sequence));
    let mut shortest: Vec<Option<String>> = vec![None; sequences.len()];
    for (line, sequence) in lines.iter().zip(&of_line) {
        let shown = line.shown();
        let best = &mut shortest[*sequence];
        if best.as_ref().is_none_or(|best| (shown.len(), &shown) < (best.len(), best)) {
            *best = Some(shown);
        }
    }
    let (of_sequence, texts) = different(shortest.into_iter().flatten());
    let mut ids = vec![u64::MAX; texts.len()];
    for (sequence, cluster) in sequences.iter().zip(&of_sequence) {
        ids[*cluster] = ids[*cluster].min(names.id(sequence));
    }
    (of_line.into_iter().map(|sequence| of_sequence[sequence]).collect(), texts, ids)
}
