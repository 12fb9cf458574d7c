//! A reply before it is sent: faults change it, and sending carries it out.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use futures::stream;
use tokio::time::Instant;

use super::clock::pause;
use super::content::Content;
use super::server::Peer;

/// How long a connection gets to send what it has buffered before it is reset.
const FLUSH: Duration = Duration::from_millis(20);

/// A reply, and how the connection behaves meanwhile.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    /// The headers except `Content-Length`.
    pub headers: HeaderMap,
    /// The file that the body is taken from.
    pub content: Arc<Content>,
    /// The bytes of it that are announced, and sent unless the ending says otherwise.
    pub range: Range<u64>,
    /// Whether `Content-Length` is sent.
    pub length: Length,
    /// How the body ends.
    pub ending: Ending,
    /// Bytes per second.
    pub rate: Option<u64>,
    /// The offset in the file of a byte with a flipped bit.
    pub flip: Option<u64>,
    /// How long to wait before the reply begins.
    pub delay: Duration,
}

/// Whether the body's length is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// With `Content-Length`.
    Announced,
    /// Not announced: the body is chunked.
    Absent,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// After its last byte.
    Whole,
    /// After this many bytes, as if it were the end.
    Short(u64),
    /// After this many bytes, with a reset connection.
    Reset(u64),
    /// After this many bytes nothing more is sent.
    Stall(u64),
}

impl Reply {
    /// A reply with this text (or these bytes) as its body.
    pub fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let content = Content::of(body);
        let mut reply = Self {
            status,
            headers: HeaderMap::new(),
            range: 0..content.len(),
            content: Arc::new(content),
            length: Length::Announced,
            ending: Ending::Whole,
            rate: None,
            flip: None,
            delay: Duration::ZERO,
        };
        reply.set(CONTENT_TYPE, content_type);
        reply
    }

    /// A reply without a body.
    pub fn empty(status: StatusCode) -> Self {
        let mut reply = Self::new(status, "", "");
        reply.headers.clear();
        reply
    }

    /// Sets a header. A value that no header can have (a line break, from a scenario) is left out.
    pub fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// Replaces the body and the headers that describe it.
    pub fn replace_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        let Self { headers, content, range, .. } = Self::new(StatusCode::OK, content_type, body);
        (self.status, self.headers) = (StatusCode::OK, headers);
        (self.content, self.range) = (content, range);
    }

    /// Waits, then begins the reply.
    pub async fn send(self, peer: Peer) -> Response<Body> {
        if !self.delay.is_zero() {
            pause(self.delay).await;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        if self.length == Length::Announced {
            let length = HeaderValue::from(self.range.end - self.range.start);
            response.headers_mut().insert(CONTENT_LENGTH, length);
        }
        *response.body_mut() = self.into_body(peer);
        response
    }

    fn into_body(self, peer: Peer) -> Body {
        let sending = Sending { at: self.range.start, began: Instant::now(), reply: self, peer };
        Body::from_stream(stream::unfold(sending, |mut sending| async move {
            let step = sending.step().await?;
            Some((step, sending))
        }))
    }
}

/// A body being sent.
struct Sending {
    reply: Reply,
    peer: Peer,
    at: u64,
    began: Instant,
}

impl Sending {
    /// The next bytes, or `None` at the end.
    async fn step(&mut self) -> Option<io::Result<Bytes>> {
        let Reply { range, ending, .. } = &self.reply;
        let stop = match *ending {
            Ending::Whole => range.end,
            Ending::Short(n) | Ending::Reset(n) | Ending::Stall(n) => {
                range.start.saturating_add(n).min(range.end)
            }
        };
        if self.at < stop {
            return Some(Ok(self.paced_read(stop).await));
        }
        match *ending {
            Ending::Whole => None,
            Ending::Short(_) => {
                pause(FLUSH).await;
                None
            }
            Ending::Reset(_) => {
                pause(FLUSH).await;
                self.peer.reset();
                Some(Err(io::Error::from(io::ErrorKind::ConnectionReset)))
            }
            Ending::Stall(_) => std::future::pending().await,
        }
    }

    async fn paced_read(&mut self, stop: u64) -> Bytes {
        let mut end = stop;
        if let Some(rate) = self.reply.rate {
            // Sends a tenth of a second's worth at a time, each after its due time.
            end = end.min(self.at.saturating_add((rate / 10).max(1)));
            let sent = (self.at - self.reply.range.start) as f64;
            let due = Duration::from_secs_f64(sent / rate.max(1) as f64);
            pause(due.saturating_sub(self.began.elapsed())).await;
        }
        let mut bytes = self.reply.content.read(self.at..end);
        if let Some(flip) = self.reply.flip.and_then(|flip| flip.checked_sub(self.at)) {
            bytes = flipped(bytes, flip);
        }
        self.at += bytes.len() as u64;
        bytes
    }
}

/// The bytes with the lowest bit at `offset` flipped, if they reach that far.
fn flipped(bytes: Bytes, offset: u64) -> Bytes {
    let mut copy = bytes.to_vec();
    let Some(byte) = usize::try_from(offset).ok().and_then(|offset| copy.get_mut(offset)) else {
        return bytes;
    };
    *byte ^= 1;
    copy.into()
}
