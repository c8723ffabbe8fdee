//! A data directory that is read in this process: its router is asked as if it were a server.

use std::path::Path;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use super::{Answer, BODY_BYTES_MAX, NOTHING_CAME, Take, cut_short};
use crate::client::error::ClientError;
use crate::client::interrupt::Interrupt;

/// The trailer that names what cut rows short.
const PARTIAL: &str = "x-causeway-partial";

/// A data directory, opened in this process.
pub(crate) struct Local {
    // Before the runtime, so that what the router owns can still use it when it goes.
    router: Router,
    runtime: Option<Runtime>,
    pub(super) name: String,
    pub(super) interrupt: Interrupt,
}

impl Local {
    pub(super) fn open(data: &Path, write: bool, interrupt: Interrupt) -> Result<Self, ClientError> {
        if !data.is_dir() {
            return Err(ClientError::Usage(format!("no data directory at {}", data.display())));
        }
        let runtime = runtime()?;
        let router = {
            let _inside = runtime.enter();
            crate::offline::open(data, write).map_err(|error| ClientError::Open(format!("{error:#}")))?
        };
        Ok(Self::new(router, runtime, data.display().to_string(), interrupt))
    }

    /// A router asked as if it were a server.
    pub(crate) fn new(router: Router, runtime: Runtime, name: String, interrupt: Interrupt) -> Self {
        Self { router, runtime: Some(runtime), name, interrupt }
    }

    pub(super) fn stream(
        &self,
        path: &str,
        body: String,
        accept: &str,
        text: &str,
        take: Take<'_>,
    ) -> Result<(), ClientError> {
        let cut = |reason: &str| cut_short(&self.name, reason);
        let request = Request::post(path)
            .header("host", "localhost")
            .header("accept", accept)
            .header("te", "trailers")
            .header("content-type", "application/json")
            .body(Body::from(body))
            .map_err(|error| ClientError::Usage(error.to_string()))?;
        let rows = async {
            let response = match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let status = response.status().as_u16();
            let mut body = response.into_body();
            if status != 200 {
                let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| cut(&error.to_string()))?;
                return Err(ClientError::from_answer(status, &body, text));
            }
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| cut(&error.to_string()))?;
                if let Some(reason) = frame.trailers_ref().and_then(|trailers| trailers.get(PARTIAL)) {
                    return Err(cut(reason.to_str().unwrap_or_default()));
                }
                if let Some(piece) = frame.data_ref() {
                    take(piece)?;
                }
            }
            Ok(())
        };
        let Some(runtime) = &self.runtime else { return Err(cut("it was closed")) };
        runtime.block_on(async {
            tokio::select! {
                ended = rows => ended,
                () = self.interrupt.pressed() => Err(ClientError::Interrupted(NOTHING_CAME.to_owned())),
            }
        })
    }

    pub(super) fn send(&self, method: Method, target: &str, body: Body) -> Result<Answer, ClientError> {
        let failed = |reason: String| ClientError::Answer { asked: self.name.clone(), reason };
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "localhost")
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| ClientError::Usage(error.to_string()))?;
        let answer = async {
            let response = match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), BODY_BYTES_MAX).await;
            Ok(Answer { status, body: body.map_err(|error| failed(error.to_string()))?.to_vec() })
        };
        let Some(runtime) = &self.runtime else { return Err(failed("it was closed".to_owned())) };
        runtime.block_on(async {
            tokio::select! {
                answer = answer => answer,
                () = self.interrupt.pressed() => Err(ClientError::Interrupted(NOTHING_CAME.to_owned())),
            }
        })
    }
}

impl Drop for Local {
    /// Ends without waiting for work that nobody wants any more: what Ctrl-C cut short, a crash may, too.
    fn drop(&mut self) {
        if self.interrupt.is_pressed()
            && let Some(runtime) = self.runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}

/// A runtime for a data directory that is read in this process.
pub(crate) fn runtime() -> Result<Runtime, ClientError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| ClientError::Open(format!("cannot start the runtime: {error}")))
}
