//! Input made to do harm: where requests go, what names become, and how much is taken in.

mod addresses;
mod bodies;
mod canary;
mod dns;
mod names;
