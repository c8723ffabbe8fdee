//! Addresses of pages, and the terms of the search language that go into them.

use std::fmt;

/// The longest value in the address of a link that rows make out of their names, in bytes: a query of two names of 500.
/// What is longer has no link, since pages grow by it with every row, and no address may be as long as a name can be.
const VALUE_BYTES_MAX: usize = 1_000;
/// The longest key of an attribute that is searched for, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// An address under construction.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    text: String,
    asked: bool,
    /// Whether each value may be part of a link.
    fits: bool,
}

impl Address {
    /// A path of the program's own, without a query.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { text: path.into(), asked: false, fits: true }
    }

    /// Adds a name to the path, before any parameter.
    pub(crate) fn below(mut self, name: &str) -> Self {
        self.text.push('/');
        encode(&mut self.text, name);
        self.fits &= fits(name);
        self
    }

    /// Adds a parameter, unless it is empty.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.text.push(if self.asked { '&' } else { '?' });
            self.text.push_str(name);
            self.text.push('=');
            encode(&mut self.text, value);
            self.asked = true;
            self.fits &= fits(value);
        }
        self
    }

    /// Adds a parameter that is empty.
    pub(crate) fn with_empty(mut self, name: &str) -> Self {
        self.text.push(if self.asked { '&' } else { '?' });
        self.text.push_str(name);
        self.text.push('=');
        self.asked = true;
        self
    }

    /// Ends the address of a link that is made of names; empty where one of them is too long to lead anywhere, so that
    /// its text stands alone.
    pub(crate) fn link(self) -> String {
        if self.fits { self.text } else { String::new() }
    }

    /// Adds the place on the page and ends the address.
    pub(crate) fn at(mut self, place: &str) -> String {
        self.text.push('#');
        encode(&mut self.text, place);
        self.text
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a value may be part of a link.
pub(crate) fn fits(value: &str) -> bool {
    value.len() <= VALUE_BYTES_MAX
}

/// The address of a search; empty where its query is too long for a link.
pub(crate) fn search(tab: &str, q: &str, t: &str) -> String {
    Address::new("/search").with("tab", tab).with("q", q).with("t", t).link()
}

/// The address of a service's page; empty where its name is too long for a link.
pub(crate) fn service(service: &query::rows::Service, t: &str) -> String {
    let address = Address::new("/services").below(&service.name);
    let address = address.with("namespace", service.namespace.as_deref().unwrap_or_default());
    let address = address.with("environment", service.environment.as_deref().unwrap_or_default());
    if t.is_empty() { address.with_empty("t").link() } else { address.with("t", t).link() }
}

/// The address of a trace.
pub(crate) fn trace(trace_id: &str) -> Address {
    Address::new("/traces").below(trace_id)
}

/// The address of a trace at one of its spans.
pub(crate) fn trace_at(trace_id: &str, span_id: &str) -> String {
    trace(trace_id).with("span", span_id).at(&format!("s-{span_id}"))
}

/// An address of this program with some of its parameters set anew; an empty one is left out.
pub(crate) fn with_parameters(here: &str, set: &[(&str, &str)]) -> String {
    let (path, query) = here.split_once('?').unwrap_or((here, ""));
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let stay = query.split('&').filter(|pair| !pair.is_empty());
    let stay: Vec<&str> = stay.filter(|pair| set.iter().all(|(key, _)| *key != name(pair))).collect();
    let mut address = Address::new(path.to_owned());
    for pair in stay {
        address.text.push(if address.asked { '&' } else { '?' });
        address.text.push_str(pair);
        address.asked = true;
    }
    set.iter().fold(address, |address, (name, value)| address.with(name, value)).to_string()
}

fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
}

/// `key:value` in the search language. The value is quoted unless it is a plain word, so it means itself.
pub(crate) fn term(key: &str, value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let word = matches!(value, "AND" | "OR" | "NOT");
    if !value.is_empty() && !word && !value.starts_with('-') && value.bytes().all(plain) {
        return format!("{key}:{value}");
    }
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{key}:\"{quoted}\"")
}

/// A query narrowed by a term.
pub(crate) fn and(q: &str, term: &str) -> String {
    let q = q.trim();
    match q {
        "" => term.to_owned(),
        _ if q.split_whitespace().any(|word| word == "OR") => format!("({q}) {term}"),
        _ => format!("{q} {term}"),
    }
}

/// Whether an attribute's key can be written in the search language as it is, and is short enough to stand in a link.
pub(crate) fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte);
    let begins = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && key.len() <= KEY_BYTES_MAX && key.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encoded_and_leave_out_what_is_empty() {
        assert_eq!(search("logs", "a:\"b c\" ä", ""), "/search?tab=logs&q=a%3A%22b%20c%22%20%C3%A4");
        assert_eq!(search("logs", "", "now-1h"), "/search?tab=logs&t=now-1h");
        assert_eq!(trace_at("ab", "cd"), "/traces/ab?span=cd#s-cd");
        assert_eq!(trace("../x\"").to_string(), "/traces/..%2Fx%22");
    }

    #[test]
    fn what_is_too_long_has_no_link() {
        let name = |bytes: usize| "a".repeat(bytes);
        let (longest, long) = (name(VALUE_BYTES_MAX), name(VALUE_BYTES_MAX + 1));
        assert!(fits(&longest) && !fits(&long));
        assert_eq!(search("logs", &longest, ""), format!("/search?tab=logs&q={longest}"));
        assert_eq!(search("logs", &term("service", &longest), ""), "");
        assert_eq!(Address::new("/services").below(&long).with("t", "now-1h").link(), "");
        assert_eq!(Address::new("/a").with("b", &long).to_string().len(), "/a?b=".len() + long.len());
        assert!(is_key(&name(KEY_BYTES_MAX)) && !is_key(&name(KEY_BYTES_MAX + 1)));
    }

    #[test]
    fn parameters_are_set_anew() {
        for (here, expected) in [
            ("/a", "/a?t=1..2"),
            ("/a?q=x%20y&t=now-1h", "/a?q=x%20y&t=1..2"),
            ("/a?t=now-1h&tz=UTC", "/a?t=1..2"),
        ] {
            assert_eq!(with_parameters(here, &[("t", "1..2"), ("tz", "")]), expected);
        }
    }

    #[test]
    fn values_mean_themselves() {
        for (value, expected) in [
            ("checkout", "service:checkout"),
            ("a b", "service:\"a b\""),
            ("a*", "service:\"a*\""),
            ("/x/", "service:\"/x/\""),
            ("", "service:\"\""),
            ("OR", "service:\"OR\""),
            ("say \"hi\" \\", "service:\"say \\\"hi\\\" \\\\\""),
        ] {
            assert_eq!(term("service", value), expected);
        }
    }

    #[test]
    fn narrowing_keeps_the_meaning_of_or() {
        assert_eq!(and("", "a:b"), "a:b");
        assert_eq!(and("x y", "a:b"), "x y a:b");
        assert_eq!(and("x OR y", "a:b"), "(x OR y) a:b");
    }
}
