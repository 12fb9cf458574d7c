//! What the query of a Tencent VOD URL tells: that it stands for a preview.

use crate::model::MediaUrl;

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
    fn previews_are_told_by_their_url() {
        for preview in ["?exper=30", "?t=1&exper=030", "?exper=x", "?exper=%31"] {
            assert!(is_preview(&url(&format!("http://h/f0.mp4{preview}"))), "{preview}");
        }
        for full in ["", "?exper=0", "?exper=", "?exper=00", "?t=1&x=exper"] {
            assert!(!is_preview(&url(&format!("http://h/f0.mp4{full}"))), "{full}");
        }
    }
}
