//! The error type of this module: what failed, in which call, with which request id.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::codes::{Call, Class, Setting};
use super::source::SourceKind;
use crate::model::redact::excerpt;
use crate::model::{AppId, Reason};
use crate::retry::Transient;

/// How many bytes of a body to search for an excerpt.
const EXCERPTED: usize = 64 << 10;

/// Why a call to WeChat or to a token source failed.
///
/// Neither messages nor the `Debug` form contain a token, a secret or the query of a URL. If a person can
/// act on the failure, the message ends in a `hint:` line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Building the HTTP client failed, for example because of a malformed proxy address.
    #[error("failed to set up the HTTP client for WeChat")]
    Setup(#[source] reqwest::Error),

    /// No complete reply: no connection, a timeout, or half a body.
    #[error("{call} got no complete reply from {host}{}", unreached(*call, .source))]
    Transport {
        /// Which call.
        call: Call,
        /// The host that was asked, with its port if unusual.
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
        /// The beginning of the body, or its length.
        excerpt: String,
        /// The server's `Retry-After`.
        retry_after: Option<Duration>,
    },

    /// A redirect. It is not followed, because it would pass on the token.
    #[error("{call} was redirected to {host}\nhint: configure that address directly [RA210]")]
    Redirect {
        /// Which call.
        call: Call,
        /// The target host.
        host: String,
    },

    /// A body larger than the limit.
    #[error("{call} got a reply larger than {limit} bytes")]
    TooLarge {
        /// Which call.
        call: Call,
        /// The limit, in bytes.
        limit: usize,
    },

    /// A reply of an unexpected form: HTML, nothing, other JSON.
    #[error("{call} got an unreadable reply: {problem}: {excerpt}")]
    Unreadable {
        /// Which call.
        call: Call,
        /// What is wrong with it.
        problem: &'static str,
        /// The beginning of the body, or its length.
        excerpt: String,
    },

    /// WeChat answered with an error code.
    #[error("{call} failed with {code}{}{}", said(.message, .rid), .class.hint(.message))]
    Api {
        /// Which call.
        call: Call,
        /// `errcode`.
        code: i64,
        /// `errmsg` without the request id; empty if missing.
        message: String,
        /// The request id, which WeChat's support asks for.
        rid: Option<String>,
        /// How to react to it.
        class: Class,
        /// For [`Class::NextMinute`]: the time until the next minute.
        retry_after: Option<Duration>,
    },

    /// WeChat refused the access token, and asking its source again did not help.
    #[error(
        "{call} failed with {code}{}: WeChat refused the access token from {kind}{}",
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

    /// There is no access token. The token source has already been retried.
    #[error("failed to get an access token from {kind}")]
    NoToken {
        /// The token source.
        kind: SourceKind,
        /// Why.
        source: Box<Error>,
    },

    /// The token command could not be started.
    #[error("failed to run the token command {program:?}")]
    CommandStart {
        /// The program. Its arguments may be secrets.
        program: String,
        /// Why.
        source: std::io::Error,
    },

    /// The token command failed or took too long.
    #[error("the token command {program:?} {outcome}: {stderr}")]
    CommandFailed {
        /// The program. Its arguments may be secrets.
        program: String,
        /// How it ended.
        outcome: String,
        /// The beginning of its stderr.
        stderr: String,
    },

    /// The token file could not be read.
    #[error("failed to read the token file {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// The output of a token command, or a token file, is larger than the limit.
    #[error(
        "{kind} returned more than {limit} bytes, which is not an access token\nhint: expected \
         {{\"access_token\": …, \"expires_in\": …}} or just the token [RA208]"
    )]
    TooMuch {
        /// Where it came from.
        kind: SourceKind,
        /// The limit, in bytes.
        limit: usize,
    },

    /// The Redis server did not give the token.
    #[error(
        "failed to read the token from Redis: {problem}\nhint: check [redis] url, and that this machine can reach the server [RA219]"
    )]
    Redis {
        /// What happened, without the address.
        problem: String,
        /// Whether the server refuses this key alone.
        is_of_key: bool,
    },

    /// Redis has no such key.
    #[error(
        "Redis has no key {key:?}\nhint: check the key and the number of the database at the end of the address; \
         what keeps the token may not have fetched it for this account [RA220]"
    )]
    NoSuchKey { key: String },

    /// The third-party platform's list does not have the account.
    #[error(
        "{appid} has not authorised the third-party platform, or no longer does\nhint: have the account's owner \
         authorise it again [RA221]"
    )]
    NotListed {
        /// The account.
        appid: AppId,
    },

    /// The list of a third-party platform's accounts does not end.
    #[error("the list of the platform's accounts has more than {pages} pages")]
    EndlessList {
        /// The limit.
        pages: usize,
    },

    /// The list of a third-party platform's accounts ends early: who is missing from it is not known.
    #[error("the list of the platform's accounts ends after {read} of {total}")]
    ShortList {
        /// The accounts read.
        read: usize,
        /// The accounts announced.
        total: u64,
    },

    /// A third-party platform, or what it needs, failed: that concerns all its accounts.
    #[error(transparent)]
    Platform {
        /// What failed.
        source: Box<Error>,
    },

    /// Another process refreshes the platform's tokens, or it is not known that none does.
    #[error("{why}")]
    Elsewhere {
        /// Which one, and what to do.
        why: Reason,
    },

    /// What the account shares with others does not answer: that was found less than a minute ago, and it was not
    /// asked again.
    #[error("{why}")]
    Down {
        /// What was found.
        why: Reason,
    },

    /// A token source returned something other than a token.
    #[error(
        "{kind} did not return an access token\nhint: expected \
         {{\"access_token\": …, \"expires_in\": …}} or just the token [RA208]"
    )]
    NotAToken {
        /// Where it came from.
        kind: SourceKind,
    },
}

