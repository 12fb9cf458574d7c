//! The whole pipeline against the sandbox and the embedded store, run after run, and what an
//! independent reader then finds in the bucket.

mod bad_input;
mod deadlines;
mod discover;
mod faults;
mod ledger_lost;
mod limits;
mod once;
mod order;
mod quota;
mod time;
mod variants;
mod wholes;
mod world;
