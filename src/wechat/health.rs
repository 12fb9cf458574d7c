//! Whether what many accounts depend on answers: WeChat's API, a token server, Redis, a third-party platform.
//!
//! With thousands of accounts, retrying a server that is down for each of them takes hours. So the first failures
//! in a row, each after its retries, show that it is down. From then on it is asked once a minute, by whoever comes
//! first, and everybody else is told at once what was found. An answer ends that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::codes::{Call, Class};
use super::error::Error;
use super::source::TokenSource;
use crate::model::{AppId, Reason, Sha256Digest};

/// How long a source that is down is left alone.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// So many accounts in a row that get no reply from WeChat, or a gateway's error from a token server.
const FEW: u32 = 3;

/// So many in a row whose error may concern the account alone: as many as are searched at once.
const MANY: u32 = 8;

/// What an account depends on, together with others. Shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key(Sha256Digest);

impl Key {
    fn new(kind: &str, place: &str) -> Self {
        Self(Sha256Digest::of(format!("{kind} {place}").as_bytes()))
    }

    /// The source of these tokens; `None` if no other account depends on it.
    fn of(source: &TokenSource) -> Option<Self> {
        Some(match source {
            TokenSource::StableToken { .. } | TokenSource::Token { .. } => Self::wechat(),
            TokenSource::Url { url } => Self::new("server", &url.origin().ascii_serialization()),
            TokenSource::Command { program, arguments, .. } => {
                Self::new("command", &format!("{program:?} {arguments:?}"))
            }
            TokenSource::Redis { url, .. } => Self::new("redis", url.expose_secret()),
            TokenSource::Component(component) => Self::platform(component.appid()),
            TokenSource::File { .. } | TokenSource::Value(_) => return None,
        })
    }

    fn wechat() -> Self {
        Self::new("wechat", "")
    }

    fn platform(appid: &AppId) -> Self {
        Self::new("platform", appid.as_str())
    }
}

/// Everything that accounts share.
#[derive(Default)]
pub(super) struct Shared(Mutex<HashMap<Key, Arc<Health>>>);

impl Shared {
    /// WeChat's API of live rooms. Its tokens and its quotas may be had while this is down.
    pub(super) fn live(&self) -> Arc<Health> {
        self.get(Key::new("wechat", "live"))
    }

    /// A third-party platform.
    pub(super) fn platform(&self, appid: &AppId) -> Arc<Health> {
        self.get(Key::platform(appid))
    }

    /// Where these tokens come from; `None` if no other account depends on it.
    pub(super) fn source(&self, source: &TokenSource) -> Option<Arc<Health>> {
        Key::of(source).map(|key| self.get(key))
    }

    fn get(&self, key: Key) -> Arc<Health> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(key).or_default())
    }
}

/// Whether one of them answers, as far as this process has seen.
#[derive(Default)]
pub(super) struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    down: Option<Down>,
}

/// It does not answer.
struct Down {
    /// When it was last asked.
    asked_at: Timestamp,
    why: Reason,
}

impl Health {
    /// Whether to ask it now. Call it before each attempt.
    ///
    /// # Errors
    /// [`Error::Down`] if it was down less than a minute ago.
    pub(super) fn admit(&self, now: Timestamp) -> Result<(), Error> {
        let mut state = self.state();
        let Some(down) = &mut state.down else { return Ok(()) };
        if now.duration_since(down.asked_at).abs() < PAUSE {
            return Err(Error::Down { why: down.why.clone() });
        }
        down.asked_at = now;
        Ok(())
    }

    /// Records the result of asking it, after all retries.
    pub(super) fn note<T>(&self, result: &Result<T, Error>, now: Timestamp) {
        match result {
            Ok(_) => self.answers(),
            Err(error) => self.fails(error, now),
        }
    }

    /// Records that it answered.
    pub(super) fn answers(&self) {
        *self.state() = State::default();
    }

    /// Records that asking it failed, after all retries.
    pub(super) fn fails(&self, error: &Error, now: Timestamp) {
        let after = match evidence(error) {
            Evidence::Answers => return self.answers(),
            Evidence::None => return,
            Evidence::Down { after } => after,
        };
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures < after {
            return;
        }
        let why = Reason::of(error);
        if state.down.is_none() {
            tracing::warn!(error = %why, "accounts depend on what does not answer: it is asked once a minute until it does");
        }
        state.down = Some(Down { asked_at: now, why });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an error says about the server.
enum Evidence {
    /// It answers: the error is about the account.
    Answers,
    /// Nothing: it was not asked.
    None,
    /// It is down, if so many accounts in a row find it so.
    Down { after: u32 },
}

fn evidence(error: &Error) -> Evidence {
    let after = match error {
        Error::Down { .. } => return Evidence::None,
        Error::Platform { source } if source.is_elsewhere() => return Evidence::None,
        Error::Redis { is_of_key: true, .. } => return Evidence::Answers,
        Error::Platform { .. } | Error::Redis { .. } => 1,
        Error::Transport { call: Call::TokenSource, .. } => 1,
        Error::Transport { .. } | Error::Status { status: 429 | 502..=504, .. } => FEW,
        Error::Api { code: -1, .. } => MANY,
        // Any other code is an answer, whatever it says.
        Error::Api { .. } => return Evidence::Answers,
        error if error.class() == Class::Retry => MANY,
        _ => return Evidence::Answers,
    };
    Evidence::Down { after }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn redis() -> Result<(), Error> {
        Err(Error::Redis { problem: "connection refused".to_owned(), is_of_key: false })
    }

    fn busy() -> Result<(), Error> {
        Err(Error::api(Call::StableToken, -1, "system busy", &[]))
    }

    #[test]
    fn what_is_down_is_asked_once_a_minute_until_it_answers() {
        let health = Health::default();
        health.admit(at(0)).unwrap();
        health.note(&redis(), at(1));
        for second in [1, 30, 60] {
            let error = health.admit(at(second)).unwrap_err();
            assert_eq!(Reason::of(&error), Reason::of(&redis().unwrap_err()), "{second}");
        }
        health.admit(at(61)).unwrap();
        assert!(health.admit(at(61)).is_err(), "one asks, the others do not");
        health.note(&redis(), at(62));
        assert!(health.admit(at(121)).is_err());
        health.admit(at(122)).unwrap();
        health.note(&Ok(()), at(123));
        health.admit(at(123)).unwrap();
    }

    #[test]
    fn a_key_that_redis_refuses_stops_no_other_account() {
        let health = Health::default();
        let problem = "WRONGTYPE: the key holds another kind of value".to_owned();
        health.note(&Err::<(), _>(Error::Redis { problem, is_of_key: true }), at(0));
        assert!(health.admit(at(0)).is_ok());
    }

    #[test]
    fn an_error_that_may_concern_one_account_stops_the_others_only_after_several() {
        let health = Health::default();
        for round in 1..MANY {
            health.note(&busy(), at(0));
            assert!(health.admit(at(0)).is_ok(), "{round}");
        }
        health.note(&Err::<(), _>(Error::NoSuchKey { key: "k".to_owned() }), at(0));
        for _ in 1..MANY {
            health.note(&busy(), at(0));
        }
        assert!(health.admit(at(0)).is_ok(), "it answered in between");
        health.note(&busy(), at(0));
        assert!(health.admit(at(0)).is_err());
    }
}
