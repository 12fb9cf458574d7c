//! What the URIs of a playlist come to (RFC 3986, section 5.1.3): where they are fetched, and what
//! they stay known by where redirects lead to other places from one day to the next.

use crate::model::MediaUrl;

/// Where a playlist came from.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The URL that answered, at the end of redirects: relative URIs are relative to it.
    at: &'a MediaUrl,
    /// The URL that was asked for.
    listed: &'a MediaUrl,
}

/// A URI of a playlist, resolved.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it is fetched.
    pub url: MediaUrl,
    /// What it would come to without redirects, where that is something else.
    listed: Option<Box<MediaUrl>>,
}

impl<'a> Base<'a> {
    /// A playlist that was asked for at `listed`, and that `at` answered.
    pub fn new(at: &'a MediaUrl, listed: &'a MediaUrl) -> Self {
        Self { at, listed }
    }

    /// What a URI of the playlist comes to, if it can be fetched.
    pub(super) fn link(&self, uri: &str) -> Option<Link> {
        let url = resolve(self.at, uri)?;
        if self.at.is_same_file(self.listed) {
            return Some(Link { url, listed: None });
        }
        let listed = resolve(self.listed, uri).filter(|listed| !listed.is_same_file(&url));
        Some(Link { url, listed: listed.map(Box::new) })
    }

    /// How much longer than a relative URI what it comes to may be, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let of = |url: &MediaUrl| url.expose().as_str().len();
        let is_same = self.at.is_same_file(self.listed);
        of(self.at) + if is_same { 0 } else { of(self.listed) }
    }

    /// The playlist itself.
    pub(super) fn own(&self) -> Link {
        Link { url: self.at.clone(), listed: None }
    }
}

impl Link {
    /// What tells it from others and is safe to show: without redirects, which may lead elsewhere
    /// tomorrow and have signatures in their paths.
    pub fn listed(&self) -> &MediaUrl {
        self.listed.as_deref().unwrap_or(&self.url)
    }

    /// The playlist behind it, which `at` answered.
    pub fn base<'a>(&'a self, at: &'a MediaUrl) -> Base<'a> {
        Base { at, listed: self.listed() }
    }

    /// How much memory its URLs take.
    pub(super) fn bytes(&self) -> usize {
        let of = |url: &MediaUrl| url.expose().as_str().len();
        of(&self.url) + self.listed.as_deref().map_or(0, of)
    }
}

/// A URI of a playlist, resolved against a URL of the playlist.
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
