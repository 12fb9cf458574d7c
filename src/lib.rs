//! `replay-archiver` saves the replays of WeChat mini-program live rooms to S3-compatible storage
//! before WeChat deletes them.
//!
//! # Code map
//!
//! Data flows one way: rooms → recordings → stored objects → manifest. The modules stand in
//! reading order; each uses only those above it and never one below.
//!
//! - [`model`]: what is talked about. Plain data, no I/O.
//! - [`clock`], [`child`], [`metrics`], [`net_guard`], [`pace`], [`progress`], [`retry`], [`spans`]: time, programs of the
//!   user, the format of Prometheus, where requests may go, how slowly bytes may come, counters for whoever
//!   watches, trying again, what traces show.
//! - [`ledger`]: what is known, pending, leased and done. Every SQL statement is here.
//! - [`wechat`]: the API client; WeChat's wire format stays in here.
//! - [`media`]: the source's bytes: ranged reads, the MP4 walk, HLS playlists.
//! - [`store`]: the bucket: uploads, reads, presigned URLs. Only this speaks S3.
//! - [`stitch`]: the segments of a room as one film: its head, and which bytes follow. Pure.
//! - [`archive`]: the reading side: accounts, manifests and catalogs as the bucket has them.
//! - [`playback`]: what a player needs of a room: order, gaps, URLs.
//! - [`serve`]: an HTTP API and a page over the archive, read-only.
//! - [`config`]: file + environment + flags → one validated value.
//! - [`schedule`]: who fetches the next part: one queue for files, memory and connections, its policy,
//!   throughput, and the forecast of a link.
//! - [`stage`]: discover, resolve, transfer, seal, stitch, none of which imports another; beside them what looks
//!   at the bucket: adopt, survey, verify, decode, and audit, which builds on verify.
//! - [`pipeline`]: the stages' order, concurrency, limits and shutdown.
//! - [`notify`]: how a run ended, as messages, pings and metrics; of the ledger it knows the outbox alone.
//! - `otlp` (feature): traces and metrics for a collector of OpenTelemetry.
//! - `sandbox` (feature): a WeChat API, a VOD host and an S3 store to try it all on.
//! - [`cli`]: one file a command. Only this prints.
//!
//! # Invariants
//!
//! - Nothing in [`model`] does I/O or knows a wire format.
//! - Nothing outside [`config`] reads the environment; nothing outside [`cli`] prints.
//! - Nothing outside [`pipeline`] and [`schedule`] decides how much is done at once.
//! - Nothing outside [`clock`] waits for time, and every remote call is retried by exactly one layer, by [`retry`].
//! - The sandbox uses nothing of the pipeline's, so that an error in one cannot hide in the other.
//! - A manifest is published after every object it names is durable, and no failure deletes an
//!   object that a manifest names.

// The futures of a transfer hold those of the S3 client, which are nested more than 128 deep: whether the
// compiler proves them `Send` within its default limit depends on the order in which it looks at them.
#![recursion_limit = "256"]

pub mod model;

pub mod clock;

pub mod child;
pub mod metrics;
pub mod net_guard;
pub mod pace;
pub mod progress;
pub mod retry;
pub mod spans;

pub mod ledger;
pub mod media;
pub mod store;
pub mod wechat;

pub mod stitch;

pub mod archive;
pub mod playback;
pub mod serve;

pub mod config;

pub mod schedule;

pub mod stage;

pub mod pipeline;

pub mod notify;

#[cfg(feature = "otlp")]
pub mod otlp;

#[cfg(feature = "sandbox")]
pub mod sandbox;

pub mod cli;

#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
