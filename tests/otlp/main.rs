//! Traces and metrics over OTLP: the built program, a world for it to archive, and a collector that counts what
//! arrives. A binary of its own, as its feature is no part of the program otherwise.

// The attribute tells clippy that helpers, too, are tests and may panic.
#[cfg(test)]
mod collector;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod place;
#[cfg(test)]
mod traces;
