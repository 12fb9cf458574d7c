//! How many rooms a process has in hand: enough that a slot goes to the most urgent of many
//! recordings, and no more than its share of them, as what is in hand here cannot be another's.
//!
//! Processes on one ledger share what one has in hand alone, as far as that leaves each of them enough
//! for its slots: so the last rooms of a night are spread over all of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::stage::Context;

/// Rooms in hand, over all processes: more than there are slots by default.
const ROOMS: usize = 16;

/// Rooms beyond its slots that a process may have in hand, however many others there are: they are
/// asked about while others are moved.
const BEYOND: usize = 2;

/// The rooms of this process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Hands(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    files: usize,
    held: Mutex<usize>,
    freed: Notify,
}

/// The right to one room in hand, until it is dropped.
#[derive(Debug)]
pub(super) struct Hand(Hands);

impl Hands {
    /// For a process that moves so many recordings at once.
    pub(super) fn new(files: usize) -> Self {
        Self(Arc::new(Shared { files, held: Mutex::default(), freed: Notify::new() }))
    }

    /// What each of so many processes has in hand at the most.
    fn share(&self, processes: usize) -> usize {
        (ROOMS / processes.max(1)).max(self.0.files + BEYOND)
    }

    /// Waits until another room may be claimed.
    pub(super) async fn take(&self, context: &Context) -> Hand {
        loop {
            // Before the look, so that nothing is missed between it and the wait.
            let freed = self.0.freed.notified();
            if let Some(hand) = self.take_now(context).await {
                return hand;
            }
            freed.await;
        }
    }

    /// The right to claim another room, where there is one now.
    pub(super) async fn take_now(&self, context: &Context) -> Option<Hand> {
        self.take_one_of(self.share(processes(context).await))
    }

    fn take_one_of(&self, share: usize) -> Option<Hand> {
        let mut held = self.held();
        if *held >= share {
            return None;
        }
        *held += 1;
        // There are fewer processes than there were: more than one is free.
        if *held < share {
            self.0.freed.notify_one();
        }
        Some(Hand(self.clone()))
    }

    fn held(&self) -> MutexGuard<'_, usize> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        *self.0.held() -= 1;
        self.0.0.freed.notify_one();
    }
}

/// How many processes work on the rooms of this ledger: this one, and all others that hold a lease.
async fn processes(context: &Context) -> usize {
    match context.ledger.lease_owners().await {
        Ok(owners) => 1 + owners.iter().filter(|owner| *owner != context.owner()).count(),
        Err(error) => {
            tracing::debug!(error = %error, "how many processes are at work is not known");
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn processes_share_what_one_has_in_hand_alone_but_each_has_more_than_its_slots() {
        let share = |files, processes| Hands::new(files).share(processes);
        assert_eq!([1, 2, 4, 100].map(|processes| share(2, processes)), [16, 8, 4, 4]);
        assert_eq!([1, 2, 4, 100].map(|processes| share(8, processes)), [16, 10, 10, 10]);
        assert_eq!([1, 2].map(|processes| share(64, processes)), [66, 66]);
    }

    #[test]
    fn a_hand_is_free_again_when_it_is_dropped_and_whoever_waits_is_told() {
        let hands = Hands::new(1);
        let mut held: Vec<_> = std::iter::from_fn(|| hands.take_one_of(3)).collect();
        assert_eq!(held.len(), 3);
        while hands.0.freed.notified().now_or_never().is_some() {}
        let mut told = Box::pin(hands.0.freed.notified());
        assert!((&mut told).now_or_never().is_none());
        held.pop();
        assert!(told.now_or_never().is_some());
        assert!(hands.take_one_of(3).is_some());
    }

    #[test]
    fn when_the_share_grows_all_who_wait_are_told_one_after_the_other() {
        let hands = Hands::new(1);
        let held = hands.take_one_of(1);
        assert!(hands.take_one_of(1).is_none());
        drop(held);
        let told = || hands.0.freed.notified().now_or_never().is_some();
        let mut all = Vec::new();
        while told() {
            all.extend(hands.take_one_of(4));
        }
        assert_eq!(all.len(), 4);
    }
}
