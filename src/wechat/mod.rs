//! The client of WeChat's live API: pages of rooms, pages of replays, the quota, access tokens.
//!
//! WeChat's wire format stays in here; outwards it speaks [`crate::model`].
//!
//! - [`Api`]: what all accounts share; [`Client`]: one account's calls. Each call is **one**
//!   attempt: the caller counts it against the day's quota and repeats it through
//!   [`crate::retry::with`], since [`Error`] tells what passes.
//! - [`TokenSource`]: where access tokens come from. Fetching one costs no live quota and is
//!   retried in here, so that [`Error::NoToken`] is final.
//! - [`Class`]: what is to be done about an error code.

mod client;
mod codes;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http;
mod lenient;
mod redact;
mod source;
mod token;
mod wire;

pub use client::{Api, Client};
pub use codes::{Call, Class, Setting};
pub use error::Error;
pub use http::Settings;
pub use source::{Inherited, SourceKind, TokenSource};
pub use token::TokenCheck;
pub use wire::{ApiQuota, PAGE_LIMIT, ReplayPage, RoomPage};
