//! What all requests share.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use url::Url;

use super::access::Access;
use super::library::Library;
use super::limits::Limits;
use super::traffic::Traffic;
use super::{Accounts, Delivery, SecretFiles, Secrets, Settings, settings};
use crate::clock::Clock;
use crate::model::{AppId, RoomId};
use crate::playback::{Ends, Lasting, Links, RoomLinks, ServerLinks, Way};
use crate::store::Store;

/// The server's state.
#[derive(Debug)]
pub struct App {
    pub(super) library: Library,
    access: RwLock<Arc<Access>>,
    pub(super) secret_files: Option<Arc<SecretFiles>>,
    pub(super) limits: Limits,
    pub(super) traffic: Arc<Traffic>,
    pub(super) clock: Clock,
    pub(super) delivery: Delivery,
    /// The URLs that the API gives.
    pub(super) links: Links,
    /// Where links of the server redirect to.
    pub(super) targets: Links,
    pub(super) own: Arc<ServerLinks>,
    pub(super) public_url: Option<Url>,
    /// Whether only this machine is to reach it, under its own names.
    pub(super) is_loopback: bool,
    /// Whether login cookies are for https alone.
    pub(super) has_secure_cookies: bool,
}

impl App {
    /// A server over this bucket.
    pub fn new(store: &Store, accounts: Accounts, settings: Settings, clock: Clock) -> Self {
        let is_loopback = settings::is_local(settings.listen, None);
        let has_secure_cookies =
            settings::has_secure_cookies(settings.listen, settings.public_url.as_ref());
        let Settings { tokens, link_key, delivery, link_ttl, lasting, public_url, .. } = settings;
        let secret_files = settings.secret_files.map(Arc::new);
        let access = Access::new(tokens, &link_key);
        let address = public_url.as_ref().map_or("", |url| url.as_str().trim_end_matches('/'));
        let address = address.to_owned();
        let own = Arc::new(ServerLinks { address, key: link_key, lasting, ttl: link_ttl });
        let links = |way: Way| Links::new(store.clone(), way, link_ttl);
        let (given, target) = match &delivery {
            Delivery::Presigned => (Way::Presigned, Way::Presigned),
            Delivery::BaseUrl(base) => (Way::BaseUrl(base.clone()), Way::BaseUrl(base.clone())),
            Delivery::Redirect | Delivery::Proxy => (Way::Server(Arc::clone(&own)), Way::Presigned),
        };
        Self {
            library: Library::new(store, accounts),
            access: RwLock::new(Arc::new(access)),
            secret_files,
            limits: Limits::default(),
            traffic: Arc::default(),
            clock,
            links: links(given),
            targets: links(target),
            delivery,
            own,
            has_secure_cookies,
            is_loopback,
            public_url,
        }
    }

    /// Who may see what, as of now.
    pub(super) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts other tokens into force, and another key of links. Logins by tokens that are gone end.
    pub(super) fn renew(&self, secrets: Secrets) {
        let Secrets { tokens, link_key, .. } = secrets;
        if let Some(key) = link_key {
            self.own.key.replace(key);
        }
        let access = Arc::new(Access::new(tokens, &self.own.key));
        *self.access.write().unwrap_or_else(PoisonError::into_inner) = access;
    }

    /// The bucket.
    pub(super) fn store(&self) -> &Store {
        self.links.store()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The URLs of a room for the API.
    pub(super) fn links_of<'a>(
        &'a self,
        appid: &'a AppId,
        room: RoomId,
        until: Ends,
    ) -> RoomLinks<'a> {
        self.links.of_room(appid, room, self.now(), until)
    }

    /// A link of the server to a path of a room, and when it ends.
    pub(super) fn link_to(
        &self,
        path: &str,
        appid: &AppId,
        room: RoomId,
        until: Ends,
    ) -> (String, Ends) {
        let ends = self.own.ends(self.now(), until);
        (self.own.to(path, appid, room, ends), ends)
    }

    /// A link of the server to an object of a room.
    pub(super) fn link_to_object(
        &self,
        appid: &AppId,
        room: RoomId,
        key: &str,
        until: Ends,
    ) -> String {
        self.own.to_object(appid, room, key, self.own.ends(self.now(), until))
    }

    /// Whether links without an end are made, and work.
    pub(super) fn has_permanent_links(&self) -> bool {
        self.own.lasting == Lasting::Permanent
    }

    /// Whether a request may be for this host.
    pub(super) fn answers_to(&self, host: &str) -> bool {
        let host = url::Host::parse(host).ok();
        let is_public = |host: &url::Host| {
            self.public_url.as_ref().and_then(Url::host).is_some_and(|public| public == *host)
        };
        !self.is_loopback
            || host.is_some_and(|host| settings::is_loopback_name(&host) || is_public(&host))
    }
}
