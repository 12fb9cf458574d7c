//! What a server answers, byte by byte.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use replay_archiver::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a server answers. The connection is closed after it, unless it is to fall silent.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Empty for none.
    head: String,
    body: Body,
    then_silent: bool,
}

#[derive(Debug, Clone)]
enum Body {
    /// All at once.
    Full(Bytes),
    /// The first, and then the second for ever.
    Endless(Bytes, Bytes),
    /// So many bytes at a time, and a pause after each.
    Slow(Bytes, usize, Duration),
}

impl Reply {
    /// A status, and no body yet.
    pub fn new(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
        Self { head, body: Body::Full(Bytes::new()), then_silent: false }
    }

    /// A reply whose length is told.
    pub fn full(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { body: Body::Full(body.clone()), ..Self::new(status).telling(body.len()) }
    }

    /// A reply that never ends.
    pub fn endless(status: u16, first: impl Into<Bytes>, again: impl Into<Bytes>) -> Self {
        Self { body: Body::Endless(first.into(), again.into()), ..Self::new(status) }
    }

    /// A reply whose length is told, and of which so many bytes come at a time.
    pub fn slow(status: u16, body: impl Into<Bytes>, step: usize, every: Duration) -> Self {
        let body = body.into();
        let told = Self::new(status).telling(body.len());
        Self { body: Body::Slow(body, step, every), ..told }
    }

    /// Nothing: the connection is closed.
    pub fn hang_up() -> Self {
        Self { head: String::new(), ..Self::new(200) }
    }

    /// Nothing, on a connection that stays open.
    pub fn silence() -> Self {
        Self::hang_up().then_silent()
    }

    /// These bytes, which need not be HTTP.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self { body: Body::Full(bytes.into()), ..Self::hang_up() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Announces so many bytes, whatever comes.
    pub fn telling(self, bytes: usize) -> Self {
        self.header("Content-Length", &bytes.to_string())
    }

    /// The same reply with another text in its headers.
    pub fn replace(mut self, text: &str, other: &str) -> Self {
        assert!(self.head.contains(text));
        self.head = self.head.replace(text, other);
        self
    }

    pub fn body(self, body: &[u8]) -> Self {
        self.cut_body(body, body.len())
    }

    /// Announces all of `body` and sends `sent` bytes of it.
    pub fn cut_body(self, body: &[u8], sent: usize) -> Self {
        self.telling(body.len()).unsized_body(&body[..sent])
    }

    /// Announces all of `body`, sends `sent` bytes of it, and falls silent.
    pub fn stalled_body(self, body: &[u8], sent: usize) -> Self {
        self.cut_body(body, sent).then_silent()
    }

    /// Sends `body` without telling its length: it ends with the connection.
    pub fn unsized_body(self, body: &[u8]) -> Self {
        Self { body: Body::Full(Bytes::copy_from_slice(body)), ..self }
    }

    /// Sends `body` a byte at a time, a few in a second, without telling its length.
    pub fn dripping_body(self, body: &[u8]) -> Self {
        let every = Duration::from_millis(40);
        Self { body: Body::Slow(Bytes::copy_from_slice(body), 1, every), ..self }
    }

    /// Leaves the connection open when all is said.
    pub fn then_silent(self) -> Self {
        Self { then_silent: true, ..self }
    }

    pub(super) async fn send(&self, client: &mut TcpStream) -> io::Result<()> {
        if !self.head.is_empty() {
            client.write_all(format!("{}\r\n", self.head).as_bytes()).await?;
        }
        match &self.body {
            Body::Full(body) => client.write_all(body).await?,
            Body::Endless(first, again) => {
                client.write_all(first).await?;
                loop {
                    client.write_all(again).await?;
                }
            }
            Body::Slow(body, step, every) => {
                for some in body.chunks(*step) {
                    client.write_all(some).await?;
                    clock::pause(*every).await;
                }
            }
        }
        if self.then_silent {
            let _ = client.read_u8().await;
        }
        client.shutdown().await
    }
}
