//! Several processes of the real program at work on one ledger and one bucket.

mod asleep;
mod eight;
mod fleet;
mod overlap;
mod postgres;
mod sealing;
mod unseen;
