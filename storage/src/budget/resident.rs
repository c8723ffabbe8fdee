//! What the process really holds, told from what its allocator keeps.
//!
//! The kernel's figure is read at most every [`READ_EVERY`]. Pages of files that are mapped do not count: the
//! kernel takes those back by itself.
//!
//! An allocator may keep what was freed, and then the figure stays high with nothing in use. No portable way
//! tells the two apart, so time does: memory that has been resident for [`CALM`] without growing, while no
//! telemetry had to be refused, is *kept*, and counts no more than [`KEPT_TO_PERCENT`] of the budget. As soon as it
//! grows it counts again, and as soon as telemetry is refused all of it does. No more than a sixth of the budget
//! is ever taken for kept, so that past the whole budget it counts whatever it is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::percent;

/// How long a figure is good for.
const READ_EVERY: Duration = Duration::from_millis(100);
/// How long memory must not grow, and no telemetry be refused, until what is resident is taken for kept.
const CALM: Duration = Duration::from_secs(5);
/// Growth by this part of the budget, in percent, is growth.
const GROWTH_PERCENT: usize = 2;
/// What counts of kept memory, as a part of the budget in percent: below the mark at which queries stop.
const KEPT_TO_PERCENT: usize = 84;
/// The most that is taken for kept, as a part of the budget in percent.
const KEPT_MAX_PERCENT: usize = 16;
/// Where a process sees its pages: all that are resident, then those of them that files are mapped to.
const STATM: &str = "/proc/self/statm";
/// Where it sees their size.
const SMAPS: &str = "/proc/self/smaps";
/// The size of a page in bytes, where it cannot be seen.
const PAGE_BYTES: usize = 4096;

/// Watches the memory of this process.
#[derive(Debug)]
pub(super) struct Resident {
    budget: usize,
    page_bytes: usize,
    watch: Mutex<(Option<Instant>, Watch)>,
}

impl Resident {
    /// `None` where a process cannot see its memory.
    pub(super) fn of_process(budget: usize) -> Option<Self> {
        let page_bytes = page_bytes().unwrap_or(PAGE_BYTES);
        let bytes = read(page_bytes)?;
        let now = Instant::now();
        let watch = Mutex::new((Some(now), Watch::new(now, bytes)));
        Some(Self { budget, page_bytes, watch })
    }

    /// Bytes resident.
    pub(super) fn bytes(&self) -> usize {
        self.look().bytes
    }

    /// Bytes resident without those that the allocator keeps.
    pub(super) fn in_use(&self) -> usize {
        let watch = self.look();
        watch.bytes.saturating_sub(watch.kept)
    }

    /// Telemetry was refused: memory is short, whatever it was taken for.
    pub(super) fn is_short(&self) {
        self.lock().1.short(Instant::now());
    }

    fn look(&self) -> Watch {
        let mut watch = self.lock();
        let now = Instant::now();
        if watch.0.is_none_or(|read_at| now.duration_since(read_at) >= READ_EVERY) {
            watch.0 = Some(now);
            // A figure that cannot be read leaves the last one.
            if let Some(bytes) = read(self.page_bytes) {
                watch.1.observe(now, bytes, self.budget);
            }
        }
        watch.1
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Instant>, Watch)> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last figure, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) bytes: usize,
    /// How much of it the allocator is taken to keep.
    pub(super) kept: usize,
    /// Since when it has not grown past the level, nor telemetry been refused.
    calm_since: Instant,
    level: usize,
}

impl Watch {
    pub(super) fn new(now: Instant, bytes: usize) -> Self {
        Self { bytes, kept: 0, calm_since: now, level: bytes }
    }

    pub(super) fn observe(&mut self, now: Instant, bytes: usize, budget: usize) {
        self.bytes = bytes;
        if bytes > self.level.saturating_add(percent(budget, GROWTH_PERCENT)) {
            self.level = bytes;
            self.calm_since = now;
        }
        self.level = self.level.min(bytes);
        let above = bytes.saturating_sub(percent(budget, KEPT_TO_PERCENT));
        self.kept = if now.duration_since(self.calm_since) >= CALM {
            above.min(percent(budget, KEPT_MAX_PERCENT))
        } else {
            self.kept.min(above)
        };
    }

    pub(super) fn short(&mut self, now: Instant) {
        self.calm_since = now;
        self.kept = 0;
    }
}

/// Bytes of pages that only this process holds.
fn read(page_bytes: usize) -> Option<usize> {
    let pages = private_pages(&std::fs::read_to_string(STATM).ok()?)?;
    pages.checked_mul(page_bytes)
}

/// Resident pages without those of files: the second number without the third.
pub(super) fn private_pages(statm: &str) -> Option<usize> {
    let mut numbers = statm.split_whitespace().skip(1).map_while(|number| number.parse::<usize>().ok());
    let (resident, of_files) = (numbers.next()?, numbers.next()?);
    Some(resident.saturating_sub(of_files))
}

/// The size of a page: that of the first mapping.
fn page_bytes() -> Option<usize> {
    use std::io::BufRead;
    let smaps = std::io::BufReader::new(std::fs::File::open(SMAPS).ok()?);
    /// The line stands among the first few of every mapping.
    const LINES_MAX: usize = 32;
    let mut lines = smaps.lines().take(LINES_MAX).map_while(Result::ok);
    lines.find_map(|line| {
        let kib = line.strip_prefix("KernelPageSize:")?.trim().strip_suffix("kB")?;
        kib.trim().parse::<usize>().ok()?.checked_mul(1024)
    })
}
