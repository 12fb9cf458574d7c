//! What the query of a Tencent VOD URL tells: that it expires, or stands for a preview.

use jiff::Timestamp;

use crate::model::MediaUrl;

/// Whether the URL stands for a truncated preview: a non-zero `exper` (Tencent VOD's Key anti-leech).
pub(super) fn is_preview(url: &MediaUrl) -> bool {
    query_value(url, "exper").is_some_and(|seconds| !seconds.bytes().all(|byte| byte == b'0'))
}

/// Whether a signed URL's time `t` (hexadecimal seconds, Tencent VOD) is past at `now`.
///
/// `None` where the URL tells no time. After a 403, `Some(true)` calls for a fresh URL.
pub fn url_expired(url: &MediaUrl, now: Timestamp) -> Option<bool> {
    let at = i64::from_str_radix(&query_value(url, "t")?, 16).ok()?;
    Some(now.as_second() >= at)
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
    fn a_signed_url_tells_when_it_expires() {
        let signed = url("http://h/f0.mp4?t=5f5e100&us=x&sign=y");
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(url_expired(&signed, at(99_999_999)), Some(false));
        assert_eq!(url_expired(&signed, at(100_000_000)), Some(true));
        assert_eq!(url_expired(&url("http://h/f0.mp4?t=zz"), at(0)), None);
        assert_eq!(url_expired(&url("http://h/f0.mp4"), at(0)), None);
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
