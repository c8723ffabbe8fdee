//! Outlines that were asked for last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Reader, TraceId};

use super::Outline;

/// The most outlines that are kept.
const KEPT_MAX: usize = 16;
/// All of them together have at most the memory for queries divided by this.
const KEPT_SHARE: usize = 4;
/// How long one is kept that nobody asks about.
const IDLE_MAX: Duration = Duration::from_secs(300);

/// Outlines by who may see them and of which trace. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Outlines(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug)]
struct Entry {
    reader: Reader,
    id: TraceId,
    outline: Arc<Outline>,
    used: Instant,
}

impl Outlines {
    /// One of a trace that is right.
    pub(super) fn find(
        &self,
        reader: &Reader,
        id: TraceId,
        is_right: impl Fn(&Outline) -> bool,
    ) -> Option<Arc<Outline>> {
        let mut entries = self.entries();
        let found =
            |entry: &&mut Entry| entry.id == id && entry.reader == *reader && is_right(&entry.outline);
        let entry = entries.iter_mut().find(found)?;
        entry.used = Instant::now();
        Some(Arc::clone(&entry.outline))
    }

    /// Keeps one, within a part of the memory for queries. The ones that were not used for longest go.
    pub(super) fn keep(&self, reader: &Reader, id: TraceId, outline: &Arc<Outline>, queries: usize) {
        let room = queries / KEPT_SHARE;
        if outline.bytes() > room {
            return;
        }
        let mut entries = self.entries();
        let (used, outline) = (Instant::now(), Arc::clone(outline));
        entries.push(Entry { reader: reader.clone(), id, outline, used });
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let mut bytes = 0;
        let fits = entries.iter().take(KEPT_MAX).take_while(|entry| {
            bytes += entry.outline.bytes();
            bytes <= room
        });
        let fits = fits.count();
        entries.truncate(fits);
    }

    /// Lets all go; whether there were any.
    pub(in crate::engine) fn clear(&self) -> bool {
        let mut entries = self.entries();
        let any = !entries.is_empty();
        entries.clear();
        any
    }

    /// Those that were used lately.
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.used.elapsed() < IDLE_MAX);
        entries
    }
}
