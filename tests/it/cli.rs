//! The program itself, as a shell would run it, against the sandbox and the embedded store.

mod accounts;
mod commands;
mod configuration;
mod container;
mod decode;
mod finding;
mod gc;
mod json_errors;
mod ledgerless;
mod outputs;
mod player;
mod playlist;
pub mod program;
mod published;
pub mod reading;
mod rooms;
mod secrets;
pub mod signals;
mod stitch;
mod told;
mod trusted;
