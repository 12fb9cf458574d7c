//! Conditions that a store refuses, or understands in a way of its own.
//!
//! A manifest is put only where nothing is there yet, and replaced only where it is the one that was
//! read. Where a store refuses that, though nothing has changed, the manifest is put all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::check::{LARGE, Row, SMALL};
use super::super::expect::{SAVED, failed};
use super::{ALWAYS, manifest, refuse, row, second_part};
use crate::pipeline::world::World;
use crate::strict::Request;

const REFUSALS: [(u16, &str); 4] = [
    (412, "PreconditionFailed"),
    (409, "ConditionalRequestConflict"),
    (501, "NotImplemented"),
    (400, "InvalidArgument"),
];

pub fn rows() -> Vec<Row> {
    REFUSALS.into_iter().flat_map(|refusal| [first(refusal), next(refusal)]).collect()
}

fn conditional(request: &Request) -> bool {
    manifest(request) && request.is_conditional
}

/// Refuses what the first manifest is put with, `If-None-Match`.
fn first((status, code): (u16, &'static str)) -> Row {
    let name = format!("{status} to If-None-Match");
    row(&name, SMALL, conditional, ALWAYS, refuse(status, code), SAVED)
}

/// Refuses what the next manifest is put with, `If-Match`: that of the night after, when the part
/// that fails in this one is taken.
fn next((status, code): (u16, &'static str)) -> Row {
    let name = format!("{status} to If-Match");
    let no_part = refuse(500, "InternalError");
    let row = row(&name, LARGE, second_part, ALWAYS, no_part, failed("500 InternalError"));
    let struck = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&struck);
    let heal = move |world: &World| {
        let (refused, counted) = (refuse(status, code), Arc::clone(&counted));
        world.front.strict().fault(move |request| {
            let is_struck = conditional(request);
            counted.fetch_add(u32::from(is_struck), Ordering::Relaxed);
            is_struck.then(|| refused.clone())
        });
    };
    let after = move |_: &World| assert!(struck.load(Ordering::Relaxed) > 0, "it never struck");
    Row { heal: Box::new(heal), after: Box::new(after), ..row }
}
