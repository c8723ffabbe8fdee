//! What is known of a tenant's templates: those of all that is stored, joined as people see them.
//!
//! A row is told its identity through the template that it is stored with: the miner of its segment chose that
//! one, and many of them are one to people. The [`Registry`] collects the templates of segments (a list in each
//! file's dictionary) and of fresh rows (mined when they are first asked for), and joins them anew when there are
//! new ones. It only grows while the process lives: a template may become more general, and its earlier
//! identities still lead to it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use super::clusters::{Clusters, Piece};
use super::miner::ByHash;
use super::{shown, variables};
use crate::budget::{CacheShare, Charge};

/// The column of a log's template: its identity as hexadecimal text.
pub(crate) const TEMPLATE_ID: &str = model::schema::TEMPLATE_ID;
/// The column of what stands at the variable places of a log's template.
pub(crate) const TEMPLATE_VARIABLES: &str = "template_variables";

/// The most templates of a tenant that are joined; further ones stand alone.
const KNOWN_MAX: usize = 32_768;
/// The bytes of their texts together.
const KNOWN_BYTES_MAX: usize = 8 << 20;
/// A template in memory takes so many times its text, and so many bytes besides.
const MEMORY_TIMES: usize = 4;
const MEMORY_BYTES: usize = 256;
/// What an origin remembers of a template, in bytes: its hash, and that with two times.
const OF_TEMPLATE_BYTES: usize = 32;

/// The templates of a tenant as people see them. It never changes.
#[derive(Debug, Default)]
pub struct Templates {
    of: ByHash<Known>,
    texts: Vec<String>,
    ids: Vec<u64>,
    /// The cluster of each identity, and of those that its templates would have alone.
    by_id: HashMap<u64, u32>,
}

/// A template that rows are stored with.
#[derive(Debug)]
struct Known {
    cluster: u32,
    /// Where its values are.
    values: Box<[Piece]>,
}

impl Templates {
    fn new(texts: &[Box<str>]) -> Self {
        // In their own order, so that it does not matter in which they were met.
        let mut texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        texts.sort_unstable();
        let clusters = Clusters::new(texts.iter().copied());
        let mut known = Self { ids: clusters.ids().to_vec(), ..Self::default() };
        known.texts = clusters.texts().iter().map(|text| shown(text)).collect();
        let lines = texts.iter().zip(clusters.of()).zip(clusters.values().iter().zip(clusters.alone()));
        for ((text, cluster), (values, alone)) in lines {
            let cluster = *cluster as u32;
            known.by_id.insert(*alone, cluster);
            known.of.insert(hash(text), Known { cluster, values: values.as_slice().into() });
        }
        // An identity of a cluster comes before one that a template has alone.
        known.by_id.extend(known.ids.iter().enumerate().map(|(cluster, id)| (*id, cluster as u32)));
        known
    }

    /// The identity of rows that are stored with a template.
    pub fn id_of(&self, template: &str) -> u64 {
        match self.of.get(&hash(template)) {
            Some(known) => self.ids[known.cluster as usize],
            None => super::id(template),
        }
    }

    /// The identity of rows stored with the template of this hash, if it is known.
    pub(crate) fn id_of_hash(&self, hash: u64) -> Option<u64> {
        self.of.get(&hash).map(|known| self.ids[known.cluster as usize])
    }

    /// The identity that an identity has become: a template may have become more general.
    pub fn current(&self, id: u64) -> u64 {
        self.by_id.get(&id).map_or(id, |cluster| self.ids[*cluster as usize])
    }

    /// The text that people see for rows stored with a template.
    pub(crate) fn text_of(&self, template: &str) -> String {
        match self.of.get(&hash(template)) {
            Some(known) => self.texts[known.cluster as usize].clone(),
            None => Clusters::new([template]).texts().first().map_or_else(String::new, |text| shown(text)),
        }
    }

