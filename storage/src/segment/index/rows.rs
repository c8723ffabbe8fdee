//! The index by row, as the first format had it: a document a row, words with positions. Only read.

use model::{Level, Predicate, Test};
use roaring::RoaringBitmap;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{BooleanQuery, PhraseQuery, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{IndexReader, Term};

use super::{Fields, term};
use crate::error::Result;
use crate::text;

const TOKENIZER: &str = "causeway";

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let words = TextFieldIndexing::default()
        .set_tokenizer(TOKENIZER)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let terms = TextFieldIndexing::default()
        .set_tokenizer("raw")
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let terms = TextOptions::default().set_indexing_options(terms);
    let fields = Fields {
        text: builder.add_text_field("text", TextOptions::default().set_indexing_options(words)),
        record: builder.add_text_field("record", terms.clone()),
        scope: builder.add_text_field("scope", terms.clone()),
        resource: builder.add_text_field("resource", terms),
    };
    (builder.build(), fields)
}

pub(super) fn tokenizers() -> tantivy::tokenizer::TokenizerManager {
    let manager = tantivy::tokenizer::TokenizerManager::default();
    manager.register(TOKENIZER, WordTokenizer::default());
    manager
}

/// An open index by row.
pub(crate) struct Rows {
    reader: IndexReader,
    fields: Fields,
}

impl Rows {
    pub(super) fn new(reader: IndexReader) -> Self {
        Self { reader, fields: schema().1 }
    }

    /// How many rows it was built from.
    pub(super) fn rows(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Rows that may match; `None` where the index cannot narrow it down.
    pub(super) fn candidates(&self, predicate: &Predicate) -> Result<Option<RoaringBitmap>> {
        match self.query(predicate) {
            Some(query) => Ok(Some(self.reader.searcher().search(&query, &AllRows)?)),
            None => Ok(None),
        }
    }

    fn query(&self, predicate: &Predicate) -> Option<Box<dyn Query>> {
        match predicate {
            Predicate::And(parts) => {
                let parts: Vec<_> = parts.iter().filter_map(|part| self.query(part)).collect();
                (!parts.is_empty()).then(|| Box::new(BooleanQuery::intersection(parts)) as Box<dyn Query>)
            }
            Predicate::Or(parts) => {
                let parts: Option<Vec<_>> = parts.iter().map(|part| self.query(part)).collect();
                Some(Box::new(BooleanQuery::union(parts?)))
            }
            Predicate::Text(text) => Some(self.phrase(text)),
            Predicate::Attribute(level, key, Test::Equals(value)) => {
                self.attribute(*level, &term(key, Some(value)))
            }
            Predicate::Attribute(
                level,
                key,
                Test::Exists | Test::Compare(..) | Test::Glob(_) | Test::Regex(_),
            ) => self.attribute(*level, &term(key, None)),
            _ => None,
        }
    }

    fn phrase(&self, text: &str) -> Box<dyn Query> {
        let phrase = text::Phrase::new(text);
        let mut terms: Vec<Term> =
            phrase.tokens().iter().map(|token| Term::from_field_text(self.fields.text, token)).collect();
        match terms.len() {
            0 => Box::new(tantivy::query::EmptyQuery),
            1 => Box::new(TermQuery::new(terms.remove(0), IndexRecordOption::Basic)),
            _ => Box::new(PhraseQuery::new(terms)),
        }
    }

    fn attribute(&self, level: Level, term: &str) -> Option<Box<dyn Query>> {
        let one = |field| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::Basic))
        };
        let Fields { record, scope, resource, .. } = self.fields;
        Some(match level {
            Level::Any => Box::new(BooleanQuery::union(vec![one(record), one(scope), one(resource)])),
            Level::Record => one(record),
            Level::Scope => one(scope),
            Level::Resource => one(resource),
            Level::Event => return None,
        })
    }
}

/// Collects row numbers.
struct AllRows;

struct SegmentRows(RoaringBitmap);

impl Collector for AllRows {
    type Fruit = RoaringBitmap;
    type Child = SegmentRows;

    fn for_segment(&self, _: u32, _: &tantivy::SegmentReader) -> tantivy::Result<SegmentRows> {
        Ok(SegmentRows(RoaringBitmap::new()))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<RoaringBitmap>) -> tantivy::Result<RoaringBitmap> {
        Ok(fruits.into_iter().fold(RoaringBitmap::new(), |all, rows| all | rows))
    }
}

impl SegmentCollector for SegmentRows {
    type Fruit = RoaringBitmap;

    fn collect(&mut self, doc: tantivy::DocId, _: tantivy::Score) {
        self.0.insert(doc);
    }

    fn harvest(self) -> RoaringBitmap {
        self.0
    }
}

/// Cuts text as [`text::runs`] does.
#[derive(Debug, Clone, Default)]
struct WordTokenizer {
    token: Token,
}

struct WordStream<'a> {
    text: &'a str,
    at: usize,
    token: &'a mut Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream { text, at: 0, token: &mut self.token }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((offset, run)) = text::runs(&self.text[self.at..]).next() else { return false };
        self.token.offset_from = self.at + offset;
        self.token.offset_to = self.token.offset_from + run.len();
        self.token.position = self.token.position.wrapping_add(1);
        text::fold(run, &mut self.token.text);
        self.at = self.token.offset_to;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
