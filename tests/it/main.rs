//! Everything with a socket, in one binary: real clients against loopback servers.

// The attribute tells clippy that helpers, too, are tests and may panic.
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod bucket;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod corruption;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hints;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod net;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod real;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod source;
#[cfg(test)]
mod stitch;
#[cfg(test)]
mod store;
#[cfg(test)]
mod strict;
#[cfg(test)]
mod wechat;
