//! What a reader prefers: theme, density, zone and keys. Each is a cookie, so that the server writes the page as it is
//! wanted and nothing flashes.

use crate::params::{BadParameter, Params};
use crate::zone::Zone;

/// How long a choice is remembered: a year.
const KEPT_SECONDS: u32 = 31_536_000;

/// A reader's choices.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Preferences {
    /// `None` follows the system.
    pub(crate) theme: Option<Theme>,
    /// Whether rows are lower.
    pub(crate) dense: bool,
    /// `None` is UTC.
    pub(crate) zone: Option<Zone>,
    /// Whether single keys do something.
    pub(crate) keys: bool,
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

impl Default for Preferences {
    fn default() -> Self {
        Self { theme: None, dense: false, zone: None, keys: true }
    }
}

impl Preferences {
    /// The choices in cookies; what is not understood counts as not chosen.
    pub(crate) fn of<'a>(cookies: impl Iterator<Item = &'a str>) -> Self {
        let mut chosen = Self::default();
        for (name, value) in cookies.filter_map(|cookie| cookie.trim().split_once('=')) {
            match (name, value) {
                ("theme", "light") => chosen.theme = Some(Theme::Light),
                ("theme", "dark") => chosen.theme = Some(Theme::Dark),
                ("density", value) => chosen.dense = value == "dense",
                ("zone", value) => chosen.zone = Zone::of(value),
                ("keys", value) => chosen.keys = value != "off",
                _ => {}
            }
        }
        chosen
    }

    /// The cookies that keep what an address asks for; a choice that it does not name stays as it was.
    pub(crate) fn kept(params: &Params) -> Result<Vec<String>, BadParameter> {
        let mut cookies = Vec::new();
        let words: [(&'static str, &[&str]); 3] = [
            ("theme", &["system", "light", "dark"]),
            ("density", &["normal", "dense"]),
            ("keys", &["on", "off"]),
        ];
        for (name, choices) in words.into_iter().filter(|(name, _)| params.has(name)) {
            let words: Vec<(&str, usize)> = choices.iter().copied().zip(0..).collect();
            let chosen = params.choice(name, &words)?;
            // The first word is what holds without a cookie.
            cookies.push(cookie(name, choices[chosen], chosen > 0));
        }
        if params.has("zone") {
            let text = params.text("zone")?.trim();
            let zone = if text.is_empty() { Some(Zone::default()) } else { Zone::of(text) };
            let expected = "the name of a time zone was expected, such as UTC or Europe/Berlin";
            let zone = zone.ok_or_else(|| BadParameter::new("zone", text, expected))?;
            cookies.push(cookie("zone", zone.name(), zone != Zone::default()));
        }
        Ok(cookies)
    }
}

fn cookie(name: &str, value: &str, keep: bool) -> String {
    let (value, seconds) = if keep { (value, KEPT_SECONDS) } else { ("", 0) };
    format!("{name}={value}; Max-Age={seconds}; Path=/; SameSite=Lax")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_from_cookies() {
        let plain = Preferences::default;
        for (cookies, expected) in [
            ("theme=dark", Preferences { theme: Some(Theme::Dark), ..plain() }),
            ("a=b; theme=light", Preferences { theme: Some(Theme::Light), ..plain() }),
            ("density=dense; keys=off", Preferences { dense: true, keys: false, ..plain() }),
            ("zone=Europe/Berlin", Preferences { zone: Zone::of("Europe/Berlin"), ..plain() }),
            ("theme=pink; density=; zone=Mars; keys=", plain()),
            ("othertheme=dark; =; nothing", plain()),
        ] {
            assert_eq!(Preferences::of(cookies.split(';')), expected, "{cookies}");
        }
    }

    #[test]
    fn what_is_asked_for_is_kept() {
        let kept = |query: &str| Preferences::kept(&Params::of(&format!("/x?{query}").parse().unwrap()));
        for (query, expected) in [
            ("theme=dark", vec!["theme=dark; Max-Age=31536000; Path=/; SameSite=Lax"]),
            ("theme=system", vec!["theme=; Max-Age=0; Path=/; SameSite=Lax"]),
            ("zone=europe%2Fberlin", vec!["zone=Europe/Berlin; Max-Age=31536000; Path=/; SameSite=Lax"]),
            (
                "zone=UTC&keys=off",
                vec![
                    "keys=off; Max-Age=31536000; Path=/; SameSite=Lax",
                    "zone=; Max-Age=0; Path=/; SameSite=Lax",
                ],
            ),
            ("", vec![]),
        ] {
            assert_eq!(kept(query).unwrap(), expected, "{query}");
        }
        for wrong in ["theme=pink", "density=x", "keys=1", "zone=Mars", "theme=dark&theme=light"] {
            assert!(kept(wrong).is_err(), "{wrong}");
        }
    }
}
