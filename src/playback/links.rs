//! The URLs of a room's objects.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::signing::Signer;
use super::{Ends, Error, LinkKey};
use crate::model::{AppId, ObjectKey, RoomId};
use crate::store::{RoomKeys, Store};

/// How a player reaches the objects of a room.
#[derive(Debug, Clone)]
pub enum Way {
    /// By presigned URLs of the bucket.
    Presigned,
    /// By links of the server, which redirects or passes the bytes on.
    Server(Arc<ServerLinks>),
    /// Below an address that shows the bucket, such as a CDN's.
    BaseUrl(BaseUrl),
}

/// An address that shows the bucket.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    /// The address: keys follow it.
    pub url: Url,
    /// What signs URLs below it, if it wants signatures.
    pub signer: Option<Signer>,
}

/// Whether links of the server end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// After the time to live.
    Limited,
    /// Only when the key is changed.
    Permanent,
}

/// The server's own links of a room, which anyone who has them can open.
#[derive(Debug)]
pub struct ServerLinks {
    /// What their paths follow: the server's public address, or nothing.
    pub address: String,
    /// The key that signs them.
    pub key: LinkKey,
    /// Whether they end.
    pub lasting: Lasting,
    /// How long they last at least, if they end.
    pub ttl: Duration,
}

/// Makes the URLs of objects.
#[derive(Debug, Clone)]
pub struct Links {
    store: Store,
    way: Way,
    ttl: Duration,
}

/// A URL, and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The URL. It may carry a signature: never log it.
    pub url: String,
    /// When it ends, if it does.
    pub ends: Ends,
}

/// Makes the URLs of one room's objects, as of one moment.
#[derive(Debug)]
pub struct RoomLinks<'a> {
    links: &'a Links,
    appid: &'a AppId,
    room: RoomId,
    keys: RoomKeys,
    now: Timestamp,
    until: Ends,
}

impl ServerLinks {
    /// When a link that is made now ends, if the one that asks for it ends at `until`. It is the same for
    /// a while, so that browsers recognise what they have.
    pub fn ends(&self, now: Timestamp, until: Ends) -> Ends {
        let ends = match self.lasting {
            Lasting::Permanent => Ends::Never,
            Lasting::Limited => {
                let step = i64::try_from(self.ttl.as_secs() / 8).unwrap_or(1).max(1);
                let end = after(now, self.ttl).as_second();
                let end = end.saturating_add(step - 1) / step * step;
                Ends::At(Timestamp::from_second(end).unwrap_or(Timestamp::MAX))
            }
        };
        ends.or_earlier(until)
    }

    /// The link to a path of the server that belongs to a room.
    pub fn to(&self, path: &str, appid: &AppId, room: RoomId, ends: Ends) -> String {
        let signature = self.key.sign_link(appid, room, ends);
        format!("{}{path}?e={}&s={signature}", self.address, ends.number())
    }

    /// The link to an object of a room, by its key relative to the room's folder.
    pub fn to_object(&self, appid: &AppId, room: RoomId, key: &str, ends: Ends) -> String {
        self.to(&format!("/media/{appid}/{room}{}", as_path(key)), appid, room, ends)
    }
}

impl Links {
    /// Links of this kind. Presigned URLs are valid for `ttl`, or until the credentials end.
    pub fn new(store: Store, way: Way, ttl: Duration) -> Self {
        Self { store, way, ttl }
    }

    /// The bucket.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The links of a room. None of them outlives `until`, when the link ends that asks for them.
    pub fn of_room<'a>(
        &'a self,
        appid: &'a AppId,
        room: RoomId,
        now: Timestamp,
        until: Ends,
    ) -> RoomLinks<'a> {
        let keys = self.store.keys(appid).room(room);
        RoomLinks { links: self, appid, room, keys, now, until }
    }
}

