//! Faults of the store: what a row is, and which requests it strikes.

mod conditional;
mod everything;
mod manners;
mod passing;
mod resumed;
mod room;
mod segment;
mod silent;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use super::check::{Row, acted, check_all};
use super::expect::Expect;
use crate::pipeline::world::World;
use crate::strict::{Effect, Request};

/// Which requests of the night are struck.
type Which = fn(&Request) -> bool;

/// Every time.
const ALWAYS: u32 = u32::MAX;

/// A row in which the first `times` requests of a kind are struck.
fn row(
    name: &str,
    room: &'static str,
    which: Which,
    times: u32,
    effect: Effect,
    expect: Expect,
) -> Row {
    let struck = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&struck);
    let strike = move |world: &World| {
        let (effect, counted) = (effect.clone(), Arc::clone(&counted));
        world.front.strict().fault(move |request| {
            let is_struck = which(request) && counted.fetch_add(1, Ordering::Relaxed) < times;
            is_struck.then(|| effect.clone())
        });
    };
    let name = name.to_owned();
    let heal = {
        let name = name.clone();
        move |_: &World| assert!(struck.load(Ordering::Relaxed) > 0, "{name}: it never struck")
    };
    Row { heal: Box::new(heal), ..acted(&name, room, strike, expect) }
}

/// The same where a recording takes minutes.
fn slow(row: Row) -> Row {
    let strike = row.strike;
    let slowly = move |world: &World| {
        let (clock, wechat) = (world.clock.clone(), world.sandbox.clock());
        world.front.strict().fault(move |request| {
            if put(request) {
                clock.advance(SignedDuration::from_mins(2));
                wechat.advance(Duration::from_secs(120));
            }
            None
        });
        strike(world);
    };
    Row { strike: Box::new(slowly), ..row }
}

/// The same on a store whose answers to writes prove nothing, so that it looks at what it wrote.
fn unproven(row: Row) -> Row {
    let strike = row.strike;
    let strike = move |world: &World| {
        world.front.strict().prove_nothing();
        strike(world);
    };
    Row { strike: Box::new(strike), ..row }
}

fn refuse(status: u16, code: &'static str) -> Effect {
    Effect::Refuse { status, code, retry_after: None }
}

/// Of room 2: the object of its recording.
fn is_segment(request: &Request) -> bool {
    request.key.starts_with("live/wx1/rooms/2/segments/")
}

fn put(request: &Request) -> bool {
    is_segment(request) && request.method == "PUT"
}

fn begin(request: &Request) -> bool {
    is_segment(request) && request.method == "POST" && request.asks("uploads")
}

fn second_part(request: &Request) -> bool {
    put(request) && request.query.contains("partNumber=2")
}

fn complete(request: &Request) -> bool {
    is_segment(request) && request.method == "POST" && request.asks("uploadId")
}

fn head(request: &Request) -> bool {
    is_segment(request) && request.method == "HEAD"
}

fn manifest(request: &Request) -> bool {
    request.method == "PUT" && request.key == "live/wx1/rooms/2/manifest.json"
}

fn sums(request: &Request) -> bool {
    request.method == "PUT" && request.key == "live/wx1/rooms/2/SHA256SUMS"
}

fn catalog(request: &Request) -> bool {
    request.method == "PUT" && request.key == "live/wx1/catalog.json"
}

/// The look at the manifest's place, where the listing of the run has become old.
fn look(request: &Request) -> bool {
    request.method == "HEAD" && request.key == "live/wx1/rooms/2/manifest.json"
}

/// The look through the bucket for what is archived.
fn survey(request: &Request) -> bool {
    request.query.split('&').any(|parameter| parameter == "prefix=live%2Fwx1%2Frooms%2F")
}

fn write(request: &Request) -> bool {
    request.is_write()
}

fn any(_: &Request) -> bool {
    true
}

#[test]
fn a_fault_of_the_store_that_lasts_has_its_place_reason_and_hint() {
    check_all(
        [segment::rows(), room::rows(), conditional::rows(), everything::rows()]
            .into_iter()
            .flatten()
            .collect(),
    );
}
