//! An error answered by the store: whether it is transient, and what a person can do about it.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;

/// The longest message from the store that an error carries, in characters.
const LONGEST_MESSAGE: usize = 300;

/// An error answered by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; may be 200.
    pub status: u16,
    /// S3's error code; empty if there was none, as in every answer to a HEAD.
    pub code: String,
    /// The store's own message, shortened to one line.
    pub message: String,
    /// The request id that the provider's support asks for.
    pub request_id: Option<String>,
    /// How long the store asked to wait.
    pub retry_after: Option<Duration>,
}

impl Answer {
    pub(super) fn new(response: &HttpResponse, code: Option<&str>, message: Option<&str>) -> Self {
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        Self {
            status: response.status().as_u16(),
            code: one_line(code.unwrap_or_default()),
            message: one_line(message.unwrap_or_default()),
            request_id: header("x-amz-request-id")
                .or_else(|| header("x-cos-request-id"))
                .or_else(|| header("x-oss-request-id"))
                .map(|id| one_line(&id)),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
        }
    }

    /// Whether the same request may succeed later.
    ///
    /// `BadDigest` and the like are transient because the bytes are hashed before they are sent: the
    /// difference arose on the way, and the bytes are sent again from memory.
    pub(super) fn is_transient(&self) -> bool {
        const PASSING: [&str; 15] = [
            "SlowDown",
            "InternalError",
            "ServiceUnavailable",
            "RequestTimeout",
            "RequestLimitExceeded",
            "TooManyRequests",
            "Throttling",
            "ThrottlingException",
            "OperationAborted",
            "BandwidthLimitExceeded",
            "BadDigest",
            "InvalidDigest",
            "XAmzContentSHA256Mismatch",
            "XAmzContentChecksumMismatch",
            "IncompleteBody",
        ];
        !self.is_full()
            && (PASSING.contains(&self.code.as_str())
                || matches!(self.status, 408 | 429)
                || (self.status >= 500 && self.status != 501))
    }

    /// Whether the store has no room: that ends only when somebody makes some.
    fn is_full(&self) -> bool {
        let is_code = matches!(self.code.as_str(), "QuotaExceeded" | "XMinioStorageFull");
        is_code || self.status == 507
    }

    /// Whether the object exists but must be restored before it can be read.
    pub(super) fn is_to_be_restored(&self) -> bool {
        self.code == "InvalidObjectState"
    }

    /// What a person can do about it: a `hint:` line, or nothing. The answer to a HEAD has only a status.
    pub(super) fn hint(&self) -> &'static str {
        let by_code = match self.code.as_str() {
            "NoSuchBucket" => {
                "\nhint: create the bucket, or correct its name, its region or the endpoint [RA301]"
            }
            "InvalidAccessKeyId" => {
                "\nhint: the store does not know this access key; does it belong to another store? [RA302]"
            }
            "SignatureDoesNotMatch" => {
                "\nhint: check the secret key and the region, and that no proxy changes the requests [RA303]"
            }
            "RequestTimeTooSkewed" => {
                "\nhint: set this machine's clock; an NTP service keeps it correct [RA416]"
            }
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                "\nhint: the session token is no longer valid; get new credentials [RA304]"
            }
            "AuthorizationHeaderMalformed" | "PermanentRedirect" | "TemporaryRedirect" => {
                "\nhint: the bucket is in another region; correct the region and the endpoint [RA305]"
            }
            "PathStyleDomainForbidden" | "SecondLevelDomainForbidden" => {
                "\nhint: this store expects the bucket in the host name; set path_style = \"off\" in \
                 [store] [RA306]"
            }
            "QuotaExceeded" | "XMinioStorageFull" => {
                "\nhint: the store is full; free some space, or raise its quota [RA307]"
            }
            "InvalidObjectState" => {
                "\nhint: the object is in an archive storage class; restore it first, for example with \
                 `aws s3api restore-object`, and try again when that is done [RA308]"
            }
            _ => "",
        };
        match (by_code, self.status) {
            // Answers to a HEAD have no body that would tell which of the two it is.
            ("", 401 | 403) if self.code.is_empty() => {
                "\nhint: the access key or the secret key is wrong or lacks permission: the \
                 bucket's policy must allow GetObject and ListBucket below the prefix, and to a \
                 run PutObject and AbortMultipartUpload as well [RA309]"
            }
            ("", 401 | 403) => {
                "\nhint: these credentials lack permission; the bucket's policy must allow \
                 GetObject and ListBucket below the prefix, and to a run PutObject and \
                 AbortMultipartUpload as well [RA309]"
            }
            ("", 507) => "\nhint: the store is full; free some space, or raise its quota [RA307]",
            ("", 301 | 307) => {
                "\nhint: the bucket is in another region; correct the region [RA305]"
            }
            (hint, _) => hint,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}

/// Foreign text as one line of bounded length.
pub(super) fn one_line(text: &str) -> String {
    text.trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_MESSAGE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: &str) -> Answer {
        let code = code.to_owned();
        Answer { status, code, message: String::new(), request_id: None, retry_after: None }
    }

    #[test]
    fn what_passes_is_told_from_what_lasts() {
        for (status, code) in [
            (503, "SlowDown"),
            (500, "InternalError"),
            (200, "InternalError"),
            (400, "RequestTimeout"),
            (400, "BadDigest"),
            (429, ""),
            (502, ""),
        ] {
            assert!(answer(status, code).is_transient(), "{status} {code}");
        }
        for (status, code) in [
            (403, "AccessDenied"),
            (404, "NoSuchBucket"),
            (404, "NoSuchUpload"),
            (403, "RequestTimeTooSkewed"),
            (501, "NotImplemented"),
            (400, "InvalidRequest"),
            (412, "PreconditionFailed"),
            (507, "XMinioStorageFull"),
            (507, ""),
            (503, "QuotaExceeded"),
        ] {
            assert!(!answer(status, code).is_transient(), "{status} {code}");
        }
    }

    #[test]
    fn what_a_person_can_act_on_has_a_hint() {
        for (status, code, word) in [
            (404, "NoSuchBucket", "create the bucket"),
            (403, "InvalidAccessKeyId", "access key"),
            (403, "SignatureDoesNotMatch", "secret key"),
            (403, "RequestTimeTooSkewed", "clock"),
            (403, "AccessDenied", "PutObject"),
            (403, "", "the secret key is wrong or lacks permission"),
            (301, "", "region"),
            (400, "AuthorizationHeaderMalformed", "region"),
            (403, "SecondLevelDomainForbidden", "path_style"),
            (403, "InvalidObjectState", "restore it first"),
            (507, "XMinioStorageFull", "the store is full"),
            (507, "", "the store is full"),
        ] {
            let hint = answer(status, code).hint();
            assert!(hint.contains(word), "{status} {code}: {hint}");
        }
        assert_eq!(answer(503, "SlowDown").hint(), "");
    }

    #[test]
    fn foreign_text_is_one_short_line() {
        assert_eq!(one_line(" a\nhint: b\u{1b}[31m "), "a hint: b [31m");
        assert_eq!(one_line(&"x".repeat(5000)).len(), LONGEST_MESSAGE);
    }
}
