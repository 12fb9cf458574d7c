//! What can go wrong between here and the bucket.

use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::answer::{Answer, one_line};
use super::bounded::Excess;
use crate::model::ObjectKey;
use crate::retry::Transient;

/// Why the bucket could not be read or written.
///
/// The SDK's own errors are converted to text at once: their `Debug` form shows whole replies.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store answered with an error.
    #[error("failed to {site}: the store answered {answer}{}", answer.hint())]
    Answered {
        /// What was tried.
        site: Site,
        answer: Box<Answer>,
    },
    /// No answer arrived; it is unknown whether the request took effect.
    #[error("failed to {site}: {reason}: {detail}{}", reason.hint())]
    Unanswered {
        /// What was tried.
        site: Site,
        /// How far the request got.
        reason: NoAnswer,
        /// The network's error.
        detail: String,
    },
    /// The answer is not S3's, or breaks off.
    #[error("failed to {site}: unreadable reply: {detail}")]
    Unreadable {
        /// What was tried.
        site: Site,
        /// What is wrong with it.
        detail: String,
    },
    /// The answer has no end, or is larger than any of S3's.
    #[error(
        "failed to {site}: the reply is not from an S3 store: {detail}\n\
         hint: check that the endpoint is that of a store [RA312]"
    )]
    Excessive {
        /// What was tried.
        site: Site,
        /// The limit that it exceeds.
        detail: String,
    },
    /// The answer to a range is another range, or no range at all.
    #[error(
        "failed to {site}: the reply is not from an S3 store: {detail}\n\
         hint: check that the endpoint is that of a store, and that nothing between here and there \
         drops the Range header [RA312]"
    )]
    Unranged {
        /// What was tried.
        site: Site,
        /// What was asked for.
        detail: String,
    },
    /// A listing cannot be read to its end.
    #[error("failed to {site} to the end: {detail}")]
    Endless {
        /// What was tried.
        site: Site,
        /// The store's message.
        detail: String,
    },
    /// No request could be built, for example because the region and the endpoint do not go together.
    #[error("failed to {site}: could not build the request: {detail}")]
    Unsendable {
        /// What was tried.
        site: Site,
        /// The SDK's message.
        detail: String,
    },
    /// There are no credentials to sign requests with.
    #[error(
        "failed to {site}: no credentials: {detail}\n\
         hint: set access_key in [store] and its secret key, or give this machine an AWS profile \
         or role [RA310]"
    )]
    Credentials {
        /// What was tried.
        site: Site,
        /// The message of the credential sources.
        detail: String,
        /// Whether a source only failed to answer in time.
        timed_out: bool,
    },
    /// The store acknowledged an object and then did not have it.
    #[error("the store acknowledged {key} but does not have it")]
    Vanished { key: ObjectKey },
    /// The stored object differs from what was sent. It is left in place, for a person to look at.
    #[error(
        "{key} is stored with a different {what} than was sent: {stored} instead of {sent}\n\
         hint: the object was left in place; do not trust it, and run `replay-archiver doctor` [RA313]"
    )]
    Mismatch {
        key: ObjectKey,
        /// `size`, `CRC-64/NVME` or `CRC-64/XZ`.
        what: &'static str,
        /// What was sent.
        sent: String,
        /// What the store reports.
        stored: String,
    },
    /// A part that the store was to copy from another object is missing or empty.
    #[error(
        "the store did not copy what belongs to {key}: it has no such copies, or makes empty ones\n\
         hint: rooms cannot be stitched on this store, and players get their segments; set stitch = \"off\" [RA316]"
    )]
    Uncopied {
        /// The object that the part was for.
        key: ObjectKey,
    },
    /// The parts given to complete an upload do not add up to the object.
    #[error("the parts of {key} do not add up to it: {reason}")]
    Parts {
        key: ObjectKey,
        /// What is wrong with them.
        reason: String,
    },
    /// A file of unknown length did not fit into the maximum number of parts.
    #[error(
        "the file is longer than 10000 parts of {part_bytes} bytes\nhint: configure larger parts [RA314]"
    )]
    TooManyParts {
        /// The size of every part.
        part_bytes: u64,
    },
    /// An object is too large to be read into memory.
    #[error("{key} is larger than {cap} bytes, the limit for reading it into memory")]
    TooLarge {
        key: ObjectKey,
        /// The limit in bytes.
        cap: u64,
    },
    /// A setting cannot be used, or contradicts another.
    #[error("the store setting {setting} is not usable: {reason}{hint}")]
    Settings {
        /// Which one.
        setting: &'static str,
        /// Why.
        reason: String,
        /// A `hint:` line.
        hint: &'static str,
    },
}

