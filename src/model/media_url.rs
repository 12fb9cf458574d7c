//! A `media_url`, whose query is kept secret; and the storable part of a URL that cannot be fetched.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Sha256Digest;

/// Where to fetch a recording. The query may be a signature, so it is never shown, logged or stored.
#[derive(Clone)]
pub struct MediaUrl {
    url: Url,
    query: Option<SecretString>,
}

/// The longest accepted URL, in bytes: the limit of most servers for a request head.
const LONGEST: usize = 16 << 10;

/// A `media_url` from which no recording can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMediaUrl {
    /// Not a URL.
    #[error("the media_url is not a valid URL: {0}")]
    Unreadable(url::ParseError),
    /// Neither http nor https.
    #[error("the media_url has the scheme {0:?}; only http and https are fetched")]
    Scheme(String),
    /// A URL with a user name or password.
    #[error("the media_url contains a user name or password")]
    Credentials,
    /// Longer than any host accepts.
    #[error("the media_url has {0} bytes; hosts accept at most {LONGEST}")]
    TooLong(usize),
    /// No host, or an empty one.
    #[error("the media_url has no host")]
    NoHost,
}

impl MediaUrl {
    /// Parses a `media_url` as received.
    ///
    /// # Errors
    /// If it is not an http(s) URL with a host and without credentials.
    pub fn parse(text: &str) -> Result<Self, InvalidMediaUrl> {
        if text.len() > LONGEST {
            return Err(InvalidMediaUrl::TooLong(text.len()));
        }
        let mut url = Url::parse(text.trim()).map_err(InvalidMediaUrl::Unreadable)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidMediaUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidMediaUrl::Credentials);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidMediaUrl::NoHost);
        }
        let query = url.query().map(SecretString::from);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url, query })
    }

    /// The URL to request, including the query. Pass it only to the HTTP client.
    pub fn expose(&self) -> Url {
        let mut url = self.url.clone();
        url.set_query(self.query.as_ref().map(ExposeSecret::expose_secret));
        url
    }

    /// The URL that answered a request for this one, after redirects.
    ///
    /// If the only change is https in place of http, this is the original URL: each request for a
    /// neighbouring file discovers that again.
    #[must_use]
    pub fn landed(&self, mut at: Url) -> Self {
        let is_upgraded = (self.url.scheme(), at.scheme()) == ("http", "https");
        if is_upgraded && (at.host_str(), at.port()) == (self.url.host_str(), self.url.port()) {
            // Fails only for other schemes.
            let _ = at.set_scheme("http");
        }
        let query = at.query().map(SecretString::from);
        at.set_query(None);
        at.set_fragment(None);
        Self { url: at, query }
    }

    /// Whether both URLs name the same file on the same host, whatever their signatures.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.host(), self.path()) == (other.host(), other.path())
    }

    /// The URL without its query, safe to show and store.
    pub fn without_query(&self) -> &Url {
        &self.url
    }

    /// Whether there is a query, without which the host may refuse the file.
    pub fn has_query(&self) -> bool {
        self.query.is_some()
    }

    /// Host and port as in the URL: `host`, or `host:port` for an unusual port.
    pub fn host(&self) -> String {
        host_and_port(&self.url)
    }

    /// The path, percent-encoded as in the URL.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The last component of the path.
    pub fn file_name(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// Whether the path names an HLS playlist: the whole broadcast rather than a segment.
    pub fn is_playlist(&self) -> bool {
        self.path().to_ascii_lowercase().ends_with(".m3u8")
    }

    /// The identity of the file: the first 8 hex digits of the SHA-256 of its path.
    ///
    /// On Tencent VOD, the id in the path identifies a recording; host and query do not.
    pub fn source_id(&self) -> String {
        let [usual, ..] = source_ids(self.path());
        usual
    }
}

/// The possible identities of the file that `text` names, the usual one first: 8 hex digits of the
/// SHA-256, or more if another file of the room has the same ones.
pub fn source_ids(text: &str) -> [String; 3] {
    source_ids_of(Sha256Digest::of(text.as_bytes()))
}

/// Like [`source_ids`], if only the digest of the text is known.
pub fn source_ids_of(digest: Sha256Digest) -> [String; 3] {
    let digits = digest.to_string();
    SOURCE_ID_LENGTHS.map(|length| digits.chars().take(length).collect())
}

/// The possible numbers of hex digits of an identity.
pub const SOURCE_ID_LENGTHS: [usize; 3] = [8, 16, 64];

/// The storable part of a `media_url` from which no recording can be fetched: one line of bounded length,
/// without user name, password, query and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfetchableUrl(String);

impl UnfetchableUrl {
    /// Maximum number of characters.
    const LONGEST: usize = 512;

    /// The storable part of a text; `None` if there is none.
    pub fn of(text: &str) -> Option<Self> {
        let text: String = text.trim().chars().take(LONGEST).collect();
        let kept = match Url::parse(&text) {
            Ok(url) => without_secrets(&url),
            // Not a URL: what follows any of these may be the content of a query.
            Err(_) => {
                let text = text.split(['?', '#', '&', '=', ';']).next().unwrap_or_default();
                text.rsplit('@').next().unwrap_or_default().to_owned()
            }
        };
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let kept: String = kept.chars().map(plain).take(Self::LONGEST).collect();
        (!kept.is_empty()).then_some(Self(kept))
    }

