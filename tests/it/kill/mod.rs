//! The program is killed at every request it makes, in every phase of it, at every change of its
//! ledger, and at instants that nothing chose; started again, it comes to what an undisturbed run
//! comes to.
//!
//! `scripts/test-faults` strikes every point. `scripts/test` strikes a fixed choice of them.

#![expect(
    clippy::print_stderr,
    reason = "whoever strikes every point wants to know what it came to"
)]

mod check;
mod http;
mod name;
mod postgres;
mod strike;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _};

use check::{Reference, collect, uploads_are_known};
use strike::{Kill, Phase, Point};
use world::{Ended, LedgerIs, World};

/// Worlds at once.
const AT_ONCE: usize = 6;

/// How many points each test strikes unless it is told to strike all.
const SAMPLE: usize = 20;

/// How many instants.
const INSTANTS: u32 = 10;

/// No kill costs more runs than this.
const MOST_RUNS: u32 = 2;

/// How many of its like before it are struck at, one after the other, instead of a point that does
/// not come: how often some things are done varies with the time they take.
const EARLIER: usize = 4;

/// What came of a kill.
enum Case {
    /// The program was done before, or did things in another order.
    Missed(Kill),
    /// All was well in the end.
    Good(Cost),
    /// It was not.
    Wrong(Kill),
}

