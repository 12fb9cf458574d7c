//! Pings of monitors that notice when a run fails or does not come: healthchecks and Uptime Kuma.

use std::time::Duration;

use url::Url;

use super::send::{Error, Post};
use super::{Message, warn_of};
use crate::clock;
use crate::config::{Address, Monitor};
use crate::model::Reason;
use crate::model::text::capped;
use crate::retry::{self, Policy};

/// The most bytes of a log that healthchecks keeps if it does not say.
const LOG: usize = 10_000;

/// The most bytes of the text of Uptime Kuma.
const SHORT: usize = 250;

/// How long the ping at the start may delay a run.
const AT_THE_START: Duration = Duration::from_secs(3);

/// How long each ping at the end may take.
const AT_THE_END: Duration = Duration::from_secs(4);

const POLICY: Policy = Policy {
    attempts: 3,
    base: Duration::from_millis(500),
    cap: Duration::from_secs(3),
    budget: Duration::from_secs(5),
};

/// How a run ended, for a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Well,
    /// With this exit code.
    Badly(u8),
    /// Somebody interrupted it: neither.
    Interrupted,
}

/// The pings of one run.
#[derive(Debug)]
pub struct Pings<'a> {
    monitor: &'a Monitor,
    clock: clock::Clock,
    post: Option<Post>,
    /// Tells the pings of this run from those of others.
    run: uuid::Uuid,
    /// The most bytes of a log.
    log: usize,
}

/// What each configured monitor would get from a run that ends so.
pub fn announced(monitor: &Monitor, end: End) -> Vec<(&'static str, String)> {
    let (check, push) = match end {
        End::Well => ("a success".to_owned(), "status=up"),
        End::Badly(code) => (format!("exit code {code}, a failure"), "status=down"),
        End::Interrupted => {
            ("a line in the log, neither success nor failure".to_owned(), "nothing")
        }
    };
    let healthchecks = monitor.healthchecks.as_ref();
    let kuma = monitor.uptime_kuma.as_ref();
    let healthchecks = healthchecks.map(|_| ("healthchecks", format!("`start`, then {check}")));
    let kuma = kuma.map(|_| ("Uptime Kuma", push.to_owned()));
    healthchecks.into_iter().chain(kuma).collect()
}

impl<'a> Pings<'a> {
    /// The pings of a run that begins now.
    pub fn new(monitor: &'a Monitor, clock: &clock::Clock) -> Self {
        let post = Post::new(clock.clone());
        let post = post.map_err(|error| warn_of("the monitor", &Reason::of(&error))).ok();
        Self { monitor, clock: clock.clone(), post, run: uuid::Uuid::new_v4(), log: LOG }
    }

    /// The time, by the clock of the run.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// Says that the run begins.
    pub async fn start(&mut self) {
        let (Some(post), Some(address)) = (&self.post, &self.monitor.healthchecks) else { return };
        let pinged = post.ping(address, self.url(address, "start"), String::new());
        match clock::within(AT_THE_START, pinged).await {
            Ok(Ok(headers)) => {
                let limit = headers.get("Ping-Body-Limit").and_then(|limit| limit.to_str().ok());
                self.log = limit.and_then(|limit| limit.parse().ok()).unwrap_or(LOG);
            }
            Ok(Err(error)) => warn_of("healthchecks", &Reason::of(&error)),
            Err(_) => warn_of("healthchecks", &"it takes too long".into()),
        }
    }

    /// Says how it ended, within `limit`.
    pub async fn end(&self, end: End, message: &Message, limit: Duration) {
        // One that hangs must not keep the other from hearing of it.
        let each = AT_THE_END.min(limit / 2);
        if clock::within(each, self.healthchecks(end, message)).await.is_err() {
            warn_of("healthchecks", &"it takes too long".into());
        }
        if clock::within(each, self.uptime_kuma(end, message)).await.is_err() {
            warn_of("Uptime Kuma", &"it takes too long".into());
        }
    }

    async fn healthchecks(&self, end: End, message: &Message) {
        let (Some(post), Some(address)) = (&self.post, &self.monitor.healthchecks) else { return };
        let url = match end {
            End::Well => self.url(address, ""),
            End::Badly(code) => self.url(address, &code.to_string()),
            End::Interrupted => self.url(address, "log"),
        };
        let pinged = retry::with(&POLICY, "pinging healthchecks", || {
            post.ping(address, url.clone(), message.text(self.log))
        });
        if let Err(error) = pinged.await {
            warn_of("healthchecks", &Reason::of(&error));
        }
    }

    async fn uptime_kuma(&self, end: End, message: &Message) {
        let (Some(post), Some(address)) = (&self.post, &self.monitor.uptime_kuma) else { return };
        let status = match end {
            End::Well => "up",
            End::Badly(_) => "down",
            // Where no push comes, it alarms by itself.
            End::Interrupted => return,
        };
        let url = push(address.expose(), status, &capped(&message.title, SHORT));
        let pushed = retry::with(&POLICY, "pushing to Uptime Kuma", || async {
            post.get(address, url.clone()).await?.confirmed("ok", "msg")
        });
        let pushed: Result<(), Error> = pushed.await;
        if let Err(error) = pushed {
            warn_of("Uptime Kuma", &Reason::of(&error));
        }
    }

    fn url(&self, address: &Address, what: &str) -> Url {
        let mut url = address.expose().clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if !what.is_empty() {
                path.push(what);
            }
        }
        url.query_pairs_mut().append_pair("rid", &self.run.to_string());
        url
    }
}

/// The push URL with this status and text; Uptime Kuma shows it with others in it.
fn push(address: &Url, status: &str, text: &str) -> Url {
    let kept = address.query_pairs().filter(|(name, _)| name != "status" && name != "msg");
    let kept: Vec<_> = kept.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let mut url = address.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("status", status)
        .append_pair("msg", text);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_push_url_has_one_status_whatever_was_copied() {
        let copied = "https://kuma.example/api/push/k1?status=up&msg=OK&ping=".parse().unwrap();
        let url = push(&copied, "down", "归档 & 失败");
        assert_eq!(url.query_pairs().filter(|(name, _)| name == "status").count(), 1);
        let find = |key: &str| {
            url.query_pairs().find(|(name, _)| name == key).map(|(_, v)| v.into_owned())
        };
        assert_eq!(
            (find("status").as_deref(), find("msg").as_deref()),
            (Some("down"), Some("归档 & 失败"))
        );
    }

    #[test]
    fn a_ping_of_healthchecks_says_what_and_of_which_run() {
        let address = Address::new("https://hc.example/ping/uuid/".parse().unwrap());
        let monitor = Monitor::default();
        let clock = clock::Clock::system();
        let pings =
            Pings { monitor: &monitor, clock, post: None, run: uuid::Uuid::nil(), log: LOG };
        let url = |what| pings.url(&address, what).to_string();
        let rid = "rid=00000000-0000-0000-0000-000000000000";
        assert_eq!(url("start"), format!("https://hc.example/ping/uuid/start?{rid}"));
        assert_eq!(url(""), format!("https://hc.example/ping/uuid?{rid}"));
    }
}
