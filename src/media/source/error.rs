//! What can go wrong with a media file.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::headers;
use crate::model::MediaUrl;
use crate::net_guard::{self, Refusal, TooManyRedirects};
use crate::retry::Transient;

/// A failed request for a media file: which file, and what.
#[derive(Debug)]
pub struct Error {
    /// The file's URL, without its query.
    pub url: String,
    /// What went wrong.
    pub problem: Problem,
}

/// What went wrong with a request. None of these shows a query.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The URL stands for a preview; no request was made.
    #[error("the URL is one of a truncated preview (exper)")]
    Preview,
    /// The policy of hosts forbids the URL, a redirect, or the address behind a name.
    #[error("{0}")]
    Blocked(Refusal),
    /// More redirects than are followed.
    #[error("{0}")]
    Redirects(TooManyRedirects),
    /// 401 or 403: signature missing, wrong or expired.
    #[error("the host refused it with status {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// 404 or 410.
    #[error("the host no longer has it, status {status}")]
    Gone {
        /// The status.
        status: u16,
    },
    /// The host asks for fewer requests: 429, 503, 509 or 514.
    #[error("the host is being asked too often, status {status}")]
    Throttled {
        /// The status.
        status: u16,
        /// What its `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// Any other status.
    #[error("the host answered with status {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// No connection was made.
    #[error("could not connect")]
    Connect(#[source] reqwest::Error),
    /// The connection broke, or the answer was no HTTP.
    #[error("the connection failed")]
    Network(#[source] reqwest::Error),
    /// No byte came within the read timeout.
    #[error("the host stopped sending after {got} bytes")]
    Stalled {
        /// Bytes of the body that had come.
        got: u64,
    },
    /// A small file came, but too slowly.
    #[error("the file did not come whole within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Bytes came, but over a long time next to none.
    #[error("the host sends next to nothing: {got} bytes have come")]
    Crawling {
        /// Bytes of the body that had come.
        got: u64,
    },
    /// The body ended early.
    #[error("the body ended after {got} bytes{}", of(*expected))]
    Short {
        /// The length it should have, where known.
        expected: Option<u64>,
        /// The bytes that came.
        got: u64,
    },
    /// The body is longer than its range.
    #[error("the body is longer than the {expected} bytes asked for")]
    TooLong {
        /// The length it should have.
        expected: u64,
    },
    /// The file is larger than what is taken into memory.
    #[error("the file is larger than {cap} bytes")]
    TooLarge {
        /// The most bytes that are taken.
        cap: u64,
    },
    /// A 206 for another range than was asked for.
    #[error("the host served a wrong range: {0}")]
    BadRange(String),
    /// The host has another file by now: what differs is named.
    #[error("the file changed at the source: {0} is not the same any more")]
    Changed(&'static str),
    /// The body is compressed, though that was declined.
    #[error("the body has the content encoding {0:?}")]
    Encoded(String),
}

fn of(expected: Option<u64>) -> String {
    expected.map_or_else(String::new, |expected| format!(" of {expected}"))
}

impl Error {
    /// Whether the host has another file by now, so that what was fetched before is worth nothing.
    pub fn is_about_another_file(&self) -> bool {
        matches!(self.problem, Problem::Changed(_))
    }
}

impl Error {
    /// Whether the file may be had without ranges all the same: the host, or the nodes of a media
    /// network between them, make of ranges what cannot be used.
    pub fn is_about_ranges(&self) -> bool {
        matches!(
            self.problem,
            Problem::Changed(_)
                | Problem::BadRange(_)
                | Problem::TooLong { .. }
                | Problem::Status { status: 416 }
        )
    }
}

impl Problem {
    /// The problem that a status other than success is.
    pub(super) fn status(status: StatusCode, headers: &HeaderMap) -> Self {
        let status = status.as_u16();
        match status {
            401 | 403 => Self::Refused { status },
            404 | 410 => Self::Gone { status },
            429 | 503 | 509 | 514 => {
                Self::Throttled { status, retry_after: headers::retry_after(headers) }
            }
            _ => Self::Status { status },
        }
    }

    /// The problem of a request that got no answer.
    pub(super) fn request(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(refusal) = net_guard::refusal(&error) {
            Self::Blocked(refusal)
        } else if let Some(too_many) = net_guard::cause::<TooManyRedirects>(&error) {
            Self::Redirects(*too_many)
        } else if error.is_connect() {
            Self::Connect(error)
        } else if error.is_timeout() {
            Self::Stalled { got: 0 }
        } else {
            Self::Network(error)
        }
    }

    /// The problem of a body that broke off after `got` bytes.
    pub(super) fn body(error: reqwest::Error, expected: Option<u64>, got: u64) -> Self {
        let error = error.without_url();
        let ended = net_guard::cause::<io::Error>(&error)
            .is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof);
        if error.is_timeout() {
            Self::Stalled { got }
        } else if ended {
            Self::Short { expected, got }
        } else {
            Self::Network(error)
        }
    }

    /// Whether no connection was made, though the name was found: another scheme may do.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(error) if !error.is_dns())
    }
}

impl Error {
    pub(super) fn new(url: &MediaUrl, problem: Problem) -> Self {
        Self { url: url.without_query().to_string(), problem }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.problem)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.problem.source()
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self.problem {
            Problem::Throttled { .. }
            | Problem::Connect(_)
            | Problem::Network(_)
            | Problem::Stalled { .. }
            | Problem::TooSlow(_)
            | Problem::Crawling { .. }
            | Problem::Short { .. }
            // One node of a media network may answer oddly and the next one rightly.
            | Problem::TooLong { .. }
            | Problem::BadRange(_)
            | Problem::Encoded(_) => true,
            // A file that is there has a beginning: 416 is an odd node's answer, too.
            Problem::Status { status } => matches!(status, 408 | 416) || status >= 500,
            _ => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.problem {
            Problem::Throttled { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}
