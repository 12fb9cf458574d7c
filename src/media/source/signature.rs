//! What the query of a Tencent VOD URL says: when it expires, and whether it stands for a preview.

use jiff::Timestamp;

use crate::model::MediaUrl;

/// When a signed URL expires: `t`, in hex seconds (Tencent VOD's Key anti-leech). `None` if missing or
/// implausible.
pub fn expires_at(url: &MediaUrl) -> Option<Timestamp> {
    /// From 2016, before mini programs existed, to 2100.
    const PLAUSIBLE: std::ops::Range<i64> = 1_451_606_400..4_102_444_800;
    let seconds = i64::from_str_radix(&query_value(url, "t")?, 16).ok()?;
    PLAUSIBLE.contains(&seconds).then(|| Timestamp::from_second(seconds).ok())?
}

/// Whether the URL stands for a truncated preview: a non-zero `exper` (Tencent VOD's Key anti-leech).
pub(super) fn is_preview(url: &MediaUrl) -> bool {
    query_value(url, "exper").is_some_and(|seconds| !seconds.bytes().all(|byte| byte == b'0'))
}

fn query_value(url: &MediaUrl, name: &str) -> Option<String> {
    let url = url.expose();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> MediaUrl {
        MediaUrl::parse(text).unwrap()
    }

    #[test]
    fn a_signed_url_says_when_it_expires() {
        let at = |query: &str| expires_at(&url(&format!("http://h/f0.mp4{query}")));
        let expected: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        for signed in ["?t=6a21070a", "?us=1&t=6A21070A&sign=x"] {
            assert!(at(signed).is_some(), "{signed}");
        }
        let hex = format!("?t={:x}&sign=x", expected.as_second());
        assert_eq!(at(&hex), Some(expected));
        for other in ["", "?t=", "?t=0", "?t=12", "?t=-6a21070a", "?t=zz", "?t=ffffffffffffffffff"]
        {
            assert_eq!(at(other), None, "{other}");
        }
    }

    #[test]
    fn previews_are_told_by_their_url() {
        for preview in ["?exper=30", "?t=1&exper=030", "?exper=x", "?exper=%31"] {
            assert!(is_preview(&url(&format!("http://h/f0.mp4{preview}"))), "{preview}");
        }
        for full in ["", "?exper=0", "?exper=", "?exper=00", "?t=1&x=exper"] {
            assert!(!is_preview(&url(&format!("http://h/f0.mp4{full}"))), "{full}");
        }
    }
}
