//! The program is killed at every request it makes, in every phase of it, and at every change of
//! its ledger; started again, it comes to what an undisturbed run comes to.
//!
//! `scripts/test-faults` strikes every point. `scripts/test` strikes a fixed choice of them.

mod check;
mod http;
mod name;
mod postgres;
mod strike;
mod world;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};

use check::Reference;
use strike::Point;
use world::{Ended, LedgerIs, World};

/// Worlds at once.
const AT_ONCE: usize = 4;

/// Of how many points the tests of every day strike some.
const SAMPLE: usize = 20;

/// No kill costs more runs than this.
const MOST_RUNS: u32 = 2;

/// What became of a point.
enum Case {
    /// The request never came: the program did things in another order.
    Missed(Point),
    /// All was well in the end.
    Good {
        runs: u32,
        twice: u64,
    },
    Wrong(Point),
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_any_request_is_made_good_by_the_next_one() {
    kill_everywhere(LedgerIs::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_killed_at_any_change_of_the_ledger_is_made_good_by_the_next_one() {
    kill_everywhere(LedgerIs::Postgres).await;
}

async fn kill_everywhere(ledger: LedgerIs) {
    let world = World::start(ledger).await;
    assert_eq!(world.run(None).await, Ended::With(0), "{}", world.said());
    let reference = Reference::of(&world).await;
    let points = chosen(&reference, ledger);
    assert!(!points.is_empty(), "there is no such point");
    let reference = Arc::new(reference);
    let cases = points.into_iter().map(|point| {
        let reference = Arc::clone(&reference);
        async move {
            let task = tokio::spawn(case(reference, ledger, point));
            task.await.unwrap()
        }
    });
    let cases: Vec<Case> = futures::stream::iter(cases).buffer_unordered(AT_ONCE).collect().await;
    report(ledger, &cases);
}

/// The points to strike: all, or a choice that has every kind of request in it and every phase.
fn chosen(reference: &Reference, ledger: LedgerIs) -> Vec<Point> {
    let is_ledgers = |point: &&Point| point.request.starts_with("ledger ");
    let of_ledger = ledger == LedgerIs::Postgres;
    let all: BTreeSet<Point> =
        reference.points.iter().filter(|p| is_ledgers(p) == of_ledger).cloned().collect();
    let all: Vec<Point> = all.into_iter().collect();
    match faults().as_str() {
        "" => {}
        "all" => return all,
        some => return all.into_iter().filter(|p| p.to_string().contains(some)).collect(),
    }
    // A step that has no divisor in common with the number of phases of a request.
    let step = (all.len() / SAMPLE).max(1) | 1;
    all.into_iter().step_by(step).collect()
}

#[expect(clippy::disallowed_methods, reason = "scripts/test-faults says here that it wants all")]
fn faults() -> String {
    std::env::var("REPLAY_ARCHIVER_TEST_FAULTS").unwrap_or_default()
}

/// Kills a run at a point, starts it again until it is done, and checks everything. What is wrong
/// is told with what the program said.
async fn case(reference: Arc<Reference>, ledger: LedgerIs, point: Point) -> Case {
    let world = World::start(ledger).await;
    let all = AssertUnwindSafe(strike_and_check(&reference, &world, &point));
    let case = all.catch_unwind().await;
    case.unwrap_or_else(|_| {
        eprintln!("that was after {point}:\n{}", world.said());
        Case::Wrong(point)
    })
}

async fn strike_and_check(reference: &Reference, world: &World, point: &Point) -> Case {
    let mut ended = world.run(Some(point.clone())).await;
    if ended != Ended::Killed {
        assert_eq!(ended, Ended::With(0), "the run was not killed");
        return Case::Missed(point.clone());
    }
    reference.holds(world).await;
    let mut runs = 1;
    while ended != Ended::With(0) {
        assert!(runs < MOST_RUNS, "run {runs} ended as {ended:?}");
        ended = world.run(None).await;
        runs += 1;
    }
    let twice = reference.is_reached(world, point).await;
    Case::Good { runs, twice }
}

fn report(ledger: LedgerIs, cases: &[Case]) {
    let (mut missed, mut wrong, mut restarts, mut most) = (0, 0, 0, 0);
    for case in cases {
        match case {
            Case::Missed(point) => {
                eprintln!("it never came to {point}");
                missed += 1;
            }
            Case::Wrong(point) => {
                eprintln!("NOT GOOD after {point}");
                wrong += 1;
            }
            Case::Good { runs, twice } => {
                restarts += runs - 1;
                most = most.max(*twice);
            }
        }
    }
    let points = cases.len();
    eprintln!(
        "{ledger:?}: {points} points, {} struck, {restarts} restarts, at most {most} bytes moved twice",
        points - missed
    );
    assert_eq!(wrong, 0, "kills that were not made good");
    assert!(missed * 20 <= points, "{missed} of {points} points never came");
}
