//! The store of a world: the strict one, or a real one where the environment names it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use replay_archiver::clock::Clock;

use crate::real::RealStore;
use crate::strict::{self, Provider, Request, StrictS3};

pub enum Front {
    Strict(StrictS3),
    Real(RealStore),
}

impl Front {
    /// A real one where the environment names it, else the strict one that dates by `clock`.
    pub async fn start(provider: Provider, clock: &Clock) -> Self {
        match RealStore::from_environment().await {
            Some(real) => Self::Real(real),
            None => Self::Strict(StrictS3::with_clock(provider, clock.clone()).await),
        }
    }

    /// The strict store, for faults that no real one can be made to have.
    pub fn strict(&self) -> &StrictS3 {
        match self {
            Self::Strict(store) => store,
            Self::Real(_) => panic!("this needs the strict store"),
        }
    }

    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Strict(store) => store.addr(),
            Self::Real(store) => store.addr(),
        }
    }

    pub fn bucket(&self) -> &str {
        match self {
            Self::Strict(_) => strict::BUCKET,
            Self::Real(store) => &store.bucket,
        }
    }

    /// The access key and the secret key.
    pub fn keys(&self) -> (&str, &str) {
        match self {
            Self::Strict(_) => (strict::ACCESS_KEY, strict::SECRET_KEY),
            Self::Real(store) => (&store.access_key, &store.secret_key),
        }
    }

    /// The objects by key.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        match self {
            Self::Strict(store) => store.objects(),
            Self::Real(store) => store.objects(),
        }
    }

    /// The requests since the last look.
    pub fn take(&self) -> Vec<Request> {
        match self {
            Self::Strict(store) => store.take(),
            Self::Real(store) => store.take(),
        }
    }

    /// What the program did that it may not do, as far as the store notices.
    pub fn violations(&self) -> Vec<String> {
        match self {
            Self::Strict(store) => store.violations(),
            Self::Real(_) => Vec::new(),
        }
    }

    /// Answers with a status, and nothing else, where `refusal` says so of a method and a path.
    pub fn refuse(&self, refusal: impl Fn(&Method, &str) -> Option<StatusCode> + Send + 'static) {
        match self {
            Self::Strict(store) => store.refuse(refusal),
            Self::Real(store) => store.refuse(refusal),
        }
    }

    /// Has nothing go wrong any more.
    pub fn heal(&self) {
        match self {
            Self::Strict(store) => store.heal(),
            Self::Real(store) => store.heal(),
        }
    }

    /// Puts an object there as if it had always been.
    pub fn place(&self, key: &str, body: impl Into<Bytes>) {
        match self {
            Self::Strict(store) => store.place(key, body),
            Self::Real(store) => store.place(key, body),
        }
    }

    /// Changes the bytes of an object; the strict store still tells what it told before.
    pub fn rot(&self, key: &str, body: impl Into<Bytes>) {
        match self {
            Self::Strict(store) => store.rot(key, body),
            Self::Real(store) => store.place(key, body),
        }
    }

    /// Takes an object away; whether it was there.
    pub fn remove(&self, key: &str) -> bool {
        match self {
            Self::Strict(store) => store.remove(key),
            Self::Real(store) => store.remove(key),
        }
    }
}