impl Error {
    /// A WeChat error code with its `errmsg`, with all secrets removed.
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

    /// An unusable reply. If it may contain a token, only its length is shown.
    pub(super) fn unreadable(
        call: Call,
        problem: &'static str,
        body: &[u8],
        secrets: &[&SecretString],
    ) -> Self {
        Self::Unreadable { call, problem, excerpt: body_excerpt(call, body, secrets) }
    }

    /// How to react to it; for [`Error::NoToken`], to its cause.
    pub fn class(&self) -> Class {
        match self {
            Self::Api { class, .. } => *class,
            Self::Transport { source, .. } if source.is_builder() => Class::Bug,
            Self::Transport { .. } | Self::Unreadable { .. } | Self::CommandFailed { .. } => {
                Class::Retry
            }
            Self::Status { status, .. } => match status {
                // WeChat's reply to a body without Content-Length.
                412 => Class::Bug,
                408 | 429 | 500.. => Class::Retry,
                _ => Class::Configuration(Setting::Address),
            },
            Self::Redirect { .. } => Class::Configuration(Setting::Address),
            Self::TooLarge { .. } | Self::EndlessList { .. } | Self::ShortList { .. } => {
                Class::Unknown
            }
            Self::Redis { .. } => Class::Retry,
            Self::NotListed { .. } => Class::Configuration(Setting::Permission),
            Self::NoToken { source, .. } | Self::Platform { source } => source.class(),
            Self::Elsewhere { .. } | Self::Down { .. } => Class::Unknown,
            Self::Setup(_)
            | Self::TokenRefused { .. }
            | Self::CommandStart { .. }
            | Self::File { .. }
            | Self::TooMuch { .. }
            | Self::NoSuchKey { .. }
            | Self::NotAToken { .. } => Class::Configuration(Setting::TokenSource),
        }
    }