impl Error {
    /// Converts a failed SDK call.
    pub(super) fn from_sdk<E>(site: &Site, failure: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let site = site.clone();
        if let Some(excess) = excess(failure) {
            return Self::beyond(site, excess);
        }
        match failure {
            SdkError::ServiceError(context) => {
                let meta = context.err().meta();
                // An answer with no S3 content at all, perhaps from a proxy.
                if meta.code().is_none() && context.raw().status().is_success() {
                    return Self::Unreadable { site, detail: chain(context.err()) };
                }
                let answer = Answer::new(context.raw(), meta.code(), meta.message());
                Self::Answered { site, answer: Box::new(answer) }
            }
            SdkError::ResponseError(context) => {
                let status = context.raw().status().as_u16();
                let detail = format!("status {status}: {}", chain(failure));
                Self::Unreadable { site, detail }
            }
            SdkError::TimeoutError(_) => Self::unanswered(site, NoAnswer::Timeout, failure),
            SdkError::DispatchFailure(dispatch) => match credentials_error(failure) {
                Some(error) => Self::Credentials {
                    site,
                    detail: chain(error),
                    timed_out: matches!(error, CredentialsError::ProviderTimedOut(_)),
                },
                None if dispatch.is_timeout() => Self::unanswered(site, NoAnswer::Timeout, failure),
                None => Self::unanswered(site, NoAnswer::Connection, failure),
            },
            _ => Self::Unsendable { site, detail: chain(failure) },
        }
    }

    /// The error for a reply that exceeds a limit.
    pub(super) fn beyond(site: Site, excess: Excess) -> Self {
        let detail = excess.to_string();
        match excess {
            Excess::Bytes | Excess::Tags => Self::Excessive { site, detail },
            Excess::Crawling { .. } => Self::Unanswered { site, reason: NoAnswer::Timeout, detail },
        }
    }

    fn unanswered(
        site: Site,
        reason: NoAnswer,
        failure: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::Unanswered { site, reason, detail: chain(failure) }
    }

    /// Whether the object does not exist, in a bucket that does.
    pub(super) fn is_not_found(&self) -> bool {
        self.answer().is_some_and(|answer| {
            answer.status == 404 && matches!(answer.code.as_str(), "" | "NoSuchKey" | "NotFound")
        })
    }

    /// Whether the store no longer knows the multipart upload or a part of it: it was completed,
    /// aborted, damaged, or has expired. The parts must be uploaded again.
    pub fn is_upload_gone(&self) -> bool {
        let is_gone = |code: &str| matches!(code, "NoSuchUpload" | "InvalidPart");
        self.answer().is_some_and(|answer| is_gone(&answer.code))
    }

    /// Whether an upload of parts of legal sizes failed as it would if the store had made one of them empty.
    pub fn may_be_of_an_empty_part(&self) -> bool {
        match self {
            Self::Mismatch { what, .. } => *what == "size",
            _ => self.answer().is_some_and(|answer| answer.code == "EntityTooSmall"),
        }
    }

    /// Whether the store does not support this kind of request.
    pub fn is_not_implemented(&self) -> bool {
        self.answer().is_some_and(|answer| {
            matches!(answer.status, 405 | 501)
                || matches!(answer.code.as_str(), "NotImplemented" | "XNotImplemented")
        })
    }

    /// Whether the request may have taken effect although it failed.
    pub fn leaves_doubt(&self) -> bool {
        self.is_transient() || self.is_upload_gone() || matches!(self, Self::Excessive { .. })
    }

    /// Whether the store refused something about the request itself, as it does if it does not support
    /// the checksum that was sent.
    pub(super) fn may_blame_the_checksum(&self) -> bool {
        const REFUSALS: [&str; 5] =
            ["InvalidRequest", "InvalidArgument", "NotImplemented", "XNotImplemented", ""];
        self.answer().is_some_and(|answer| {
            matches!(answer.status, 400 | 501) && REFUSALS.contains(&answer.code.as_str())
        })
    }