/// What a kill has cost.
struct Cost {
    /// How many runs there were in all.
    runs: u32,
    /// Bytes that were transferred twice.
    twice: u64,
    /// Unfinished uploads that `gc` has aborted.
    collected: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_any_request_is_made_good_by_the_next_one() {
    kill_everywhere(LedgerIs::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_any_change_of_the_ledger_is_made_good_by_the_next_one() {
    kill_everywhere(LedgerIs::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_any_instant_is_made_good_by_the_next_one() {
    let (reference, took) = undisturbed(LedgerIs::Sqlite).await;
    let count = if wanted().is_empty() { INSTANTS } else { INSTANTS * 10 };
    // Several worlds at once are slower than the one that was timed.
    let instants = (0..count).map(|n| Kill::After(took * n * 2 / count));
    let cases = cases(reference, LedgerIs::Sqlite, instants.collect()).await;
    let missed = report("instants", &cases);
    assert!(missed * 3 <= cases.len() * 2, "{missed} of {} runs were over before", cases.len());
}

/// The parts after it cannot be noted before it: they must not be sent for ever, nor be lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_upload_hangs_does_not_cost_all_that_follow_it() {
    let (reference, took) = undisturbed(LedgerIs::Sqlite).await;
    let is_first =
        |point: &&Point| point.phase == Phase::Before && point.request.contains(" partNumber=1 ");
    let first = reference.points.iter().find(is_first).unwrap().clone();
    let kill = Kill::Stuck(first, took * 2 + Duration::from_secs(2));
    let missed = report("stuck part", &cases(reference, LedgerIs::Sqlite, vec![kill]).await);
    assert_eq!(missed, 0, "no part got stuck");
}

async fn kill_everywhere(ledger: LedgerIs) {
    let (reference, _) = undisturbed(ledger).await;
    let points = chosen(&reference, ledger);
    assert!(!points.is_empty(), "there is no such point");
    let cases = cases(reference, ledger, points.into_iter().map(Kill::At).collect()).await;
    let missed = report("points", &cases);
    // One in twenty, and one of the few of a sample.
    let most = cases.len().div_ceil(20).min(cases.len() - 1);
    assert!(missed <= most, "{missed} of {} points never came", cases.len());
}

/// A run that nothing disturbs, and how long it takes.
async fn undisturbed(ledger: LedgerIs) -> (Reference, Duration) {
    let world = World::start(ledger).await;
    let began = Instant::now();
    assert_eq!(world.run(None).await, Ended::With(0), "{}", world.said());
    let took = began.elapsed();
    (Reference::of(&world).await, took)
}

async fn cases(reference: Reference, ledger: LedgerIs, kills: Vec<Kill>) -> Vec<Case> {
    let reference = Arc::new(reference);
    let case_of = |kill| {
        let reference = Arc::clone(&reference);
        async move { tokio::spawn(case(reference, ledger, kill)).await.unwrap() }
    };
    futures::stream::iter(kills).map(case_of).buffer_unordered(AT_ONCE).collect().await
}

/// The points to strike: all, or a choice in which every phase is and every kind of request has its
/// turn.
fn chosen(reference: &Reference, ledger: LedgerIs) -> Vec<Point> {
    let of_ledger = ledger == LedgerIs::Postgres;
    let is_meant = |point: &&Point| point.request.starts_with("ledger ") == of_ledger;
    let all: BTreeSet<Point> = reference.points.iter().filter(is_meant).cloned().collect();
    match wanted().as_str() {
        "all" => return all.into_iter().collect(),
        "" => {}
        some => return all.into_iter().filter(|p| p.to_string().contains(some)).collect(),
    }
    let mut kinds: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for point in all {
        kinds.entry(point.kind()).or_default().push(point);
    }
    let every = kinds.len().div_ceil(SAMPLE);
    let turn = |(turn, points): (usize, Vec<Point>)| points[turn % points.len()].clone();
    kinds.into_values().enumerate().step_by(every).map(turn).collect()
}

/// `all`, or a part of the name of the points to strike; empty for a choice.
#[expect(clippy::disallowed_methods, reason = "scripts/test-faults says here that it wants all")]
fn wanted() -> String {
    std::env::var("REPLAY_ARCHIVER_TEST_FAULTS").unwrap_or_default()
}

/// Kills a run at a point or, where that does not come, at one of its like before it.
async fn case(reference: Arc<Reference>, ledger: LedgerIs, kill: Kill) -> Case {
    let kills = std::iter::successors(Some(kill.clone()), Kill::one_before);
    for kill in kills.take(EARLIER + 1) {
        match attempt(&reference, ledger, kill).await {
            Case::Missed(kill) => eprintln!("it did not come to {kill}"),
            case => return case,
        }
    }
    Case::Missed(kill)
}

/// Kills a run, starts it again until it is done, and checks everything. What is wrong is told with
/// what the program said.
async fn attempt(reference: &Reference, ledger: LedgerIs, kill: Kill) -> Case {
    let world = World::start(ledger).await;
    let all = AssertUnwindSafe(strike_and_check(reference, &world, &kill));
    let case = all.catch_unwind().await;
    case.unwrap_or_else(|_| {
        eprintln!("that was after {kill}:\n{}", world.said());
        Case::Wrong(kill)
    })
}

async fn strike_and_check(reference: &Reference, world: &World, kill: &Kill) -> Case {
    let mut ended = world.run(Some(kill)).await;
    if ended != Ended::Killed {
        assert_eq!(ended, Ended::With(0), "the run was not killed");
        return Case::Missed(kill.clone());
    }
    reference.holds(world).await;
    uploads_are_known(world).await;
    let mut runs = 1;
    while ended != Ended::With(0) {
        assert!(runs < MOST_RUNS, "run {runs} ended as {ended:?}");
        ended = world.run(None).await;
        runs += 1;
    }
    let collected = collect(world).await;
    let twice = reference.is_reached(world).await;
    Case::Good(Cost { runs, twice, collected })
}

/// Says what the kills came to; returns how many were none.
fn report(what: &str, cases: &[Case]) -> usize {
    let (mut missed, mut wrong, mut restarts, mut most, mut aborted) = (0, 0, 0, 0, 0);
    for case in cases {
        match case {
            Case::Missed(kill) => {
                eprintln!("it never came to {kill} nor to those before it");
                missed += 1;
            }
            Case::Wrong(kill) => {
                eprintln!("NOT GOOD after {kill}");
                wrong += 1;
            }
            Case::Good(Cost { runs, twice, collected }) => {
                restarts += runs - 1;
                most = most.max(*twice);
                aborted += collected;
            }
        }
    }
    let (all, struck) = (cases.len(), cases.len() - missed);
    eprintln!(
        "{all} {what}: {struck} struck, {restarts} restarts, at most {most} bytes moved twice, \
         {aborted} unfinished uploads collected"
    );
    assert_eq!(wrong, 0, "kills that were not made good");
    missed
}