    /// From its stored form.
    pub fn kept(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host (with its port if given) and path, if it has a host.
    pub fn parts(&self) -> Option<(String, String, String)> {
        let url = Url::parse(&self.0).ok()?;
        url.host_str().filter(|host| !host.is_empty())?;
        Some((url.scheme().to_owned(), host_and_port(&url), url.path().to_owned()))
    }
}

/// The host of a URL, with its port if unusual.
pub fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only if there is nothing to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

impl fmt::Display for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)?;
        f.write_str(if self.has_query() { "?…" } else { "" })
    }
}

impl fmt::Debug for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_sent_but_never_shown() {
        let url = MediaUrl::parse("http://v.myqcloud.com/a/f0.mp4?t=ff&sign=s3cret").unwrap();
        assert_eq!(url.expose().query(), Some("t=ff&sign=s3cret"));
        assert!(!format!("{url} {url:?} {}", url.without_query()).contains("s3cret"));
        assert!(url.has_query());
    }

    #[test]
    fn a_file_is_identified_by_its_path_alone() {
        let one = MediaUrl::parse("http://v.myqcloud.com/a/f0.mp4?t=1").unwrap();
        let two = MediaUrl::parse("https://w.myqcloud.com/a/f0.mp4").unwrap();
        assert_eq!(one.source_id(), two.source_id());
        assert_eq!(one.source_id().len(), 8);
    }

    #[test]
    fn an_unfetchable_url_is_kept_without_possible_secrets() {
        for (text, kept) in [
            ("ftp://h.example/a/f0.mp4?sign=s3cret#s3cret", "ftp://h.example/a/f0.mp4"),
            ("ftp://user:s3cret@h.example:2121/a", "ftp://h.example:2121/a"),
            ("http://user:s3cret@h.example/a", "http://h.example/a"),
            ("http://s3cret@h.example/a", "http://h.example/a"),
            (" rtmp://h.example/live/1 ", "rtmp://h.example/live/1"),
            ("file:///etc/f0.mp4", "file:///etc/f0.mp4"),
            ("/a/f0.mp4?token=s3cret", "/a/f0.mp4"),
            ("a/f0.mp4&token=s3cret", "a/f0.mp4"),
            ("//user:s3cret@h.example/a", "h.example/a"),
            ("http://h.example:99999/a?t=s3cret", "http://h.example:99999/a"),
            ("http://user:s3cret@h.example:99999/a", "h.example:99999/a"),
            ("token=s3cret", "token"),
            ("/a\nhint: b", "/a\u{fffd}hint: b"),
        ] {
            let found = UnfetchableUrl::of(text).unwrap();
            assert_eq!(found.as_str(), kept, "{text}");
        }
        assert_eq!(UnfetchableUrl::of(" "), None);
        assert_eq!(UnfetchableUrl::of("?token=s3cret"), None);
        let long = format!("ftp://h/{}", "x".repeat(100_000));
        assert_eq!(UnfetchableUrl::of(&long).unwrap().as_str().len(), UnfetchableUrl::LONGEST);
        let parts = UnfetchableUrl::of("ftp://h.example:2121/a/f0.mp4").unwrap().parts().unwrap();
        assert_eq!(parts, ("ftp".into(), "h.example:2121".into(), "/a/f0.mp4".into()));
    }

    #[test]
    fn unfetchable_urls_are_refused() {
        for bad in ["", "f0.mp4", "ftp://h/x", "file:///etc/passwd", "http://u:p@h/x", "data:,x"] {
            assert!(MediaUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_move_to_https_does_not_change_the_base_of_relative_urls() {
        let landed = |asked: &str, at: &str| {
            MediaUrl::parse(asked).unwrap().landed(at.parse().unwrap()).expose().to_string()
        };
        for (asked, at, expected) in [
            ("http://h/a/p.m3u8?t=1", "https://h/a/p.m3u8?t=1", "http://h/a/p.m3u8?t=1"),
            ("http://h/a/p.m3u8", "https://h/b/p.m3u8?t=2#x", "http://h/b/p.m3u8?t=2"),
            ("http://h:81/a/p.m3u8", "https://h:81/b/p.m3u8", "http://h:81/b/p.m3u8"),
            ("http://h/a/p.m3u8", "https://i/b/p.m3u8", "https://i/b/p.m3u8"),
            ("http://h/a/p.m3u8", "https://h:444/b/p.m3u8", "https://h:444/b/p.m3u8"),
            ("https://h/a/p.m3u8", "http://h/b/p.m3u8", "http://h/b/p.m3u8"),
        ] {
            assert_eq!(landed(asked, at), expected, "{asked} {at}");
        }
    }

    #[test]
    fn a_playlist_is_distinguished_from_a_segment_by_its_path() {
        let is = |text: &str| MediaUrl::parse(text).unwrap().is_playlist();
        assert!(is("http://h/x/playlist_eof.m3u8"));
        assert!(is("http://h/x/playlist.f3.M3U8?t=1"));
        assert!(!is("http://h/x/f0.mp4?f=a.m3u8"));
    }
}