    /// Whether the store requires a checksum of the body and accepts the MD5, as a bucket with object
    /// lock does.
    pub(super) fn wants_md5(&self) -> bool {
        self.answer().is_some_and(|answer| {
            answer.status == 400 && answer.message.to_ascii_lowercase().contains("content-md5")
        })
    }

    /// Whether the object exists but must be restored from its storage class before it can be read.
    pub fn is_to_be_restored(&self) -> bool {
        self.answer().is_some_and(Answer::is_to_be_restored)
    }

    /// The store's answer, if there was one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered { answer, .. } => Some(answer),
            _ => None,
        }
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Answered { answer, .. } => answer.is_transient(),
            Self::Unanswered { .. } | Self::Unreadable { .. } | Self::Vanished { .. } => true,
            Self::Credentials { timed_out, .. } => *timed_out,
            Self::Unsendable { .. }
            | Self::Excessive { .. }
            | Self::Unranged { .. }
            | Self::Endless { .. }
            | Self::Mismatch { .. }
            | Self::Uncopied { .. }
            | Self::Parts { .. }
            | Self::TooManyParts { .. }
            | Self::TooLarge { .. }
            | Self::Settings { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.answer().and_then(|answer| answer.retry_after)
    }
}

/// What was tried: `upload part 3 of <key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The verb: `read`, `complete`.
    pub action: &'static str,
    /// The part of an upload.
    pub part: Option<u32>,
    /// The key, the prefix or the bucket.
    pub target: String,
}

impl Site {
    pub(super) fn new(action: &'static str, target: impl Into<String>) -> Self {
        Self { action, part: None, target: target.into() }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Some(part) => write!(f, "{} part {part} of {}", self.action, self.target),
            None => write!(f, "{} {}", self.action, self.target),
        }
    }
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The connection failed or broke.
    Connection,
    /// It took longer than configured.
    Timeout,
}

impl NoAnswer {
    /// A `hint:` line, or nothing.
    fn hint(self) -> &'static str {
        match self {
            Self::Connection => {
                "\nhint: check the endpoint, and whether this machine can reach it [RA311]"
            }
            Self::Timeout => "",
        }
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "the connection failed",
            Self::Timeout => "timed out",
        })
    }
}

/// The causes of an error, outermost first, without the SDK's own outermost text.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes: Vec<String> = causes(error).map(ToString::to_string).collect();
    let mut told: Vec<&str> = Vec::new();
    for cause in &causes {
        if !told.contains(&cause.as_str()) {
            told.push(cause);
        }
    }
    one_line(&told.join(": "))
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(error.source().or(Some(error)), |cause| cause.source())
}

/// The limit that a reply exceeded, if that is the cause.
pub(super) fn excess(error: &(dyn std::error::Error + 'static)) -> Option<Excess> {
    causes(error).find_map(|cause| cause.downcast_ref()).copied()
}

/// The failure of the credential sources, if that is the cause.
fn credentials_error<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a CredentialsError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::{BoxError, ConnectorError};
    use aws_sdk_s3::operation::get_object::GetObjectError;

    use super::*;

    fn from_connector(error: ConnectorError) -> Error {
        let failure = SdkError::<GetObjectError, HttpResponse>::dispatch_failure(error);
        Error::from_sdk(&Site::new("read", "k"), &failure)
    }

    #[test]
    fn missing_credentials_last_and_slow_ones_pass() {
        let missing = CredentialsError::not_loaded("no profile");
        let error = from_connector(ConnectorError::other(missing.into(), None));
        assert!(!error.is_transient());
        assert!(error.to_string().contains("no profile\nhint: set access_key"), "{error}");
        let slow = CredentialsError::provider_timed_out(Duration::from_secs(1));
        assert!(from_connector(ConnectorError::other(slow.into(), None)).is_transient());
    }

    #[test]
    fn a_broken_connection_and_a_timeout_pass_and_may_have_taken_effect() {
        let broken = || BoxError::from(std::io::Error::other("reset by peer"));
        for (error, words) in [
            (ConnectorError::io(broken()), "failed to read k: the connection failed"),
            (ConnectorError::timeout(broken()), "failed to read k: timed out"),
        ] {
            let error = from_connector(error);
            assert!(error.to_string().starts_with(words), "{error}");
            assert!(error.to_string().contains("reset by peer"), "{error}");
            assert!(error.is_transient());
        }
    }
}
