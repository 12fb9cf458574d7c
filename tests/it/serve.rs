//! The server: its API, its media, who gets what, and what it withstands.

mod access;
mod api;
mod hostile;
mod media;
pub mod program;
mod site;
mod slow;
