//! Service colours. A service has the colour of its name's hash everywhere; where two of one trace meet in a
//! colour, the later by name takes the next free one, so every reader sees the same.

use std::collections::{BTreeMap, BTreeSet};

/// How many colours the style sheet has: classes `c0` to `c19`.
pub(crate) const COLOURS: usize = 20;

/// The colour of a service outside a trace. FNV-1a, which never changes.
pub(crate) fn of(service: &str) -> usize {
    let hash = service.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of FNV depend on the last bytes most; fold the high ones in.
    ((hash ^ (hash >> 32)) % COLOURS as u64) as usize
}

/// The colours of a trace's services.
#[derive(Debug, Clone, Default)]
pub(crate) struct Palette(BTreeMap<String, usize>);

impl Palette {
    /// Gives each name a colour, different ones while there are any.
    pub(crate) fn of<'a>(services: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<&str> = services.into_iter().collect();
        let mut taken = [false; COLOURS];
        let mut colours = BTreeMap::new();
        for name in names {
            let wanted = of(name);
            let free = (0..COLOURS).map(|step| (wanted + step) % COLOURS).find(|colour| !taken[*colour]);
            let colour = free.unwrap_or(wanted);
            taken[colour] = true;
            colours.insert(name.to_owned(), colour);
        }
        Self(colours)
    }

    /// The colour of one of them.
    pub(crate) fn colour(&self, service: &str) -> usize {
        self.0.get(service).copied().unwrap_or_else(|| of(service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_palette_uses_every_colour_before_it_repeats_one() {
        let names: Vec<String> = (0..COLOURS + 3).map(|number| format!("service-{number}")).collect();
        let palette = Palette::of(names.iter().take(COLOURS).map(String::as_str));
        let used: BTreeSet<usize> = names.iter().take(COLOURS).map(|name| palette.colour(name)).collect();
        assert_eq!(used.len(), COLOURS);
        let palette = Palette::of(names.iter().map(String::as_str));
        assert!(names.iter().all(|name| palette.colour(name) < COLOURS));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let (one, two) = (Palette::of(["a", "b", "c"]), Palette::of(["c", "a", "b"]));
        assert!(["a", "b", "c"].iter().all(|name| one.colour(name) == two.colour(name)));
        assert_eq!(Palette::of(["checkout"]).colour("checkout"), of("checkout"));
    }
}