    /// What stands in a body at the places where its template has values.
    pub(crate) fn variables_of<'a>(&self, body: &'a str, template: &str) -> Vec<&'a str> {
        let found = match self.of.get(&hash(template)) {
            Some(known) => variables::at(body, template, &known.values),
            None => variables::at(body, template, &Clusters::new([template]).values()[0]),
        };
        found.unwrap_or_default()
    }

    /// Whether rows of an origin may have an identity.
    pub(crate) fn may_have(&self, origin: &Of, id: u64) -> bool {
        let Some(templates) = &origin.templates else { return true };
        let id = self.current(id);
        let has = |template: &u64| match self.of.get(template) {
            Some(known) => self.ids[known.cluster as usize] == id,
            None => true,
        };
        templates.iter().any(has)
    }
}

/// The key of a template's text.
pub(crate) fn hash(template: &str) -> u64 {
    xxh3_64(template.as_bytes())
}

/// An identity as people write it.
pub(crate) fn digits(id: u64) -> String {
    format!("{id:016x}")
}

/// Where rows come from: a segment by its id, a batch of fresh rows by its number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Segment(String),
    Fresh(u64),
}

/// When the templates of an origin were first and last seen: hash, first and last time.
pub(crate) type Seen = Arc<[(u64, i64, i64)]>;

/// What is known of one origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Of {
    /// The hashes of its templates; none where there is no memory to remember them.
    pub(crate) templates: Option<Arc<[u64]>>,
    /// When they were seen; none until somebody read its rows for it.
    pub(crate) seen: Option<Seen>,
    charge: Option<Arc<Charge>>,
}

/// Collects the templates of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    share: Option<CacheShare>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    origins: HashMap<Origin, Of>,
    texts: Vec<Box<str>>,
    bytes: usize,
    hashes: HashSet<u64>,
    /// Templates that came after the last joining.
    joined: usize,
    current: Arc<Templates>,
    charges: Vec<Charge>,
}

impl Registry {
    /// A registry within a share of the caches' memory.
    pub(crate) fn within(share: CacheShare) -> Self {
        Self { share: Some(share), ..Self::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an origin.
    pub(crate) fn get(&self, origin: &Origin) -> Option<Of> {
        self.state().origins.get(origin).cloned()
    }

    /// Adds the templates of an origin.
    pub(crate) fn add<'a>(&self, origin: Origin, templates: impl Iterator<Item = &'a str>) {
        let mut state = self.state();
        let mut hashes = Vec::new();
        for text in templates {
            let hash = hash(text);
            hashes.push(hash);
            state.learn(hash, text, self.share.as_ref());
        }
        let bytes = hashes.len() * OF_TEMPLATE_BYTES + MEMORY_BYTES;
        let charge = self.share.as_ref().and_then(|share| share.charge(bytes)).map(Arc::new);
        let templates = charge.is_some().then(|| hashes.into());
        state.origins.insert(origin, Of { templates, seen: None, charge });
    }

    /// Remembers when the templates of an origin were seen, if there is memory for it.
    pub(crate) fn saw(&self, origin: &Origin, seen: Seen) {
        if let Some(of) = self.state().origins.get_mut(origin)
            && of.charge.is_some()
        {
            of.seen = Some(seen);
        }
    }

    /// Forgets origins that are gone; what they taught stays.
    pub(crate) fn keep(&self, origins: &HashSet<Origin>) {
        self.state().origins.retain(|origin, _| origins.contains(origin));
    }

    /// All templates that were added, joined.
    pub(crate) fn current(&self) -> Arc<Templates> {
        let mut state = self.state();
        if state.joined < state.texts.len() {
            state.current = Arc::new(Templates::new(&state.texts));
            state.joined = state.texts.len();
        }
        Arc::clone(&state.current)
    }
}

impl State {
    fn learn(&mut self, hash: u64, text: &str, share: Option<&CacheShare>) {
        let room = self.texts.len() < KNOWN_MAX && self.bytes + text.len() <= KNOWN_BYTES_MAX;
        if !room || self.hashes.contains(&hash) {
            return;
        }
        if let Some(share) = share {
            let Some(charge) = share.charge(text.len() * MEMORY_TIMES + MEMORY_BYTES) else { return };
            self.charges.push(charge);
        }
        self.hashes.insert(hash);
        self.bytes += text.len();
        self.texts.push(text.into());
    }
}
