//! `/preferences`: theme, density, zone and keys, as a form; `/preferences/keep` keeps what is chosen in cookies and
//! leads back.

use askama::Template;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;

use crate::Ui;
use crate::pages::respond;
use crate::params::BadParameter;
use crate::preferences::{Preferences, Theme};
use crate::problem::{Problem, html};
use crate::visit::{Frame, Section, Visit};

/// Zones that are offered by name; any other can be written.
const ZONES: [&str; 14] = [
    "UTC",
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Kyiv",
    "Africa/Lagos",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
];

#[derive(Template)]
#[template(path = "preferences.html")]
struct PreferencesPage {
    frame: Frame,
    back: String,
    /// Name and title of a choice, its words with their titles, and which is chosen.
    choices: [Choice; 3],
    zone: String,
    zones: [&'static str; 14],
}

/// A choice of a few.
struct Choice {
    name: &'static str,
    title: &'static str,
    words: Vec<(&'static str, &'static str, bool)>,
}

/// Answers the form.
pub(crate) async fn page(State(ui): State<Ui>, visit: Visit) -> Response {
    let answer = back(&visit).map_err(Problem::from);
    respond(answer.and_then(|back| html(&view(&visit, ui.version, back))), &visit, &ui)
}

/// Keeps what was chosen.
pub(crate) async fn keep(State(ui): State<Ui>, visit: Visit) -> Response {
    respond(kept(&visit).map_err(Problem::from), &visit, &ui)
}

fn kept(visit: &Visit) -> Result<Response, BadParameter> {
    let cookies = Preferences::kept(&visit.params)?.into_iter().map(|cookie| (SET_COOKIE, cookie));
    let cookies: Vec<_> = cookies.collect();
    Ok((AppendHeaders(cookies), Redirect::to(back(visit)?)).into_response())
}

/// Where to go back to. Only an address of this program is gone back to.
fn back(visit: &Visit) -> Result<&str, BadParameter> {
    let back = visit.params.text("back")?;
    let own = back.starts_with('/')
        && !back[1..].starts_with(['/', '\\'])
        && back.bytes().all(|byte| byte.is_ascii_graphic());
    match (own, back.is_empty()) {
        (true, _) => Ok(back),
        (false, true) => Ok("/"),
        (false, false) => {
            Err(BadParameter::new("back", back, "a path of this page was expected, such as /search?tab=logs"))
        }
    }
}

fn view(visit: &Visit, version: &'static str, back: &str) -> PreferencesPage {
    let chosen = &visit.preferences;
    let choice = |name, title, words: &[(&'static str, &'static str)], at: usize| Choice {
        name,
        title,
        words: words.iter().enumerate().map(|(place, (word, title))| (*word, *title, place == at)).collect(),
    };
    let theme = match chosen.theme {
        None => 0,
        Some(Theme::Light) => 1,
        Some(Theme::Dark) => 2,
    };
    PreferencesPage {
        frame: visit.frame("Preferences", Section::Other, version),
        back: back.to_owned(),
        choices: [
            choice(
                "theme",
                "Theme",
                &[("system", "as the system"), ("light", "light"), ("dark", "dark")],
                theme,
            ),
            choice(
                "density",
                "Rows",
                &[("normal", "24 pixels"), ("dense", "20 pixels")],
                usize::from(chosen.dense),
            ),
            choice("keys", "Single keys", &[("on", "on"), ("off", "off")], usize::from(!chosen.keys)),
        ],
        zone: chosen.zone.as_ref().map_or("UTC", |zone| zone.name()).to_owned(),
        zones: ZONES,
    }
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;

    use super::*;
    use crate::pages::checks;
    use crate::zone::Zone;

    #[test]
    fn choices_are_kept_and_lead_back() {
        let address = "/preferences/keep?theme=dark&zone=Asia/Tokyo&back=%2Fsearch%3Fq%3Da";
        let response = kept(&checks::visit(address)).unwrap();
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()[LOCATION], "/search?q=a");
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).iter().collect();
        assert_eq!(cookies.len(), 2);
        assert!(cookies[1].to_str().unwrap().starts_with("zone=Asia/Tokyo; Max-Age=31536000; Path=/"));
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for address in [
            "/preferences/keep?theme=pink",
            "/preferences/keep?theme=dark&back=https://example.org",
            "/preferences/keep?theme=dark&back=//example.org",
            "/preferences/keep?theme=dark&back=/%5Cexample.org",
            "/preferences/keep?theme=dark&back=/a%0d%0ab",
        ] {
            assert!(kept(&checks::visit(address)).is_err(), "{address}");
        }
    }

    #[test]
    fn zones_that_are_offered_exist_and_the_chosen_one_is_shown() {
        assert!(ZONES.iter().all(|name| Zone::of(name).is_some_and(|zone| zone.name() == *name)));
        let mut visit = checks::visit("/preferences?back=/services");
        visit.preferences = Preferences { dense: true, zone: Zone::of("Asia/Tokyo"), ..visit.preferences };
        let page = view(&visit, "0.1.0", "/services").render().unwrap();
        checks::is_sound("preferences", &page);
        for part in ["value=\"Asia/Tokyo\"", "value=\"dense\" checked", "value=\"/services\""] {
            assert!(page.contains(part), "{part}");
        }
    }
}
