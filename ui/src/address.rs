//! Addresses of pages, and the terms of the search language that go into them.

use std::fmt;

/// An address under construction.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    text: String,
    asked: bool,
}

impl Address {
    /// A path of the program's own, without a query.
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { text: path.into(), asked: false }
    }

    /// Adds a name to the path, before any parameter.
    pub(crate) fn below(mut self, name: &str) -> Self {
        self.text.push('/');
        encode(&mut self.text, name);
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

/// The address of a search.
pub(crate) fn search(tab: &str, q: &str, t: &str) -> String {
    Address::new("/search").with("tab", tab).with("q", q).with("t", t).to_string()
}

/// The address of a service's page.
pub(crate) fn service(service: &query::rows::Service, t: &str) -> String {
    let address = Address::new("/services").below(&service.name);
    let address = address.with("namespace", service.namespace.as_deref().unwrap_or_default());
    let address = address.with("environment", service.environment.as_deref().unwrap_or_default());
    if t.is_empty() { address.with_empty("t").to_string() } else { address.with("t", t).to_string() }
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

/// Whether an attribute's key can be written in the search language as it is.
pub(crate) fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte);
    key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && key.bytes().all(plain)
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
