//! The page of a request that could not be answered, and how a wrong query is shown.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, VARY};
use query::QueryError;

use crate::params::BadParameter;
use crate::visit::{Frame, Section, Visit};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// A parameter is wrong.
    #[error(transparent)]
    Parameter(#[from] BadParameter),
    /// The engine did not answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// There is no page of this address.
    #[error("there is no page at {0}")]
    NoPage(String),
    /// The template failed, which is a bug.
    #[error("the page could not be written: {0}")]
    Render(#[from] askama::Error),
}

/// A wrong query with the place marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongQuery {
    /// What is wrong.
    pub(crate) message: String,
    /// The query before the place, at it, and after it; `None` if the query is wrong as a whole.
    pub(crate) marked: Option<(String, String, String)>,
    /// What would fit there.
    pub(crate) expected: Vec<String>,
}

impl WrongQuery {
    /// The wrong query behind an error; `None` if the query is not what is wrong.
    pub(crate) fn of(q: &str, error: &QueryError) -> Option<Self> {
        let QueryError::Bad { message, position, expected } = error else { return None };
        let marked = position.map(|position| {
            let at = q.floor_char_boundary(position);
            let end = q[at..].chars().next().map_or(at, |marked| at + marked.len_utf8());
            (q[..at].to_owned(), q[at..end].to_owned(), q[end..].to_owned())
        });
        Some(Self { message: message.clone(), marked, expected: expected.clone() })
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    status: u16,
    heading: &'static str,
    message: String,
    parameter: Option<BadParameter>,
    advice: &'static str,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::Parameter(_) => StatusCode::BAD_REQUEST,
            Self::Query(error) => {
                StatusCode::from_u16(error.code().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::NoPage(_) => StatusCode::NOT_FOUND,
            Self::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The page that says so.
    pub(crate) fn response(self, visit: &Visit, version: &'static str) -> Response {
        let status = self.status();
        let (heading, advice) = explained(status);
        let page = ProblemPage {
            frame: visit.frame(heading, Section::Other, version),
            status: status.as_u16(),
            heading,
            message: self.to_string(),
            parameter: if let Self::Parameter(parameter) = self { Some(parameter) } else { None },
            advice,
        };
        match html(&page) {
            Ok(response) => (status, response).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

/// What a status means to a reader, and what to do about it.
fn explained(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("This address is not right", "Correct the parameter in the address, or begin a new search."),
        403 => ("Not allowed", "The token of this request may not read this."),
        404 => ("Not found", "What was exported a moment ago is found at once: reload, or search for it."),
        422 => ("Too large a question", "Ask about a shorter time or fewer rows."),
        429 => ("Too many questions at once", "Wait a moment and reload."),
        503 => ("Memory is short", "Telemetry is taken first. Wait a moment and reload."),
        504 => ("The time limit passed", "Ask about a shorter time, or add a term that fewer rows match."),
        _ => ("Something went wrong here", "Reload. If it stays, the program's standard error says more."),
    }
}

/// A rendered page, which no cache may show to another reader or theme.
pub(crate) fn html(page: &impl Template) -> Result<Response, Problem> {
    let text = page.render()?;
    Ok(([(CACHE_CONTROL, "private, no-cache"), (VARY, "cookie")], Html(text)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::checks;
    use crate::sample::HOSTILE;

    #[test]
    fn the_place_is_marked_between_characters() {
        for (q, position, expected) in [
            ("a:\"b", 2, Some(("a:", "\"", "b"))),
            ("ä:(", 1, Some(("", "ä", ":("))),
            ("abc", 3, Some(("abc", "", ""))),
            ("abc", 99, Some(("abc", "", ""))),
        ] {
            let wrong = WrongQuery::of(q, &QueryError::bad("no", position, &["a word"])).unwrap();
            let marked = wrong.marked.as_ref().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str()));
            assert_eq!(marked, expected, "{q} {position}");
        }
        assert_eq!(WrongQuery::of("a", &QueryError::invalid("no")).unwrap().marked, None);
        assert_eq!(WrongQuery::of("a", &QueryError::Busy("no".to_owned())), None);
    }

    #[tokio::test]
    async fn each_problem_has_its_status_and_says_what_is_wrong() {
        let cases = [
            (Problem::Parameter(BadParameter::new("t", HOSTILE, "a range")), 400, "a range"),
            (Problem::Query(QueryError::NotFound(HOSTILE.to_owned())), 404, "Not found"),
            (Problem::Query(QueryError::Timeout("30 s passed".to_owned())), 504, "30 s passed"),
            (Problem::Query(QueryError::Store("disk".to_owned())), 500, "disk"),
            (Problem::NoPage("/nowhere".to_owned()), 404, "/nowhere"),
        ];
        for (number, (problem, status, says)) in cases.into_iter().enumerate() {
            let response = problem.response(&checks::visit("/x"), "0.1.0");
            assert_eq!(response.status().as_u16(), status);
            let page = checks::body(response).await;
            checks::is_sound(&format!("problem-{number}"), &page);
            assert!(page.contains(says), "{says}");
        }
    }
}