    /// WeChat's code, if it does not let this program make the live calls for the account: it lacks the
    /// permission (48001), or has not granted it to the third-party platform whose token is used (61003, 61007).
    /// Waiting does not help, and neither does trying another room.
    pub fn unauthorized(&self) -> Option<i64> {
        match self {
            // Of the platform, not of the account.
            Self::Api { call: Call::Quota | Call::ComponentToken | Call::Authorizers, .. } => None,
            Self::Api { code: code @ (48_001 | 61_003 | 61_007), .. } => Some(*code),
            Self::NoToken { source, .. } => source.unauthorized(),
            Self::NotListed { .. } => Some(61_003),
            _ => None,
        }
    }

    /// Whether it only says that another process asks WeChat for this account.
    pub fn is_elsewhere(&self) -> bool {
        match self {
            Self::Elsewhere { .. } => true,
            Self::NoToken { source, .. } | Self::Platform { source } => source.is_elsewhere(),
            _ => false,
        }
    }

    /// Whether the account has used up the day's live calls (45009).
    pub fn is_quota_exhausted(&self) -> bool {
        matches!(self, Self::Api { call: Call::Rooms | Call::Replays, class: Class::NextDay, .. })
    }
}

impl Transient for Error {
    /// Also true for [`Class::RefreshToken`]: the refused token has been dropped, and the next attempt
    /// asks its source again. A second refusal in a row is [`Error::TokenRefused`]. Never true for
    /// [`Error::NoToken`], whatever its class, because it has already been retried.
    fn is_transient(&self) -> bool {
        if matches!(self, Self::NoToken { .. }) {
            return false;
        }
        matches!(self.class(), Class::Retry | Class::RefreshToken | Class::NextMinute)
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } | Self::Api { retry_after, .. } => *retry_after,
            Self::Platform { source } => source.retry_after(),
            _ => None,
        }
    }
}

/// What to check if a call did not even reach its server.
fn unreached(call: Call, source: &reqwest::Error) -> &'static str {
    match call {
        _ if !source.is_connect() => "",
        Call::TokenSource => {
            "\nhint: check the url of the account's token, and that this machine can reach it [RA211]"
        }
        _ => {
            "\nhint: check base_url and proxy in [wechat], and that this machine can reach them [RA211]"
        }
    }
}

/// An excerpt of a body that is safe to show: only the length if it may contain a token.
pub(super) fn body_excerpt(call: Call, body: &[u8], secrets: &[&SecretString]) -> String {
    if body.is_empty() || call.is_for_token() {
        format!("{} bytes", body.len())
    } else {
        excerpt(&beginning(body), secrets)
    }
}

/// The part of a body that may be shown. It does not end within a word, which could be half a secret.
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

/// `: message (rid id)`, or as much of it as there is.
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
             (rid 64a3c0de-1b2c3d4e-5f60718a)\nhint: this is a bug in replay-archiver: \
             please report it with the code and the rid [RA901]"
        );
    }

    #[test]
    fn a_message_may_lack_its_request_id_or_be_missing() {
        assert_eq!(api(7, Call::Replays, "").to_string(), "the replays call failed with 7");
        assert_eq!(split_rid("system error"), ("system error", None));
        assert_eq!(split_rid("x rid: "), ("x", None));
    }

    #[test]
    fn the_excerpt_of_a_long_body_does_not_end_within_a_word() {
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
    fn transient_errors_are_distinguished_from_permanent_ones() {
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
    fn only_live_calls_exhaust_the_quota_of_the_day() {
        assert!(api(45_009, Call::Replays, "").is_quota_exhausted());
        assert!(!api(45_009, Call::StableToken, "").is_quota_exhausted());
        assert!(!api(45_011, Call::Replays, "").is_quota_exhausted());
    }

    #[test]
    fn only_the_length_of_a_reply_that_may_hold_a_token_is_shown() {
        let body = br#"{"access_token":"abc"#;
        assert_eq!(body_excerpt(Call::StableToken, body, &[]), "20 bytes");
        assert_eq!(body_excerpt(Call::Rooms, b"<p>502</p>", &[]), "<p>502</p>");
    }
}
