//! The sandbox, driven by a plain HTTP client and by the AWS SDK: what the pipeline is tried on
//! must itself be right.

mod api;
mod client;
mod faults;
mod media;
mod store;
mod tokens;
