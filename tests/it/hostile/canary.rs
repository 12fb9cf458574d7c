//! A server that nobody may connect to.

use std::net::TcpListener;

pub struct Canary {
    listener: TcpListener,
}

impl Canary {
    /// On an address of the machine's own.
    pub fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// How many have connected since this was last asked. A connection is there as soon as its
    /// client knows of it.
    pub fn connections(&self) -> usize {
        std::iter::from_fn(|| self.listener.accept().ok()).count()
    }

    #[track_caller]
    pub fn assert_untouched(&self, after: &str) {
        assert_eq!(self.connections(), 0, "{after}");
    }
}
