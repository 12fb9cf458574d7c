//! Each request of a run is the last that its server answers, in turn: a signal ends the run all the
//! same, and so does its limit, wherever it prints; and the next run makes it good.

use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use replay_archiver::clock;
use tokio::sync::Notify;

use super::trial::{Cost, Running, Trial};
use crate::net::Reply;

/// Runs at once; each waits most of its time.
const AT_ONCE: usize = 10;

/// A run that is told to stop has ten seconds; the rest is for a busy machine.
const LONGEST: Duration = Duration::from_secs(25);

/// A recording, and a whole in another room.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 4
";

impl Trial {
    /// Has the server of request `number` (from 0) answer neither that nor any other from then on.
    /// Tells when it has come.
    fn hang(&self, number: usize) -> Arc<Notify> {
        let (count, hung) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        for door in [&self.wechat, &self.media, &self.store] {
            let (count, hung, here) = (Arc::clone(&count), Arc::clone(&hung), AtomicUsize::new(0));
            door.answer(move |_| {
                if count.fetch_add(1, Ordering::SeqCst) == number {
                    here.store(1, Ordering::SeqCst);
                    hung.notify_one();
                }
                (here.load(Ordering::SeqCst) == 1).then(Reply::silence)
            });
        }
        hung
    }

    fn heal(&self) {
        for door in [&self.wechat, &self.media, &self.store] {
            door.answer(|_| None);
        }
    }

    fn requests(&self) -> usize {
        [&self.wechat, &self.media, &self.store].iter().map(|door| door.requests().len()).sum()
    }

    /// Starts the program with both its streams leading there.
    fn begin_to(&self, arguments: &[&str], out: Stdio, err: Stdio) -> Running {
        Running::of(self.place.command(arguments).stdout(out).stderr(err).spawn().unwrap())
    }
}

fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe whose reader has gone.
fn gone() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

/// How many requests a run makes that nothing disturbs.
async fn undisturbed() -> usize {
    let trial = Trial::start(ROOMS).await;
    let cost = trial.run(&["run"]).await;
    assert_eq!(cost.code, 0, "{cost:?}");
    trial.requests()
}

/// What a run came to that a signal ended when its request `number` hung, and how long that took;
/// `None` where it came to no such request.
async fn signalled(number: usize, name: &str) -> Option<(Cost, Duration)> {
    let trial = Trial::start(ROOMS).await;
    let hung = trial.hang(number);
    let (out, err) = if number.is_multiple_of(2) { (full(), gone()) } else { (gone(), full()) };
    let running = trial.begin_to(&["run"], out, err);
    let is_hung = clock::within(LONGEST, hung.notified()).await.is_ok();
    let sent = Instant::now();
    if is_hung {
        running.signal(name).await;
    }
    let (cost, took) = (running.ended().await, sent.elapsed());
    trial.heal();
    let next = trial.run(&["run"]).await;
    assert_eq!(next.code, 0, "request {number}: {next:?}");
    let bucket = trial.place.bucket();
    assert_eq!(bucket.keys("/manifest.json").len(), 2, "request {number}");
    is_hung.then_some((cost, took))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_run_whichever_of_its_requests_hangs() {
    let requests = undisturbed().await;
    let names = ["TERM", "INT", "HUP"];
    let each = (0..requests).map(|number| async move {
        let name = names[number % names.len()];
        let ended = signalled(number, name).await;
        if let Some((cost, took)) = &ended {
            // The last one publishes how the run ended, which is decided by then.
            let codes = if number + 1 == requests { [130, 0] } else { [130, 130] };
            assert!(codes.contains(&cost.code), "request {number}, SIG{name}: {cost:?}");
            assert!(*took < LONGEST, "request {number}, SIG{name}: {took:?}");
        }
        usize::from(ended.is_some())
    });
    let hung: Vec<usize> = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let hung = hung.iter().sum::<usize>();
    assert!(hung + 3 >= requests, "{hung} of {requests} requests came");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_limit_ends_a_run_whichever_of_its_requests_hangs() {
    let requests = undisturbed().await;
    let each = (0..requests).map(|number| async move {
        let trial = Trial::start(ROOMS).await;
        trial.hang(number);
        let running = trial.begin_to(&["run", "--max-runtime", "5s"], gone(), gone());
        let cost = running.ended().await;
        // Where the bucket was never found, nothing could be run. What was done in time is done.
        let codes = if number == 0 { [1, 1] } else { [3, 0] };
        assert!(codes.contains(&cost.code), "request {number}: {cost:?}");
        assert!(cost.wall < LONGEST, "request {number}: {cost:?}");
        usize::from(cost.code != 0)
    });
    let left: Vec<usize> = futures::stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
    let left = left.iter().sum::<usize>();
    assert!(left + 3 >= requests, "{left} of {requests} runs left something");
}
