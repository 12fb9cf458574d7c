//! The one error of this module: what failed, in which call, and with which request id.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::codes::{Call, Class, Setting};
use super::redact::excerpt;
use super::source::SourceKind;
use crate::retry::Transient;

/// How much of a body is looked through for what to show of it, in bytes.
const EXCERPTED: usize = 64 << 10;

/// Why a call to WeChat, or to a source of access tokens, failed.
///
/// No message and no `Debug` form holds a token, a secret or a URL's query. A failure that a person
/// can act on ends in a `hint:` line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be built, as with a malformed proxy address.
    #[error("the HTTP client for WeChat cannot be set up")]
    Setup(#[source] reqwest::Error),

    /// A header that was configured for the token server is not a legal one.
    #[error("the header {name:?} for the token server has an illegal name or value")]
    Header {
        /// The header's name.
        name: String,
    },

    /// No complete reply: no connection, a time-out, half a body.
    #[error("{call} got no complete reply from {host}{}", unreached(*call, .source))]
    Transport {
        /// Which call.
        call: Call,
        /// Who was asked: the host, with its port where that is unusual.
        host: String,
        /// What happened, without the URL.
        source: reqwest::Error,
    },

    /// A status other than 2xx.
    #[error("{call} got HTTP status {status}: {excerpt}{}", self.class().hint(""))]
    Status {
        /// Which call.
        call: Call,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body, or how long it was.
        excerpt: String,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },

    /// A redirect. None is followed: the token would go along.
    #[error("{call} is redirected to {host}\nhint: configure the address it redirects to")]
    Redirect {
        /// Which call.
        call: Call,
        /// Where to: the host alone.
        host: String,
    },

    /// A body larger than this program reads.
    #[error("{call} got a reply of more than {limit} bytes")]
    TooLarge {
        /// Which call.
        call: Call,
        /// What is read at most, in bytes.
        limit: usize,
    },

    /// A reply that is not what the call promises: HTML, nothing, other JSON.
    #[error("{call} got an unreadable reply: {problem}: {excerpt}")]
    Unreadable {
        /// Which call.
        call: Call,
        /// What is wrong with it.
        problem: &'static str,
        /// The beginning of the body, or how long it was.
        excerpt: String,
    },

    /// WeChat answered with an error code.
    #[error("{call} failed with {code}{}{}", said(.message, .rid), .class.hint(.message))]
    Api {
        /// Which call.
        call: Call,
        /// `errcode`.
        code: i64,
        /// `errmsg` without the request id; empty where it was missing.
        message: String,
        /// The request id, which WeChat's support asks for.
        rid: Option<String>,
        /// What is to be done about it.
        class: Class,
        /// For [`Class::NextMinute`], the time until the next minute.
        retry_after: Option<Duration>,
    },

    /// WeChat refused the access token, and asking its source again did not help.
    #[error(
        "{call} failed with {code}{}: WeChat refuses the access token from {kind}\nhint: {}",
        said(.message, .rid), .kind.refused_hint()
    )]
    TokenRefused {
        /// Which call.
        call: Call,
        /// `errcode`.
        code: i64,
        /// `errmsg` without the request id.
        message: String,
        /// The request id, which WeChat's support asks for.
        rid: Option<String>,
        /// Where the token came from.
        kind: SourceKind,
    },

    /// There is no access token to call with. The source has been retried already.
    #[error("no access token could be had from {kind}")]
    NoToken {
        /// Where it was to come from.
        kind: SourceKind,
        /// Why.
        source: Box<Error>,
    },

    /// The token command could not be started.
    #[error("the token command {program:?} cannot be run")]
    CommandStart {
        /// The program; its arguments may hold secrets.
        program: String,
        /// Why.
        source: std::io::Error,
    },

    /// The token command failed, or took too long.
    #[error("the token command {program:?} {outcome}: {stderr}")]
    CommandFailed {
        /// The program; its arguments may hold secrets.
        program: String,
        /// How it ended.
        outcome: String,
        /// The beginning of what it wrote to stderr.
        stderr: String,
    },

    /// The token file could not be read.
    #[error("the token file {} cannot be read", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A token command printed, or a token file holds, more than is read.
    #[error(
        "what came from {kind} is more than {limit} bytes, and so no access token\nhint: expected \
         is {{\"access_token\": …, \"expires_in\": …}}, or the token alone"
    )]
    TooMuch {
        /// Where it came from.
        kind: SourceKind,
        /// What is read at most, in bytes.
        limit: usize,
    },

    /// A token source gave something else than a token.
    #[error(
        "what came from {kind} is not an access token\nhint: expected is \
         {{\"access_token\": …, \"expires_in\": …}}, or the token alone"
    )]
    NotAToken {
        /// Where it came from.
        kind: SourceKind,
    },
}

