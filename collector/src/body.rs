//! Reading a request's body: bounded in size and time, and admitted before it takes memory.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::error::ReceiveError;
use crate::sink::{Permit, SinkError};

/// How much room a body that does not tell its size begins with, in bytes. Most such bodies fit, and asking for a
/// whole request's limit each time would let few in; a larger one doubles its room as it comes.
const UNANNOUNCED_BYTES: usize = 64 * 1024;

/// How long the rest of a refused body is read and thrown away. A client that still sends may not see the
/// answer otherwise: the connection would be reset under it.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// A body on its way in.
pub(crate) struct BodyReader {
    body: Body,
    buffer: BytesMut,
    ended: bool,
    limit: usize,
    time_max: Duration,
    deadline: Instant,
}

impl BodyReader {
    /// A reader that gives up past `limit` bytes or after `time_max`.
    pub(crate) fn new(body: Body, limit: usize, time_max: Duration) -> Self {
        let deadline = Instant::now() + time_max;
        Self { body, buffer: BytesMut::new(), ended: false, limit, time_max, deadline }
    }

    /// The whole body, and the permit for it.
    pub(crate) async fn whole<'a>(
        &mut self,
        admit: impl Fn(usize) -> BoxFuture<'a, Result<Permit, SinkError>>,
    ) -> Result<(Bytes, Permit), ReceiveError> {
        let announced =
            self.body.size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        if announced.is_some_and(|bytes| bytes > self.limit) {
            return Err(ReceiveError::TooLarge { limit: self.limit });
        }
        let permit = match announced {
            Some(bytes) => {
                let permit = self.admitted(admit(bytes)).await?;
                self.buffer.reserve(bytes);
                permit
            }
            None => {
                let mut held = UNANNOUNCED_BYTES.min(self.limit);
                let mut permit = self.admitted(admit(held)).await?;
                self.fill(held).await?;
                while !self.ended && held < self.limit {
                    let more = held.min(self.limit - held);
                    permit.grow(more)?;
                    held += more;
                    self.buffer.reserve(held.saturating_sub(self.buffer.len()));
                    self.fill(held).await?;
                }
                permit
            }
        };
        self.fill(self.limit.saturating_add(1)).await?;
        if self.buffer.len() > self.limit {
            return Err(ReceiveError::TooLarge { limit: self.limit });
        }
        Ok((self.buffer.split().freeze(), permit))
    }

    /// What was admitted. The time it waited is not the body's.
    async fn admitted(
        &mut self,
        admit: BoxFuture<'_, Result<Permit, SinkError>>,
    ) -> Result<Permit, SinkError> {
        let permit = admit.await;
        self.deadline = Instant::now() + self.time_max;
        permit
    }

    /// The next `length` bytes; `None` if the body ends before.
    pub(crate) async fn exactly(&mut self, length: usize) -> Result<Option<Bytes>, ReceiveError> {
        self.buffer.reserve(length.saturating_sub(self.buffer.len()));
        self.fill(length).await?;
        Ok((self.buffer.len() >= length).then(|| self.buffer.split_to(length).freeze()))
    }

    /// Whether nothing is left.
    pub(crate) async fn at_end(&mut self) -> Result<bool, ReceiveError> {
        self.fill(1).await?;
        Ok(self.buffer.is_empty())
    }

    /// Throws the rest away, within limits of size and time.
    pub(crate) async fn drain(&mut self) {
        self.deadline = Instant::now() + DRAIN_TIME_MAX;
        self.buffer = BytesMut::new();
        let mut left = self.limit.saturating_mul(2);
        while let Ok(Some(chunk)) = self.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    }

    /// Reads until the buffer holds `wanted` bytes, or the body ends.
    async fn fill(&mut self, wanted: usize) -> Result<(), ReceiveError> {
        while !self.ended && self.buffer.len() < wanted {
            match self.next().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => self.ended = true,
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ReceiveError> {
        loop {
            let frame = timeout_at(self.deadline, self.body.frame()).await;
            match frame.map_err(|_elapsed| ReceiveError::Slow(self.time_max))? {
                None => return Ok(None),
                Some(Err(error)) => return Err(ReceiveError::Body(error.to_string())),
                // Trailers of a request say nothing here.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::FutureExt;
    use futures::future::ready;
    use futures::stream;

    use super::*;
    use crate::testing::{Asked, TestRoom};

    fn unannounced(chunks: usize, bytes: usize) -> Body {
        let chunks = (0..chunks).map(move |_| Ok::<_, Infallible>(Bytes::from(vec![7; bytes])));
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn room_is_asked_for_by_what_is_known() {
        let limit = 200_000;
        let cases = [
            ("announced", Body::from(vec![7; 1000]), Some(1000), vec![1000]),
            ("announced too large", Body::from(vec![7; 200_001]), None, vec![]),
            ("short", unannounced(10, 100), Some(1000), vec![65_536]),
            ("longer", unannounced(1, 100_000), Some(100_000), vec![65_536, 65_536]),
            ("long", unannounced(2, 100_000), Some(200_000), vec![65_536, 65_536, limit - 131_072]),
            ("endless", unannounced(usize::MAX, 50_000), None, vec![65_536, 65_536, limit - 131_072]),
            ("empty", Body::empty(), Some(0), vec![0]),
        ];
        for (name, body, expected, admitted) in cases {
            let asked = Asked::default();
            let admit = |bytes| {
                asked.lock().unwrap().push(bytes);
                ready(Ok(Box::new(TestRoom(Asked::clone(&asked))) as Permit)).boxed()
            };
            let mut reader = BodyReader::new(body, limit, Duration::from_secs(60));
            let found = reader.whole(admit).await;
            assert_eq!(found.as_ref().ok().map(|(bytes, _)| bytes.len()), expected, "{name}");
            assert_eq!(*asked.lock().unwrap(), admitted, "{name}");
            if let Err(error) = found {
                assert!(matches!(error, ReceiveError::TooLarge { .. }), "{name}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let mut reader = BodyReader::new(body, 1000, Duration::ZERO);
        let admit = |_| ready(Ok(Box::new(TestRoom::default()) as Permit)).boxed();
        let error = reader.whole(admit).await.map(drop).unwrap_err();
        assert!(matches!(error, ReceiveError::Slow(_)), "{error}");
    }
}
