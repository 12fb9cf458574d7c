//! The program itself, as a shell would run it, against the sandbox and the embedded store.

mod commands;
mod configuration;
pub mod program;
mod secrets;
mod signals;
