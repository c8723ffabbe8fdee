//! A visit: the parts of a request that every page needs, and the frame built from them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{COOKIE, HOST};
use http::request::Parts;

use crate::address::Address;
use crate::assets::FOLDER;
use crate::params::Params;
use crate::preferences::{Preferences, Theme};
use crate::range::Range;
use crate::zone;

/// Who looks, and at what.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// Path and query, as they were asked for.
    pub(crate) here: String,
    /// The parameters of the query.
    pub(crate) params: Params,
    /// What the reader prefers.
    pub(crate) preferences: Preferences,
    /// The host by which the browser knows this program, without the port.
    pub(crate) host: String,
    /// The same with the port.
    pub(crate) authority: String,
}

/// The part of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// The first page.
    Overview,
    /// What went wrong.
    Incidents,
    /// The list of services, and each of them.
    Services,
    /// Who calls whom.
    Map,
    /// Searches, and what they lead to.
    Search,
    /// Metrics.
    Metrics,
    /// Dashboards.
    Dashboards,
    /// SQL.
    Sql,
    /// What was received and stored, and the program's own health.
    Status,
    /// The first run.
    Start,
    /// None of them.
    Other,
}

/// What stands around every page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// The page's title.
    pub(crate) title: String,
    /// The address of the asset folder.
    pub(crate) assets: &'static str,
    /// The program's version.
    pub(crate) version: &'static str,
    /// The name of the zone that all times are in.
    pub(crate) zone: String,
    preferences: Preferences,
    here: String,
    section: Section,
    /// Where the range of the page begins and ends, in nanoseconds.
    ends: (Option<i64>, Option<i64>),
}

impl Frame {
    /// The theme's word, if the reader chose one.
    pub(crate) fn theme(&self) -> Option<&'static str> {
        self.preferences.theme.map(Theme::word)
    }

    /// Whether rows are lower.
    pub(crate) fn is_dense(&self) -> bool {
        self.preferences.dense
    }

    /// Whether single keys do something.
    pub(crate) fn has_keys(&self) -> bool {
        self.preferences.keys
    }

    /// Names the range that the page is about, for the keys that go earlier and later.
    pub(crate) fn over(mut self, range: &Range) -> Self {
        self.ends = (range.range.from.map(|from| from.0), range.range.to.map(|to| to.0));
        self
    }

    /// The range that the page is about: attributes of the page's body.
    pub(crate) fn ends(&self) -> [(&'static str, Option<i64>); 2] {
        [("from", self.ends.0), ("to", self.ends.1)]
    }

    /// The navigation: address, text, and whether this page is in it.
    pub(crate) fn sections(&self) -> [(&'static str, &'static str, bool); 10] {
        let all = [
            ("/", "Overview", Section::Overview),
            ("/incidents", "Incidents", Section::Incidents),
            ("/services", "Services", Section::Services),
            ("/map", "Map", Section::Map),
            ("/search", "Search", Section::Search),
            ("/promql", "Metrics", Section::Metrics),
            ("/dashboards", "Dashboards", Section::Dashboards),
            ("/sql", "SQL", Section::Sql),
            ("/status", "Status", Section::Status),
            ("/start", "Start", Section::Start),
        ];
        all.map(|(href, text, section)| (href, text, self.section == section))
    }

    /// The theme switch: address, icon, text, and whether it is chosen.
    pub(crate) fn themes(&self) -> [(String, &'static str, &'static str, bool); 3] {
        let address = |theme: &str| self.keeping("theme", theme);
        let chosen = self.preferences.theme;
        [
            (address("system"), "system", "Theme of the system", chosen.is_none()),
            (address("light"), "sun", "Light theme", chosen == Some(Theme::Light)),
            (address("dark"), "moon", "Dark theme", chosen == Some(Theme::Dark)),
        ]
    }

    /// The page of all preferences, which leads back here.
    pub(crate) fn preferences_href(&self) -> String {
        Address::new("/preferences").with("back", &self.here).to_string()
    }

    fn keeping(&self, name: &str, value: &str) -> String {
        Address::new("/preferences/keep").with(name, value).with("back", &self.here).to_string()
    }
}

impl Visit {
    /// The frame of a page.
    pub(crate) fn frame(&self, title: impl Into<String>, section: Section, version: &'static str) -> Frame {
        Frame {
            title: title.into(),
            assets: FOLDER,
            version,
            zone: zone::name(),
            preferences: self.preferences.clone(),
            here: self.here.clone(),
            section,
            ends: (None, None),
        }
    }

    /// Whether the address has a parameter, be it empty.
    pub(crate) fn asks_for(&self, name: &str) -> bool {
        self.params.has(name)
    }

    fn of(parts: &Parts) -> Self {
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
        let authority = authority(parts).unwrap_or_else(|| "localhost".to_owned());
        let cookies = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        Self {
            here: here.to_owned(),
            params: Params::of(&parts.uri),
            preferences: Preferences::of(cookies.flat_map(|cookies| cookies.split(';'))),
            host: without_port(&authority).to_owned(),
            authority,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// The host as the request names it, if it is one.
fn authority(parts: &Parts) -> Option<String> {
    let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let whole = named.or_else(|| parts.uri.authority().map(|authority| authority.as_str()))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    (!without_port(whole).is_empty() && whole.bytes().all(plain)).then(|| whole.to_owned())
}

/// The host without its port; an IPv6 address keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn visit(headers: &[(&str, &str)]) -> Visit {
        let mut request = Request::get("/search?q=a%20b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Visit::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn preferences_are_the_cookies() {
        let preferences = visit(&[("cookie", "a=b; theme=dark"), ("cookie", "density=dense")]).preferences;
        assert_eq!((preferences.theme, preferences.dense), (Some(Theme::Dark), true));
    }

    #[test]
    fn the_host_has_no_port() {
        for (host, expected) in [
            ("localhost:4319", "localhost"),
            ("10.0.0.7", "10.0.0.7"),
            ("[::1]:4319", "[::1]"),
            ("a<b:1", "localhost"),
            (":1", "localhost"),
        ] {
            assert_eq!(visit(&[("host", host)]).host, expected, "{host}");
        }
    }

    #[test]
    fn the_theme_switch_leads_back() {
        let frame = visit(&[]).frame("Search", Section::Search, "0");
        assert_eq!(frame.themes()[2].0, "/preferences/keep?theme=dark&back=%2Fsearch%3Fq%3Da%2520b");
        assert!(frame.themes()[0].3);
    }
}
