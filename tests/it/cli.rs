//! The program itself, as a shell would run it, against the sandbox and the embedded store.

mod commands;
mod configuration;
mod container;
mod decode;
mod finding;
mod gc;
mod json_errors;
mod outputs;
pub mod program;
mod published;
mod reading;
mod rooms;
mod secrets;
mod signals;
mod stitch;
mod told;
mod trusted;
