//! `GET /api/tail`: rows as they arrive, as server-sent events.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::IntoResponse;
use axum::response::sse::{Event, Sse};
use model::{Reader, Signal};

use super::Answer;
use super::answer::Failure;
use super::params::Params;
use crate::engine::{Engine, TailEvent};
use crate::error::QueryError;

/// Where a reader who comes back says which row was its last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and what reads its words, to hand events on as they come.
const NO_BUFFERING: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// Rows that match from now on, or from the one named in `Last-Event-ID` on.
pub(super) async fn tail(
    State(engine): State<Engine>,
    Extension(reader): Extension<Reader>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let params = Params::read(query.as_deref(), &["q", "signal"])?;
    let (q, signal) = (params.or_empty("q"), signal(params.or_empty("signal"))?);
    let after = last_seen(&headers)?;
    let tail = engine.tail(&reader, signal, q, after).await;
    let tail = tail.map_err(|error| Failure::in_search(error, q))?;
    let events = futures::stream::unfold(tail, move |mut tail| async move {
        let event = tail.next().await?;
        Some((Ok::<_, Infallible>(written(event, signal)), tail))
    });
    Ok(([NO_BUFFERING], Sse::new(events)).into_response())
}

fn signal(text: &str) -> Result<Signal, QueryError> {
    match text {
        "" | "logs" => Ok(Signal::Logs),
        "spans" => Ok(Signal::Spans),
        other => Err(QueryError::Bad {
            message: format!("the signal {other:?} cannot be followed"),
            position: None,
            expected: vec!["logs".to_owned(), "spans".to_owned()],
        }),
    }
}

fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, QueryError> {
    let Some(id) = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) else { return Ok(None) };
    let seq = id.to_str().ok().and_then(|id| id.trim().parse().ok());
    let wrong = || QueryError::invalid(format!("Last-Event-ID is {id:?}, and not the id of a row"));
    seq.ok_or_else(wrong).map(Some)
}

/// An event as it travels. A sign of life is a comment; where the reader has seen all there is, it moves the id on
/// without being an event, so that who comes back later asks for less.
fn written(event: TailEvent, signal: Signal) -> Event {
    match event {
        TailEvent::Row { id, json } => {
            let name = if signal == Signal::Logs { "log" } else { "span" };
            Event::default().event(name).id(id).data(json)
        }
        TailEvent::Dropped(dropped) => {
            let data = serde_json::json!(dropped);
            Event::default().event("dropped").data(data.to_string())
        }
        TailEvent::Alive(None) => Event::default().comment("alive"),
        TailEvent::Alive(Some(seq)) => Event::default().comment("alive").id(seq.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    use crate::testing::Fixture;

    #[test]
    fn what_is_wrong_is_said_before_anything_is_sent() {
        let fixture = Fixture::new();
        let router = crate::router(fixture.engine.clone()).layer(axum::Extension(fixture.reader.clone()));
        for (query, last, part) in [
            ("q=timeout%20AND", "", "the search ends where a term is expected"),
            ("signal=metrics", "", "logs"),
            ("from=now", "", "from"),
            ("", "yesterday", "Last-Event-ID"),
        ] {
            let request = Request::get(format!("/api/tail?{query}")).header("last-event-id", last);
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap());
            let answer = fixture.runtime.block_on(answer).unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
            let body = fixture.runtime.block_on(to_bytes(answer.into_body(), 1 << 20)).unwrap();
            assert!(String::from_utf8_lossy(&body).contains(part), "{query}: {body:?}");
        }
    }
}