impl Error {
    /// An error code as WeChat sent it with `errmsg`, of which everything secret is removed.
    pub(super) fn api(call: Call, code: i64, errmsg: &str, secrets: &[&SecretString]) -> Self {
        let (message, rid) = split_rid(errmsg);
        Self::Api {
            call,
            code,
            message: excerpt(message, secrets),
            rid,
            class: Class::of(code, call),
            retry_after: None,
        }
    }

    /// A reply that cannot be used. Of replies that may hold a token, only the length is shown.
    pub(super) fn unreadable(
        call: Call,
        problem: &'static str,
        body: &[u8],
        secrets: &[&SecretString],
    ) -> Self {
        Self::Unreadable { call, problem, excerpt: body_excerpt(call, body, secrets) }
    }

    /// What is to be done about it; for [`Error::NoToken`], about its cause.
    pub fn class(&self) -> Class {
        match self {
            Self::Api { class, .. } => *class,
            Self::Transport { source, .. } if source.is_builder() => Class::Bug,
            Self::Transport { .. } | Self::Unreadable { .. } | Self::CommandFailed { .. } => {
                Class::Retry
            }
            Self::Status { status, .. } => match status {
                // A body without Content-Length, says WeChat.
                412 => Class::Bug,
                408 | 429 | 500.. => Class::Retry,
                _ => Class::Configuration(Setting::Address),
            },
            Self::Redirect { .. } => Class::Configuration(Setting::Address),
            Self::TooLarge { .. } => Class::Unknown,
            Self::NoToken { source, .. } => source.class(),
            Self::Setup(_)
            | Self::Header { .. }
            | Self::TokenRefused { .. }
            | Self::CommandStart { .. }
            | Self::File { .. }
            | Self::TooMuch { .. }
            | Self::NotAToken { .. } => Class::Configuration(Setting::TokenSource),
        }
    }

    /// Whether the account's live calls of this day are used up (45009).
    pub fn is_quota_exhausted(&self) -> bool {
        matches!(self, Self::Api { call: Call::Rooms | Call::Replays, class: Class::NextDay, .. })
    }
}

impl Transient for Error {
    /// True for [`Class::RefreshToken`] as well: the refused token is already dropped, and the next
    /// attempt asks its source again. A second refusal in a row is [`Error::TokenRefused`]. Never true
    /// for [`Error::NoToken`], whatever its class: it has been retried already.
    fn is_transient(&self) -> bool {
        if matches!(self, Self::NoToken { .. }) {
            return false;
        }
        matches!(self.class(), Class::Retry | Class::RefreshToken | Class::NextMinute)
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What to look at where a call did not even reach its server.
fn unreached(call: Call, source: &reqwest::Error) -> &'static str {
    match call {
        _ if !source.is_connect() => "",
        Call::TokenSource => {
            "\nhint: check the url of the account's token, and that this machine can reach it"
        }
        _ => "\nhint: check base_url and proxy in [wechat], and that this machine can reach them",
    }
}

/// What may be shown of a body: of those that may hold a token, the length alone.
pub(super) fn body_excerpt(call: Call, body: &[u8], secrets: &[&SecretString]) -> String {
    if body.is_empty() || call.is_for_token() {
        format!("{} bytes", body.len())
    } else {
        excerpt(&beginning(body), secrets)
    }
}

/// As much of a body as could be shown, without half a word at its end, which could be half a secret.
fn beginning(body: &[u8]) -> Cow<'_, str> {
    let Some(read) = body.get(..EXCERPTED).filter(|_| body.len() > EXCERPTED) else {
        return String::from_utf8_lossy(body);
    };
    let text = String::from_utf8_lossy(read);
    let whole = text.trim_end_matches(|c: char| !c.is_whitespace());
    Cow::Owned(if whole.is_empty() { format!("{} bytes", body.len()) } else { whole.to_owned() })
}

