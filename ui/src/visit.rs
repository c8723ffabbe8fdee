//! A visit: the parts of a request that every page needs, and the frame built from them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::header::{COOKIE, HOST};
use http::request::Parts;

use crate::address::Address;
use crate::assets::FOLDER;
use crate::params::Params;

/// Who looks, and at what.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// Path and query, as they were asked for.
    pub(crate) here: String,
    /// The parameters of the query.
    pub(crate) params: Params,
    /// The reader's choice; `None` follows the system.
    pub(crate) theme: Option<Theme>,
    /// The host by which the browser knows this program, without the port.
    pub(crate) host: String,
    /// The same with the port.
    pub(crate) authority: String,
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// Dark text on a light ground.
    Light,
    /// Light text on a dark ground.
    Dark,
}

impl Theme {
    /// The word for it in cookies and attributes.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The part of the navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// The first page.
    Overview,
    /// What went wrong.
    Incidents,
    /// The list of services.
    Services,
    /// Searches, and what they lead to.
    Search,
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
    theme: Option<Theme>,
    here: String,
    section: Section,
}

impl Frame {
    /// The theme's word, if the reader chose one.
    pub(crate) fn theme(&self) -> Option<&'static str> {
        self.theme.map(Theme::word)
    }

    /// The navigation: address, text, and whether this page is in it.
    pub(crate) fn sections(&self) -> [(&'static str, &'static str, bool); 5] {
        [
            ("/", "Overview", self.section == Section::Overview),
            ("/incidents", "Incidents", self.section == Section::Incidents),
            ("/services", "Services", self.section == Section::Services),
            ("/search", "Search", self.section == Section::Search),
            ("/start", "Start", self.section == Section::Start),
        ]
    }

    /// The theme switch: address, icon, text, and whether it is chosen.
    pub(crate) fn themes(&self) -> [(String, &'static str, &'static str, bool); 3] {
        let address = |to: &str| Address::new("/theme").with("to", to).with("back", &self.here).to_string();
        [
            (address("system"), "system", "Theme of the system", self.theme.is_none()),
            (address("light"), "sun", "Light theme", self.theme == Some(Theme::Light)),
            (address("dark"), "moon", "Dark theme", self.theme == Some(Theme::Dark)),
        ]
    }
}

impl Visit {
    /// The frame of a page.
    pub(crate) fn frame(&self, title: impl Into<String>, section: Section, version: &'static str) -> Frame {
        Frame {
            title: title.into(),
            assets: FOLDER,
            version,
            theme: self.theme,
            here: self.here.clone(),
            section,
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
            theme: cookies.flat_map(|cookies| cookies.split(';')).find_map(theme_of),
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

fn theme_of(cookie: &str) -> Option<Theme> {
    match cookie.trim().strip_prefix("theme=")? {
        "light" => Some(Theme::Light),
        "dark" => Some(Theme::Dark),
        _ => None,
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
    fn the_theme_is_the_cookies() {
        for (cookie, expected) in [
            ("theme=dark", Some(Theme::Dark)),
            ("a=b; theme=light", Some(Theme::Light)),
            ("theme=pink", None),
            ("othertheme=dark", None),
        ] {
            assert_eq!(visit(&[("cookie", cookie)]).theme, expected, "{cookie}");
        }
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
        assert_eq!(frame.themes()[2].0, "/theme?to=dark&back=%2Fsearch%3Fq%3Da%2520b");
        assert!(frame.themes()[0].3);
    }
}
