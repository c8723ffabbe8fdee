//! Connections: how many may be open at once, and how long a silent one is kept.
//!
//! Every connection is an open file of the process, and so is every segment that is written or read. Without a
//! bound, a crowd of connections would take the files that the store needs. A connection past the bound waits in
//! the kernel's queue until another one ends.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::Connected;

/// How long a connection of an exporter may neither send nor take anything. Longer than any request may take, and
/// than most exporters wait between two.
pub const SILENCE_MAX: Duration = Duration::from_secs(300);

/// A listener that takes a connection only when there is a place for it.
pub struct Listener {
    tcp: TcpListener,
    places: Arc<Semaphore>,
    silence_max: Option<Duration>,
}

impl Listener {
    /// Takes a place of `places`, which others may share, for each connection. One that is silent for
    /// `silence_max` is ended; without it none is.
    pub fn new(tcp: TcpListener, places: Arc<Semaphore>, silence_max: Option<Duration>) -> Self {
        Self { tcp, places, silence_max }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                return place;
            }
            tracing::warn!("all places for connections are taken: new ones wait until another ends");
            // Fails only if it is closed, and nobody closes it.
            if let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
                return place;
            }
        }
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = self.place().await;
        // axum's own: it waits where the process has no file left, and passes over connections that broke.
        let (stream, address) = axum::serve::Listener::accept(&mut self.tcp).await;
        // Answers are small and written whole: nothing is gained by holding them back. Failing costs time only.
        drop(stream.set_nodelay(true));
        (Connection::new(stream, place, self.silence_max), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// A connection that gives its place back when it ends.
pub struct Connection {
    stream: TcpStream,
    silence: Option<Silence>,
    _place: OwnedSemaphorePermit,
}

/// How long nothing came and went.
struct Silence {
    max: Duration,
    heard: Instant,
    /// Looks whether it is over. Set anew only when it rings, which is cheaper than at every read.
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, silence_max: Option<Duration>) -> Self {
        let silence =
            silence_max.map(|max| Silence { max, heard: Instant::now(), alarm: Box::pin(sleep(max)) });
        Self { stream, silence, _place: place }
    }

    fn heard<T>(&mut self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let (Poll::Ready(Ok(_)), Some(silence)) = (&result, &mut self.silence) {
            silence.heard = Instant::now();
        }
        result
    }
}

impl Silence {
    /// Whether it was too long; if not, the task is woken when it may be.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let end = self.heard + self.max;
            if end <= Instant::now() {
                return true;
            }
            self.alarm.as_mut().reset(end);
        }
        false
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() && self.silence.as_mut().is_some_and(|silence| silence.is_over(cx)) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.heard(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.heard(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.heard(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Nothing here asks who is at the other end.
impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

#[cfg(test)]
mod tests {
    use axum::serve::Listener as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn listener(places: usize, silence_max: Option<Duration>) -> (Listener, SocketAddr) {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        (Listener::new(tcp, Arc::new(Semaphore::new(places)), silence_max), address)
    }

    #[tokio::test]
    async fn one_more_connection_waits_until_another_ends() {
        let (mut listener, address) = listener(2, None).await;
        let _clients = [TcpStream::connect(address).await, TcpStream::connect(address).await];
        let (first, _) = listener.accept().await;
        let (_second, _) = listener.accept().await;
        let mut third = TcpStream::connect(address).await.unwrap();
        {
            let mut accept = Box::pin(listener.accept());
            assert!(futures::poll!(&mut accept).is_pending(), "taken without a place");
        }
        drop(first);
        let (mut taken, _) = listener.accept().await;
        third.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        taken.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
    }

    #[tokio::test]
    async fn a_silent_connection_is_ended() {
        let (mut listener, address) = listener(1, Some(Duration::from_millis(10))).await;
        let _client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = listener.accept().await;
        let error = connection.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_is_heard_begins_the_silence_anew() {
        let (mut listener, address) = listener(1, Some(Duration::from_millis(500))).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let (mut connection, _) = listener.accept().await;
        client.write_u8(1).await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), 1);
        let heard = Instant::now();
        assert!(connection.read_u8().await.is_err());
        assert!(heard.elapsed() >= Duration::from_millis(400));
    }
}
