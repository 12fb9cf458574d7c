//! The server: its API, its media, who gets what, and what it withstands.

mod access;
mod api;
mod changing;
mod hostile;
mod media;
mod program;
pub mod site;
mod slow;
mod watched;