/// `invalid appid rid: 8hex-8hex-8hex` → the message and the request id.
fn split_rid(errmsg: &str) -> (&str, Option<String>) {
    let Some((message, tail)) = errmsg.rsplit_once("rid:") else {
        return (errmsg.trim(), None);
    };
    let is_id = |c: &char| c.is_ascii_hexdigit() || *c == '-';
    let rid: String = tail.trim_start().chars().take_while(is_id).take(64).collect();
    (message.trim(), Some(rid).filter(|rid| !rid.is_empty()))
}

/// `: message (rid id)`, or what there is of it.
fn said(message: &str, rid: &Option<String>) -> String {
    let message = if message.is_empty() { String::new() } else { format!(": {message}") };
    let rid = rid.as_ref().map_or_else(String::new, |rid| format!(" (rid {rid})"));
    message + &rid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: i64, call: Call, errmsg: &str) -> Error {
        Error::api(call, code, errmsg, &[&SecretString::from("canary")])
    }

    #[test]
    fn the_request_id_is_kept_beside_the_message() {
        let error = api(47001, Call::Rooms, "data format error rid: 64a3c0de-1b2c3d4e-5f60718a");
        let Error::Api { message, rid, .. } = &error else { panic!("{error}") };
        assert_eq!(message, "data format error");
        assert_eq!(rid.as_deref(), Some("64a3c0de-1b2c3d4e-5f60718a"));
        assert_eq!(
            error.to_string(),
            "the room list call failed with 47001: data format error \
             (rid 64a3c0de-1b2c3d4e-5f60718a)\nhint: this is an error in replay-archiver: \
             please report it with code and rid"
        );
    }

    #[test]
    fn a_message_may_lack_its_request_id_or_be_missing() {
        assert_eq!(api(7, Call::Replays, "").to_string(), "the replays call failed with 7");
        assert_eq!(split_rid("system error"), ("system error", None));
        assert_eq!(split_rid("x rid: "), ("x", None));
    }

    #[test]
    fn of_a_long_body_the_beginning_is_shown_without_half_a_word() {
        let cut = format!("busy{}canary", " ".repeat(EXCERPTED - 7));
        let shown = body_excerpt(Call::Rooms, cut.as_bytes(), &[&SecretString::from("canary")]);
        assert_eq!(shown.trim(), "busy");
        let one_word = "x".repeat(EXCERPTED + 1);
        assert_eq!(body_excerpt(Call::Rooms, one_word.as_bytes(), &[]), "65537 bytes");
    }

    #[test]
    fn a_token_in_a_message_is_masked() {
        let error = api(40001, Call::Rooms, "bad token canary");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn what_passes_is_told_from_what_lasts() {
        let status = |status| Error::Status {
            call: Call::Rooms,
            status,
            excerpt: String::new(),
            retry_after: None,
        };
        for code in [-1, 9_410_002, 45_011, 40_001] {
            assert!(api(code, Call::Rooms, "").is_transient(), "{code}");
        }
        for code in [45_009, 40_013, 47_001, 48_001, 12_345] {
            assert!(!api(code, Call::Rooms, "").is_transient(), "{code}");
        }
        assert!(status(502).is_transient() && status(429).is_transient());
        assert!(!status(404).is_transient());
        assert_eq!((status(412).class(), status(412).is_transient()), (Class::Bug, false));
    }

    #[test]
    fn the_days_quota_is_that_of_the_live_calls() {
        assert!(api(45_009, Call::Replays, "").is_quota_exhausted());
        assert!(!api(45_009, Call::StableToken, "").is_quota_exhausted());
        assert!(!api(45_011, Call::Replays, "").is_quota_exhausted());
    }

    #[test]
    fn of_a_reply_that_may_hold_a_token_only_the_length_is_shown() {
        let body = br#"{"access_token":"abc"#;
        assert_eq!(body_excerpt(Call::StableToken, body, &[]), "20 bytes");
        assert_eq!(body_excerpt(Call::Rooms, b"<p>502</p>", &[]), "<p>502</p>");
    }
}
