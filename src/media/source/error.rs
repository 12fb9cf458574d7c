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

/// A failed request for a media file: the file and the problem.
#[derive(Debug)]
pub struct Error {
    /// The file's URL, without its query.
    pub url: String,
    /// What went wrong.
    pub problem: FetchProblem,
}

/// What went wrong with a request. No message shows a query.
#[derive(Debug, thiserror::Error)]
pub enum FetchProblem {
    /// The URL stands for a preview; no request was made.
    #[error("the URL is that of a truncated preview (exper)")]
    Preview,
    /// The host policy forbids the URL, a redirect, or the address of a name.
    #[error("{0}")]
    Blocked(Refusal),
    /// Too many redirects.
    #[error("{0}")]
    Redirects(TooManyRedirects),
    /// 401 or 403: signature missing, wrong or expired.
    #[error("the host refused it with status {status}")]
    Refused { status: u16 },
    /// 404 or 410.
    #[error("the host no longer has it, status {status}")]
    Gone { status: u16 },
    /// The host asks for fewer requests: 429, 503, 509 or 514.
    #[error("the host is limiting the request rate, status {status}")]
    Throttled {
        status: u16,
        /// What its `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// Any other status.
    #[error("the host answered with status {status}")]
    Status { status: u16 },
    /// The connection could not be established.
    #[error("could not connect")]
    Connect(#[source] reqwest::Error),
    /// The connection broke, or the answer was not HTTP.
    #[error("the connection failed")]
    Network(#[source] reqwest::Error),
    /// No byte arrived within the read timeout.
    #[error("the host stopped sending after {got} bytes")]
    Stalled {
        /// Bytes of the body received so far.
        got: u64,
    },
    /// A small file arrived too slowly.
    #[error("the file did not arrive completely within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Bytes arrived, but next to none over a long time.
    #[error("the host sends almost nothing: {got} bytes received")]
    Crawling {
        /// Bytes of the body received so far.
        got: u64,
    },
    /// The body ended early.
    #[error("the body ended after {got} bytes{}", of(*expected))]
    Short {
        /// The expected length, if known.
        expected: Option<u64>,
        /// The bytes received.
        got: u64,
    },
    /// The body is longer than its range.
    #[error("the body is longer than the {expected} bytes requested")]
    TooLong {
        /// The expected length.
        expected: u64,
    },
    /// The file is larger than the limit for files in memory.
    #[error("the file is larger than {cap} bytes")]
    TooLarge {
        /// The limit in bytes.
        cap: u64,
    },
    /// A 206 for a different range.
    #[error("the host served a wrong range: {0}")]
    BadRange(String),
    /// The host now has another file; names what differs.
    #[error("the file changed at the source: {0} differs")]
    Changed(&'static str),
    /// The body is compressed, although the request declined that.
    #[error("the body has the content encoding {0:?}")]
    Encoded(String),
}

fn of(expected: Option<u64>) -> String {
    expected.map_or_else(String::new, |expected| format!(" of {expected}"))
}

impl Error {
    /// Whether the host now has another file, so that what was fetched before is useless.
    pub fn is_about_another_file(&self) -> bool {
        matches!(self.problem, FetchProblem::Changed(_))
    }
}

impl Error {
    /// Whether fetching the file without ranges may work: the host, or a CDN node in between, does not
    /// handle ranges properly.
    pub fn is_about_ranges(&self) -> bool {
        matches!(
            self.problem,
            FetchProblem::Changed(_)
                | FetchProblem::BadRange(_)
                | FetchProblem::TooLong { .. }
                | FetchProblem::Status { status: 416 }
        )
    }
}

impl Error {
    /// Whether an answer began and then ended too early.
    pub fn is_broken_off(&self) -> bool {
        matches!(self.problem, FetchProblem::Short { .. } | FetchProblem::Network(_))
    }
}

impl FetchProblem {
    /// The problem for a status other than success.
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

    /// The problem for a request without an answer.
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

    /// The problem for a body that broke off after `got` bytes.
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

    /// Whether the name was found but no connection was made: another scheme may work.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(error) if !error.is_dns())
    }
}

impl Error {
    pub(super) fn new(url: &MediaUrl, problem: FetchProblem) -> Self {
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
            FetchProblem::Throttled { .. }
            | FetchProblem::Connect(_)
            | FetchProblem::Network(_)
            | FetchProblem::Stalled { .. }
            | FetchProblem::TooSlow(_)
            | FetchProblem::Crawling { .. }
            | FetchProblem::Short { .. }
            // One CDN node may answer oddly and the next one correctly.
            | FetchProblem::TooLong { .. }
            | FetchProblem::BadRange(_)
            | FetchProblem::Encoded(_) => true,
            // Every existing file has a beginning: a 416 is a faulty node's answer, too.
            FetchProblem::Status { status } => matches!(status, 408 | 416) || status >= 500,
            _ => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.problem {
            FetchProblem::Throttled { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}
