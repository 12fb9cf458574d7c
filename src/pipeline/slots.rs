//! Slots for transfers, given to the most urgent recording first.
//!
//! A recording that is more urgent than some of those under way does not wait for their slots: it
//! begins beside them, and they yield to it at their next part (see `stage::memory`). So there can
//! be more under way than there are slots, but no more than that many draw on the memory while the
//! others have parts to fetch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stage::{Agenda, Job, Line, Ticket, WaitsToBegin};
use crate::urgency::may_begin;

/// A number of slots. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    files: usize,
    agenda: Agenda,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    under_way: Vec<(u64, Job)>,
    line: Line<(), Slot>,
    given: u64,
}

/// One slot, free again when dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<(Slots, u64)>);

impl Slots {
    pub(super) fn new(files: usize, agenda: Agenda) -> Self {
        Self { files, agenda, shared: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot. Whoever is more urgent is served first, however long others have waited.
    pub(super) async fn take(&self, job: &Job) -> Slot {
        let _waits = WaitsToBegin::new(job);
        let called = self.lock().line.join(job, ());
        self.serve();
        // The ticket is in the line until it is called.
        called.await.unwrap_or(Slot(None))
    }

    /// Looks again at who waits: with time and with what is learnt of sizes, those under way can
    /// have become less urgent.
    pub(super) fn serve(&self) {
        let at = self.agenda.moment();
        // Under one lock, so that nobody begins to wait between the look and the count.
        let mut shared = self.lock();
        loop {
            let Shared { under_way, line, .. } = &mut *shared;
            let others = under_way.iter().map(|(_, job)| job.urgency(at));
            let may =
                |ticket: &Ticket<(), Slot>| may_begin(ticket.job.urgency(at), others, self.files);
            let next = line.next(at, |_| true, may);
            let Some(next) = next else { return };
            shared.given += 1;
            let number = shared.given;
            shared.under_way.push((number, next.job.clone()));
            // What nobody takes is not to be given back by its drop: the lock is held.
            if let Err(mut refused) = next.give(Slot(Some((self.clone(), number)))) {
                refused.0 = None;
                shared.under_way.pop();
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some((slots, number)) = self.0.take() else { return };
        slots.lock().under_way.retain(|(other, _)| *other != number);
        slots.serve();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;
    use crate::stage::agenda_tests::{agenda, job};

    /// Begins to wait.
    fn wait<'a>(slots: &'a Slots, job: &'a Job) -> BoxFuture<'a, Slot> {
        let mut slot = slots.take(job).boxed();
        assert!((&mut slot).now_or_never().is_none());
        slot
    }

    #[tokio::test]
    async fn the_soonest_deadline_is_served_first_and_what_is_past_it_last() {
        let (_, agenda) = agenda();
        let slots = Slots::new(1, agenda.clone());
        let mut held = Some(slots.take(&job(&agenda, 190, None)).await);
        let jobs = [300, 50, 200, 400].map(|second| (second, job(&agenda, second, None)));
        let mut waiting: Vec<_> =
            jobs.iter().map(|(second, job)| (*second, wait(&slots, job))).collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            held.take();
            let served = waiting.iter_mut().position(|(_, slot)| {
                held = slot.now_or_never();
                held.is_some()
            });
            order.push(waiting.remove(served.expect("somebody is served")).0);
        }
        assert_eq!(order, [200, 300, 400, 50]);
    }

    #[tokio::test]
    async fn an_urgent_newcomer_does_not_wait_for_distant_transfers_and_others_wait_for_it() {
        let (_, agenda) = agenda();
        let slots = Slots::new(2, agenda.clone());
        let [first, second, third] = [900, 800, 850].map(|second| job(&agenda, second, None));
        let _one = slots.take(&first).await;
        let two = slots.take(&second).await;
        let urgent = job(&agenda, 300, None);
        let _urgent = slots.take(&urgent).now_or_never().expect("at once");
        let mut waits = wait(&slots, &third);
        drop(two);
        let _third = (&mut waits).now_or_never().expect("one slot is its own now");
        assert_eq!(slots.lock().under_way.len(), 3);
    }

    #[tokio::test]
    async fn what_turns_out_not_to_make_it_keeps_its_slot_from_nobody() {
        let (_, agenda) = agenda();
        let slots = Slots::new(1, agenda.clone());
        let [large, other] = [200, 300].map(|second| job(&agenda, second, None));
        let _held = slots.take(&large).await;
        let mut waits = wait(&slots, &other);
        large.set_remaining(101);
        agenda.changed().now_or_never().expect("the change is noted");
        slots.serve();
        assert!((&mut waits).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_slot_given_to_someone_who_gave_up_is_not_lost() {
        let (_, agenda) = agenda();
        let slots = Slots::new(1, agenda.clone());
        let [held, gone, next] = [200, 210, 220].map(|second| job(&agenda, second, None));
        let held = slots.take(&held).await;
        drop(wait(&slots, &gone));
        drop(held);
        assert_eq!(slots.lock().under_way.len(), 0);
        let _slot = slots.take(&next).await;
        assert_eq!(slots.lock().under_way.len(), 1);
    }

    #[tokio::test]
    async fn a_slot_on_its_way_to_someone_who_gives_up_is_handed_on() {
        let (_, agenda) = agenda();
        let slots = Slots::new(1, agenda.clone());
        let [held, gone, next] = [200, 210, 220].map(|second| job(&agenda, second, None));
        let held = slots.take(&held).await;
        let (gone, mut next) = (wait(&slots, &gone), wait(&slots, &next));
        drop(held);
        // It was called, and never looked.
        drop(gone);
        assert!((&mut next).now_or_never().is_some());
    }
}
