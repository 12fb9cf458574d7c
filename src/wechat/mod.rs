//! The client of WeChat's live API: pages of rooms and replays, the quota, access tokens.
//!
//! WeChat's wire format stays in this module; its interface is in terms of [`crate::model`].
//!
//! - [`Api`]: what all accounts share. [`Client`]: the calls of one account. Each call is **one**
//!   attempt: the caller counts it against the day's quota and retries it with [`crate::retry::with`],
//!   because [`Error`] knows what is transient.
//! - [`TokenSource`]: where access tokens come from. Fetching one costs no live quota and is retried in
//!   this module, so [`Error::NoToken`] is final. What many accounts depend on and that does not answer is
//!   not asked for each of them: see `health`.
//! - [`Class`]: how to react to an error code.

mod client;
mod codes;
mod component;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod health;
mod http;
mod lenient;
mod source;
mod token;
mod wire;

pub use client::{Api, Client};
pub use codes::{Call, Class, Setting};
pub use component::{Component, Kept, MayRefresh, Refresher};
pub use error::Error;
pub use http::Settings;
pub use source::{Inherited, SourceKind, TokenSource, redis_url_problem};
pub use token::TokenCheck;
pub use wire::{ApiQuota, PAGE_LIMIT, ReplayPage, RoomPage};
