//! Lookups that several callers wait for together: the bucket is asked once, however many ask.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, WeakShared};

/// With so many, those that nobody waits for any more are forgotten.
const MANY: usize = 256;

/// The lookups under way, by what is looked up.
pub(super) struct Flights<K, V: Clone>(Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>);

impl<K, V: Clone> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V: Clone> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flights(…)")
    }
}

impl<K: Hash + Eq, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// What the lookup of `key` finds: the one that is under way, or the new one that `begin` makes. It is
    /// dropped when the last caller is.
    pub(super) async fn join(&self, key: K, begin: impl FnOnce() -> BoxFuture<'static, V>) -> V {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let under_way = flights.get(&key).and_then(WeakShared::upgrade);
            // One that has ended tells what was, not what is.
            match under_way.filter(|flight| flight.peek().is_none()) {
                Some(flight) => flight,
                None => {
                    if flights.len() >= MANY {
                        flights.retain(|_, flight| flight.upgrade().is_some());
                    }
                    let flight = begin().shared();
                    if let Some(weak) = flight.downgrade() {
                        flights.insert(key, weak);
                    }
                    flight
                }
            }
        };
        flight.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn many_callers_share_a_lookup_and_the_next_one_is_another() {
        let flights = Flights::<u32, u32>::default();
        let (begun, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let look = || {
            let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
            async move {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                let _ = gate.acquire().await;
                number
            }
            .boxed()
        };
        let asking = futures::future::join_all((0..100).map(|_| flights.join(1, look)));
        let opening = async { gate.add_permits(1) };
        assert_eq!(futures::join!(asking, opening).0, [0; 100]);
        assert_eq!(flights.join(1, look).await, 1, "what ended is not told again");
        gate.close();
        // Whoever gives up takes nothing from those who wait, and leaves nothing behind.
        let mut left = Box::pin(flights.join(2, look));
        assert!(futures::poll!(&mut left).is_ready() || begun.load(Ordering::Relaxed) == 3);
        drop(left);
        assert_eq!(flights.join(2, look).await, 3);
        for key in 0..MANY as u32 * 2 {
            flights.join(key, look).await;
        }
        assert!(flights.0.lock().unwrap().len() <= MANY);
    }
}
