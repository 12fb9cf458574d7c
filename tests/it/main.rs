//! Everything with a socket, against servers on loopback.

mod sandbox;
