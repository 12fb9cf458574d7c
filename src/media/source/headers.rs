//! The headers of a media host's answers.

use std::ops::Range;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, RETRY_AFTER,
};

use super::{FetchProblem, SourceFile};
use crate::model::Crc64Xz;

/// The CRC-64/XZ of the whole object, in decimal, as Tencent COS and VOD send it.
const CRC64_XZ: HeaderName = HeaderName::from_static("x-cos-hash-crc64ecma");

/// The `Content-Range` of a 206.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub range: Range<u64>,
    pub total: u64,
}

impl ContentRange {
    /// What the headers say; `None` if it cannot be read.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(&text(headers, CONTENT_RANGE)?)
    }

    /// Parses `bytes first-last/total`. A total of `*` is not enough to plan ranges.
    pub fn parse(value: &str) -> Option<Self> {
        let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then(|| Self { range: first..last + 1, total })
    }
}

/// The total in a 416, as `bytes */total`.
pub(super) fn unsatisfied_total(headers: &HeaderMap) -> Option<u64> {
    number(text(headers, CONTENT_RANGE)?.strip_prefix("bytes */")?)
}

/// What the headers say about the file; the status decides length and ranges.
pub(super) fn source_file(headers: &HeaderMap, scheme: &str) -> SourceFile {
    SourceFile {
        total: None,
        ranged: false,
        etag: text(headers, ETAG).and_then(|tag| strong_tag(&tag)),
        last_modified: text(headers, LAST_MODIFIED),
        crc64xz: text(headers, CRC64_XZ).and_then(|crc| number(&crc)).map(Crc64Xz),
        scheme: scheme.to_owned(),
    }
}

/// Compares the validators that both answers have. `Last-Modified` only counts if there are not two
/// entity tags to compare, because it may differ between CDN nodes.
pub(super) fn check_unchanged(opened: &SourceFile, now: &SourceFile) -> Result<(), FetchProblem> {
    fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.zip(other).is_some_and(|(one, other)| one != other)
    }
    if differ(opened.etag.as_ref(), now.etag.as_ref()) {
        return Err(FetchProblem::Changed("the ETag"));
    }
    if differ(opened.crc64xz.as_ref(), now.crc64xz.as_ref()) {
        return Err(FetchProblem::Changed("the CRC-64"));
    }
    let tagged = opened.etag.is_some() && now.etag.is_some();
    if !tagged && differ(opened.last_modified.as_ref(), now.last_modified.as_ref()) {
        return Err(FetchProblem::Changed("Last-Modified"));
    }
    Ok(())
}

/// The content encoding, if there is one to decode.
pub(super) fn encoding(headers: &HeaderMap) -> Option<String> {
    text(headers, CONTENT_ENCODING)
        .filter(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity"))
}

/// How long `Retry-After` asks to wait. A date is measured from the answer's own `Date`, so that the
/// clocks of the two machines need not agree.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER)?;
    if let Some(seconds) = number(&value) {
        return Some(Duration::from_secs(seconds));
    }
    let until = rfc2822::parse(&value).ok()?.timestamp();
    let now = rfc2822::parse(&text(headers, DATE)?).ok()?.timestamp();
    Duration::try_from(until.duration_since(now)).ok()
}

/// A header as text, trimmed.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.trim().to_owned())
}

fn strong_tag(tag: &str) -> Option<String> {
    Some(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

/// Parses digits only, without a sign.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let parsed = ContentRange::parse("bytes 5-9/10");
        assert_eq!(parsed, Some(ContentRange { range: 5..10, total: 10 }));
        for bad in [
            "bytes 5-10/10",
            "bytes 9-5/10",
            "bytes 5-9/*",
            "bytes */10",
            "bytes +5-9/10",
            "items 5-9/10",
            "bytes 0-18446744073709551615/18446744073709551616",
            "",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            headers.insert(DATE, "Sun, 22 Nov 2026 14:00:00 GMT".parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 22 Nov 2026 14:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(after("Sun, 22 Nov 2026 13:00:00 GMT"), None);
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn a_file_is_the_same_while_its_strongest_validators_are() {
        let file = |etag: Option<&str>, modified: Option<&str>, crc: Option<u64>| SourceFile {
            total: None,
            ranged: true,
            etag: etag.map(str::to_owned),
            last_modified: modified.map(str::to_owned),
            crc64xz: crc.map(Crc64Xz),
            scheme: "https".to_owned(),
        };
        let opened = file(Some("a"), Some("Monday"), Some(1));
        let same = |now| check_unchanged(&opened, &now).is_ok();
        assert!(same(file(Some("a"), Some("Tuesday"), Some(1))));
        assert!(same(file(None, None, None)));
        assert!(!same(file(Some("b"), Some("Monday"), Some(1))));
        assert!(!same(file(Some("a"), Some("Monday"), Some(2))));
        assert!(!same(file(None, Some("Tuesday"), None)));
    }

    #[test]
    fn weak_tags_are_left_out() {
        assert_eq!(strong_tag("\"abc\"").as_deref(), Some("abc"));
        assert_eq!(strong_tag("W/\"abc\""), None);
        assert_eq!(strong_tag("abc"), None);
    }
}
