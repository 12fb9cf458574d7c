//! Scripted faults: which requests they strike, how often, and with what effect.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::values::{ByteSize, Span, Times};

/// One scripted fault.
///
/// For each request, the first fault in the list that matches and is not used up strikes. Used-up
/// faults are skipped, so a list of faults is consumed in order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The listener whose requests it strikes.
    pub on: Listener,
    /// The path, where `*` stands for any run of characters.
    pub path: Option<String>,
    /// The query as received, but decoded, where `*` stands for any run of characters.
    pub query: Option<String>,
    /// Only this method.
    pub method: Option<String>,
    /// Only this call of the API.
    pub call: Option<ApiCall>,
    /// Only calls or media of this room.
    pub room: Option<i64>,
    /// Only this recording of the room, counted from 1 in the scenario's order.
    pub item: Option<usize>,
    /// Only requests for a range (`true`), or only requests without one (`false`).
    pub ranged: Option<bool>,
    /// How many matching requests to let pass before the first strike.
    #[serde(default)]
    pub skip: u32,
    /// How often it strikes; once by default.
    #[serde(default = "once")]
    pub times: Times,
    /// It strikes the first of this many matching requests and lets the others pass: 2 means every
    /// second one, as with two edges that take turns.
    #[serde(default = "each")]
    pub every: u32,
    /// Matching requests since the last strike.
    #[serde(skip)]
    pub passed: u32,
    /// What happens.
    pub then: Effect,
}

impl Fault {
    /// A fault that strikes the first request to `on`; narrow it down by setting its fields.
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
    /// `/cgi-bin/component/api_component_token`.
    ComponentToken,
    /// `/cgi-bin/component/api_get_authorizer_list`.
    Authorizers,
    /// `/cgi-bin/component/api_authorizer_token`.
    AuthorizerToken,
}

/// What a fault does to the reply. Effects on the body alone let `HEAD` requests pass.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// This HTTP status with a short text, and `Retry-After` in seconds if given.
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
    /// This text instead of the body, for wrong types and other nonsense.
    Body {
        /// The body.
        text: String,
    },
    /// An HTML page instead of the body, with status 200.
    Html,
    /// An empty body: of the API's reply, or of the media file itself.
    Empty,
    /// The connection is reset (TCP RST) after this many bytes of the body.
    Reset {
        /// Bytes sent before that.
        at: ByteSize,
    },
    /// The body stalls after this many bytes, and the connection stays open.
    Stall {
        /// Bytes sent before that.
        at: ByteSize,
    },
    /// The body ends early, after `at` bytes or after half of it.
    Short {
        /// Bytes sent before that.
        at: Option<ByteSize>,
        /// Whether the full length is announced, or none (chunked).
        #[serde(default)]
        length: Announce,
    },
    /// The body is this many bytes longer than the file or the range.
    Longer {
        /// The surplus.
        by: ByteSize,
    },
    /// The whole file with status 200, whatever range was requested.
    IgnoreRange,
    /// A `Content-Range` with later bytes than those sent, or with a larger total.
    WrongContentRange {
        /// How much later the bytes are.
        #[serde(default)]
        shift: u64,
        /// How much larger the total is.
        #[serde(default)]
        total: u64,
    },
    /// These headers replace those of the reply; an empty value removes one.
    Headers {
        /// Values by name.
        set: BTreeMap<String, String>,
    },
    /// A different `ETag`, as if the file had been replaced.
    ChangedEtag,
    /// The file is this much longer (or shorter) than before; its `ETag` stays the same.
    ChangedLength {
        /// The difference in bytes.
        by: i64,
    },
    /// The file lacks its index: the `moov` box is renamed `free`. The CRC header matches the changed
    /// file.
    NoMoov,
    /// The listed URLs are those of truncated previews (`exper`); only for the replays call.
    Preview,
    /// A redirect (302) to this URL, which may be relative.
    Redirect {
        /// The `Location`.
        to: String,
    },
    /// The body is compressed, with `Content-Encoding: gzip`. For bodies up to 16 MiB.
    Gzip,
    /// One bit of the byte at this offset of the file is flipped; all headers match the original.
    BitFlip {
        /// The offset.
        at: ByteSize,
    },
    /// The reply is delayed.
    Slow {
        /// The delay.
        delay: Span,
    },
    /// The body arrives at this rate.
    Drip {
        /// Bytes per second.
        rate: ByteSize,
    },
}

impl Effect {
    /// Whether it changes only the body, so that a `HEAD` does not show it.
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

/// Whether a body that ends early announces its full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announce {
    /// `Content-Length` is the full length.
    #[default]
    Announced,
    /// No `Content-Length`.
    Absent,
}
