//! The pages. Each module asks the engine, builds a view, and renders its template.

mod rows;
mod suspects;
mod changes;
mod overview;
mod incidents;
mod incident;
mod explain;
mod services;
mod search;
mod trace;
mod start;
#[cfg(test)]
pub(crate) mod checks;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::Uri;
use http::header::SET_COOKIE;

use crate::Ui;
use crate::params::BadParameter;
use crate::problem::Problem;
use crate::visit::Visit;

/// How long a choice of theme is remembered: a year.
const THEME_SECONDS: u32 = 31_536_000;

/// Every page by its address, and the page for addresses that have none.
pub(crate) fn router() -> Router<Ui> {
    Router::new()
        .route("/", get(overview::page))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incident::page))
        .route("/explain", get(explain::page))
        .route("/services", get(services::page))
        .route("/search", get(search::page))
        .route("/traces/{id}", get(trace::page))
        .route("/traces/{id}/detail", get(trace::part))
        .route("/start", get(start::page))
        .route("/start/progress", get(start::progress))
        .route("/theme", get(theme))
        .fallback(no_page)
}

/// The answer, or the page that says why there is none.
fn respond(answer: Result<Response, Problem>, visit: &Visit, ui: &Ui) -> Response {
    answer.unwrap_or_else(|problem| problem.response(visit, ui.version))
}

async fn no_page(State(ui): State<Ui>, uri: Uri, visit: Visit) -> Response {
    Problem::NoPage(uri.path().to_owned()).response(&visit, ui.version)
}

async fn theme(State(ui): State<Ui>, visit: Visit) -> Response {
    respond(choose_theme(&visit).map_err(Problem::from), &visit, &ui)
}

/// Keeps the choice in a cookie and goes back. Only an address of this program is gone back to.
fn choose_theme(visit: &Visit) -> Result<Response, BadParameter> {
    let choices = [
        ("system", "theme=; Max-Age=0".to_owned()),
        ("light", format!("theme=light; Max-Age={THEME_SECONDS}")),
        ("dark", format!("theme=dark; Max-Age={THEME_SECONDS}")),
    ];
    let words: Vec<_> = choices.iter().enumerate().map(|(place, (word, _))| (*word, place)).collect();
    let cookie = &choices[visit.params.choice("to", &words)?].1;
    let back = visit.params.text("back")?;
    let own = back.starts_with('/')
        && !back[1..].starts_with(['/', '\\'])
        && back.bytes().all(|byte| byte.is_ascii_graphic());
    if !own && !back.is_empty() {
        return Err(BadParameter::new(
            "back",
            back,
            "a path of this page was expected, such as /search?tab=logs",
        ));
    }
    let back = if own { back } else { "/" };
    Ok(([(SET_COOKIE, format!("{cookie}; Path=/; SameSite=Lax"))], Redirect::to(back)).into_response())
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;

    use super::*;

    #[test]
    fn a_theme_is_kept_and_leads_back() {
        let response = choose_theme(&checks::visit("/theme?to=dark&back=%2Fsearch%3Fq%3Da")).unwrap();
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()[LOCATION], "/search?q=a");
        assert!(
            response.headers()[SET_COOKIE]
                .to_str()
                .unwrap()
                .starts_with("theme=dark; Max-Age=31536000; Path=/")
        );
        let response = choose_theme(&checks::visit("/theme?to=system")).unwrap();
        assert!(response.headers()[SET_COOKIE].to_str().unwrap().starts_with("theme=; Max-Age=0"));
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for address in [
            "/theme?to=pink",
            "/theme?to=dark&back=https://example.org",
            "/theme?to=dark&back=//example.org",
            "/theme?to=dark&back=/%5Cexample.org",
            "/theme?to=dark&back=/a%0d%0ab",
        ] {
            assert!(choose_theme(&checks::visit(address)).is_err(), "{address}");
        }
    }
}
