//! The faults a scenario scripts: which request they strike, how often, and what then happens.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::values::{ByteSize, Span, Times};

/// One scripted fault.
///
/// For each request the list is walked from its beginning; the first fault that matches and is not
/// used up strikes. A fault that is used up is passed over, so a list of them is consumed in order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The listener it strikes at.
    pub on: Listener,
    /// The path, where `*` stands for any run of characters.
    pub path: Option<String>,
    /// The query as it came, but decoded, where `*` stands for any run of characters.
    pub query: Option<String>,
    /// Only this method.
    pub method: Option<String>,
    /// Only this call of the API.
    pub call: Option<ApiCall>,
    /// Only this room's calls or media.
    pub room: Option<i64>,
    /// Only this recording of the room, counted from 1 in the scenario's order.
    pub item: Option<usize>,
    /// Only requests that ask for a range, or only those that ask for none.
    pub ranged: Option<bool>,
    /// How many matching requests pass before the first strike.
    #[serde(default)]
    pub skip: u32,
    /// How often it strikes: once, unless given.
    #[serde(default = "once")]
    pub times: Times,
    /// It strikes the first of so many matching requests, and lets the others pass: 2 is each second
    /// one, as of two edges that take turns.
    #[serde(default = "each")]
    pub every: u32,
    /// How many matching requests have passed since it struck.
    #[serde(skip)]
    pub passed: u32,
    /// What happens.
    pub then: Effect,
}

impl Fault {
    /// A fault that strikes once, at any request to `on`; narrow it by setting its fields.
    pub fn once(on: Listener, then: Effect) -> Self {
        let (path, query, method, call, room, item) = (None, None, None, None, None, None);
        let (ranged, skip, times, every, passed) = (None, 0, once(), each(), 0);
        Self { on, path, query, method, call, room, item, ranged, skip, times, every, passed, then }
    }

    /// The same fault, striking every time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = Times::Always;
        self
    }
}

fn once() -> Times {
    Times::Left(1)
}

fn each() -> u32 {
    1
}

/// One of the sandbox's two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listener {
    /// The WeChat API.
    Api,
    /// The media host.
    Vod,
}

/// A call of the WeChat API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiCall {
    /// The room list.
    Rooms,
    /// One room's replays.
    Replays,
    /// `/cgi-bin/stable_token`.
    StableToken,
    /// `/cgi-bin/token`.
    Token,
    /// `/cgi-bin/openapi/quota/get`.
    Quota,
}

/// What a fault does to the reply. Those that act on the body alone let `HEAD` requests pass.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// This HTTP status with a short text, and `Retry-After` in seconds where given.
    Status {
        /// The status.
        code: u16,
        /// Seconds for `Retry-After`.
        retry_after: Option<u64>,
    },
    /// HTTP 200 with this WeChat error.
    Errcode {
        /// The code.
        code: i64,
        /// The message, before the `rid`.
        #[serde(default)]
        message: String,
    },
    /// This text in place of the body, for wrong types and other nonsense.
    Body {
        /// The body.
        text: String,
    },
    /// An HTML page in place of the body, with status 200.
    Html,
    /// An empty body: of the API's reply, or of the media file itself.
    Empty,
    /// The connection is reset (TCP RST) after so many bytes of the body.
    Reset {
        /// Bytes that still go out.
        at: ByteSize,
    },
    /// Nothing more comes after so many bytes of the body, and the connection stays open.
    Stall {
        /// Bytes that still go out.
        at: ByteSize,
    },
    /// The body ends early, after `at` bytes or after its half.
    Short {
        /// Bytes that still go out.
        at: Option<ByteSize>,
        /// Whether the full length is announced, or none at all (chunked).
        #[serde(default)]
        length: Announce,
    },
    /// The body is so many bytes longer than the file or the range.
    Longer {
        /// The surplus.
        by: ByteSize,
    },
    /// The whole file with status 200, whatever range was asked for.
    IgnoreRange,
    /// A `Content-Range` that names bytes later than those sent, or a longer file.
    WrongContentRange {
        /// By how much the bytes are off.
        #[serde(default)]
        shift: u64,
        /// By how much the total is.
        #[serde(default)]
        total: u64,
    },
    /// These headers in place of those the reply has; an empty one is left out.
    Headers {
        /// Values by name.
        set: BTreeMap<String, String>,
    },
    /// Another `ETag`, as if the file had been replaced.
    ChangedEtag,
    /// The file is that much longer (or shorter) than before; its `ETag` stays.
    ChangedLength {
        /// The difference in bytes.
        by: i64,
    },
    /// The film lacks its index: its `moov` box is a `free` one. The CRC header is this file's own.
    NoMoov,
    /// The listed URLs are those of truncated previews (`exper`); of the replays call alone.
    Preview,
    /// A redirect (302) to this URL, which may be relative.
    Redirect {
        /// The `Location`.
        to: String,
    },
    /// The body gzipped, with `Content-Encoding: gzip`. For bodies up to 16 MiB.
    Gzip,
    /// One bit of the byte at this offset of the file is turned; all headers are true.
    BitFlip {
        /// The offset.
        at: ByteSize,
    },
    /// The reply waits before it begins.
    Slow {
        /// How long.
        delay: Span,
    },
    /// The body comes at this many bytes a second.
    Drip {
        /// Bytes a second.
        rate: ByteSize,
    },
}

impl Effect {
    /// Whether it changes the body alone, so that a `HEAD` shows nothing of it.
    pub fn needs_body(&self) -> bool {
        matches!(
            self,
            Self::Reset { .. }
                | Self::Stall { .. }
                | Self::Short { .. }
                | Self::Longer { .. }
                | Self::IgnoreRange
                | Self::WrongContentRange { .. }
                | Self::Gzip
                | Self::BitFlip { .. }
                | Self::Drip { .. }
        )
    }
}

/// Whether a body that ends early announced its full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announce {
    /// `Content-Length` says the full length.
    #[default]
    Announced,
    /// No `Content-Length`.
    Absent,
}
