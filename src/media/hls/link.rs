//! Resolves the URIs of a playlist (RFC 3986, section 5.1.3): where to fetch them, and a stable URL
//! that identifies them even if redirects lead elsewhere from one day to the next.

use crate::model::MediaUrl;

/// The URLs of a playlist.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The URL that answered after redirects: relative URIs are relative to it.
    at: &'a MediaUrl,
    /// The requested URL.
    listed: &'a MediaUrl,
}

/// A resolved URI of a playlist.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where to fetch it.
    pub url: MediaUrl,
    /// The URL without redirects, if different.
    listed: Option<Box<MediaUrl>>,
}

impl<'a> Base<'a> {
    /// A playlist requested at `listed` and answered by `at`.
    pub fn new(at: &'a MediaUrl, listed: &'a MediaUrl) -> Self {
        Self { at, listed }
    }

    /// Resolves a URI of the playlist, if it can be fetched.
    pub(super) fn link(&self, uri: &str) -> Option<Link> {
        let url = resolve(self.at, uri)?;
        if self.at.is_same_file(self.listed) {
            return Some(Link { url, listed: None });
        }
        let listed = resolve(self.listed, uri).filter(|listed| !listed.is_same_file(&url));
        Some(Link { url, listed: listed.map(Box::new) })
    }

    /// How many bytes longer than its relative URI a resolved URL may be.
    pub(super) fn bytes(&self) -> usize {
        let of = |url: &MediaUrl| url.expose().as_str().len();
        let is_same = self.at.is_same_file(self.listed);
        of(self.at) + if is_same { 0 } else { of(self.listed) }
    }

    /// The playlist's own link.
    pub(super) fn own(&self) -> Link {
        Link { url: self.at.clone(), listed: None }
    }
}

impl Link {
    /// The URL that identifies it and is safe to show: without redirects, which may lead elsewhere
    /// tomorrow and have signatures in their paths.
    pub fn listed(&self) -> &MediaUrl {
        self.listed.as_deref().unwrap_or(&self.url)
    }

    /// The base of the playlist behind this link, which `at` answered.
    pub fn base<'a>(&'a self, at: &'a MediaUrl) -> Base<'a> {
        Base { at, listed: self.listed() }
    }

    /// How much memory its URLs take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let of = |url: &MediaUrl| url.expose().as_str().len();
        of(&self.url) + self.listed.as_deref().map_or(0, of)
    }
}

/// Resolves a URI against a URL of the playlist.
fn resolve(base: &MediaUrl, uri: &str) -> Option<MediaUrl> {
    let joined = base.expose().join(uri).ok().filter(|_| !uri.is_empty())?;
    MediaUrl::parse(joined.as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_relative_to_the_url_that_answered() {
        let url = |text: &str| MediaUrl::parse(text).unwrap();
        let (listed, at) = (url("http://h/a/b/p.m3u8?t=1"), url("https://i:81/c/d/q.m3u8?t=2"));
        for (uri, expected, known) in [
            ("x.ts?start=0", "https://i:81/c/d/x.ts?start=0", "http://h/a/b/x.ts"),
            ("../x.ts", "https://i:81/c/x.ts", "http://h/a/x.ts"),
            ("/x.ts", "https://i:81/x.ts", "http://h/x.ts"),
            ("//j/x.ts", "https://j/x.ts", "http://j/x.ts"),
            ("?start=0", "https://i:81/c/d/q.m3u8?start=0", "http://h/a/b/p.m3u8"),
            ("http://j/x.ts", "http://j/x.ts", "http://j/x.ts"),
        ] {
            let link = Base::new(&at, &listed).link(uri).unwrap();
            assert_eq!(link.url.expose().as_str(), expected, "{uri}");
            assert!(link.listed().is_same_file(&url(known)), "{uri}: {link:?}");
            let plain = Base::new(&listed, &listed).link(uri).unwrap();
            assert_eq!(plain.url.without_query().as_str(), known, "{uri}");
            assert!(plain.listed.is_none(), "{uri}");
        }
        assert!(Base::new(&at, &listed).link("").is_none());
        assert!(Base::new(&at, &listed).link("ftp://h/x.ts").is_none());
    }
}
