//! Slots for transfers, given to the soonest deadline first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::oneshot;

/// A fixed number of slots. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Mutex<Waiting>>);

#[derive(Debug)]
struct Waiting {
    free: usize,
    queue: BinaryHeap<Reverse<Ticket>>,
    issued: u64,
}

/// Compared by urgency, then by age.
#[derive(Debug)]
struct Ticket {
    urgency: Urgency,
    number: u64,
    call: oneshot::Sender<Slot>,
}

/// What is past its deadline comes last; then the sooner the deadline the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Urgency {
    is_past: bool,
    deadline: Timestamp,
}

impl Urgency {
    /// The urgency, at `now`, of what is deleted at `deadline`; never, for all that is known, is
    /// the least of those that are not past.
    pub(super) fn of(deadline: Option<Timestamp>, now: Timestamp) -> Self {
        let deadline = deadline.unwrap_or(Timestamp::MAX);
        Self { is_past: deadline <= now, deadline }
    }
}

impl Ticket {
    fn rank(&self) -> (Urgency, u64) {
        (self.urgency, self.number)
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Ticket {}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// One slot, free again when dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<Slots>);

impl Slots {
    pub(super) fn new(free: usize) -> Self {
        let waiting = Waiting { free: free.max(1), queue: BinaryHeap::new(), issued: 0 };
        Self(Arc::new(Mutex::new(waiting)))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot. Whoever is more urgent is served first, however long others have waited.
    pub(super) async fn take(&self, urgency: Urgency) -> Slot {
        let called = {
            let mut waiting = self.lock();
            if waiting.free > 0 {
                waiting.free -= 1;
                return Slot(Some(self.clone()));
            }
            let (call, called) = oneshot::channel();
            waiting.issued += 1;
            let number = waiting.issued;
            waiting.queue.push(Reverse(Ticket { urgency, number, call }));
            called
        };
        // The sender lives in the queue until it is called.
        called.await.unwrap_or(Slot(None))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(slots) = self.0.take() else { return };
        // Under one lock, so that nobody begins to wait between the look and the count.
        let mut waiting = slots.lock();
        while let Some(Reverse(next)) = waiting.queue.pop() {
            match next.call.send(Self(Some(slots.clone()))) {
                Ok(()) => return,
                // Whoever waited has given up; what was sent is not to be given back again.
                Err(mut refused) => refused.0 = None,
            }
        }
        waiting.free += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urgency(second: i64) -> Urgency {
        let now = Timestamp::from_second(100).unwrap();
        Urgency::of(Timestamp::from_second(second).ok(), now)
    }

    #[tokio::test]
    async fn the_soonest_deadline_is_served_first_and_what_is_past_it_last() {
        let slots = Slots::new(1);
        let held = slots.take(urgency(1)).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for second in [300, 50, 200, 400] {
            let (slots, order) = (slots.clone(), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let _slot = slots.take(urgency(second)).await;
                order.lock().unwrap().push(second);
            }));
            tokio::task::yield_now().await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [200, 300, 400, 50]);
    }

    #[tokio::test]
    async fn a_slot_given_to_someone_who_gave_up_is_not_lost() {
        let slots = Slots::new(1);
        let held = slots.take(urgency(200)).await;
        let gone = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(urgency(200)).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        let _ = gone.await;
        drop(held);
        let _slot = slots.take(urgency(300)).await;
        assert_eq!(slots.lock().free, 0);
    }
}
