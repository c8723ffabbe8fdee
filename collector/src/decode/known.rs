//! Resources that were read before: clients send theirs with every request, and agents those of many clients.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Limits;
use super::context::Context;
use super::resource::ResourceText;
use super::wire::{Parts, WireError};

/// How many resources a thread remembers.
const RESOURCES_MAX: usize = 1024;
/// How many bytes they may have, as they were sent and as they are stored.
const BYTES_MAX: usize = 1 << 20;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Gives a resource's text, read now unless it is known.
pub(super) fn read(
    resource: &Parts<'_>,
    schema_url: &[u8],
    context: &mut Context<'_>,
) -> Result<Rc<ResourceText>, WireError> {
    let Parts::One(sent) = resource else {
        return Ok(Rc::new(ResourceText::new(resource, schema_url, context)?));
    };
    let hash = xxh3_64_with_seed(sent, schema_url.len() as u64);
    let known = |known: &RefCell<Known>| known.borrow_mut().get(hash, sent, schema_url, context.limits);
    if let Some(text) = KNOWN.with(known) {
        return Ok(text);
    }
    let noted = context.notes.counts();
    let text = Rc::new(ResourceText::new(resource, schema_url, context)?);
    // What is noted of a resource is noted each time that it is sent.
    if context.notes.counts() == noted {
        KNOWN.with(|known| known.borrow_mut().put(hash, sent, schema_url, &text));
    }
    Ok(text)
}

/// What a thread remembers. When it is too much, all of it goes: what is still sent comes back at once.
#[derive(Default)]
struct Known {
    /// Under which all of it was read.
    limits: Limits,
    by_hash: HashMap<u64, Resource>,
    bytes: usize,
}

struct Resource {
    sent: Box<[u8]>,
    schema_url: Box<[u8]>,
    text: Rc<ResourceText>,
}

impl Known {
    fn get(&mut self, hash: u64, sent: &[u8], url: &[u8], limits: &Limits) -> Option<Rc<ResourceText>> {
        if self.limits != *limits {
            *self = Self { limits: limits.clone(), ..Self::default() };
        }
        let known = self.by_hash.get(&hash)?;
        (*known.sent == *sent && *known.schema_url == *url).then(|| Rc::clone(&known.text))
    }

    fn put(&mut self, hash: u64, sent: &[u8], schema_url: &[u8], text: &Rc<ResourceText>) {
        let bytes = sent.len() + schema_url.len() + text.bytes();
        if bytes > BYTES_MAX {
            return;
        }
        if self.bytes + bytes > BYTES_MAX || self.by_hash.len() >= RESOURCES_MAX {
            self.by_hash.clear();
            self.bytes = 0;
        }
        let resource = Resource { sent: sent.into(), schema_url: schema_url.into(), text: Rc::clone(text) };
        // Of two with one hash the later is known; the bytes of the other count until all goes.
        self.by_hash.insert(hash, resource);
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Signal, UnixNanos};

    /// A resource of one attribute on the wire.
    fn resource(key: &str, value: &str) -> Vec<u8> {
        let field = |tag: u8, bytes: &[u8]| {
            let mut out = vec![tag << 3 | 2, bytes.len() as u8];
            out.extend_from_slice(bytes);
            out
        };
        let pair = [field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat();
        field(1, &pair)
    }

    fn check(sent: &[u8], url: &str, limits: &Limits) -> (String, i64, bool) {
        let mut context = Context::new(Signal::Logs, UnixNanos(1), limits);
        let text = read(&Parts::One(sent), url.as_bytes(), &mut context).unwrap();
        let known =
            KNOWN.with(|known| known.borrow().by_hash.values().any(|known| Rc::ptr_eq(&known.text, &text)));
        (format!("{} {}", text.attributes.stored(), text.schema_url), text.dropped, known)
    }

    #[test]
    fn what_is_known_reads_as_it_did() {
        let plain = Limits::default();
        let none = Limits { attributes_per_record_max: 0, ..Limits::default() };
        let (a, b) = (resource("a", "1"), resource("b", "2"));
        let damaged =
            resource("c", "ab").iter().map(|byte| if *byte == b'b' { 0xff } else { *byte }).collect();
        let damaged: Vec<u8> = damaged;
        let known = |text: &str| (text.to_owned(), 0, true);
        for _ in 0..2 {
            assert_eq!(check(&a, "", &plain), known(r#"{"a":"1"} "#));
            assert_eq!(check(&b, "", &plain), known(r#"{"b":"2"} "#));
            // Another address of one length, under the same hash.
            assert_eq!(check(&a, "x", &plain), known(r#"{"a":"1"} x"#));
            assert_eq!(check(&a, "y", &plain), known(r#"{"a":"1"} y"#));
            // Repaired, which is counted each time.
            let (text, _, is_known) = check(&damaged, "", &plain);
            assert!(text.contains('\u{fffd}') && !is_known, "{text}");
            // Other limits, other text.
            assert_eq!(check(&a, "", &none).1, 1);
        }
    }

    #[test]
    fn what_is_known_stays_small() {
        let limits = Limits::default();
        for number in 0..3 * RESOURCES_MAX {
            let sent = resource("key", &number.to_string());
            assert!(check(&sent, "", &limits).0.contains(&number.to_string()));
            let (count, bytes) = KNOWN.with(|known| (known.borrow().by_hash.len(), known.borrow().bytes));
            assert!(count <= RESOURCES_MAX && bytes <= BYTES_MAX, "{count} of {bytes}");
        }
    }
}
