//! Several processes of the real program at work on one ledger and one bucket.

mod asleep;
mod eight;
pub mod fleet;
mod overlap;
mod postgres;
mod sealing;
mod unseen;
