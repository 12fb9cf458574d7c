//! What goes wrong, as one table: each row is a fault, what the night then comes to, and what the
//! next one brings when the fault is over. The rows stand by where the fault is.

mod check;
mod disk;
mod expect;
mod log;

mod ledger;
mod source;
mod store;
mod wechat;
