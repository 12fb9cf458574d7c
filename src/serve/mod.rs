//! `serve`: an HTTP server for people and players, over an archive that it only reads. It needs the bucket
//! alone: no ledger, nothing of WeChat's.
//!
//! In reading order: `settings`; `access` (tokens, login cookies, links), `renewal` (tokens that change), `guard`
//! (who may ask for what); `library` (catalogs and manifests, kept while they do not change); `problem` and `answer` (what every
//! answer has); `api` (version 1, JSON), `media` (films and pictures, with `range` and `stream`), `pages`
//! (the page and its files), `metrics` (with `traffic`); `router` joins them, `listen` accepts connections, `wire` ends those that
//! take nothing.
//!
//! # Invariants
//!
//! - Nothing is written, and no request changes anything but the caller's login.
//! - What a caller may see is decided in `guard` and by the signature of a link, nowhere else.
//! - No URL holds a token, and no log a query: links are signed there.
//! - Whatever a catalog, a manifest or a caller says, memory stays bounded: `library` and `limits` hold it.
//! - A text of the archive leaves as JSON or as a file of its kind, never as HTML.

mod access;
mod answer;
pub mod api;
mod app;
mod assets;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod library;
mod limits;
mod listen;
mod media;
mod metrics;
mod pages;
mod problem;
mod range;
mod renewal;
mod router;
mod settings;
mod stream;
mod traffic;
mod wire;

pub use access::{BadTokens, Scope, Tokens};
pub use app::App;
pub use library::Accounts;
pub use limits::LAST;
pub use listen::{Listener, NoListener};
pub use renewal::{SecretFiles, Secrets};
pub use settings::{Delivery, Settings, is_local};
