//! The fuzzer's entry to the parsing of a media host's headers.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderName, HeaderValue};

use super::FetchProblem;
use super::headers::{self, ContentRange};

/// Parses headers, one per line, in every way they are used, and a `Content-Range` on the first line.
/// Returns the total in it.
pub(crate) fn headers(data: &[u8]) -> Option<u64> {
    let mut map = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = halves.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = halves.next().and_then(|value| HeaderValue::from_bytes(value).ok());
        if let Some((name, value)) = name.zip(value) {
            map.append(name, value);
        }
    }
    for status in [206, 403, 404, 429, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        let _ = FetchProblem::status(status, &map).to_string();
    }
    let file = headers::source_file(&map, "http");
    assert!(headers::check_unchanged(&file, &file).is_ok());
    let _ = (headers::unsatisfied_total(&map), headers::encoding(&map));
    let value = headers::text(&map, CONTENT_RANGE)?;
    let ContentRange { range, total } = ContentRange::parse(&value)?;
    assert!(range.start < range.end && range.end <= total, "{value}");
    Some(total)
}