impl RoomLinks<'_> {
    /// The URL of the object that the manifest calls `key`. Makes no request.
    ///
    /// # Errors
    /// If the key leads out of the room, or there are no credentials to sign with.
    pub async fn to(&self, key: &str) -> Result<Link, Error> {
        let full = self.keys.resolve(key).ok_or(Error::Outside)?;
        match &self.links.way {
            Way::Presigned => self.presigned(&full).await,
            Way::Server(server) => {
                let ends = server.ends(self.now, self.until);
                Ok(Link { url: server.to_object(self.appid, self.room, key, ends), ends })
            }
            Way::BaseUrl(BaseUrl { url, signer: None }) => {
                Ok(Link { url: below(url, &full).into(), ends: Ends::Never })
            }
            Way::BaseUrl(BaseUrl { url, signer: Some(signer) }) => {
                let ends = after(self.now, self.links.ttl);
                let ends = match self.until {
                    Ends::Never => ends,
                    Ends::At(until) => ends.min(until),
                };
                let url = signer.sign(&below(url, &full), self.now, ends);
                Ok(Link { url: url.into(), ends: Ends::At(ends) })
            }
        }
    }

    async fn presigned(&self, key: &ObjectKey) -> Result<Link, Error> {
        let ttl = match self.until {
            Ends::Never => self.links.ttl,
            Ends::At(until) => self.links.ttl.min(left(self.now, until)),
        };
        let signed = self.links.store.presign_get(key, ttl).await?;
        let ends = after(self.now, ttl);
        let ends = signed.credentials_end().map_or(ends, |credentials| ends.min(credentials));
        Ok(Link { url: signed.expose().to_owned(), ends: Ends::At(ends) })
    }

    /// When a URL that is made now ends.
    ///
    /// # Errors
    /// If there are no credentials to sign with.
    pub async fn end(&self) -> Result<Ends, Error> {
        // No object has to be there.
        Ok(self.to("manifest.json").await?.ends)
    }

    /// The keys of the room.
    pub fn keys(&self) -> &RoomKeys {
        &self.keys
    }

    /// The bucket.
    pub fn store(&self) -> &Store {
        &self.links.store
    }
}

/// How long it is until a time; a second at least, which is the shortest that can be signed.
fn left(now: Timestamp, until: Timestamp) -> Duration {
    const LEAST: Duration = Duration::from_secs(1);
    until.duration_since(now).max(SignedDuration::ZERO).unsigned_abs().max(LEAST)
}

fn after(now: Timestamp, ttl: Duration) -> Timestamp {
    now.checked_add(ttl).unwrap_or(Timestamp::MAX)
}

/// The URL of a key below an address that shows the bucket.
fn below(base: &Url, key: &ObjectKey) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(key.as_str().split('/'));
    }
    url
}

/// A key as the path of a URL, with a slash in front.
fn as_path(key: &str) -> String {
    // As the archive's own keys are, of which a page of rooms has hundreds.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if key.bytes().all(is_plain) {
        return format!("/{key}");
    }
    let any = Url::parse("http://server/").ok();
    any.map_or_else(String::new, |any| below(&any, &ObjectKey::new(key)).path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn server(lasting: Lasting) -> ServerLinks {
        let (key, ttl) = (LinkKey::random(), Duration::from_secs(800));
        ServerLinks { address: "https://live.example".to_owned(), key, lasting, ttl }
    }

    #[test]
    fn a_link_lasts_its_time_and_no_longer_than_the_one_that_asks_for_it() {
        let limited = server(Lasting::Limited);
        for (now, until, end) in [
            (0, Ends::Never, 800),
            (1, Ends::Never, 900),
            (100, Ends::Never, 900),
            (101, Ends::At(at(5_000)), 1_000),
            (101, Ends::At(at(150)), 150),
        ] {
            assert_eq!(limited.ends(at(now), until), Ends::At(at(end)), "{now} {until:?}");
        }
        let permanent = server(Lasting::Permanent);
        assert_eq!(permanent.ends(at(1), Ends::Never), Ends::Never);
        assert_eq!(permanent.ends(at(1), Ends::At(at(9))), Ends::At(at(9)));
    }

    #[test]
    fn a_key_becomes_a_path_whatever_is_in_it() {
        for (key, path) in [
            ("segments/20210326T075621Z-1a2b3c4d.mp4", "/segments/20210326T075621Z-1a2b3c4d.mp4"),
            ("a b/直播.mp4", "/a%20b/%E7%9B%B4%E6%92%AD.mp4"),
            ("a?b#c%2F.mp4", "/a%3Fb%23c%252F.mp4"),
        ] {
            assert_eq!(as_path(key), path);
        }
        for base in ["https://cdn.example/live", "https://cdn.example/live/"] {
            let url = below(&base.parse().unwrap(), &ObjectKey::new("wx1/rooms/1/a b"));
            assert_eq!(url.as_str(), "https://cdn.example/live/wx1/rooms/1/a%20b");
        }
    }
}
