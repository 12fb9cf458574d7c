//! The whole pipeline against the sandbox and a store, run after run, and what an independent reader
//! then finds in the bucket. The store is the strict one, or that of `scripts/test-stores`.

mod accounts;
mod acknowledged;
mod bad_input;
mod bucket_lost;
mod catalogs;
mod damage;
mod deadlines;
mod deep;
mod discover;
mod front;
mod gc;
mod ledger_lost;
mod lengths;
mod limits;
mod nights;
mod once;
mod order;
pub mod playlists;
mod quota;
mod selection;
mod sharing;
mod starving;
mod time;
mod trips;
mod variants;
mod waiting;
mod wholes;
mod wholes_in_part;
pub mod world;
